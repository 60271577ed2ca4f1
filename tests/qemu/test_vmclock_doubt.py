# SPDX-License-Identifier: GPL-2.0-or-later
"""The vmclock device where somebody else is in doubt: hosts that are seen to be
wrong, TSCs that differ or are given up, copies, and another QEMU on the page.
No guest is told a bound that doesn't hold."""
import contextlib
import tempfile
import time

import modes
from hosttime import REAL_NS

from harness import fakehost, vmclock
from harness.binaries import start
from harness.guest import GuestError
from harness.migrate import (arrive, go, incoming, load, wait_loaded,
                             wait_running)
from snapshot import add_disk, monitor
from test_host import turn
from told import (DEVICE, GOOD_NS, WRONG_NS, host, judged, started,
                  wait_page)

EXCHANGE_OFF = {"x-exchange": "off"}
APART_NS = WRONG_NS


def to_liar(name, wrong_ns):
    """To a host whose clock is seen to be wrong, and nothing tells what else
    the time is."""
    there = host(name + "-true", "newest")
    here = host(name + "-liar", realtime=REAL_NS + wrong_ns)
    with start(fakehost.side(there), extra=DEVICE,
               kvmclock=EXCHANGE_OFF) as source:
        source.wait_up()
        judged("there", source, there)
        destination, uri = incoming(fakehost.side(here), extra=DEVICE,
                                    kvmclock=EXCHANGE_OFF)
        with destination:
            assert go(source, uri)["status"] == "completed"
            arrive(destination)
            page = judged("here", destination, here)
            assert page.status == vmclock.SYNCHRONIZED
            assert page.error_ns < abs(wrong_ns) * 1.1 + WRONG_NS


def test_ahead():
    """The destination saw less time pass than by its own clock."""
    to_liar("ahead", 2 * WRONG_NS)


def test_behind():
    """By its clock less than none passed."""
    to_liar("behind", -2 * WRONG_NS)


def test_behind_file():
    """The same with a file, and nobody saw anything."""
    there = host("file-true", "newest")
    here = host("file-liar", realtime=REAL_NS - 2 * WRONG_NS)
    with started(there) as source:
        source.wait_up()
        uri = "file:" + source.path("stream")
        assert go(source, uri)["status"] == "completed"
        with load(fakehost.side(here), uri, extra=DEVICE) as guest:
            assert wait_loaded(guest), guest.stderr()
            arrive(guest)
            page = judged("here", guest, here)
            assert page.status == vmclock.FREERUNNING


def test_apart():
    """vCPUs that differ: what is told holds for each, here and there."""
    there = host("apart", "skewed", skew=fakehost.KHZ * 1000)
    here = host("apart-too")
    with start(fakehost.side(there), vcpus=2, extra=DEVICE) as source:
        source.wait_up()
        wait_page(source, lambda page: page.error_ns >= APART_NS,
                  "the other vCPU isn't counted")
        page = judged("there", source, there)
        assert page.error_ns < APART_NS * 1.1
        destination, uri = incoming(fakehost.side(here), vcpus=2, extra=DEVICE)
        with destination:
            assert go(source, uri)["status"] == "completed"
            arrive(destination)
            page = judged("here", destination, here)
            assert APART_NS <= page.error_ns < APART_NS * 1.1


def test_alike():
    """vCPUs whose TSCs are one cost nothing, nor is there a disruption."""
    there = host("alike", "newest")
    with start(fakehost.side(there), vcpus=4, extra=DEVICE) as guest:
        guest.wait_up()
        first = guest.vmclock_page()
        wait_page(guest, lambda page: page.seq - first.seq >= 4,
                  "it isn't told again")
        page = judged("later", guest, there)
        assert page.error_ns < GOOD_NS + 1000
        assert page.marker == first.marker


def gives_up(like):
    """A host's kernel gives its TSC up while the guest runs."""
    there = host("gives-up-" + like, like)
    with started(there) as guest:
        guest.wait_up()
        first = guest.vmclock_page()
        assert first.status == vmclock.SYNCHRONIZED
        turn(guest, there, like)
        page = wait_page(guest,
                         lambda page: page.status != vmclock.SYNCHRONIZED,
                         "it is told the time still")
        assert page.status == vmclock.UNRELIABLE
        assert not page.flags & vmclock.TIME_MAXERROR_VALID


def test_gives_up():
    """Such a TSC tells no time."""
    gives_up("newest")


def test_gives_up_released():
    """Nor does it by a released kernel."""
    gives_up("released")


