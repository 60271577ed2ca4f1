# SPDX-License-Identifier: GPL-2.0-or-later
"""No guest is lost, or goes on with wrong clocks unannounced."""
import contextlib
import os

from harness import fakehost, measure, table
from harness.binaries import start
from harness.check import Untouched, crashed, patched
from harness.migrate import (arrive, cross, go, incoming, load,
                             set_capabilities, wait_loaded, wait_running)
from harness.tap import Missing, note
import hotplug
from snapshot import add_disk, monitor
from test_postcopy import BALLAST
from test_refused import FAR_KHZ
from test_snapshot import background, saved
from test_table_calls import faulty

NOWHERE_ELSE = "taking the guest all the same, for it runs nowhere else"
AS_IF_OFF = NOWHERE_ELSE + ", as if guest-clock was off"
REFUSING = {"kvmclock": {"x-pretend-tsc-khz": FAR_KHZ}}


def test_snapshot_taken():
    """loadvm of what a policy would refuse: it is taken, with a warning."""
    with start(patched(), **REFUSING) as guest:
        add_disk(guest)
        guest.wait_up()
        monitor(guest, "savevm here")
        words = monitor(guest, "loadvm here")
        wait_running(guest)
        guest.wait_beating()
        assert measure.own_report(guest), guest.stderr()
        assert NOWHERE_ELSE in words, words


def test_snapshot_off():
    """loadvm of what was saved with guest-clock=on, which is off now."""
    with start(patched()) as guest:
        add_disk(guest)
        guest.wait_up()
        monitor(guest, "savevm here")
        guest.qmp.execute("qom-set", {"path": "/machine/kvmclock", "value": False,
                                      "property": "guest-clock"})
        words = monitor(guest, "loadvm here")
        wait_running(guest)
        guest.wait_beating()
        assert AS_IF_OFF in words, words
        assert "guest-clock is off here" in measure.not_carried(guest)


def test_booted_anew():
    """loadvm on a host that was booted, and then calibrated its TSC, anew."""
    before, after = (fakehost.declare("boot-%d" % khz, "unscaled", khz=khz)
                     for khz in (2903985, 2903991))
    promised = table.cpu(2903985)
    with start(fakehost.side(before), extra=promised) as source:
        add_disk(source)
        source.wait_up()
        monitor(source, "savevm here")
        source.qmp.execute("quit")
        source.wait_exit()
        disk = source.path("disk.qcow2")
        for policy in "strict", "auto", "lax":
            with start(fakehost.side(after, policy=policy), extra=[
                    *promised, "-loadvm", "here", "-blockdev",
                    "driver=qcow2,node-name=disk,file.driver=file,"
                    "file.filename=" + disk]) as guest:
                guest.wait_beating()
                words = guest.stderr()
                assert NOWHERE_ELSE in words and "+2.066 ppm" in words, words


def test_file_taken():
    """The same for a saved guest from file:."""
    with start(patched()) as source:
        source.wait_up()
        path = source.path("stream")
        saved(source, path)
        with load(patched(), "file:" + path, **REFUSING) as guest:
            assert wait_loaded(guest), guest.stderr()
            arrive(guest)
            assert measure.own_report(guest), guest.stderr()
            assert NOWHERE_ELSE in guest.stderr(), guest.stderr()


def test_fewer_vcpus():
    """A destination with fewer vCPUs can't load it; it runs on at the source
    if that has a return path."""
    with start(patched(), vcpus=2) as source:
        source.wait_up()
        still = Untouched(source)
        destination, uri = incoming(patched(), vcpus=1,
                                    capabilities=["return-path"])
        with destination:
            set_capabilities(source, "return-path")
            assert go(source, uri)["status"] == "failed"
            assert not crashed(destination.wait_exit())
        wait_running(source)
        still.assert_still(may_stop=True)


def test_pipe_refused():
    """Not from exec:, for it may still run where the pipe begins."""
    with start(patched()) as source:
        source.wait_up()
        path = source.path("stream")
        saved(source, path)
        with load(patched(), "exec:cat " + path, **REFUSING) as guest:
            assert not wait_loaded(guest), "it was taken"
            assert "refusing the guest" in guest.stderr(), guest.stderr()


# -- A source that can't capture its guest's clocks --

def move(source):
    destination, uri = incoming(fakehost.side("newest-amd"))
    with destination:
        assert go(source, uri)["status"] == "completed"


