# SPDX-License-Identifier: GPL-2.0-or-later
"""Snapshots: the guest goes on untouched, and comes back as it was."""
import tempfile
import time

from harness import measure
from harness.binaries import start
from harness.check import (OFF_HERE, Untouched, assert_carried, patched,
                           patched_off, stock)
from harness.migrate import (arrive, cross, load, pause, set_capabilities,
                             wait_loaded, wait_running, wait_status)
from harness.tap import note
from modes import moved
from snapshot import DISK, add_disk, disk_of, monitor, snapshot


def saved(source, path):
    source.qmp.execute("migrate", {"uri": "file:" + path})
    info = wait_status(source)
    assert info["status"] == "completed", info


def background(source):
    """A background-snapshot; its path."""
    path = source.path("stream")
    set_capabilities(source, "background-snapshot")
    saved(source, path)
    return path


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
        assert_carried(before, guest)


def test_savevm_many_times():
    """loadvm of one snapshot five times: each time the same function."""
    with start(patched()) as guest:
        add_disk(guest)
        guest.wait_up()
        monitor(guest, "savevm here")
        before = measure.view(guest)
        for _ in range(5):
            monitor(guest, "loadvm here")
            wait_running(guest)
            guest.wait_beating()
            assert_carried(before, guest)


def test_savevm_paused():
    """A guest that was paused when it was saved, and paused when loaded."""
    with start(patched()) as guest:
        add_disk(guest)
        guest.wait_up()
        before = measure.view(guest)
        pause(guest)
        monitor(guest, "savevm here")
        monitor(guest, "loadvm here")
        guest.qmp.execute("cont")
        guest.wait_beating()
        assert_carried(before, guest)


def test_loaded_elsewhere():
    """loadvm in a QEMU that has run another guest until then."""
    with start(patched()) as source:
        add_disk(source)
        source.wait_up()
        before = measure.view(source)
        monitor(source, "savevm here")
        with start(patched()) as other:
            other.wait_up()
            source.qmp.execute("quit")
            source.wait_exit()
            other.qmp.execute("blockdev-add", disk_of(source))
            monitor(other, "loadvm here")
            wait_running(other)
            other.wait_beating()
            assert_carried(before, other)


def taken_with_the_feature_off(guest, words):
    """It warned, it runs, and stock QEMU takes it from there."""
    assert OFF_HERE in words, words
    assert "taking the guest all the same" in words, words
    guest.wait_beating()
    cross(guest, stock(), brackets=False).destination.close()


def test_off_here():
    """What was saved with the feature on is taken where it was never on."""
    with start(patched()) as source:
        add_disk(source)
        source.wait_up()
        monitor(source, "savevm here")
        path = source.path("stream")
        saved(source, path)
        with load(patched_off(), "file:" + path) as other:
            assert wait_loaded(other), other.stderr()
            taken_with_the_feature_off(other, other.stderr())
        source.qmp.execute("quit")
        source.wait_exit()
        with start(patched_off()) as other:
            other.wait_up()
            other.qmp.execute("blockdev-add", disk_of(source))
            words = monitor(other, "loadvm here")
            wait_running(other)
            other.qmp.execute("blockdev-del", {"node-name": DISK})
            taken_with_the_feature_off(other, words)


def test_jobs():
    """snapshot-save and snapshot-load do the same, as jobs."""
    with start(patched(), vcpus=2) as guest:
        add_disk(guest)
        guest.wait_up()
        untouched = Untouched(guest)
        snapshot(guest, "save", "here")
        untouched.assert_still(may_stop=True)
        before = measure.view(guest)
        guest.qmp.execute("stop")
        snapshot(guest, "load", "here")
        guest.qmp.execute("cont")
        guest.wait_beating()
        assert_carried(before, guest)


def template(folder, share):
    return ["-object", "memory-backend-file,id=ram,size=32M,mem-path=%s/ram,"
            "share=%s" % (folder, share), "-machine", "memory-backend=ram"]


def test_template():
    """Two guests from one template (x-ignore-shared), whose RAM they share."""
    with tempfile.TemporaryDirectory() as folder, \
            start(patched(), extra=template(folder, "on")) as source:
        source.wait_up()
        path = source.path("stream")
        set_capabilities(source, "x-ignore-shared")
        saved(source, path)
        before = measure.view(source)
        source.qmp.execute("quit")
        source.wait_exit()
        for _ in range(2):
            with start(patched(), incoming="defer",
                       extra=template(folder, "off")) as clone:
                set_capabilities(clone, "x-ignore-shared")
                clone.qmp.execute("migrate-incoming", {"uri": "file:" + path})
                arrive(clone)
                assert_carried(before, clone)


def test_background():
    """background-snapshot: not even the guest that goes on is touched."""
    with start(patched(), vcpus=2) as source:
        source.wait_up()
        untouched = Untouched(source)
        path = background(source)
        untouched.assert_still(may_stop=True)
        before = measure.view(source)
        with load(patched(), "file:" + path, vcpus=2) as guest:
            assert wait_loaded(guest), guest.stderr()
            guest.qmp.execute("cont")
            arrive(guest)
            assert_carried(before, guest)


def test_cpr_reboot():
    """cpr-reboot: the memory stays in a file, QEMU goes and comes."""
    with moved("cpr-reboot", patched(), vcpus=2) as (before, guest):
        assert_carried(before, guest)


def test_cpr_transfer():
    """cpr-transfer: a new QEMU takes the memory over."""
    with moved("cpr-transfer", patched(), vcpus=2) as (before, guest):
        assert_carried(before, guest)


def test_clones():
    """One saved guest started three times: each goes on from the same."""
    with start(patched()) as source:
        source.wait_up()
        path = source.path("stream")
        saved(source, path)
        before = measure.view(source)
        for _ in range(3):
            with load(patched(), "file:" + path) as clone:
                assert wait_loaded(clone), clone.stderr()
                arrive(clone)
                assert_carried(before, clone)


def test_saved_and_resumed():
    """Saved to a file, goes on at home untouched, and then moves."""
    with start(patched()) as source:
        source.wait_up()
        untouched = Untouched(source)
        saved(source, source.path("stream"))
        time.sleep(0.1)
        source.qmp.execute("cont")
        untouched.assert_still(may_stop=True)
        crossing = cross(source, patched(), brackets=False)
        with crossing.destination as destination:
            assert_carried(crossing.source, destination)


def test_beyond_the_limit():
    """Loaded after blackout-limit: it says so, and the clocks agree."""
    limit_s = 1
    options = {"kvmclock": {"blackout-limit": str(limit_s)}}
    with start(patched()) as source:
        source.wait_up()
        path = source.path("stream")
        saved(source, path)
        before = measure.view(source)
        time.sleep(1.5 * limit_s)
        with load(patched(), "file:" + path, **options) as guest:
            assert wait_loaded(guest), guest.stderr()
            arrive(guest)
            words = guest.stderr()
            assert "more than blackout-limit (%d s)" % limit_s in words, words
            report = assert_carried(before, guest)
            note("frozen: %s" % report["frozen"])
