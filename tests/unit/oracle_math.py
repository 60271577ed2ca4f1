# SPDX-License-Identifier: GPL-2.0-or-later
"""What the functions of clock-math.h must answer, in exact arithmetic.

From what they are for, not from how the C does it. Each function gets a
case's inputs and its answer, and raises Wrong."""
from fractions import Fraction

WRAP = 1 << 64
S64_MAX = (1 << 63) - 1
S64_MIN = -(1 << 63)
U32_MAX = (1 << 32) - 1
GIGA = 10 ** 9
EITHER = object()           # "may be refused": any answer that is right


class Wrong(Exception):
    pass


def must(condition, what):
    if not condition:
        raise Wrong(what)


def whole(x):
    """Towards zero; used for what can't be negative."""
    return x.numerator // x.denominator


def valid_freq(khz, bits, ratio):
    return khz > 0 and ratio > 0 and bits <= 63


def khz_of(khz, bits, ratio):
    return Fraction(khz * ratio, 2 ** bits)


def same(got, want):
    """got: the fields after '='; want: None if it must be refused."""
    if want is None:
        must(got == [0], 'must be refused')
    else:
        must(got == [1] + list(want), 'want 1 %s' % ' '.join(map(str, want)))


# --- TSC ---------------------------------------------------------------------

def host_to_guest(a, got):
    host, khz, bits, ratio, offset = a
    want = None
    if valid_freq(khz, bits, ratio):
        want = [(whole(Fraction(host * ratio, 2 ** bits)) + offset) % WRAP]
    same(got, want)


def offset_for(a, got):
    guest, host, khz, bits, ratio = a
    if not valid_freq(khz, bits, ratio):
        return same(got, None)
    must(len(got) == 2 and got[0] == 1 and 0 <= got[1] < WRAP, 'want 1 OFFSET')
    scaled = whole(Fraction(host * ratio, 2 ** bits))
    must((scaled + got[1] - guest) % WRAP == 0, 'guest TSC would be %d' %
         ((scaled + got[1]) % WRAP))


def is_scaled(a, got):
    khz, bits, ratio = a
    must(got == [int(khz_of(khz, bits, ratio) != khz)], 'wrong')


def ratio_from_khz(a, got):
    guest, host, bits = a
    largest = {32: 2 ** 40 - 1, 48: 2 ** 64 - 1}.get(bits)
    want = None
    if largest and guest and host:
        ratio = whole(Fraction(guest, host) * 2 ** bits)
        if 0 < ratio < largest:
            want = [ratio]
    same(got, want)


def freq_khz(a, got):
    if not valid_freq(*a):
        return same(got, None)
    exact = khz_of(*a)
    if exact < Fraction(1, 2) or exact >= U32_MAX + Fraction(1, 2):
        return same(got, None)
    must(len(got) == 2 and got[0] == 1 and 0 < got[1] <= U32_MAX, 'refused')
    must(abs(got[1] - exact) <= Fraction(1, 2), 'not the nearest kHz')


def ns_to_ticks(a, got):
    ns, freq = a[0], a[1:]
    want = None
    if valid_freq(*freq):
        want = [whole(Fraction(ns, GIGA) * 1000 * khz_of(*freq)) % WRAP]
    same(got, want)


def ticks_to_ns(a, got):
    ticks, khz = a
    want = None
    if khz:
        ns = whole(Fraction(ticks, khz * 1000) * GIGA)
        want = [ns] if ns < WRAP else None
    same(got, want)