def pause(source):
    source.qmp.execute("stop")


def unable(host, stop=move, from_then_on="+"):
    """That host, where no TSC can be read once the guest has stopped."""
    with start(fakehost.side(host)) as source:
        source.wait_up()
        stop(source)
        calls = fakehost.log(host, source.pid)
    name = "KVM_GET_DEVICE_ATTR(TSC_OFFSET)"
    # The last one only asks whether it is what it was.
    number = max(call.number for call in calls if call.name == name) - 1
    return faulty(host, "%s#%d%s" % (name, number, from_then_on))


def tells(guest, why):
    """Whoever asks afterwards, and whoever listened."""
    assert why in (measure.not_carried(guest) or ""), guest.stderr()
    assert why in monitor(guest, "info kvm-clock")
    told = guest.qmp.wait_event("KVM_CLOCK_NOT_CARRIED")["data"]["reason"]
    assert told == measure.not_carried(guest), told
    assert not measure.own_report(guest)


def tells_no_more(guest):
    """Once it went well."""
    for command in "stop", "cont":
        guest.qmp.execute(command)
    guest.wait_beating()
    assert not measure.not_carried(guest), guest.stderr()
    assert "not carried" not in monitor(guest, "info kvm-clock")


def test_not_captured():
    """It arrives, and the destination says what happened to its clocks."""
    with start(fakehost.side(unable("newest"))) as source:
        source.wait_up()
        destination, uri = incoming(fakehost.side("newest-amd"))
        with destination:
            assert go(source, uri)["status"] == "completed", source.stderr()
            arrive(destination)
            words = destination.stderr()
            assert "couldn't capture the guest's clocks" in words, words
            tells(destination, "couldn't capture the guest's clocks")
            tells(source, "can't tell TSC ratio and offset")
            tells_no_more(destination)


def test_not_captured_once():
    """At home it is told of until the next capture goes well."""
    with start(fakehost.side(unable("newest", pause, ""))) as guest:
        guest.wait_up()
        pause(guest)
        tells(guest, "can't tell TSC ratio and offset")
        guest.qmp.execute("cont")
        guest.wait_beating()
        assert measure.not_carried(guest)
        pause(guest)
        assert not measure.not_carried(guest), guest.stderr()


def test_not_restored():
    """A destination that fails in the middle says why."""
    host = faulty("newest-amd", "KVM_GET_CLOCK#1+")
    with start(fakehost.side("newest", policy="lax")) as source:
        source.wait_up()
        destination, uri = incoming(fakehost.side(host, policy="lax"))
        with destination:
            assert go(source, uri)["status"] == "completed", source.stderr()
            arrive(destination)
            tells(destination, "can't start the master clock")


def test_not_captured_strict():
    """With policy=strict, or require=exact, it goes on at the source."""
    host = unable("newest")
    for wish in {"policy": "strict"}, {"require": "exact"}:
        with start(fakehost.side(host, **wish)) as source:
            source.wait_up()
            destination, uri = incoming(fakehost.side("newest-amd"))
            with destination:
                assert go(source, uri)["status"] == "failed", source.stderr()
            wait_running(source)
            source.wait_beating()
            calls = fakehost.log(host, source.pid)
            step = fakehost.clock_step(fakehost.clocks(calls, which=0),
                                       fakehost.clocks(calls))
            assert step == 0, "kvmclock stepped %d ns" % step
            assert "the guest stays here" in source.stderr(), source.stderr()


def test_not_captured_paused():
    """Paused before, it stays before any RAM is sent."""
    host = unable("newest", pause)
    with start(fakehost.side(host, policy="strict")) as source:
        source.wait_up()
        pause(source)
        address, size = BALLAST
        source.write(address, os.urandom(size))
        path = source.path("stream")
        info = go(source, "file:" + path)
        assert info["status"] == "failed", info
        assert os.path.getsize(path) < size
        assert "the guest stays here" in source.stderr(), source.stderr()
        source.qmp.execute("cont")
        source.wait_beating()


def test_not_captured_background():
    """A background snapshot is made without: nothing would let a guest that
    has to stay go on."""
    host = unable("newest", background)
    with start(fakehost.side(host, policy="strict")) as source:
        source.wait_up()
        background(source)
        wait_running(source)
        source.wait_beating()
        assert "can't be carried exactly" in source.stderr(), source.stderr()


