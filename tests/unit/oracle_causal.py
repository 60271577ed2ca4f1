# SPDX-License-Identifier: GPL-2.0-or-later
"""What the limits of clock-causal.h must be.

As the corners of a polygon: the (clock now, rate) that no message contradicts,
in exact fractions, found by trying every pair of its sides. The C finds them
another way."""
from fractions import Fraction
from itertools import combinations

from oracle_math import WRAP, must
from oracle_plan import signed

TERA = 10 ** 12
DOUBT, FAR, MOST = 10 ** 9, 2 ** 58, 32


def sides(exchanges, src_khz, dst_khz, start, now, rounding):
    """[(age, least, greatest)]: what each says of the clock now, if the rate
    was nominal since; None if one is out of range. Readings are whole ticks;
    with @rounding ages are, too, for which the C has two ticks more."""
    slack = src_khz // dst_khz + 3 + 2 * rounding
    found = []
    for sent, arrived, back, answered in exchanges:
        age = Fraction((now - arrived) % WRAP * src_khz, dst_khz)
        age = Fraction(int(age)) if rounding else age
        sent, trip = signed(sent - start), (back - sent) % WRAP
        if int(age) > FAR or abs(sent) > FAR or (answered and trip > FAR):
            return None
        found.append((age, sent + age - slack,
                      sent + trip + age + slack if answered else None))
    return found


def corners(found, doubt):
    """[(clock, rate)] of the polygon: clock - rate x age lies in a span"""
    lines = [(0, 1, Fraction(-doubt, TERA)), (0, 1, Fraction(doubt, TERA))]
    for age, least, greatest in found:
        lines += [(1, -age, limit) for limit in (least, greatest)
                  if limit is not None]
    for (a, b, c), (d, e, f) in combinations(lines, 2):
        det = a * e - b * d
        if det:
            yield (c * e - b * f) / det, (a * f - c * d) / det


def polygon(found, doubt):
    """The corners that no side cuts off: the least and greatest clocks and
    rates are among them"""
    return [(clock, rate) for clock, rate in corners(found, doubt)
            if abs(rate * TERA) <= doubt and all(
                least <= clock - rate * age and
                (greatest is None or clock - rate * age <= greatest)
                for age, least, greatest in found)]


def contains(got, corners_):
    least, greatest, _, slowest, fastest, _ = got
    clocks, rates = zip(*corners_)
    must(least <= min(clocks) and max(clocks) <= greatest,
         'the clock may be %d to %d' % (min(clocks), max(clocks)))
    must(slowest <= min(rates) * TERA and max(rates) * TERA <= fastest,
         'the rate may be %d to %d' % (min(rates) * TERA, max(rates) * TERA))


def narrow(got, corners_, longest):
    """To a tick, and to the rate's last digit over the longest age"""
    clocks = [clock for clock, _ in corners_]
    spare = 2 + 2 * longest / TERA
    must(min(clocks) - got[0] <= spare and got[1] - max(clocks) <= spare,
         'proven is %d to %d' % (min(clocks), max(clocks)))


def estimate(got, found):
    """The middle of what is left if the rate is the middle of its limits"""
    least, greatest, best, slowest, fastest, _ = got
    rate = Fraction((slowest + fastest) // 2, TERA)
    middle = (max(low + rate * age for age, low, _ in found) +
              min(high + rate * age for age, _, high in found
                  if high is not None)) / 2
    must(abs(best - min(max(middle, least), greatest)) <= 2,
         'the estimate is %d' % middle)


def channel(a, got):
    src_khz, dst_khz, doubt, wander = a[:4]
    exchanges = [a[i:i + 4] for i in range(6, len(a), 4)]
    trips = [(back - sent) % WRAP
             for sent, _, back, answered in exchanges if answered]
    if not trips or len(exchanges) > MOST or not src_khz or not dst_khz or \
            not 0 <= doubt <= DOUBT or not 0 <= wander <= DOUBT:
        return must(got == [0], 'must be refused')
    sure, wide = (sides(exchanges, src_khz, dst_khz, *a[4:6], rounding)
                  for rounding in (0, 1))
    if not sure:
        return must(got == [0], 'out of range')
    sure, ages = polygon(sure, doubt), [side[0] for side in sure]
    if got == [0]:
        return must(not sure, 'was refused')
    must(got[1] <= got[3] <= got[2], 'the estimate is outside')
    must(got[6] == min(trips), 'another round trip is shortest')
    estimate(got[1:], wide)
    wide = polygon(wide, doubt)
    must(wide or wander, 'it contradicts itself')
    if sure:
        contains(got[1:], sure)
    if wide and not wander:
        narrow(got[1:], wide, max(ages))
    return None


CHECKS = {'channel': channel}
