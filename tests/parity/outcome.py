# SPDX-License-Identifier: GPL-2.0-or-later
"""What became of a guest's clocks, in fields that two programs can share.

Times differ from run to run, so a figure that depends on one is compared by
the rule that makes it: the residual by its class, the bound by its parts."""
from collections import namedtuple

from harness import fakehost
from harness.pvclock import signed64

# How a guest goes from where to where. khz: its tsc-frequency, 0 if nobody
# promised it one; blackout: count, file (that counts as well), freeze, limit
# (that of 0 s, so both clocks stop), or paused by its user.
Case = namedtuple("Case", "source destination vcpus khz policy require "
                          "blackout")

SETTLED_NS = 2      # a residual that counts as none
ROUNDING_NS = 2     # of any bound
EXACT_PPT = 1000    # a rate error that counts as none
KVM_PPT = 10 ** 6   # KVM knows frequencies to the kHz
UNKNOWN_WAIT_NS = 5 * 10 ** 7    # as long as nothing tells of the first run
LIE_NS = 10 ** 9    # what a clock that lies is off by, or more
MESSAGES_HALVES = 10            # of a millisecond: what messages leave open
READING_NS = 100    # RDTSC takes longer on a fake host, on any machine
# A TSC that wasn't carried has jumped by more, and one that was carried is off
# by less, in the milliseconds until the guest runs.
CARRIED_NS = 10 ** 7
# vCPUs that were read one after the other are apart by more, and those whose
# TSCs differ on purpose by less.
APART_TICKS = 10 ** 4
# A clock that was set at a rate as wrong as this is off by nanoseconds when it
# is read back, microseconds later: whether that settles is luck.
LUCK_PPT = 5 * 10 ** 8
RIGHT = ("skew is true", "together")     # both, or it is no use to agree
LOOP = ("closed-loop", "realtime")
RECORD = ("exact", "reanchored")


def name(case):
    return "%s to %s, %d vCPUs%s, %s%s%s" % (
        case.source, case.destination, case.vcpus,
        ", %d kHz" % case.khz if case.khz else "", case.policy,
        ", require " + case.require if case.require != "plain" else "",
        ", " + case.blackout if case.blackout != "count" else "")


def refused(reason):
    return {"verdict": "refused", "reason": reason}


def lost(verdict, reason, function):
    """It was taken, and its clocks weren't."""
    return {"verdict": verdict, "reason": reason, "function": function,
            "restored": False}


def arrived(verdict, reason, function, report, there, here):
    """The fields of a guest that runs.

    function: where the source has its kvmclock from; report: in the words of
    query-kvm-clock; there, here: both hosts' logs."""
    truth = Truth(there, here)
    return {
        "verdict": verdict, "reason": reason, "function": function,
        "restored": True,
        "rung": rung(report),
        "residual": residual(report),
        "rate error": report.get("rate-error-ppt", "unknown"),
        "TSC": report["tsc"],
        "skew": report.get("skew-ticks", "unknown"),
        "time bound": time_bound(report, truth.away_ns()),
        "elapsed from": report["elapsed-from"],
        "messages": "round-trip-ns" in report,
        "clocks wrong": round(report.get("clocks-wrong-ns", 0) / 10 ** 8),
        "same host": report["same-host"],
        "kexec": report.get("kexec-ppt"),
        "frozen": report["frozen"],
        "carried": truth.carried(),
        "skew is true": truth.skew(report),
        "together": truth.apart_ticks() < APART_TICKS,
        "bound": bound(report, truth.wait_ns()),
    }


def is_far(report):
    return abs(report.get("rate-error-ppt", 0)) > LUCK_PPT


def rung(report):
    return "the loop" if is_far(report) and report["rung"] in LOOP \
        else report["rung"]


def residual(report):
    """Its class."""
    if "residual-ns" not in report:
        return "unknown"
    size = abs(report["residual-ns"])
    if rung(report) not in RECORD + LOOP[:1]:
        return "within its bound" if size <= report.get("bound-ns", size) \
            else "beyond its bound"
    if report["rung"] == "exact" and not size:
        return "0"
    return "within 2 ns" if size <= SETTLED_NS else "beyond 2 ns"


def parting_ns(report, wait_ns, more_ppt):
    """By how much a clock parts until the first run: 0 at the right rate."""
    ppt = abs(report["rate-error-ppt"])
    ppt = more_ppt + (ppt if ppt > EXACT_PPT else 0) + \
        abs(report.get("kexec-ppt", 0))
    return ppt * wait_ns // 10 ** 12 + 1 if ppt else 0