def suspended(name, steps, tsc_start=2 * 10 ** 15 - fakehost.KHZ * 1000):
    """A guest that brought the time to a host that doesn't know it; then the
    host is suspended, and its TSC stands, or begins anew."""
    there = host(name + "-known", "newest")
    lost = {"synchronised": "false", "tsc_start": 2 * 10 ** 15}
    here = host(name, **lost)
    with started(there) as source:
        source.wait_up()
        destination, uri = incoming(fakehost.side(here), extra=DEVICE)
        with destination:
            assert go(source, uri)["status"] == "completed"
            arrive(destination)
            page = judged("here", destination, here)
            assert page.status == vmclock.SYNCHRONIZED
            # Less than the guest is old, for the model's sake.
            time.sleep(2)
            lost["tsc_start"] = tsc_start
            for step in steps:
                if step == "suspend":
                    host(name, **lost)
                else:
                    destination.qmp.execute(step)
            page = wait_page(destination,
                             lambda page: page.status == vmclock.FREERUNNING,
                             "what was brought still counts")
            assert not page.flags & vmclock.TIME_MAXERROR_VALID, page


def test_suspended():
    """What was brought is forgotten, for nobody counted it on."""
    suspended("suspended", ("suspend",))


def test_suspended_paused():
    """The same while the guest was paused."""
    suspended("suspended-paused", ("stop", "suspend", "cont"))


def test_suspended_anew():
    """A TSC that begins anew: the guest isn't told that it is 225 years
    later."""
    suspended("suspended-anew", ("suspend",), 10 ** 13)


def test_turned_off():
    """A snapshot from when the guest was told, loaded where nobody tells."""
    there = host("turned-off", "newest")
    with started(there) as guest:
        add_disk(guest)
        guest.wait_up()
        monitor(guest, "savevm here")
        guest.qmp.execute("qom-set", {
            "path": "/machine/kvmclock", "property": "guest-clock",
            "value": False})
        assert guest.vmclock_page().status == vmclock.UNRELIABLE
        monitor(guest, "loadvm here")
        wait_running(guest)
        guest.wait_beating()
        page = guest.vmclock_page()
        assert page.status == vmclock.UNRELIABLE, page
        assert not page.flags & vmclock.TIME_MAXERROR_VALID


def test_command():
    """What comes through a pipe may be a copy: another generation."""
    there, here = host("piped", "newest"), host("pipe")
    with started(there) as source:
        source.wait_up()
        generations = {judged("saved", source, there).generation}
        path = source.path("stream")
        assert go(source, "exec:cat >" + path)["status"] == "completed"
        for _ in range(2):
            with load(fakehost.side(here), "exec:cat " + path,
                      extra=DEVICE) as copy:
                assert wait_loaded(copy), copy.stderr()
                arrive(copy)
                generations.add(judged("copy", copy, here).generation)
        assert len(generations) == 3, generations


@contextlib.contextmanager
def preserved(name):
    """A restored guest on a page that CPR hands over; QEMU's options."""
    there = host(name, "newest")
    with tempfile.TemporaryDirectory(prefix="clockferry-") as folder:
        options = {"extra": DEVICE + modes.memory(
            modes.MODES["cpr-transfer"], folder)}
        with start(fakehost.side(there), **options) as first:
            first.wait_up()
            uri = "file:" + first.path("stream")
            assert go(first, uri)["status"] == "completed"
            with load(fakehost.side(there), uri, **options) as source:
                assert wait_loaded(source), source.stderr()
                arrive(source)
                assert source.vmclock_page().generation
                yield there, source, options


def test_cpr_refused():
    """A new QEMU that refuses the guest leaves its page alone."""
    with preserved("cpr-refused") as (there, source, options):
        before = source.vmclock_page()
        try:
            modes.cpr_transfer(source, fakehost.side(there), **options,
                               kvmclock={"x-pretend-tsc-khz": "1000000"})
            raise AssertionError("it was taken")
        except GuestError:
            pass
        page = judged("after", source, there)
        assert page.status == vmclock.SYNCHRONIZED
        assert page.marker == before.marker
        assert page.generation == before.generation


def test_cpr():
    """One that takes it goes on with the page: no copy, no marker twice."""
    with preserved("cpr-taken") as (there, source, options):
        before = source.vmclock_page()
        _, destination = modes.cpr_transfer(source, fakehost.side(there),
                                            **options)
        with destination:
            page = judged("after", destination, there)
            assert page.status == vmclock.SYNCHRONIZED
            assert page.marker > before.marker and page.seq > before.seq
            assert page.generation == before.generation
