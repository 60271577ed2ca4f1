# SPDX-License-Identifier: GPL-2.0-or-later
"""clockferry diff: states of a guest whose truth is known"""
import json
import tempfile

from harness.command import FAILURE, FINE, INEXACT, USAGE, fails, output, run
from harness.schemas import assert_fits
from test_check import Files

START = 18 * 10 ** 17           # real time at the hosts' TSC 0, ns
BITS = 48


class Host:
    """A host: its TSC and real time at any true time, in ns."""

    def __init__(self, khz, boot_id, tsc_start=0, clock_off_ns=0, tai=37,
                 max_error_ns=1000):
        self.khz, self.boot_id, self.tai = khz, boot_id, tai
        self._start, self._off = tsc_start, clock_off_ns
        self.max_error_ns = max_error_ns

    def tsc(self, ns):
        return self._start + ns * self.khz // 10 ** 6

    def realtime(self, ns):
        return START + ns + self._off


def slope(khz):
    """mul and shift of a pvclock record."""
    numerator, shift, denominator = 10 ** 9 << 32, 0, khz * 1000
    while numerator // denominator >= 2 ** 32:
        denominator, shift = denominator << 1, shift + 1
    while numerator // denominator < 2 ** 31:
        numerator, shift = numerator << 1, shift - 1
    return numerator // denominator, shift


def state(host, at_ns, guest_tsc, clock_ns, khz=2000000, skews=(0, 0),
          clock_slope=None):
    """A capture at a true time: the boot vCPU's TSC and kvmclock then."""
    ratio = (khz << BITS) // host.khz if khz != host.khz else 1 << BITS
    scaled = host.tsc(at_ns) * ratio >> BITS
    mul, shift = clock_slope or slope(khz)
    return {
        "format": "clockferry-state", "version": 1, "min_version": 1,
        "host_khz": host.khz, "boot_id": host.boot_id,
        "max_error_ns": str(host.max_error_ns),
        "anchor": {"host_ticks": str(host.tsc(at_ns)),
                   "realtime_ns": str(host.realtime(at_ns)),
                   "tai_offset_s": host.tai, "clock_ns": str(clock_ns),
                   "flags": 14},
        "clock_fn": {"origin": "call", "tsc_ticks": str(guest_tsc),
                     "system_ns": str(clock_ns), "mul": mul, "shift": shift},
        "vcpus": [{"freq_origin": "attribute", "ratio": str(ratio),
                   "frac_bits": BITS, "offset_origin": "attribute",
                   "offset_ticks": str((guest_tsc + skew - scaled) % 2 ** 64)}
                  for skew in skews]}


def diff(before, after, *options):
    """(exit status, what --json says)."""
    with tempfile.TemporaryDirectory() as folder:
        for name, value in ("before", before), ("after", after):
            with open(folder + "/" + name, "w", encoding="utf-8") as stream:
                json.dump(value, stream)
        done = run("diff", folder + "/before", folder + "/after", "--json",
                   *options)
        text = run("diff", folder + "/before", folder + "/after").stdout
    assert not done.stderr, done.stderr
    assert len(text.splitlines()) >= 7, text
    return done.returncode, json.loads(done.stdout)


A = Host(2400000, "a")
B = Host(3000000, "b", tsc_start=10 ** 15, clock_off_ns=3000)
HOUR = 3600 * 10 ** 9
TICKS = 7200 * 10 ** 9          # an hour at 2 GHz


def test_undisturbed():
    """On one host nothing happened"""
    before = state(A, HOUR, 5 * 10 ** 12, 10 ** 12)
    status, said = diff(before, state(A, 2 * HOUR, 5 * 10 ** 12 + TICKS - 1,
                                      10 ** 12 + HOUR))
    assert said["same_host"] and int(said["elapsed_ns"]) == HOUR
    # the ratio is rounded down, 12 billion ticks ago: what it lost shows
    assert abs(int(said["tsc_step_ticks"])) < 40, said
    assert abs(int(said["mismatch_ns"])) <= 4 and status == FINE, said
    assert said["skew_ticks"] == "0" and said["rate_error_ppt"] == "0"
    # with the same offsets it is right to the tick
    after = state(A, 2 * HOUR, 5 * 10 ** 12 + TICKS - 1, 10 ** 12 + HOUR)
    after["vcpus"] = before["vcpus"]
    assert diff(before, after)[1]["tsc_step_ticks"] == "0"


