# SPDX-License-Identifier: GPL-2.0-or-later
"""What the decisions of clock-tsc.h, clock-plan.h, clock-fn.h and clock-ladder.h must be.

As oracle_math.py, from what they are for."""
from fractions import Fraction

from oracle_math import (GIGA, S64_MAX, U32_MAX, WRAP, elapsed, evaluate,
                         exact_hz, khz_of, must, same, valid_fn, valid_freq,
                         whole)
from oracle_rate import tsc_time_of

MILLION = 10 ** 6
COPIED, COMPUTED, UNKNOWN = 1, 2, 5
CLOSED_LOOP = 2


def signed(x):
    """Of 64 bits"""
    return (x + (WRAP >> 1)) % WRAP - (WRAP >> 1)


def scaled(host, freq):
    """A host TSC times the ratio; not yet wrapped"""
    return whole(Fraction(host * freq[2], 2 ** freq[1]))


def ratio_for(khz, host_khz, bits):
    """KVM's, or None if the hardware has none"""
    largest = {32: 2 ** 40 - 1, 48: 2 ** 64 - 1}.get(bits)
    if not largest or not khz or not host_khz:
        return None
    ratio = whole(Fraction(khz, host_khz) * 2 ** bits)
    return ratio if 0 < ratio < largest else None


# --- one vCPU ----------------------------------------------------------------

def is_tolerated(khz, host, ppm):
    ppm = min(ppm, MILLION)
    return whole(Fraction(host * (MILLION - ppm), MILLION)) <= khz <= \
        whole(Fraction(host * (MILLION + ppm), MILLION))


def tolerated(a, got):
    must(got == [int(is_tolerated(*a))], 'wrong')


def may_show(before, guest, after, freq, offset):
    """Is there an instant in between at which the TSC reads that?"""
    low, high = scaled(before, freq), scaled(after, freq)
    return (guest - offset - low) % WRAP <= (high - low) % WRAP


def fits(a, got):
    freq = a[3:6]
    must(got == [int(valid_freq(*freq) and may_show(*a[:3], freq, a[6]))],
         'wrong')


