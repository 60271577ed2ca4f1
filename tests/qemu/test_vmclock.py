# SPDX-License-Identifier: GPL-2.0-or-later
"""The vmclock device tells the guest the time: right to within what it says,
from the first instruction on, whatever the hosts believe."""
import time
from fractions import Fraction

from hosttime import REAL_NS

from harness import fakehost, hosttsc, stream, vmclock
from harness.binaries import start
from harness.check import crashed, patched
from harness.guest import GuestError
from harness.migrate import (arrive, go, incoming, load, wait_loaded,
                             wait_running)
from harness.tap import note
from snapshot import add_disk, monitor
from told import (DEVICE, GOOD_NS, WRONG_NS, host, judged, moved, started,
                  wait_page)

PLAIN = ["-device", "vmclock"]
SAME_TSC_S = 1.5    # KVM takes what is written to it earlier for the same TSC


def test_start():
    """At its start, by a host whose TSC is faster than its kernel says."""
    there = host("start", rate_ppm=40, adjustment_ppt=-40 * 10 ** 6)
    with started(there) as guest:
        guest.wait_up()
        page = judged("start", guest, there)
        assert page[:5] == (vmclock.MAGIC, 4096, 1, vmclock.COUNTER_TSC, 0)
        assert page.status == vmclock.SYNCHRONIZED and not page.tai_offset
        assert page.flags == (vmclock.PERIOD_MAXERROR_VALID |
                              vmclock.TIME_MAXERROR_VALID |
                              vmclock.GENERATION_PRESENT |
                              vmclock.NOTIFICATION_PRESENT)
        assert GOOD_NS <= page.error_ns < GOOD_NS + 1000
        hz = fakehost.KHZ * 1000 * (1 + 40e-6)
        assert abs(float(page.hz()) / hz - 1) < 1e-8


def test_good_hosts():
    """Between two good hosts: as good as the one where it is."""
    there, here = host("good-a", "newest"), host("good-b")
    with started(there) as source:
        source.wait_up()
        page = moved(source, there, here)
        assert page.status == vmclock.SYNCHRONIZED
        assert page.error_ns < GOOD_NS + 1000


def test_lost_host():
    """To a host that doesn't know the time, and is a second off."""
    there = host("known", "newest")
    here = host("lost", synchronised="false", realtime=REAL_NS + WRONG_NS)
    with started(there) as source:
        source.wait_up()
        page = moved(source, there, here)
        assert page.status == vmclock.SYNCHRONIZED
        assert GOOD_NS <= page.error_ns < WRONG_NS / 100


def test_found_again():
    """From a host that doesn't know the time to one that does, and on."""
    lost = host("lost-a", "newest", synchronised="false",
                realtime=REAL_NS + WRONG_NS)
    good = host("found-b")
    with started(lost) as source:
        source.wait_up()
        page = source.vmclock_page()
        assert page.status == vmclock.FREERUNNING
        assert not page.flags & vmclock.TIME_MAXERROR_VALID
        assert moved(source, lost, good).error_ns < GOOD_NS + 1000


def test_nobody_knows():
    """Two hosts that don't know the time don't pretend to."""
    lost = host("lost-1", "newest", synchronised="false")
    too = host("lost-2", synchronised="false")
    with started(lost) as source:
        source.wait_up()
        page = moved(source, lost, too)
        assert page.status == vmclock.FREERUNNING
        assert not page.flags & vmclock.TIME_MAXERROR_VALID


def test_liar():
    """To a host that is wrong and doesn't know it: the bound covers both."""
    there = host("true", "newest")
    here = host("liar", realtime=REAL_NS + WRONG_NS)
    with started(there) as source:
        source.wait_up()
        assert moved(source, there, here).error_ns > WRONG_NS * 0.99