def test_not_settled():
    """With policy=strict a rung below closed-loop is a warning, too."""
    with start(fakehost.side("newest", policy="strict")) as source:
        source.wait_up()
        crossing = cross(source, fakehost.side("noisy"), brackets=False)
        with crossing.destination as destination:
            words = destination.stderr()
            assert crossing.report["rung"] == "realtime", crossing.report
            assert "'closed-loop' is required" in words, words


def test_required():
    """A rung below what is required is a warning when it comes to that."""
    host = faulty("newest-amd", "KVM_SET_CLOCK_GUEST#1+")
    with start(fakehost.side("newest")) as source:
        source.wait_up()
        crossing = cross(source, fakehost.side(host, require="exact"),
                         brackets=False)
        with crossing.destination as destination:
            assert measure.own_report(destination)["rung"] != "exact"
            words = destination.stderr()
            assert "'exact' is required" in words, words


# -- The stream, and the host --

def test_offered_twice():
    """A guest that is offered again and again is refused at once."""
    with start(patched()) as source:
        source.wait_up()
        path = source.path("stream")
        saved(source, path)
        with open(path, "rb") as file:
            content = file.read()
    at = content.index(b"\x0ekvmclock_offer") - 5
    end = content.index(b"\x7e" + content[at + 1:at + 5], at) + 5
    with start(patched()) as keeper:
        again = keeper.path("again")
        with open(again, "wb") as file:
            file.write(content[:end] + content[at:end] * 9 + content[end:])
        with load(patched(), "file:" + again) as guest:
            assert not wait_loaded(guest), "it was taken"
            words = guest.stderr()
            assert words.count("more than once") == 1, words


def write(path, value):
    with open(path, "w", encoding="ascii") as file:
        file.write("%s" % value)


@contextlib.contextmanager
def no_threads(guest):
    """That QEMU may start no thread any more, as with systemd's TasksMax."""
    group = "/sys/fs/cgroup/pids/clockferry-%d" % guest.pid
    try:
        os.mkdir(group)
        write(group + "/cgroup.procs", guest.pid)
        write(group + "/pids.max", 1)
    except OSError as error:
        raise Missing("cgroup", "can't limit threads: %s" % error) from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):      # it may have died
            write("/sys/fs/cgroup/pids/cgroup.procs", guest.pid)
            os.rmdir(group)


def test_no_threads():
    """A destination that may start no thread takes the guest, as stock does."""
    with start(patched()) as source:
        source.wait_up()
        destination, uri = incoming(patched(), extra=["-S"])
        with destination:
            with no_threads(destination):
                info = go(source, uri)
            assert info["status"] == "completed", info
            assert wait_loaded(destination), destination.stderr()
            destination.qmp.execute("cont")     # KVM_RUN makes a thread
            arrive(destination)
            assert measure.own_report(destination), destination.stderr()


def probes(calls):
    """How many scratch VMs were made."""
    return len({call.where.split(".")[0] for call in calls
                if call.where.startswith("vm")} - {"vm0"})


def test_asked_anew():
    """Each migration asks the host what its clocks can do, on both sides."""
    with start(fakehost.side("newest")) as source:
        source.wait_up()
        before = probes(fakehost.log("newest", source.pid))
        crossing = cross(source, fakehost.side("newest-amd"), brackets=False)
        with crossing.destination as destination:
            assert probes(fakehost.log("newest", source.pid)) == before + 1
            calls = fakehost.log("newest-amd", destination.pid)
            note("%d on the destination" % probes(calls))


def test_plugged_elsewhere():
    """A vCPU that is plugged in after a move between frequencies."""
    with start(fakehost.side("newest"), extra=hotplug.ROOM) as source:
        source.wait_up()
        crossing = cross(source, fakehost.side("fast"), brackets=False,
                         extra=hotplug.ROOM)
        with crossing.destination as destination:
            hotplug.plug(destination)
            hotplug.assert_alike("fast", destination)


def test_plugged_promised():
    """A vCPU that is plugged into a guest with a frequency of its own."""
    with start(fakehost.side("newest"),
               extra=[*hotplug.ROOM, *table.cpu(2000000)]) as guest:
        guest.wait_up()
        hotplug.plug(guest)
        hotplug.assert_alike("newest", guest)