def measure(a, got):
    before, guest, after = a[:3]
    freq = a[3:]
    if not valid_freq(*freq):
        return same(got, None)
    must(len(got) == 3 and got[0] == 1, 'refused')
    offset, error = got[1:]
    latest, earliest = guest - scaled(before, freq), guest - scaled(after, freq)
    width = (latest - earliest) % WRAP
    must((latest - offset) % WRAP <= error, 'the offset may be larger')
    must((offset - earliest) % WRAP <= error, 'the offset may be smaller')
    must(error <= width // 2 + 1, 'the error is less')


def derive(a, got):
    khz, host, bits, ppm, read, before, guest, after, offset = a
    plain = [host, bits, 2 ** bits]
    ratio = ratio_for(khz, host, bits)
    fitting = [freq for freq in (plain, ratio and [host, bits, ratio])
               if freq and valid_freq(*freq) and
               may_show(before, guest, after, freq, offset)]
    if khz == host or (not read and is_tolerated(khz, host, ppm)) or \
            (read and plain in fitting):
        return same(got, [1] + plain)
    if ratio is None:
        return same(got, None)
    same(got, [int(not read or bool(fitting)), host, bits, ratio])


# --- the move ----------------------------------------------------------------

def move(a, got):
    then, now, (khz, is_same, freeze, limit, seen) = a[:3], a[3:6], a[6:11]
    rate, passed = a[11:], elapsed(now, then)
    if passed is not None and not is_same:
        passed, _ = tsc_time_of(passed, 0, *rate) or (None, None)
    if is_same:
        ticks = (now[0] - then[0]) % WRAP
        passed = whole(Fraction(ticks * MILLION, khz)) if khz else None
        passed = None if passed is None or passed > S64_MAX else passed
    if passed is None:
        return same(got, None)
    behind, passed = max(-passed, 0), max(passed, 0)
    limits = None if is_same or not seen else tsc_time_of(seen, 0, *rate)
    ahead = max(passed - limits[0], 0) if limits else 0
    if ahead and ahead > limits[1]:
        passed = limits[0]
    else:
        ahead = 0
    frozen = freeze or passed > limit
    same(got, [behind, ahead, int(frozen), passed, 0 if frozen else passed])


def vcpus(a):
    """[(src known, dst known, src freq, dst freq, src, dst, error)]"""
    size = 11
    must(len(a) == 1 + a[0] * size, 'the case is incomplete')
    return [(*v[:2], v[2:5], v[5:8], *v[8:]) for v in
            (a[1 + i * size:1 + (i + 1) * size] for i in range(a[0]))]


def skew(a, got):
    then, now = a[:2]
    moved = []
    for src_known, dst_known, src, dst, old, new, error in vcpus(a[2:]):
        if not src_known or not dst_known or error or \
                not valid_freq(*src) or not valid_freq(*dst):
            return same(got, None)
        moved.append(scaled(now, dst) + new - scaled(then, src) - old)
    apart = [signed(ticks - moved[0]) for ticks in moved]
    same(got, [max(apart) - min(apart)])


def rate_of(dst, src):
    """In 10^-12, exactly; None if it isn't known"""
    if not valid_freq(*dst) or not valid_freq(*src):
        return None
    return (khz_of(*dst) / khz_of(*src) - 1) * 10 ** 12


def rate(a, got):
    errors = [rate_of(v[3], v[2]) if v[0] and v[1] else None
              for v in vcpus(a)]
    if None in errors:
        return same(got, None)
    worst = max(abs(error) for error in errors)
    if worst > S64_MAX:
        return same(got, None)
    if got == [0]:      # beyond 2^118, as in rate_error_ppt()
        return must(worst > 10 ** 15 or any(
            max(khz_of(*v[2]), khz_of(*v[3])) *
            2 ** max(v[2][1], v[3][1]) >= 2 ** 118 for v in vcpus(a)),
            'refused')
    must(got[0] == 1 and worst <= abs(got[1]) < worst + 1, 'want %s' %
         float(worst))
    must(any(abs(error) > worst - 1 and (error > 0) == (got[1] > 0)
             for error in errors) or not got[1], 'wrong sign')


def tsc_plan(a, got):
    then, now, is_same, frozen, elapsed_ns = a[:5]
    all_vcpus = vcpus(a[5:])
    if not all(v[0] and v[1] for v in all_vcpus):
        return must(got == [UNKNOWN], 'a TSC is unknown')
    if is_same and not frozen and all(rate_of(v[3], v[2]) == 0
                                      for v in all_vcpus):
        return must(got == [COPIED] + [v[4] for v in all_vcpus], 'not copied')
    if got[0] == UNKNOWN or not all(valid_freq(*v[3]) for v in all_vcpus):
        return must(got == [UNKNOWN] and not all(
            valid_freq(*v[3]) for v in all_vcpus), 'can be computed')
    must(got[0] == COMPUTED, 'not computed')
    first = all_vcpus[0][2]
    shift = whole(Fraction(elapsed_ns, GIGA) * 1000 * khz_of(*first))
    if is_same and not frozen:
        shift = scaled(now, first) - scaled(then, first)
    for wanted, (_, _, src, dst, old, _, _) in zip(got[1:], all_vcpus):
        must((scaled(now, dst) + wanted - scaled(then, src) - old - shift) %
             WRAP == 0, 'it would not move by %d' % shift)


# --- kvmclock ----------------------------------------------------------------

def runs_at(mul, shift, freq, near_hz):
    """near_hz: None for 1 per mille"""
    hz, khz = exact_hz(mul, shift), khz_of(*freq)
    if not (Fraction(1, 2) <= hz < WRAP - 1 and
            Fraction(1, 2) <= khz < U32_MAX + Fraction(1, 2)):
        return False
    hz, khz = whole(hz + Fraction(1, 2)), whole(khz + Fraction(1, 2))
    return abs(hz - khz * 1000) <= (khz if near_hz is None else near_hz)


def reads(a, near_ns, share):
    """Is the clock what the function says it is at the anchor?"""
    freq, (offset, host, clock) = a[4:7], a[7:]
    ns = evaluate(*a[:4], (scaled(host, freq) + offset) % WRAP)
    return ns is not None and clock <= S64_MAX and \
        abs(ns - clock) <= near_ns + (ns - a[1]) // share


def page(a, got):
    version, flags, a = *a[:2], a[2:]
    mul, shift, freq = a[2], a[3], a[4:7]
    believed = version % 2 == 0 and flags % 2 and valid_fn(mul, shift) and \
        runs_at(mul, shift, freq, 2000) and reads(a, MILLION, 500000)
    must(got == [int(believed)], 'wrong')


def clocks(a, got):
    known, a = a[0], a[1:]
    mul, shift, freq = a[2], a[3], a[4:7]
    good = valid_fn(mul, shift) and runs_at(mul, shift, freq, None) and \
        a[9] <= S64_MAX and (not known or reads(a, GIGA, 1000))
    must(got == [int(good)], 'wrong')


def bound(a, got):
    rung, known, residual, error, carried, pending, tsc, rate_known, ppt, \
        first_run = a
    if not (known and carried and rate_known and tsc <= COMPUTED):
        return same(got, None)
    parting = (abs(ppt) if abs(ppt) > 1000 else 0) + pending * MILLION
    ns = abs(residual) + error + 2
    if parting and rung >= CLOSED_LOOP:
        ns += whole(Fraction(parting * first_run, 10 ** 12)) + 1
    same(got, [ns] if ns < WRAP else None)


# --- the closed loop ---------------------------------------------------------

WINDOW, CLAMP, HUGE = 7, 1000, 2 * (2 ** 31 - 1)
BUDGET, LONGEST = 4 * MILLION, 4 * MILLION // 256


def enough(tries, spent, best):
    """A miss that ends the loop, in ns"""
    if tries <= 8 or spent < BUDGET // 16:
        return 0
    if spent < BUDGET * 5 // 16:
        return 1
    return max(2, best) if spent >= BUDGET * 7 // 8 else 2


def loop(a, _got):
    misses, sizes, correction, spent = [], [], 0, 0
    for i in range(0, len(a), 5):
        residual, took, stop, now, tries = a[i:i + 5]
        spent += min(took, LONGEST)
        size = abs(residual)
        misses.append(max(-HUGE, min(HUGE, residual)) + correction)
        must(tries == len(misses), 'tries')
        want = spent >= BUDGET or \
            size <= enough(tries, spent, min(sizes, default=0))
        must(stop == want, 'try %d must return %d' % (tries, want))
        must(abs(now) <= CLAMP, 'correction beyond the clamp')
        if stop:
            must(i + 5 == len(a), 'went on')
            must(spent >= BUDGET or tries < 256 * 40, 'too long')
            return
        sizes.append(size)
        window = sorted(misses[-WINDOW:])
        median = window[(len(window) - 1) // 2]
        must(now == max(-CLAMP, min(CLAMP, median)),
             'try %d: correction %d is not the median' % (tries, now))
        correction = now


CHECKS = {f.__name__: f for f in (
    tolerated, fits, measure, derive, move, skew, rate, tsc_plan, page,
    clocks, bound, loop)}
