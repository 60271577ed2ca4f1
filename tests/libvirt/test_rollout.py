# SPDX-License-Identifier: GPL-2.0-or-later
"""A fleet in which not every host has the patched QEMU yet."""
import os

import refusal
from harness.libvirt import facts, scene
from harness.tap import note

# The same path on all hosts, and not the same QEMU.
EMULATOR = "/usr/local/bin/qemu-system-x86_64"


def install(host):
    """Hosts a and c are up to date, b isn't."""
    side = scene.stock() if host.name == "b" else scene.patched()
    os.symlink(side.binary, host.path(EMULATOR))
    host.set_hook()


def emulated_by(side):
    return side._replace(binary=EMULATOR)


def test_old_destination():
    """Clocks are carried, but not to a stock QEMU: the guest stays"""
    with scene.hosts("12", "13", prepare=install) as (a, b):
        guest = scene.start(a, emulated_by(scene.patched()))
        still = refusal.Unharmed(guest)
        facts.store(a, facts.of_guest(a))
        moved = scene.migrate(a, b, "--live")
        note(moved.words)
        assert moved.status == 1, "it went"
        assert "kvmclock.guest-clock" in moved.words, moved.words
        assert not b.do("list", "--all", "--name").split()
        still.assert_still()


def test_not_enabled_yet():
    """A guest that isn't enabled goes to patched QEMUs and to stock ones"""
    with scene.hosts("12", "13", "12", prepare=install) as (a, b, c):
        scene.start(a, emulated_by(scene.patched_off()))
        for source, destination in (a, c), (c, b), (b, a):
            moved = scene.migrate(source, destination, "--live")
            assert moved.status == 0, moved.words
            assert facts.stored(destination) is None