def test_saved():
    """From a file, twice: two generations, and the time is right."""
    there, here = host("saved", "newest"), host("restored")
    with started(there) as source:
        source.wait_up()
        first = judged("saved", source, there)
        uri = "file:" + source.path("stream")
        assert go(source, uri)["status"] == "completed"
        generations = {first.generation}
        for _ in range(2):
            with load(fakehost.side(here), uri, extra=DEVICE) as copy:
                assert wait_loaded(copy), copy.stderr()
                arrive(copy)
                page = judged("restored", copy, here)
                assert page.marker != first.marker
                generations.add(page.generation)
        assert len(generations) == 3, generations


def test_snapshot():
    """loadvm is another generation, too."""
    there = host("snapshot", "newest")
    with started(there) as guest:
        add_disk(guest)
        guest.wait_up()
        monitor(guest, "savevm here")
        first = judged("saved", guest, there)
        monitor(guest, "loadvm here")
        wait_running(guest)
        guest.wait_beating()
        page = judged("loaded", guest, there)
        assert page.generation != first.generation
        assert page.marker != first.marker


def test_pause():
    """A pause that doesn't count disrupts the TSC; the time counts on."""
    there = host("paused", "newest")
    with started(there) as guest:
        guest.wait_up()
        first = judged("before", guest, there)
        guest.qmp.execute("stop")
        time.sleep(0.3)
        guest.qmp.execute("cont")
        guest.wait_beating()
        page = judged("after", guest, there)
        assert page.marker != first.marker
        assert page.generation == first.generation


def test_kept():
    """A cancelled or failed migration disrupts nothing."""
    there = host("kept", "newest")
    with started(there) as guest:
        guest.wait_up()
        first = judged("before", guest, there)
        assert go(guest, "exec:cat >/dev/null; exit 1")["status"]
        guest.qmp.execute("cont")
        guest.wait_beating()
        assert judged("after", guest, there).marker == first.marker


def test_while_it_runs():
    """A host that learns the time tells its guests soon."""
    there = host("late", "newest", synchronised="false")
    with started(there) as guest:
        guest.wait_up()
        first = guest.vmclock_page()
        assert first.status == vmclock.FREERUNNING
        host("late", "newest", synchronised="true")
        wait_page(guest, lambda page: page != first, "it isn't told")
        page = judged("late", guest, there)
        assert page.status == vmclock.SYNCHRONIZED
        assert page.marker == first.marker


def test_reset():
    """A guest that is reset isn't told of the TSC that it had before."""
    there = host("reset", "newest")
    with started(there) as guest:
        guest.wait_up()
        first = judged("before", guest, there)
        for round_ in range(3):
            time.sleep(SAME_TSC_S)
            guest.begin_reset()
            guest.wait_up()
            judged("reset", guest, there)
            page = wait_page(guest, lambda page: page.status ==
                             vmclock.SYNCHRONIZED, "it isn't told again")
            judged("told", guest, there)
            assert page.marker > first.marker + round_
            assert page.generation == first.generation


def test_reset_stopped():
    """Nor one that is reset while it is stopped."""
    there = host("reset-stopped", "newest")
    with started(there) as guest:
        guest.wait_up()
        time.sleep(SAME_TSC_S)
        first = judged("before", guest, there)
        guest.qmp.execute("stop")
        guest.qmp.execute("system_reset")
        assert guest.vmclock_page().status == vmclock.UNRELIABLE
        guest.qmp.execute("cont")
        guest.wait_beating()
        page = judged("after", guest, there)
        assert page.status == vmclock.SYNCHRONIZED
        assert page.marker > first.marker


def test_wrong_tai():
    """A host that is a second off and has the TAI offset wrong: it isn't a
    leap second, or the bound covers both."""
    for tai in 36, 38, -37, 900:
        there = host("tai-37", "newest")
        here = host("tai-%d" % tai, tai_offset=tai, synchronised="false",
                    realtime=REAL_NS + WRONG_NS)
        with started(there) as source:
            source.wait_up()
            page = moved(source, there, here)
            assert page.error_ns >= abs(tai - 37) * 10 ** 9, page


