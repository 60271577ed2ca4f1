# SPDX-License-Identifier: GPL-2.0-or-later
"""What a check must say, from the facts: with big integers and fractions, and
from the documents, not from how the C does it."""
from fractions import Fraction

RUNGS = ["exact", "reanchored", "closed-loop", "realtime", "plain"]
DEFAULT_TOLERANCE = 250
NOT = None                      # unknown
U64 = 2 ** 64 - 1
S64 = 2 ** 63 - 1


def away_from_zero(x):
    """The next whole number that is as far from 0, or farther."""
    size = -(-abs(x.numerator) // x.denominator)
    return -size if x < 0 else size


def nearest(x):
    return (2 * x.numerator + x.denominator) // (2 * x.denominator)


class Tsc:
    """host_khz x ratio / 2^bits"""

    def __init__(self, host_khz, ratio=1, bits=0):
        self.host_khz, self.ratio, self.bits = host_khz, ratio, bits
        self.khz = Fraction(host_khz * ratio, 2 ** bits)

    def json(self):
        return {"host_khz": self.host_khz, "ratio": str(self.ratio),
                "frac_bits": self.bits}


def error(there, here):
    """How much faster, in 10^-12, away from zero; None if 63 bits are too
    few."""
    ppt = away_from_zero((there.khz - here.khz) / here.khz * 10 ** 12)
    return ppt if abs(ppt) <= S64 else NOT


def given(host, wanted_khz):
    """What KVM makes of a wanted frequency (a Fraction, in kHz)."""
    khz, asked = host.get("host_khz"), nearest(wanted_khz)
    if not khz or not 1 <= asked < 2 ** 32:
        return NOT
    plain, scaling = Tsc(khz), host.get("scaling")
    ppt = away_from_zero((khz - wanted_khz) / wanted_khz * 10 ** 12)
    if abs(ppt) <= 1000 or scaling in ("none", "fails"):
        return plain
    if scaling != "works":
        return NOT
    tolerance = min(host.get("tolerance_ppm", DEFAULT_TOLERANCE), 10 ** 6)
    low = khz * (10 ** 6 - tolerance) // 10 ** 6
    high = khz * (10 ** 6 + tolerance) // 10 ** 6
    if low <= asked <= high:
        return plain
    bits = host.get("frac_bits")
    if bits not in (32, 48):
        return NOT
    ratio = (asked << bits) // khz
    most = 2 ** 40 - 1 if bits == 32 else 2 ** 64 - 1
    return Tsc(khz, ratio, bits) if 0 < ratio < most else plain


def rate_verdict(ppt, policy, promised):
    if ppt is not NOT and abs(ppt) <= 1000:
        return "go"
    if policy == "strict":
        return "refuse"
    if ppt is NOT or abs(ppt) > 250 * 10 ** 6:
        return "warn" if policy == "lax" else "refuse"
    if policy == "auto" and promised and abs(ppt) > 10 ** 6:
        return "refuse"
    return "report"


def offset_verdict(offset, same, policy, promised):
    if offset == "sticks" or (offset == "ignored" and same):
        return "go"
    if policy == "lax":
        return "warn"
    if offset == "rewinds" and policy == "auto" and not promised:
        return "report"
    return "refuse"


def inexact(so, policy):
    return "go" if not so else "refuse" if policy == "strict" else "report"


def rung_verdict(rung, require, policy):
    if RUNGS.index(rung) > RUNGS.index(require):
        return "refuse"
    return inexact(RUNGS.index(rung) > RUNGS.index("closed-loop"), policy)


def time_verdict(said, same, policy):
    far = int(said.get("time_bound_ns", U64)) > 128 * 10 ** 6
    return inexact(far and not same, policy)


def one_host(a, b):
    """Equal boot ids and frequencies, and one TSC that ran on: as far as the
    real time did, within 0.1 s and 1000 ppm."""
    if not a.get("boot_id") or a.get("boot_id") != b.get("boot_id") or \
            not a.get("host_khz") or a["host_khz"] != b.get("host_khz") or \
            "instant" not in a or "instant" not in b:
        return False
    first, last = sorted((a["instant"], b["instant"]),
                         key=lambda i: int(i["host_ticks"]))
    real = int(last["realtime_ns"]) - int(first["realtime_ns"])
    if "tai_offset_s" in first and "tai_offset_s" in last:
        real += (last["tai_offset_s"] - first["tai_offset_s"]) * 10 ** 9
    ticks = int(last["host_ticks"]) - int(first["host_ticks"])
    passed = ticks * 10 ** 6 // a["host_khz"]
    return abs(real - passed) <= passed // 1000 + 10 ** 8


def max_error(host):
    return int(host["max_error_ns"]) if host.get("synchronised") and \
        "max_error_ns" in host else NOT


def check(source, host, policy="auto", require="plain", promised=False,
          tsc_khz=0):
    """Every figure that a check of two hosts prints; absent if unknown."""
    said = {}
    wanted_khz = tsc_khz or source.get("host_khz", 0)
    here = given(source, Fraction(wanted_khz)) if wanted_khz else NOT
    there = given(host, here.khz) if here else NOT
    ppt = error(there, here) if there else NOT
    same = one_host(source, host)
    offset = host.get("offset", "ignored")
    rung = host.get("best_rung", "plain")
    if rung == "exact" and (
            not there or abs(nearest(here.khz) - nearest(there.khz)) > 1):
        rung = "reanchored"
    said["rung"], said["same_host"] = rung, same
    if here:
        said["tsc_here"] = here.json()
    if there:
        said["tsc_there"] = there.json()
    if ppt is not NOT:
        said["rate_error_ppt"] = str(ppt)
        drift = away_from_zero(Fraction(ppt) * 864 / 10)
        said["drift_ns_per_day"] = str(max(-S64, min(S64, drift)))
    arrives = "offset" in host and (offset == "sticks" or
                                    (offset == "ignored" and same))
    bounds(said, source, host, here, ppt, rung, same, arrives)
    said["verdict"] = max(
        rate_verdict(ppt, policy, promised),
        offset_verdict(offset, same, policy, promised),
        rung_verdict(rung, require, policy),
        inexact(not host.get("has_offset"), policy),
        time_verdict(said, same, policy),
        key=["go", "report", "warn", "refuse"].index)
    return said


def bounds(said, source, host, here, ppt, rung, same, arrives):
    if not arrives:
        return
    errors = [max_error(source), max_error(host)]
    if same or (NOT not in errors and here):
        tick = 10 ** 6 // nearest(here.khz) + 1 if not same else 0
        bound = 0 if same else sum(errors) + tick
        bound += 0 if host.get("has_offset") else 10 ** 6
        if bound < U64:
            said["time_bound_ns"] = str(bound)
    if RUNGS.index(rung) < RUNGS.index("realtime") and ppt is not NOT:
        bound = 4
        if rung == "closed-loop":
            bound += (abs(ppt) + 10 ** 6) * 50 * 10 ** 6 // 10 ** 12 + 1
        said["kvmclock_bound_ns"] = str(bound)
