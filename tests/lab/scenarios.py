# SPDX-License-Identifier: GPL-2.0-or-later
"""What the lab tries: hosts, guest, what is done, and what must then hold.

Only data. README.rst tells how to add one."""
from collections import namedtuple

from harness.picture import human_ns
from host import Spec
from wire import Line

US = 10 ** 3
MS = 10 ** 6
GHZ = 10 ** 6           # in kHz

# What must hold of a guest that went.
#   step_ns      kvmclock as a function of the guest TSC
#   plus_bound   the report's own bound is allowed on top of it
#   tsc_ns       the TSC's error beside that of the hosts' clocks
#   readings     so many of the host's clock come on top of both
#   scaled       the TSC must run at its old frequency, within 1 ppb
#   rungs        how kvmclock may have been restored
#   elapsed      what the blackout is to the clocks: "count" by the hosts'
#                clocks, "same" by the TSC of the only host, "freeze", "nothing",
#                "channel" by messages, "rate" by how fast the TSC really is
#   trip_ms      a message and its answer take so long at least
#   chain        step_ns counts from what it was before the first of all hops
Bounds = namedtuple("Bounds", "step_ns plus_bound tsc_ns scaled rungs elapsed "
                              "readings trip_ms chain",
                    defaults=(2, False, 50, True, ("exact", "reanchored"),
                              "count", 0, 0, False))

# `end` is how it must end: "arrives", "refused" (before RAM), "stays" (on the
# source, after a failure), or "any" (stock: shown, not judged). `wire` is the
# Line between the hosts, if it isn't a good one. `cpu` is the guest's.
Scenario = namedtuple(
    "Scenario", "name about a b action vcpus hops side source destination "
                "end bounds skew leap guest words slow wire cpu",
    defaults=("cross", 1, 1, "patched", {}, {}, "arrives", Bounds(), 0, "",
              "guest", "", False, None, "host"))

A = Spec(start=10 ** 12)
B = Spec(start=7 * 10 ** 12)
PATCHED = Bounds()
RELEASED = Bounds(step_ns=3, rungs=("closed-loop",))
# Without a reader's roundings. KVM's line begins at a whole ns and an even tick;
# without the new calls what an arrival left comes on top.
CHAIN, CHAIN_RELEASED = Bounds(chain=True), RELEASED._replace(step_ns=4, chain=True)
RELEASED_APART = RELEASED._replace(scaled=False)
APART = Bounds(scaled=False)
# KVM has no master clock, so it sets the clock by two clocks that it reads one
# after the other. QEMU is content with 1 us.
PLAIN = Bounds(step_ns=1 * US, readings=3, rungs=("plain",))
STOCK = Bounds(step_ns=None, tsc_ns=None, scaled=False, rungs=None,
               elapsed="any")


# One TSC under two kernels: to the tick.
KEXECED = Bounds(tsc_ns=0, elapsed="same", rungs=("reanchored",))
NO_EXCHANGE = {"x-exchange": "off"}
CHANNEL = Bounds(elapsed="channel")
PTP_US, NTP_US = 1, 20000
PTP_A, PTP_B = A._replace(claim_us=PTP_US), B._replace(claim_us=PTP_US)
B_AHEAD = B._replace(clock_ns=1000 * MS)
PING = b"\x08\0\2\0\4"     # a command of 4 bytes, which are its number
FAST, SLOW = PTP_A._replace(fast_ppm=40), PTP_B._replace(fast_ppm=-40)
# A host's clock drifts by 60 ppb here, so a guest can't be told 1 us for long.
KNOWN_US = 10
KNOWN_A, KNOWN_B = A._replace(claim_us=KNOWN_US), B._replace(claim_us=KNOWN_US)
CLOCKS_APART = (("3ms", 3 * MS), ("1s", 1000 * MS), ("9min", 540 * 1000 * MS),
                ("1day", 86400 * 1000 * MS))


def _kernels(a, b, **more):
    return dict(a=A._replace(kernel=a), b=B._replace(kernel=b, **more))