def bound(report, wait_ns):
    """What it consists of, beside the residual and two roundings."""
    if "bound-ns" not in report:
        return "unknown"
    rest_ns = report["bound-ns"] - abs(report["residual-ns"]) - ROUNDING_NS
    if is_far(report):
        return "something" if rest_ns else "nothing"
    rates_ns = parting_ns(report, wait_ns, 0)
    pending_ns = parting_ns(report, wait_ns, KVM_PPT)
    if not rest_ns:
        return "nothing"
    if "kexec-ppt" in report and report["rung"] in RECORD and \
            rest_ns == parting_ns(report, UNKNOWN_WAIT_NS, 0):
        return "the rates"      # no record tells when it ran first
    # They count the wait in ticks.
    if abs(rest_ns - rates_ns) <= 1 and rates_ns:
        return "the rates"
    if abs(rest_ns - pending_ns) <= 1:
        return "a pending update"
    return "a reading" if rest_ns > pending_ns + READING_NS else \
        "%d ns and not %d" % (rest_ns, pending_ns)


def time_bound(report, away_ns=0):
    """In half milliseconds: what an anchor is off that isn't read at once is
    less, and another time in each run. So are the limits of messages, which
    grow by a millisecond with each second since. What a TSC's rate may be off,
    half a millisecond in each second away, is left out. The library doesn't see
    when a guest comes in that took its real time from clocks that lie, so that
    it seems to have been away for longer than it was."""
    if "time-bound-ns" not in report or \
            report.get("passed-ns", 0) > away_ns + LIE_NS:
        return "unknown"
    steady_ns = max(report["time-bound-ns"] - report["elapsed-ns"] // 2000,
                    min(report["time-bound-ns"], 1))
    halves = -(-steady_ns // 500000)
    return "by messages" if "round-trip-ns" in report and \
        halves <= MESSAGES_HALVES else halves


class Truth:
    """What the models say of both sides' runs."""

    def __init__(self, there, here):
        vcpus = sorted({call.where for call in there if call.name == "KVM_RUN"
                        and call.where.startswith("vm0.")})
        self._there = [fakehost.clocks(there, vcpu)
                       for vcpu in range(len(vcpus))]
        self._here = [fakehost.clocks(here, vcpu, which=0)
                      for vcpu in range(len(vcpus))]
        self._log = here

    def away_ns(self):
        """From its last run there to its first one here, or longer."""
        return self._here[0].run.true_ns - self._there[0].run.true_ns

    def carried(self):
        """Is kvmclock still the source's function of the guest TSC?"""
        return abs(fakehost.clock_step(self._there[0],
                                       self._here[0])) < CARRIED_NS

    def skew(self, report):
        """Did the vCPUs come apart as reported? While their rate is another
        one that isn't constant."""
        if "skew-ticks" not in report:
            return "unreported"
        if report.get("rate-error-ppt", 1):
            return "unknown"
        return self.apart_ticks() == report["skew-ticks"]

    def apart_ticks(self):
        """By how much the vCPUs' TSCs came apart."""
        now = self._here[0].run.true_ns
        moved = [signed64(here.guest_tsc(now) - there.guest_tsc(now))
                 for there, here in zip(self._there, self._here)]
        return max(moved) - min(moved)

    def wait_ns(self):
        """From the instant for which kvmclock was set last to the instant of
        the record that the guest sees."""
        sets = [call for call in self._log if call.name == "KVM_SET_CLOCK"
                and call.where == "vm0" and call.result == 0]
        if not sets:
            return 0
        last, base_ns = sets[-1], self._log[0].values["realtime_base"]
        real_ns = last.values["realtime"]
        set_ns = real_ns - base_ns if real_ns else last.true_ns
        seen = fakehost.clocks(self._log)
        ticks = seen.record.tsc_timestamp - seen.guest_tsc(set_ns)
        return int(max(0, ticks) * 10 ** 9 / seen.frequency())


def differences(library, qemu):
    """[(field, the library's, QEMU's)]; what isn't right differs from all."""
    return [(field, library.get(field, "-"), qemu.get(field, "-"))
            for field in dict.fromkeys(list(library) + list(qemu))
            if library.get(field, "-") != qemu.get(field, "-")
            or field in RIGHT and library[field] is False]
