# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests that believe to be on Hyper-V, between fake hosts.

Their reference time is kvmclock in units of 100 ns. KVM puts it into a page of
guest memory, as a function of the TSC, and makes that anew when the clock was
set, unless the guest forbids it. No KVM of these tests does all that by
itself; tests/fake-kvm has a model of it."""
import struct
import time
from collections import namedtuple

from fakejudge import ROUGH_NS, STEPS_NS, calls
from harness import fakehost, measure
from harness.binaries import start
from harness.check import Untouched
from harness.fakehost import KHZ
from harness.migrate import arrive, go, incoming, set_capabilities
from harness.pvclock import MASK64, signed64
from harness.tap import note
from test_table import PAUSE_S

PAGE = 0x50000          # where guests put it: tests/guest leaves it alone
UNIT_NS = 100
MSR_KVMCLOCK = 0x4b564d01
FEATURES = "hv-time=on,hv-frequencies=on,hv-reenlightenment=on"
TIMERS = ",hv-vpindex=on,hv-synic=on,hv-stimer=on,hv-stimer-direct=on"
TIMER_UNITS = 10 ** 8   # 10 s, in 100 ns
MSRS = ("REFERENCE_TSC", "REENLIGHTENMENT", "REENLIGHTENMENT",
        "REENLIGHTENMENT")

# A guest's clocks on both sides of a migration: by the models' logs, the page
# by guest memory; QEMU's report, and the two logs' calls.
Moved = namedtuple("Moved", "there here page_there page_here report sent got")


class ReferencePage(namedtuple("ReferencePage",
                               "sequence reserved scale offset")):
    """Reference time as a function of the guest TSC."""

    @classmethod
    def of(cls, guest):
        return cls(*struct.unpack("<IIQq", guest.read(PAGE, 24)))

    def ns(self, tsc):
        return ((tsc * self.scale >> 64) + self.offset) * UNIT_NS & MASK64


def cpu(khz=KHZ, more=""):
    """Of QEMU: a CPU with Hyper-V's time. 0: its frequency isn't promised."""
    return ("-cpu", "qemu64,%s%s%s" % (
        FEATURES, more, ",tsc-frequency=%d" % (khz * 1000) if khz else ""))


def enlightened(host, **keys):
    """That host, with guests that use the page when they run."""
    name = "-".join(["hyperv", host] + sorted(keys))
    return fakehost.declare(name, host, reference_page=PAGE, **keys)


def turn_kvmclock_on(guest):
    """tests/guest finds only kvmclocks of hypervisors that call themselves
    KVM. The model's begins when the vCPUs are interrupted."""
    for index in range(guest.vcpus):
        guest.wrmsr(MSR_KVMCLOCK, guest.slot_address(index) + 1, index)
    guest.qmp.execute("human-monitor-command",
                      {"command-line": "info registers -a"})


def begin(host, kvmclock=True, **qemu):
    guest = start(fakehost.side(host, policy="lax"), **qemu)
    guest.wait_up()
    if kvmclock:
        turn_kvmclock_on(guest)
    return guest


def move(source_host, destination_host, kvmclock=True, vcpus=1, extra=cpu(),
         **properties):
    """One migration of one enlightened guest."""
    qemu = {"vcpus": vcpus, "extra": extra}
    with begin(source_host, kvmclock, **qemu) as source:
        side = fakehost.side(destination_host, policy="lax", **properties)
        destination, uri = incoming(side, **qemu)
        with destination:
            info = go(source, uri)
            assert info["status"] == "completed", destination.stderr()
            arrive(destination)
            return look(source, source_host, destination, destination_host)


def look(source, source_host, destination, destination_host):
    sent = calls(source_host, source.pid, "", "")
    got = calls(destination_host, destination.pid, "", "")
    return Moved(fakehost.clocks(sent), fakehost.clocks(got, which=0),
                 ReferencePage.of(source), ReferencePage.of(destination),
                 measure.own_report(destination), sent, got)


# -- What must hold --

def reference_ns(clocks, page, tsc):
    """While the page says no, the guest asks KVM, which has kvmclock."""
    return page.ns(tsc) if page.sequence else \
        clocks.record.at(tsc) // UNIT_NS * UNIT_NS


def reference_step(moved):
    """As a function of the guest TSC, when its clock counts again."""
    tsc = moved.here.record.tsc_timestamp
    return signed64(reference_ns(moved.here, moved.page_here, tsc) -
                    reference_ns(moved.there, moved.page_there, tsc))


def allowed_ns(moved):
    """As the report says; without a master clock it can't say."""
    return moved.report.get("bound-ns", ROUGH_NS)


def values(found, name):
    return [call.values["value"] for call in found if call.name == name]