def _apart(name, ns, bounds=CHANNEL):
    """The destination's clock is off by so much, whatever the hosts know of
    that; "utc": one of them doesn't know TAI."""
    for suffix, claim_us, tai in (
            ("", NTP_US, A.tai), ("-unsync", -1, A.tai),
            ("-utc", NTP_US, 0), ("-unsync-utc", -1, 0)):
        tais = (A.tai, tai) if ns >= 0 else (tai, A.tai)
        a, b = (spec._replace(claim_us=claim_us, tai=tai)
                for spec, tai in zip((A, B), tais))
        yield Scenario(
            "apart-%s%s" % (name, suffix), "destination's clock %s off%s"
            % (human_ns(ns), suffix.replace("-", ", ")), a,
            b._replace(clock_ns=ns), bounds=bounds)


def _all_apart():
    yield from _apart("0", 0, Bounds())
    for name, ns in CLOCKS_APART:
        yield from _apart(name + "-ahead", ns)
        yield from _apart(name + "-behind", -ns)


def _late(name, *ms):
    """The same on a line that takes its time."""
    return Scenario("late-" + name, "destination's clock 1 s ahead; there, "
                    "back and jitter: %g, %g, %g ms" % ms, A, B_AHEAD,
                    wire=Line(*ms),
                    bounds=CHANNEL._replace(trip_ms=sum(ms[:2])))


def _stalled(name, when, mark):
    """On a line that stalls at that mark, if it is in the stream at all."""
    return Scenario("stalled-" + name, "the line stalls for 2 s at %s; "
                    "compared to stock and to no exchange" % when, A, B_AHEAD,
                    action="compared", wire=Line(stall_s=2, stall_at=mark),
                    bounds=CHANNEL)