def test_moved():
    """To another host, whose clock is 3 us ahead"""
    before = state(A, HOUR, 5 * 10 ** 12, 10 ** 12)
    passed = HOUR + 3000
    status, said = diff(before, state(B, 2 * HOUR,
                                      5 * 10 ** 12 + passed * 2,
                                      10 ** 12 + passed))
    assert not said["same_host"] and int(said["elapsed_ns"]) == passed
    assert int(said["elapsed_error_ns"]) == 2000
    assert abs(int(said["tsc_step_ticks"])) < 40, said
    assert abs(int(said["clock_step_ns"])) <= 1, said
    assert abs(int(said["mismatch_ns"])) <= 1 and status == FINE, said
    assert abs(int(said["rate_error_ppt"])) < 10


def test_kexec():
    """The same machine under another kernel: one frequency by two names"""
    after_a = Host(A.khz, "c")
    before = dict(state(A, HOUR, 5 * 10 ** 12, 10 ** 12), machine="77")
    after = dict(state(after_a, 2 * HOUR, 5 * 10 ** 12 + TICKS,
                       10 ** 12 + HOUR, clock_slope=slope(2000003)),
                 machine="77", host_khz=A.khz + 3)
    after["vcpus"] = before["vcpus"]
    status, said = diff(before, after)
    assert status == FINE and said["same_host"] and said["kexec"], said
    assert said["tsc_step_ticks"] == said["rate_error_ppt"] == "0", said
    # a stranger's TSC could be off by the clocks' errors and 500 ppm
    assert 0 < int(said["elapsed_error_ns"]) - HOUR // 2000 < 3000, said
    # it was reset half an hour ago
    after["anchor"]["host_ticks"] = str(1800 * A.khz * 1000)
    del after["clock_fn"]
    assert not diff(before, after)[1]["same_host"]


def moved(tsc=0, clock=0, **changes):
    before = state(A, HOUR, 5 * 10 ** 12, 10 ** 12)
    return diff(before, state(B, 2 * HOUR,
                              5 * 10 ** 12 + TICKS + 6000 + tsc,
                              10 ** 12 + HOUR + 3000 + clock, **changes))


def test_steps():
    """Steps of TSC and kvmclock, each by itself and together"""
    _, said = moved(tsc=2000000)
    assert abs(int(said["tsc_step_ticks"]) - 2000000) < 40, said
    assert abs(int(said["tsc_step_ns"]) - 1000000) < 20
    assert abs(int(said["mismatch_ns"]) + 1000000) <= 1
    status, said = moved(clock=-1100000)
    assert abs(int(said["clock_step_ns"]) + 1100000) <= 1, said
    assert abs(int(said["mismatch_ns"]) + 1100000) <= 1
    assert status == INEXACT
    status, said = moved(tsc=-4000, clock=-2000)
    assert abs(int(said["mismatch_ns"])) <= 1 and status == FINE, said
    assert abs(int(said["clock_step_ns"]) + 2000) <= 1
    assert abs(int(said["tsc_step_ns"]) + 2000) < 20, said


def test_as_meant():
    """A clock that was ahead of its function, before and after"""
    before, after = (state(A, hours * HOUR, 5 * 10 ** 12 + (hours - 1) * TICKS,
                           10 ** 12 + (hours - 1) * HOUR) for hours in (1, 2))
    plain = diff(before, after)[1]
    before["clock_fn"]["ahead_ns"] = 3
    after["clock_fn"]["ahead_ns"] = -2
    said = diff(before, after)[1]
    for member in "clock_step_ns", "mismatch_ns":
        assert int(said[member]) == int(plain[member]) - 5, (plain, said)
    # both arrivals were good ones: 2 ns off, one ahead and the next behind
    before["clock_fn"]["ahead_ns"] = 4
    after["clock_fn"]["ahead_ns"] = -2
    assert diff(before, after)[0] == FINE
    after["clock_fn"]["system_ns"] = str(10 ** 12 + HOUR + 14)
    assert diff(before, after)[0] == INEXACT
    after["clock_fn"]["system_ns"] = str(10 ** 12 + HOUR - 2)
    del after["clock_fn"]["ahead_ns"]
    before["clock_fn"]["ahead_ns"] = 0
    after["clock_fn"]["system_ns"] = str(10 ** 12 + HOUR + 6)
    assert diff(before, after)[0] == INEXACT
    del before["clock_fn"]["ahead_ns"]
    after["clock_fn"]["system_ns"] = str(10 ** 12 + HOUR - 6)
    assert diff(before, after)[0] == INEXACT