def assert_msrs_travelled(moved):
    for msr in sorted(set(MSRS)):
        count = MSRS.count(msr)
        sent = values(moved.sent, "KVM_GET_MSRS(...%s...)" % msr)[-count:]
        got = values(moved.got, "KVM_SET_MSRS(...%s...)" % msr)[-count:]
        assert sent == got, "%s: %s became %s" % (msr, sent, got)
    assert values(moved.got, "KVM_SET_MSRS(...REFERENCE_TSC...)")[-1] == \
        PAGE + 1, "the guest's page wasn't sent"


def assert_order(moved):
    """The clock is set after the MSRs: KVM takes these for a new clock."""
    last = max(call.true_ns for call in moved.got
               if call.name.startswith("KVM_SET_MSRS(...RE"))
    clock = max(call.true_ns for call in moved.got
                if call.name.startswith("KVM_SET_CLOCK"))
    assert last < clock < moved.here.run.true_ns, \
        "MSRs at %d, the clock at %d, the first run at %d" % (
            last, clock, moved.here.run.true_ns)


def assert_never_back(moved):
    """No later reading is below an earlier one."""
    stopped = max(call.true_ns for call in moved.sent
                  if call.name == "KVM_GET_MSRS(...REFERENCE_TSC...)")
    runs = moved.here.run.true_ns
    before = reference_ns(moved.there, moved.page_there,
                          moved.there.guest_tsc(stopped))
    after = reference_ns(moved.here, moved.page_here,
                         moved.here.guest_tsc(runs))
    assert 0 <= after - before, "went back by %d ns" % (before - after)


def assert_carried(moved, what):
    step, clock_step = reference_step(moved), fakehost.clock_step(moved.there,
                                                                 moved.here)
    note("%s: %s, reference time %d ns, kvmclock %d ns, sequence %d to %d" % (
        what, moved.report["rung"], step, clock_step,
        moved.page_there.sequence, moved.page_here.sequence))
    # The page's offset is rounded.
    assert abs(step) <= allowed_ns(moved) + UNIT_NS, \
        "%s: reference time stepped %d ns" % (what, step)
    assert abs(step - clock_step) < 2 * UNIT_NS, \
        "%s: the page isn't kvmclock: %d, %d ns" % (what, step, clock_step)
    assert_msrs_travelled(moved)
    assert_order(moved)
    assert_never_back(moved)


def assert_page_made(moved):
    """As the last line of the log says, and it is the only change."""
    made = [call.values for call in moved.got if call.name == "REFERENCE_PAGE"]
    assert moved.page_here._asdict() == dict(made[-1], reserved=0), made


# -- Migrations --

def carried(source_host, destination_host, khz=KHZ, vcpus=1):
    moved = move(enlightened(source_host), destination_host, vcpus=vcpus,
                 extra=cpu(khz))
    assert_carried(moved, "%s to %s" % (source_host, destination_host))
    return moved


def test_same_rate():
    """Reference time goes on as kvmclock does, on kernels of all kinds."""
    for pair in (("newest", "newest-amd"), ("newest", "newest"),
                 ("newest", "released"), ("released", "v6"),
                 ("released", "unscaled"), ("old", "released"),
                 ("newest", "old")):
        moved = carried(*pair, vcpus=2)
        assert moved.page_there.sequence and moved.page_here.sequence
        assert_page_made(moved)


def test_other_rate():
    """And to a host with another TSC, which is scaled to the guest's."""
    for pair in (("newest", "fast-amd"), ("released", "fast-released"),
                 ("fast", "released", 3000000), ("newest", "2-khz")):
        moved = carried(*pair)
        assert moved.page_here.sequence > moved.page_there.sequence


def test_without_master_clock():
    """Where there is no page, KVM's own word for reference time counts."""
    moved = carried("newest", "hpet")
    assert moved.page_there.sequence and not moved.page_here.sequence
    moved = carried("hpet", "newest")
    assert not moved.page_there.sequence and moved.page_here.sequence


def test_kvmclock_hidden():
    """Guests that aren't told of kvmclock get their clock carried, too."""
    for pair in ("newest", "newest-amd"), ("released", "fast-released"), \
            ("old", "released"):
        moved = move(enlightened(pair[0]), pair[1], kvmclock=False,
                     extra=cpu(more=",kvm=off"))
        assert not any(values(moved.sent, "KVM_GET_MSRS(...SYSTEM_TIME...)"))
        assert_carried(moved, "%s to %s" % pair)


# -- Timers --

def lateness_ns(call, clocks, page):
    """Of a timer, by the reference time that the guest will read then."""
    expires = clocks.guest_tsc(call.values["expires"])
    return signed64(reference_ns(clocks, page, expires) -
                    call.values["count"] * UNIT_NS)


