#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Compute the tables of docs/accuracy.rst, and check that it has them.

usage: accuracy.py [docs/accuracy.rst FLEET]

Without an argument the rows are printed. With them, each row must be a line of
that file, and what the program FLEET draws must be in it; the exit status is 1
if one isn't.
"""
import subprocess
import sys
from fractions import Fraction

HOUR, DAY = 3600, 86400
PPB, PPM = Fraction(1, 10 ** 9), Fraction(1, 10 ** 6)


def digits(x, n=3):
    """n significant digits, without exponent."""
    x = float(x)
    if x == 0:
        return '0'
    text = '%.*e' % (n - 1, x)
    places = max(0, n - 1 - int(text.split('e')[1]))
    out = '%.*f' % (places, float(text))
    return out.rstrip('0').rstrip('.') if '.' in out else out


def seconds(x):
    for unit, size in (('s', 1), ('ms', 1000), ('µs', 10 ** 6)):
        if abs(x) * size >= Fraction(1, 2):
            return '%s %s' % (digits(x * size), unit)
    return '%s ns' % digits(x * 10 ** 9) if x else '0'


def rate(x):
    if abs(x) >= Fraction(1, 10 ** 7):
        return '%s ppm' % digits(x / PPM)
    return '%s ppb' % digits(x / PPB) if x else '0'


def growth(what, error):
    return '   "%s", %s, %s, %s' % (what, rate(error), seconds(error * HOUR),
                                    seconds(error * DAY))


def mul_error(hz):
    """How much faster the pvclock record is than the TSC that it is for."""
    exact = Fraction(10 ** 9 * 2 ** 32, hz)
    while exact >= 2 ** 32:
        exact /= 2
    while exact < 2 ** 31:
        exact *= 2
    return (exact.numerator // exact.denominator) / exact - 1


def rows():
    for what, error_ns in (('1 ms', 10 ** 6), ('100 µs', 10 ** 5),
                           ('1 µs', 1000), ('50 ns', 50)):
        yield '   %s, %d' % (what, error_ns * 5 // 2)
    yield growth('mul, at worst', -Fraction(1, 2 ** 31))
    for mhz in (1000, 2000, 2100, 2400, 2500, 3000, 3700, 5000):
        yield growth('mul, %s GHz' % digits(Fraction(mhz, 1000)),
                     mul_error(mhz * 10 ** 6))
    for name, bits in (('AMD', 32), ('Intel', 48)):
        for ratio in (1, Fraction(1, 2), Fraction(1, 4)):
            yield growth('%s ratio about %s' % (name, digits(ratio)),
                         1 / (2 ** bits * ratio))
    for ghz in (1, Fraction(5, 2), 4):
        yield growth('1 kHz, %s GHz' % digits(ghz),
                     Fraction(1000) / (ghz * 10 ** 9))
    yield growth('2 kHz, 2.5 GHz', Fraction(2, 2500000))
    yield growth('limit of auto for promised guests', PPM)
    yield growth('limit of auto, and KVM\'s tolerance', 250 * PPM)
    for error in (Fraction(4, 10), Fraction(8, 10), 4):
        yield '   %s ppm, %s' % (digits(error),
                                 seconds(90 * DAY * error * PPM))
    for ghz in (1, Fraction(5, 2), 5):
        khz = ghz * 10 ** 6
        yield '   %s GHz, %s h, %s years' % (
            digits(ghz), digits(2 ** 63 / khz / 10 ** 9 / HOUR),
            digits(2 ** 64 / (khz * 1000) / (DAY * 365.25)))


def main():
    if len(sys.argv) == 1:
        print('\n'.join(rows()))
        return 0
    with open(sys.argv[1], encoding='utf-8') as page:
        text = page.read()
    lines = set(text.splitlines())
    missing = [row for row in rows() if row not in lines]
    for row in missing:
        print('%s lacks the line: %s' % (sys.argv[1], row))
    drawn = subprocess.run(sys.argv[2], check=True, stdout=subprocess.PIPE,
                           encoding='utf-8').stdout
    if drawn not in text:
        print('%s lacks the picture:\n%s' % (sys.argv[1], drawn))
        return 1
    return 1 if missing else 0


if __name__ == '__main__':
    sys.exit(main())
