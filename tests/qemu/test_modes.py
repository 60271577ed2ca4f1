# SPDX-License-Identifier: GPL-2.0-or-later
"""Other ways to save, move and stop a guest."""
import signal
import time

import measure
from binaries import start
from check import Untouched, note, patched, patched_off
from migrate import (arrive, cross, go, incoming, load, set_capabilities,
                     wait_loaded, wait_status)

WORST_NS = 5


def saved_and_loaded(side, save, restore):
    """Through a file; save and restore are URIs with a %s for its path."""
    with start(side) as source:
        source.wait_up()
        path = source.path("stream")
        info = go(source, save % path)
        assert info["status"] == "completed", info
        before = measure.view(source)
        with load(side, restore % path) as destination:
            assert wait_loaded(destination), destination.stderr()
            arrive(destination)
            result = measure.compare(before, measure.view(destination))
    step = measure.worst(result.steps_ns)
    note("%s, %s: step %d ns" % (side.name, save, step))
    return step


def test_file():
    """file: saves and loads, with the feature on and off."""
    saved_and_loaded(patched_off(), "file:%s", "file:%s")
    step = saved_and_loaded(patched(), "file:%s", "file:%s")
    assert abs(step) <= WORST_NS, "step %d ns" % step


def test_exec():
    """exec: saves and loads, with the feature on and off."""
    saved_and_loaded(patched_off(), "exec:cat >%s", "exec:cat %s")
    step = saved_and_loaded(patched(), "exec:cat >%s", "exec:cat %s")
    assert abs(step) <= WORST_NS, "step %d ns" % step


def before_switchover(source):
    """A destination, with the migration held just before the last pass."""
    destination, uri = incoming(patched(),
                                capabilities=["pause-before-switchover"])
    set_capabilities(source, "pause-before-switchover")
    source.qmp.execute("migrate", {"uri": uri})
    wait_status(source, ("pre-switchover",))
    time.sleep(0.3)
    return destination


def test_cancelled():
    """A migration cancelled at the last moment leaves the clocks alone."""
    with start(patched()) as source:
        source.wait_up()
        untouched = Untouched(source)
        with before_switchover(source):
            source.qmp.execute("migrate_cancel")
            wait_status(source, ("cancelled",))
            wait_running(source)
            untouched.assert_still(may_stop=True)


def test_destination_killed():
    """A destination that dies at the last moment: the same."""
    with start(patched()) as source:
        source.wait_up()
        # Else the source may think that all went well, stock or not.
        set_capabilities(source, "return-path")
        untouched = Untouched(source)
        with before_switchover(source) as destination:
            destination.signal(signal.SIGKILL)
            destination.wait_exit()
            source.qmp.execute("migrate-continue",
                               {"state": "pre-switchover"})
            info = wait_status(source)
            assert info["status"] == "failed", info
            wait_running(source)
            untouched.assert_still(may_stop=True)


def wait_running(guest, timeout=5):
    deadline = time.monotonic() + timeout
    while guest.qmp.execute("query-status")["status"] != "running":
        assert time.monotonic() < deadline, "the guest doesn't run again"
        time.sleep(0.001)


def add_disk(guest):
    """A small qcow2 image, which savevm needs; made by QEMU itself."""
    path = guest.path("disk.qcow2")
    create(guest, {"driver": "file", "filename": path, "size": 0})
    guest.qmp.execute("blockdev-add", {"driver": "file", "filename": path,
                                       "node-name": "file"})
    create(guest, {"driver": "qcow2", "file": "file", "size": 1 << 20})
    guest.qmp.execute("blockdev-add", {"driver": "qcow2", "file": "file",
                                       "node-name": "disk"})


def create(guest, options, timeout=10):
    guest.qmp.execute("blockdev-create", {"job-id": "job",
                                          "options": options})
    deadline = time.monotonic() + timeout
    while True:
        job = guest.qmp.execute("query-jobs")[0]
        if job["status"] == "concluded":
            break
        assert time.monotonic() < deadline, job
    assert "error" not in job, job["error"]
    guest.qmp.execute("job-dismiss", {"id": "job"})


def monitor(guest, line):
    words = guest.qmp.execute("human-monitor-command", {"command-line": line},
                              timeout=60)
    assert "Error" not in words, words


def test_savevm():
    """savevm leaves the clocks alone; loadvm brings the same function."""
    with start(patched()) as guest:
        add_disk(guest)
        guest.wait_up()
        untouched = Untouched(guest)
        monitor(guest, "savevm here")
        untouched.assert_still(may_stop=True)
        before = measure.view(guest)
        monitor(guest, "loadvm here")
        wait_running(guest)
        guest.wait_beating()
        result = measure.compare(before, measure.view(guest))
        assert abs(measure.worst(result.steps_ns)) <= WORST_NS, result


def test_paused():
    """A guest paused by its user arrives paused and then counts on."""
    with start(patched()) as source:
        source.wait_up()
        source.qmp.execute("stop")
        destination, uri = incoming(patched())
        with destination:
            info = go(source, uri)
            assert info["status"] == "completed", info
            before = measure.view(source)
            assert wait_loaded(destination), destination.stderr()
            destination.qmp.execute("cont")
            arrive(destination)
            result = measure.compare(before, measure.view(destination))
            note("step %s ns" % result.steps_ns)
            assert abs(measure.worst(result.steps_ns)) <= WORST_NS, result


def test_stop_cont():
    """stop and cont keep kvmclock and TSC together, whether frozen or not."""
    with start(patched()) as guest:
        guest.wait_up()
        before = measure.view(guest)
        for _ in range(5):
            guest.qmp.execute("stop")
            time.sleep(0.1)
            guest.qmp.execute("cont")
        guest.wait_beating()
        result = measure.compare(before, measure.view(guest))
        note("step %s ns after 5 times" % result.steps_ns)
        assert abs(measure.worst(result.steps_ns)) <= WORST_NS, result


def test_freeze():
    """With blackout=freeze, where the TSC can't stop, neither clock does."""
    with start(patched(), kvmclock={"blackout": "freeze"}) as source:
        source.wait_up()
        crossing = cross(source, patched(), brackets=False,
                         kvmclock={"blackout": "freeze"})
        with crossing.destination:
            steps = crossing.result.steps_ns
            assert abs(measure.worst(steps)) <= WORST_NS, steps
            note("frozen: %s" % crossing.report["frozen"])


def test_never_run():
    """A guest that never ran arrives, and then comes up."""
    with start(patched(), extra=["-S"]) as source:
        destination, uri = incoming(patched())
        with destination:
            assert go(source, uri)["status"] == "completed"
            assert wait_loaded(destination), destination.stderr()
            destination.qmp.execute("cont")
            destination.wait_up()


def test_reset():
    """A guest that is reset after arriving comes up and crosses again."""
    with start(patched()) as source:
        source.wait_up()
        with cross(source, patched(), brackets=False).destination as second:
            second.reset()
            crossing = cross(second, patched(), brackets=False)
            with crossing.destination:
                steps = crossing.result.steps_ns
                assert abs(measure.worst(steps)) <= WORST_NS, steps