SCENARIOS = [
    # -- two equal hosts but for the TSC's start --
    Scenario("equal", "same frequency, other start", A, B),
    Scenario("two-vcpus", "2 vCPUs", A, B, vcpus=2),
    Scenario("four-vcpus", "4 vCPUs", A, B, vcpus=4),
    Scenario("skewed", "2 vCPUs, TSCs 1,000,000 ticks apart", A, B, vcpus=2,
             skew=1000000, bounds=PLAIN),
    Scenario("clock-ahead", "destination's clock 3 ms ahead, no exchange", A,
             B._replace(clock_ns=3 * MS), source=NO_EXCHANGE),
    Scenario("clock-behind", "destination's clock 3 s behind, no exchange: the "
             "blackout counts as nothing", A, B._replace(clock_ns=-3000 * MS),
             source=NO_EXCHANGE, bounds=Bounds(elapsed="nothing")),
    Scenario("utc", "the destination doesn't know TAI", A, B._replace(tai=0)),
    Scenario("leap", "a leap second between, TAI known", A,
             B._replace(clock_ns=-1000 * MS, tai=38)),
    Scenario("leap-both", "midnight in the blackout, both hosts insert a leap "
             "second", A, B, action="leap", leap="AB"),
    Scenario("leap-destination", "the same, only the destination knows", A, B,
             action="leap", leap="B"),
    Scenario("leap-source", "the same, only the source knows", A, B,
             action="leap", leap="A"),
    Scenario("same-host", "to another QEMU on the same host", A, B,
             action="same-host", vcpus=2,
             bounds=Bounds(tsc_ns=0, elapsed="same")),
    Scenario("cloned", "the destination has the source's boot id", A, B,
             action="cloned"),
    Scenario("cloned-machine", "the destination has the source's UUID", A, B,
             action="cloned-machine"),
    Scenario("kexec", "the host gets another kernel, which takes its TSC for "
             "3 kHz faster", PTP_A._replace(disks=True), B, action="kexec",
             vcpus=2, slow=True, bounds=KEXECED),
    Scenario("kexec-released", "the same, released kernels",
             PTP_A._replace(disks=True, kernel="released"), B, action="kexec",
             slow=True, bounds=KEXECED._replace(step_ns=3,
                                                rungs=("closed-loop",))),
    Scenario("host-reset", "the same, but the host is reset",
             PTP_A._replace(disks=True), B, action="host-reset", vcpus=2,
             slow=True),
    Scenario("reset", "reset after arrival, before it ran; then back", A, B,
             action="reset", vcpus=2),
    Scenario("hotplug", "a vCPU is added first, and started between two hops",
             A, B, action="hotplug"),
    Scenario("four-hops", "A to B to A to B to A", A, B, hops=4,
             bounds=CHAIN),
    Scenario("cancelled", "cancelled before the last pass", A, B,
             action="cancelled", end="stays"),
    Scenario("killed", "the destination dies before the last pass", A, B,
             action="killed", end="stays"),
    Scenario("paused", "paused by its user before the migration", A, B,
             action="paused", bounds=Bounds(elapsed="freeze")),
    Scenario("snapshot", "saved to a file, restored on the other host 3 s "
             "later", A, B, action="snapshot"),
    Scenario("freeze", "blackout=freeze", A, B,
             source={"blackout": "freeze"}, destination={"blackout": "freeze"},
             bounds=Bounds(elapsed="freeze")),
    Scenario("stock", "unpatched QEMU", A, B, side="stock", end="any",
             bounds=STOCK),
    # -- hosts' clocks that are apart, and messages that tell --
    *_all_apart(),
    Scenario("ptp", "both clocks right to 1 us, and known to be", PTP_A, PTP_B),
    Scenario("ptp-alone", "the same, no exchange", PTP_A, PTP_B,
             source=NO_EXCHANGE),
    _late("there", 1, 0, 0), _late("back", 0, 1, 0),
    _late("much-there", 20, 0, 0), _late("much-back", 0, 20, 0),
    _late("jitter", 1, 1, 5), _late("much-jitter", 20, 0, 20),
    Scenario("compared", "20 ms each way; compared to stock and to no exchange",
             A, B_AHEAD, action="compared", wire=Line(20, 20),
             bounds=CHANNEL._replace(trip_ms=40)),
    _stalled("begin", "its first byte", b"QEVM"),
    _stalled("set-up", "the second message", PING + b"\0\0\1\1"),
    _stalled("precopy", "100 kB", 100000),
    _stalled("switchover", "the last messages but two", PING + b"\0\0\1\5"),
    _stalled("completion", "the first device", b"cpu_common"),
    Scenario("dirty", "Linux guest that writes to 2 MiB of RAM over and over, "
             "destination's clock 1 s off", A, B._replace(clock_ns=1000 * MS),
             bounds=CHANNEL, guest="linux", vcpus=2, words="dirty=2",
             slow=True),
    Scenario("flooded", "Linux guest that writes to 12 MiB over and over, on a "
             "line of 4 MB/s; its user allows a long blackout; beside stock",
             A, B_AHEAD, action="flooded", guest="linux", vcpus=2,
             words="dirty=12", wire=Line(bytes_s=4000000), bounds=CHANNEL,
             slow=True),
    # -- TSCs that are faster or slower than their kernels say --
    Scenario("fast-tsc", "40 ppm fast; saved to a file, restored 3 s later on "
             "a host whose TSC is 40 ppm slow", FAST, SLOW, action="snapshot",
             bounds=Bounds(elapsed="rate")),
    Scenario("fast-tsc-apart", "40 ppm fast to 40 ppm slow, destination's clock "
             "1 s ahead", FAST, SLOW._replace(clock_ns=1000 * MS),
             bounds=CHANNEL),
    # -- other frequencies, which KVM scales --
    Scenario("faster", "2.5 to 3.0 GHz", A, B._replace(khz=3 * GHZ)),
    Scenario("faster-hops", "2.5 to 3.0 GHz, there and back, twice", A,
             B._replace(khz=3 * GHZ), hops=4),
    Scenario("faster-stock", "2.5 to 3.0 GHz, unpatched QEMU", A,
             B._replace(khz=3 * GHZ), side="stock", end="any", bounds=STOCK),
    Scenario("slower", "2.5 to 2.0 GHz, TSC starts 10^15 apart", A,
             B._replace(khz=2 * GHZ, start=10 ** 15)),
    Scenario("odd", "2,500,000 to 2,894,531 kHz, 2 vCPUs", A,
             B._replace(khz=2894531), vcpus=2),
    # -- within KVM's tolerance: it doesn't scale --
    Scenario("2-khz", "2 kHz apart, unscaled", A, B._replace(khz=2500002),
             bounds=APART),
    Scenario("200-ppm", "200 ppm apart, unscaled", A,
             B._replace(khz=2500500), bounds=APART),
    Scenario("2-khz-strict", "2 kHz apart, policy=strict", A,
             B._replace(khz=2500002), destination={"policy": "strict"},
             end="refused"),
    Scenario("2-khz-scaled", "2 kHz apart, kvm.tsc_tolerance_ppm=0", A,
             B._replace(khz=2500002, arguments="kvm.tsc_tolerance_ppm=0")),
    Scenario("far-start", "TSC starts 10^15 apart", A,
             B._replace(start=10 ** 15)),
    # -- hosts that lack something --
    Scenario("unscaled", "no TSC scaling, same frequency", A,
             B._replace(cpu="-tsc-scale")),
    Scenario("unscaled-other", "no TSC scaling, 3.0 GHz: refused", A,
             B._replace(cpu="-tsc-scale", khz=3 * GHZ), end="refused"),
    Scenario("unscaled-lax", "no TSC scaling, 3.0 GHz, policy=lax", A,
             B._replace(cpu="-tsc-scale", khz=3 * GHZ),
             source={"policy": "lax"}, destination={"policy": "lax"},
             bounds=APART._replace(tsc_ns=None, plus_bound=True,
                                   rungs=None, elapsed="any")),
    Scenario("no-master-clock", "the destination has no TSC clocksource", A,
             B._replace(arguments="tsc=unstable", hpet=True), bounds=PLAIN),
    Scenario("no-master-clock-strict", "the same, policy=strict: refused", A,
             B._replace(arguments="tsc=unstable", hpet=True),
             destination={"policy": "strict"}, end="refused"),
    # -- released kernels --
    Scenario("to-released", "to a released kernel", bounds=RELEASED,
             **_kernels("v6", "released")),
    Scenario("to-released-exact", "to a released kernel, require=exact",
             destination={"require": "exact"}, end="refused",
             **_kernels("v6", "released")),
    Scenario("from-released", "from a released kernel",
             **_kernels("released", "v6")),
    Scenario("released", "released kernels, four hops", hops=4,
             bounds=CHAIN_RELEASED, **_kernels("released", "released")),
    Scenario("released-four-vcpus", "released kernels, 4 vCPUs", vcpus=4,
             bounds=RELEASED, **_kernels("released", "released")),
    Scenario("released-faster", "released kernels, 2.5 to 3.0 GHz",
             bounds=RELEASED,
             **_kernels("released", "released", khz=3 * GHZ)),
    Scenario("released-2-khz", "released kernels, 2 kHz apart",
             bounds=RELEASED_APART,
             **_kernels("released", "released", khz=2500002)),
    # -- chains: what is left by each hop doesn't add up. At 2.0 GHz KVM scales
    # to exactly 2.5 GHz, so kvmclock keeps its slope; 2 kHz apart no hop does --
    Scenario("fifty-hops", "2.5 to 2.0 GHz, there and back, 25 times", A,
             B._replace(khz=2 * GHZ), hops=50, slow=True, bounds=CHAIN),
    Scenario("fifty-hops-newest", "the same, newest kernels", hops=50,
             slow=True, bounds=CHAIN,
             **_kernels("newest", "newest", khz=2 * GHZ)),
    Scenario("fifty-hops-released", "the same, released kernels", hops=50,
             slow=True, bounds=CHAIN_RELEASED,
             **_kernels("released", "released", khz=2 * GHZ)),
    Scenario("fifty-hops-slopes", "2 kHz apart: each gives another slope", A,
             B._replace(khz=2500002), hops=50, slow=True,
             bounds=CHAIN._replace(scaled=False)),
    Scenario("fifty-hops-slopes-released", "the same, released kernels",
             hops=50, slow=True, bounds=CHAIN_RELEASED._replace(scaled=False),
             **_kernels("released", "released", khz=2500002)),
    Scenario("v6-newest", "v6 kernel to the newest and back", hops=2,
             **_kernels("v6", "newest")),
    Scenario("skewed-newest", "2 vCPUs, TSCs 1,000,000 ticks apart, newest "
             "kernels: they keep the master clock", vcpus=2, skew=1000000,
             **_kernels("newest", "newest")),
    Scenario("newest-2-khz", "newest kernels, 2 kHz apart", bounds=APART,
             **_kernels("newest", "newest", khz=2500002)),
    # -- timers of the guest's LAPIC --
    Scenario("timers", "TSC deadline timers", A, B, vcpus=3, guest="timers"),
    Scenario("timers-faster", "TSC deadline timers, 2.5 to 3.0 GHz", A,
             B._replace(khz=3 * GHZ), vcpus=3, guest="timers"),
    Scenario("timers-freeze", "TSC deadline timers, blackout=freeze", A, B,
             vcpus=3, guest="timers", source={"blackout": "freeze"},
             destination={"blackout": "freeze"},
             bounds=Bounds(elapsed="freeze")),
    Scenario("timers-released", "TSC deadline timers, released kernels, two "
             "of three vCPUs asleep", vcpus=3, guest="timers", bounds=RELEASED,
             **_kernels("released", "released")),
    Scenario("timers-stock", "TSC deadline timers, unpatched QEMU", A, B,
             vcpus=3, guest="timers", side="stock", end="any", bounds=STOCK),
    Scenario("count-down", "LAPIC timers that count down", A, B, vcpus=3,
             guest="timers-count-down"),
    Scenario("count-down-faster", "LAPIC timers that count down, 2.5 to 3.0 "
             "GHz", A, B._replace(khz=3 * GHZ), vcpus=3,
             guest="timers-count-down"),
    Scenario("count-down-stock", "LAPIC timers that count down, unpatched "
             "QEMU", A, B, vcpus=3, guest="timers-count-down", side="stock",
             end="any", bounds=STOCK),
    # -- guests that believe to be on Hyper-V --
    Scenario("hyperv", "Hyper-V's reference time and timer, 2.5 to 3.0 GHz",
             A, B._replace(khz=3 * GHZ), guest="hyperv"),
    Scenario("hyperv-released", "the same, released kernels", guest="hyperv",
             bounds=RELEASED,
             **_kernels("released", "released", khz=3 * GHZ)),
    Scenario("hyperv-reenlightened", "the same, with a page that stays",
             guest="hyperv-reenlightened", bounds=RELEASED,
             **_kernels("released", "released", khz=3 * GHZ)),
    # -- a guest that is told UTC, and how far that may be off --
    Scenario("vmclock", "both hosts' clocks are known to 10 us, 2.5 to 3.0 GHz",
             KNOWN_A, KNOWN_B._replace(khz=3 * GHZ), guest="vmclock"),
    Scenario("vmclock-lost", "to a host that doesn't know the time and is 1 s "
             "off", KNOWN_A, B._replace(clock_ns=1000 * MS), guest="vmclock",
             bounds=CHANNEL),
    Scenario("vmclock-liar", "to a host that claims 20 ms and is 1 s off",
             KNOWN_A, B._replace(clock_ns=1000 * MS, claim_us=NTP_US),
             guest="vmclock", bounds=CHANNEL),
    Scenario("vmclock-fast", "40 ppm fast; saved to a file, restored 3 s later "
             "on a host whose TSC is 40 ppm slow",
             FAST._replace(claim_us=KNOWN_US), SLOW._replace(claim_us=KNOWN_US),
             guest="vmclock", action="snapshot", bounds=Bounds(elapsed="rate")),
    Scenario("vmclock-linux", "Debian's newest Linux as the guest, with its own "
             "driver; to a host that doesn't know the time and is 1 s off",
             KNOWN_A, B._replace(clock_ns=1000 * MS), guest="linux-vmclock",
             bounds=CHANNEL, slow=True),
    # -- a Linux guest, which measures kvmclock itself, to about 1 us --
    Scenario("linux", "Linux guest, 2 vCPUs, 2.5 to 3.0 GHz", A,
             B._replace(khz=3 * GHZ), guest="linux", vcpus=2, slow=True),
    Scenario("linux-lapic", "the same, LAPIC timer instead of TSC deadline", A,
             B._replace(khz=3 * GHZ), guest="linux", vcpus=2, slow=True,
             words="lapic=notscdeadline"),
    Scenario("linux-stock", "Linux guest, 2 vCPUs, unpatched QEMU", A,
             B._replace(khz=3 * GHZ), guest="linux", vcpus=2, side="stock",
             end="any", bounds=STOCK, slow=True),
]

# What ./run check runs: one of each kind. README.rst says what that leaves.
CHECK = ("equal", "faster", "slower", "2-khz", "four-vcpus",
         "leap-destination", "same-host", "cloned", "kexec", "host-reset",
         "four-hops", "cancelled",
         "killed", "paused", "snapshot", "freeze", "timers", "hyperv-released",
         "unscaled-other", "no-master-clock", "to-released", "released",
         "v6-newest", "stock", "apart-1s-behind-unsync",
         "apart-1day-ahead-utc", "ptp", "late-much-jitter",
         "stalled-completion", "fast-tsc", "vmclock-lost")
