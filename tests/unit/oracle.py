#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Check the output of emit-clock-math against exact arithmetic.

usage: emit-clock-math --emit COUNT --seed SEED | oracle.py

Everything is computed anew with Python's big integers and fractions, from
what the functions are for, not from how the C does it. Prints the number of
cases per function; exits 1 after the first ten wrong ones, which it prints
with the seed.
"""
import sys

import oracle_causal
import oracle_math
import oracle_plan
import oracle_rate
from oracle_math import Wrong, must


def main():
    checks = {**oracle_math.CHECKS, **oracle_plan.CHECKS,
              **oracle_causal.CHECKS, **oracle_rate.CHECKS}
    counts = dict.fromkeys(checks, 0)
    granted = dict.fromkeys(checks, 0)
    seed, wrong = 'unknown', 0
    for line in sys.stdin:
        words = line.split()
        if words[0] == '#':
            seed = words[-1]
            continue
        at = words.index('=')
        name = words[0]
        try:
            must('touched' not in words, 'refused, but a result was written')
            got = [int(w) for w in words[at + 1:]]
            checks[name]([int(w) for w in words[1:at]], got)
        except Wrong as why:
            print('WRONG (CLOCKFERRY_SEED=%s): %s: %s' %
                  (seed, line.strip(), why))
            wrong += 1
            if wrong == 10:
                break
        counts[name] += 1
        granted[name] += got[0] == 1
    print('seed %s, %d cases, %d wrong' % (seed, sum(counts.values()), wrong))
    for name in checks:
        print('  %-15s %7d, %7d of them granted' %
              (name, counts[name], granted[name]))
        both = 0 < granted[name] < counts[name] or name == 'loop'
        if not wrong and not both:
            print('WRONG: %s: one of the two answers never came' % name)
            wrong += 1
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