def rate_error_ppt(a, got):
    dst, src = a[:3], a[3:]
    if not valid_freq(*dst) or not valid_freq(*src):
        return same(got, None)
    d, s = khz_of(*dst), khz_of(*src)
    exact = (d - s) / s * 10 ** 12
    size = -(-abs(exact.numerator) // exact.denominator)
    want = [size if exact > 0 else -size] if size <= S64_MAX else None
    # Beyond 2^118 in units of the finer fraction it may give up.
    if max(d, s) * 2 ** max(dst[1], src[1]) >= 2 ** 118 and got == [0]:
        return EITHER
    same(got, want)
    # What the rounding is for: limits hold exactly.
    for limit in (1000, 10 ** 6, 250 * 10 ** 6):
        must(got == [0] or (abs(exact) <= limit) == (abs(got[1]) <= limit),
             'limit %d' % limit)


# --- pvclock records ---------------------------------------------------------

def valid_fn(mul, shift):
    return mul > 0 and abs(shift) <= 31


def evaluate(tsc, system, mul, shift, guest):
    """kvmclock as a guest computes it in 64-bit arithmetic, or None."""
    delta = (guest - tsc) % WRAP
    if not valid_fn(mul, shift) or delta >= 1 << 63:
        return None
    shifted = whole(delta * Fraction(2) ** shift)
    if shifted >= WRAP:
        return None
    ns = system + whole(Fraction(shifted * mul, 2 ** 32))
    return ns if ns <= S64_MAX else None


def fn_eval(a, got):
    ns = evaluate(*a)
    same(got, None if ns is None else [ns])


def exact_hz(mul, shift):
    """Ticks in the second in which the clock gains 10^9."""
    return GIGA / (Fraction(mul, 2 ** 32) * Fraction(2) ** shift)


def fn_hz(a, got):
    _tsc, _system, mul, shift = a
    if not valid_fn(mul, shift):
        return same(got, None)
    hz = exact_hz(mul, shift)
    if hz < Fraction(1, 2) or hz >= WRAP - Fraction(1, 2):
        return same(got, None)
    must(len(got) == 2 and got[0] == 1, 'refused')
    must(abs(got[1] - hz) <= Fraction(1, 2), 'not the nearest Hz')


def kvm_time_scale(hz):
    """How KVM normalises: (mul, shift, lost), lost: a halving dropped a bit.

    The frequency is halved while it is above twice 10^9 or has more than 32
    bits, then doubled while it is at most 10^9.
    """
    shift, lost = 0, False
    while hz > 2 * GIGA or hz > U32_MAX:
        lost = lost or hz % 2 == 1
        hz //= 2
        shift -= 1
    while hz <= GIGA:
        hz *= 2
        shift += 1
    return (GIGA << 32) // hz, shift, lost


def fn_set_hz(a, got):
    hz, = a
    want = None
    for shift in range(-31, 32):
        exact = hz and Fraction(GIGA * 2 ** 32, hz) / Fraction(2) ** shift
        if hz and 2 ** 31 <= whole(exact) <= U32_MAX:
            must(want is None, 'the normal form is not unique')
            want = [whole(exact), shift]
    same(got, want)
    if want is None:
        return
    mul, shift, lost = kvm_time_scale(hz)
    must(lost or [mul, shift] == want, 'KVM has %d %d' % (mul, shift))
    must(not (lost and hz % 1000 == 0 and hz <= 16 * GIGA), 'KVM lost a bit')
    # mul is rounded down by less than 1: the clock is slow by < 0.466 ppb
    must(0 <= exact_hz(*want) / hz - 1 < Fraction(1, 2 ** 31 - 1), 'too slow')


def fn_rebase(a, got):
    src, slope, guest = a[:4], a[4:8], a[8]
    ns = evaluate(*src, guest)
    if ns is None or not valid_fn(*slope[2:]):
        return same(got, None)
    same(got, [guest, ns] + slope[2:])


# --- instants ----------------------------------------------------------------

def elapsed(dst, src):
    if max(dst[1], src[1]) > S64_MAX or max(abs(dst[2]), abs(src[2])) > 1000:
        return None
    ns = dst[1] - src[1]
    if dst[2] and src[2]:
        ns += (dst[2] - src[2]) * GIGA
    return ns if S64_MIN <= ns <= S64_MAX else None


def elapsed_ns(a, got):
    ns = elapsed(a[:3], a[3:])
    same(got, None if ns is None else [ns])


def tsc_continuous(a, got):
    dst, src, khz = a[:3], a[3:6], a[6]
    real = elapsed(dst, src)
    if real is None or not khz or dst[0] < src[0]:
        return must(got == [0], 'must be false')
    tsc = Fraction(dst[0] - src[0], khz * 1000) * GIGA
    if whole(tsc) > S64_MAX:
        return must(got == [0], 'must be false')
    spare = tsc / 1000 + GIGA // 10 - abs(real - tsc)
    # within the roundings of two divisions either answer will do
    must(abs(spare) < 2 or got == [int(spare > 0)], 'spare %f ns' % spare)


CHECKS = {f.__name__: f for f in (
    host_to_guest, offset_for, is_scaled, ratio_from_khz, freq_khz,
    ns_to_ticks, ticks_to_ns, rate_error_ppt, fn_eval, fn_hz, fn_set_hz,
    fn_rebase, elapsed_ns, tsc_continuous)}
