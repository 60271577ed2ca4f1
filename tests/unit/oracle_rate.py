# SPDX-License-Identifier: GPL-2.0-or-later
"""What clock-rate.h must answer, in exact fractions."""
from fractions import Fraction
from math import ceil, floor

from oracle_math import S64_MAX, S64_MIN, elapsed, must, same, whole

TERA, MILLION, U64_MAX = 10 ** 12, 10 ** 6, 2 ** 64 - 1
ANY_PPT = 500 * MILLION             # where nothing is known
FAR_PPT = 2 ** 62


def clip(ppt):
    return max(-FAR_PPT, min(FAR_PPT, ppt))


def measure_rate(a, got):
    """Contains all rates that both readings allow, and hardly more."""
    then, error, now, error_too, khz = a[:3], a[3], a[4:7], a[7], a[8]
    passed, ticks = elapsed(now, then), now[0] - then[0]
    error += error_too
    if passed is None or ticks < 0 or not khz or ticks * MILLION // khz > \
            S64_MAX or error + 2 > min(U64_MAX - 1, passed - 1) or \
            ticks * MILLION // khz < MILLION // khz + 2:
        return must(got == [0], 'must be refused')
    must(got[0] == 1, 'was refused')
    # Each reading may be a tick and a ns old.
    least = Fraction((ticks - 1) * MILLION, khz) / (passed + error + 1) - 1
    greatest = Fraction((ticks + 1) * MILLION, khz) / (passed - error - 1) - 1
    must(got[1] <= clip(least * TERA) and clip(greatest * TERA) <= got[2],
         'the rate may be %s to %s' % (float(least), float(greatest)))
    spare_ns = Fraction(2 * MILLION, khz) + 4
    tsc_ns = Fraction(ticks * MILLION, khz)
    must(got[1] >= clip(((tsc_ns - spare_ns) / (passed + error + 2) - 1) *
                        TERA) - 1 and
         got[2] <= clip(((tsc_ns + spare_ns) / (passed - error - 2) - 1) *
                        TERA) + 1, 'too wide')
    return None


def tsc_time_of(real_ns, bound_ns, ppt, doubt):
    """(time, bound) by such a TSC, or None"""
    if not doubt:
        ppt, doubt = 0, ANY_PPT
    time_ns = real_ns + floor(Fraction(real_ns * ppt, TERA))
    if not S64_MIN <= time_ns <= S64_MAX:
        return None
    more = ceil(Fraction(abs(real_ns) * doubt + bound_ns * (abs(ppt) + doubt),
                         TERA)) + 1
    return time_ns, min(bound_ns + more, U64_MAX)


def tsc_time(a, got):
    """That no time within the bound, at no rate within the doubt, is farther."""
    real_ns, bound_ns, ppt, doubt = a
    want = tsc_time_of(*a)
    same(got, want)
    if want and bound_ns < U64_MAX and want[1] < U64_MAX:
        if not doubt:
            ppt, doubt = 0, ANY_PPT
        worst = max(abs((real_ns + x) * (1 + Fraction(ppt + y, TERA)) - want[0])
                    for x in (-bound_ns, bound_ns) for y in (-doubt, doubt))
        must(worst <= want[1], 'it may be %d off' % worst)


def went_on(a, got):
    """If so, no TSC that began since could show this, by any true time."""
    then, error, now, error_too, khz = a[:3], a[3], a[4:7], a[7], a[8]
    passed = elapsed(now, then)
    real = None if passed is None else tsc_time_of(
        passed, min(error + error_too, U64_MAX), *a[9:])
    if not khz or not real or now[0] < then[0] or real[1] > S64_MAX:
        return same(got, None)
    age_ns, tsc_ns = (whole(Fraction(ticks * MILLION, khz))
                      for ticks in (now[0], now[0] - then[0]))
    apart_ns = abs(tsc_ns - real[0])
    if age_ns > U64_MAX or tsc_ns > S64_MAX or apart_ns > real[1] or \
            age_ns <= real[0] + real[1]:
        return same(got, None)
    return same(got, [real[1] + apart_ns])


CHECKS = {'measure_rate': measure_rate, 'tsc_time': tsc_time,
          'went_on': went_on}