def test_impossible():
    """No time after 2262 is believed from a stream."""
    there = host("impossible", "newest")
    with started(there) as guest:
        guest.wait_up()
        path = guest.path("stream")
        assert go(guest, "file:" + path)["status"] == "completed"
        with stream.edited(path) as data:
            at, = [at for name, at, _ in stream.fields(data)
                   if name[-1] == "carried.utc.ns"]
            data[at] = 0x80
        with load(fakehost.side(there), "file:" + path, extra=DEVICE) as copy:
            assert wait_loaded(copy), copy.stderr()
            arrive(copy)
            assert "UTC is impossible" in copy.stderr(), copy.stderr()
            judged("loaded", copy, there)


def test_guest_reads():
    """By this machine's own clocks, read by the guest: the last time that it
    looked there, and the first time here."""
    with start(patched(), extra=DEVICE) as source:
        source.wait_up()
        source.watch_vmclock()
        source.wait_beating()
        destination, uri = incoming(patched(), extra=DEVICE)
        with destination:
            assert go(source, uri)["status"] == "completed"
            arrive(destination)
            before_tsc, before = destination.vmclock_read("BEFORE")
            first_tsc, first = destination.vmclock_read("FIRST")
            assert before.marker != first.marker == \
                destination.vmclock_page().marker
            assert before_tsc < first.ticks <= first_tsc
            for tsc, page in (before_tsc, before), (first_tsc, first):
                against_this_machine(tsc, page)


def against_this_machine(tsc, page):
    low, high = hosttsc.realtime_at(tsc)
    # The page's own doubt about the rate, and ours, of some ppm.
    room_ns = float((tsc - page.ticks) * page.period_error * 10 ** 9 /
                    Fraction(1 << 64 + page.shift)) + 20000
    note("UTC is %.0f to %.0f ns off, room %.0f" % (
        page.utc_ns(tsc) - high, page.utc_ns(tsc) - low, room_ns))
    assert page.utc_ns(tsc) > low - room_ns
    assert page.utc_ns(tsc) < high + room_ns


def test_off():
    """Without host-time=on the device is what it was."""
    there, here = host("off-a", "newest"), host("off-b")
    with start(fakehost.side(there), extra=PLAIN) as source:
        source.wait_up()
        first = source.vmclock_page()
        assert first.counter_id == vmclock.COUNTER_INVALID
        assert first.flags == first.ticks == first.sec == 0
        destination, uri = incoming(fakehost.side(here), extra=PLAIN)
        with destination:
            assert go(source, uri)["status"] == "completed"
            arrive(destination)
            page = destination.vmclock_page()
            assert page._replace(marker=0, seq=0) == \
                first._replace(marker=0, seq=0)
            assert page.marker == first.marker + 1


def test_other_setting():
    """It is part of the machine: a destination without it, or with it on its
    own, refuses the guest in a sentence."""
    there, here = host("mixed-a", "newest"), host("mixed-b")
    for ours, theirs, word in (DEVICE, PLAIN, "its source has -device"), \
            (PLAIN, DEVICE, "its source has no -device"):
        with start(fakehost.side(there), extra=ours) as source:
            source.wait_up()
            destination, uri = incoming(fakehost.side(here), extra=theirs)
            with destination:
                assert go(source, uri)["status"] == "failed"
                assert not crashed(destination.wait_exit())
                assert word in destination.stderr(), destination.stderr()
            assert source.running()
            source.wait_beating()


def why_not_started(kvmclock, accel):
    try:
        with start(patched(), kvmclock=kvmclock, accel=accel, extra=DEVICE):
            return "it started"
    except GuestError as error:
        return str(error)


def test_refused():
    """It needs somebody who knows the guest's TSC, and says so."""
    for accel, kvmclock in ("kvm", {"guest-clock": "off"}), ("tcg", {}):
        words = why_not_started(kvmclock, accel)
        assert "guest-clock=on" in words and "host-time=on" in words, words