def test_skew():
    """A vCPU whose TSC moved against the boot vCPU's"""
    status, said = moved(skews=(0, -77))
    assert said["skew_ticks"] == "77" and status == INEXACT, said


def test_rate():
    """A guest that runs 20 % faster now"""
    status, said = moved(khz=2400000)
    assert status == INEXACT
    assert abs(int(said["rate_error_ppt"]) - 2 * 10 ** 11) < 10, said


def test_leap_second():
    """A leap second between: TAI doesn't count it"""
    late = Host(3000000, "b", clock_off_ns=-10 ** 9, tai=38)
    before = state(A, HOUR, 5 * 10 ** 12, 10 ** 12)
    _, said = diff(before, state(late, 2 * HOUR, 5 * 10 ** 12 + TICKS,
                                 10 ** 12 + HOUR))
    assert int(said["elapsed_ns"]) == HOUR
    assert abs(int(said["clock_step_ns"])) <= 1, said


def test_unknown():
    """What a capture didn't know stays unknown"""
    before = state(A, HOUR, 5 * 10 ** 12, 10 ** 12)
    after = state(B, 2 * HOUR, 5 * 10 ** 12 + TICKS, 10 ** 12 + HOUR)
    after["vcpus"] = [{}, {}]
    del after["clock_fn"], after["max_error_ns"]
    check_unknown(*diff(before, after))
    # nor is a frequency known that was only assumed
    after = state(B, 2 * HOUR, 5 * 10 ** 12 + TICKS, 10 ** 12 + HOUR)
    after["vcpus"][0]["freq_origin"] = "assumed"
    del after["max_error_ns"]
    check_unknown(*diff(before, after))


def check_unknown(status, said):
    assert status == INEXACT and "clock_step_ns" in said
    for name in ("tsc_step_ticks", "mismatch_ns", "skew_ticks",
                 "rate_error_ppt", "elapsed_error_ns"):
        assert name not in said, said


def test_schema():
    """The JSON fits its schema"""
    assert_fits("diff", moved()[1])
    assert_fits("diff", diff(state(A, 1, 1, 1), state(A, 10, 1, 1))[1])


def test_text():
    """Names, figures, units"""
    before = state(A, HOUR, 5 * 10 ** 12, 10 ** 12)
    after = state(B, 2 * HOUR, 5 * 10 ** 12 + TICKS + 6000,
                  10 ** 12 + HOUR + 3000 - 1000)
    with tempfile.TemporaryDirectory() as folder:
        for name, value in ("a", before), ("b", after):
            with open(folder + "/" + name, "w", encoding="utf-8") as stream:
                json.dump(value, stream)
        text = output("diff", folder + "/a", folder + "/b", status=[INEXACT])
    assert "Time between    : 1 h, by the hosts' clocks\n" in text
    assert "Known to        : 2 us\n" in text, text
    assert "kvmclock step   : -1 us\n" in text, text
    assert "vCPU skew       : 0 ticks\n" in text


def test_days():
    """Days are days, not so many ms"""
    days = 3 * 24 * HOUR
    before = state(A, HOUR, 5 * 10 ** 12, 10 ** 12)
    after = state(B, HOUR + days, 5 * 10 ** 12 + days // HOUR * TICKS,
                  10 ** 12 + 2 * days)
    with Files(before, after) as files:
        text = output("diff", *files, status=[INEXACT])
    assert "Time between    : 3 days, by" in text, text
    assert "kvmclock step   : 3 days\n" in text, text


def test_wrong_files():
    """The wrong order, another format"""
    before = state(A, HOUR, 5 * 10 ** 12, 10 ** 12)
    after = state(B, 2 * HOUR, 5 * 10 ** 12 + TICKS, 10 ** 12 + HOUR)
    with tempfile.TemporaryDirectory() as folder:
        for name, value in ("a", before), ("b", after), ("c", {"x": 1}):
            with open(folder + "/" + name, "w", encoding="utf-8") as stream:
                json.dump(value, stream)
        fails(FAILURE, "diff", folder + "/b", folder + "/a",
              words=["older than the first"])
        fails(FAILURE, "diff", folder + "/a", folder + "/c",
              words=[folder + "/c", "clockferry-state"])
        fails(FAILURE, "diff", folder + "/none", folder + "/a")
        fails(USAGE, "diff", folder + "/a")