def test_timers():
    """Synthetic timers expire when they should.

    KVM starts them once, by the clock that it has then."""
    for pair in (("newest", "fast-amd"), ("released", "fast-released"),
                 ("released", "released"), ("newest", "hpet")):
        moved = move(enlightened(pair[0], reference_timer=TIMER_UNITS),
                     pair[1], extra=cpu(more=TIMERS))
        started = [call for call in moved.got if call.name == "REFERENCE_TIMER"]
        late = [lateness_ns(call, moved.here, moved.page_here)
                for call in started]
        note("%s to %s: started %d times, late by %s ns" % (*pair,
                                                            len(late), late))
        assert_carried(moved, "%s to %s" % pair)
        # KVM's kHz, too, are rounded: 0.4 ppm of what is left.
        assert late and max(map(abs, late)) < TIMER_UNITS * UNIT_NS * 1e-6


# -- Re-enlightenment: the page stays as it is --

def ahead_ns(record, page):
    """By how much kvmclock is ahead of a page that didn't change."""
    tsc = record.tsc_timestamp
    return signed64(record.at(tsc) - page.ns(tsc))


def disagreement_ns(moved):
    return ahead_ns(moved.here.record, moved.page_here)


def test_reenlightenment():
    """A page that KVM must leave alone still agrees with kvmclock."""
    for pair in ("newest", "fast-amd"), ("released", "fast-released"), \
            ("released", "unscaled"):
        moved = move(enlightened(pair[0], reenlightened="true"), pair[1])
        assert moved.page_here == moved.page_there, "the page has changed"
        assert any(values(moved.got, "KVM_SET_MSRS(...REENLIGHTENMENT...)"))
        assert_carried(moved, "%s to %s" % pair)
        assert abs(disagreement_ns(moved)) < 2 * UNIT_NS + allowed_ns(moved)


def test_reenlightenment_without_page():
    """KVM makes such a guest's page once, by a clock that is nearly right."""
    moved = move(enlightened("hpet", reenlightened="true"), "fast-released")
    note("kvmclock and the page part by %d ns" % disagreement_ns(moved))
    assert not moved.page_there.sequence
    assert moved.page_here.sequence == 1, "made more than once"
    assert abs(disagreement_ns(moved)) < ROUGH_NS


def test_reenlightenment_off():
    """The comparison sees it when guest-clock is off."""
    source = enlightened("released", reenlightened="true")
    qemu = {"extra": cpu()}
    off = {"guest-clock": "off"}
    with start(fakehost.side(source, **off), **qemu) as guest:
        guest.wait_up()
        destination, uri = incoming(fakehost.side("fast-released", **off),
                                    **qemu)
        with destination:
            assert go(guest, uri)["status"] == "completed"
            arrive(destination)
            moved = look(guest, source, destination, "fast-released")
    note("kvmclock and the page part by %d ns" % disagreement_ns(moved))
    assert abs(disagreement_ns(moved)) > 1000


def test_paused():
    """Nor does a pause part them, though it stops kvmclock."""
    for host in enlightened("newest", reenlightened="true"), \
            enlightened("released", reenlightened="true"):
        with begin(host, extra=cpu()) as guest:
            page = ReferencePage.of(guest)
            guest.qmp.execute("stop")
            time.sleep(PAUSE_S)
            guest.qmp.execute("cont")
            guest.wait_beating()
            found = calls(host, guest.pid, "", "")
            assert ReferencePage.of(guest) == page, "the page has changed"
        before, after = (fakehost.clocks(found, which=n) for n in (0, -1))
        ahead = ahead_ns(after.record, page)
        note("%s: kvmclock and the page part by %d ns" % (host, ahead))
        assert fakehost.tsc_step(before, after) < 0, "the pause counted"
        assert abs(ahead) < 2 * UNIT_NS + STEPS_NS["closed-loop"]


def test_frequency_not_promised():
    """QEMU refuses re-enlightenment without tsc-frequency; the guest goes on.

    So does stock QEMU refuse it. That comes late, so that the guest is lost
    unless the user set return-path."""
    qemu = {"extra": cpu(khz=0)}
    with begin(enlightened("newest", reenlightened="true"), **qemu) as source:
        untouched = Untouched(source)
        destination, uri = incoming(fakehost.side("newest-amd"), **qemu)
        set_capabilities(source, "return-path")
        with destination:
            assert go(source, uri)["status"] == "failed"
            destination.wait_exit()
            assert "'tsc-frequency=' has to be specified" in \
                destination.stderr(), destination.stderr()
        untouched.assert_still(may_stop=True)
