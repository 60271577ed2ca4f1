# SPDX-License-Identifier: GPL-2.0-or-later
"""libvirt stops a guest itself before it saves it, or moves it without --live:
that is no pause of its user's, and the guest's clocks count the time."""
import time

from harness import fakehost, measure, migrate
from harness.libvirt import domain, scene

LATER_S = 2


def start(host, **options):
    return scene.start(host, scene.patched(), **options)


def tsc_step(source, destination):
    """In ticks, by the true time, which all fake hosts share."""
    return fakehost.tsc_step(fakehost.clocks(source.model_log()),
                             fakehost.clocks(destination.model_log(), which=0))


def saved(version, suspend_s=None):
    """managedsave, and start a while later: the report, and the TSC's step."""
    with scene.hosts(version + " newest") as (a,):
        guest = start(a, persistent=True)
        before = measure.view(guest)
        if suspend_s is not None:
            a.do("suspend", "ferry")
            time.sleep(suspend_s)
        a.do("managedsave", "ferry")
        time.sleep(LATER_S)
        a.do("start", "ferry")
        if suspend_s is not None:
            a.do("resume", "ferry")
        there = scene.arrived(guest, before, a)
        return measure.own_report(there), tsc_step(guest, there)


def assert_counted(report, step):
    assert not report["frozen"] and report["elapsed-ns"] > LATER_S * 10 ** 9, \
        report
    assert step == 0, "the TSC stepped %d ticks" % step


def test_managedsave_12():
    """managedsave and start: the time in between counts (libvirt 9.0)"""
    assert_counted(*saved("12"))


def test_managedsave_13():
    """The same with 11.3"""
    assert_counted(*saved("13"))


def test_suspended():
    """Unless its user had suspended the guest well before"""
    report, step = saved("13", migrate.STOP_TO_SAVE_S + 1)
    assert report["frozen"] and report["elapsed-ns"] == 0, report
    assert step < 0, "the TSC stepped %d ticks" % step


def test_not_live():
    """Moved without --live, for which libvirt stops the guest first"""
    with scene.hosts("12 newest", "13 newest-amd") as (a, b):
        guest = start(a)
        before = measure.view(guest)
        moved = scene.migrate(a, b)
        assert moved.status == 0, moved.words
        there = scene.arrived(guest, before, b)
        report = measure.own_report(there)
        assert not report["frozen"] and report["elapsed-ns"] > 0, report


def test_snapshot():
    """A snapshot with the guest's memory: afterwards it goes on, unharmed"""
    with scene.hosts("13 newest") as (a,):
        guest = start(a, persistent=True)
        before = fakehost.clocks(guest.model_log())
        a.do("snapshot-create-as", "ferry", "--memspec",
             "file=%s/memory" % a.folder)
        guest.wait_beating()
        step = fakehost.tsc_step(before, fakehost.clocks(guest.model_log()))
        assert step == 0, "the TSC stepped %d ticks" % step
