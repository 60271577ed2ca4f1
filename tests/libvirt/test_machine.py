# SPDX-License-Identifier: GPL-2.0-or-later
"""Clocks that are carried because of the machine type alone."""
import os
import re

import refusal
from harness import check, measure
from harness.libvirt import scene
from harness.tap import note
from test_commands import FAILURE, clockferry, restart, run, state
from test_rollout import EMULATOR, emulated_by, install

TYPE = re.compile(r"machine='([^']*)'")
NO_SUCH_TYPE = "does not support machine type '%s'"


def machine(host):
    return TYPE.search(host.do("dumpxml", "--inactive", "ferry")).group(1)


def start_by_type(host):
    """A guest that has nothing of ours but the machine type."""
    scene.start(host, emulated_by(scene.patched_off()), persistent=True)
    before = machine(host)
    clockferry(host, "enable", "ferry", "--yes", "--machine")
    assert machine(host) == before + "-clockferry", machine(host)
    restart(host)
    guest = scene.domain.Running(host)
    guest.wait_up()
    return guest, before


def patched_everywhere(host):
    """At the path where it is on real hosts, as in a fleet."""
    os.symlink(scene.patched().binary, host.path(EMULATOR))
    host.set_hook()


def test_there_and_back():
    """enable --machine, a migration that carries them, disable"""
    with scene.hosts("12", "13", prepare=patched_everywhere) as (a, b):
        guest, before = start_by_type(a)
        assert state(a)["enabled"]
        view = measure.view(guest)
        moved = scene.migrate(a, b, "--live", "--persistent")
        assert moved.status == 0, moved.words
        scene.arrived(guest, view, b)
        assert state(b)["restore"]["rung"] == "closed-loop", state(b)
        clockferry(b, "disable", "ferry", "--yes")
        assert machine(b) == before
        restart(b)
        assert not state(b)["enabled"]


def test_old_destination():
    """libvirt refuses a host whose QEMU lacks the type; nothing is started"""
    with scene.hosts("12", "13", prepare=install) as (a, b):
        guest, _ = start_by_type(a)
        still = refusal.Unharmed(guest)
        moved = scene.migrate(a, b, "--live")
        note(moved.words)
        assert moved.status == 1, "it went"
        assert NO_SUCH_TYPE % machine(a) in moved.words, moved.words
        refusal.nothing_came(b)
        still.assert_still()


def test_old_emulator():
    """enable --machine, where the guest's QEMU has no such type"""
    for version in "12", "13":
        with scene.hosts(version) as (a,):
            still = refusal.Unharmed(
                scene.start(a, check.stock(), persistent=True))
            before = machine(a)
            done = run(a, "enable", "ferry", "--yes", "--machine")
            assert done.returncode == FAILURE, done
            assert NO_SUCH_TYPE % (before + "-clockferry") in done.stderr, done
            assert "must have the Clockferry series" in done.stderr, done
            assert machine(a) == before
            still.assert_still()


def test_went_back():
    """A QEMU without the series takes the place of ours under a guest: it runs
    on, over a restart of libvirtd, too, and moves to a host that has ours"""
    for versions in ("12", "13"), ("13", "12"):
        with scene.hosts(*versions, prepare=patched_everywhere) as (a, b):
            guest, before = start_by_type(a)
            a.stop_daemon()
            os.unlink(a.path(EMULATOR))
            os.symlink(scene.stock().binary, a.path(EMULATOR))
            a.start_daemon()
            assert a.do("domstate", "ferry").strip() == "running"
            assert machine(a) == before + "-clockferry"
            view = measure.view(guest)
            moved = scene.migrate(a, b, "--live", "--persistent")
            assert moved.status == 0, moved.words
            scene.arrived(guest, view, b)
            assert NO_SUCH_TYPE % machine(a) in scene.virsh(
                a, "start", "ferry").words
            clockferry(a, "disable", "ferry", "--yes")
            assert machine(a) == before
