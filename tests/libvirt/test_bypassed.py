# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts without the hook: QEMU itself refuses before any RAM is sent."""
import re

import refusal
from harness import wait
from harness.libvirt import facts, scene
from harness.tap import note

UNFIT = "unscaled-fast"


def refused_by_qemu(source, destination, *options, may_stop=False):
    with scene.hosts("%s newest" % source, "%s %s" % (destination, UNFIT),
                     prepare=scene.without_hook) as (a, b):
        guest = scene.start(a, scene.patched())
        still = refusal.Unharmed(guest)
        moved = scene.migrate(a, b, "--live", *options)
        note("virsh: %s" % moved.words)
        assert moved.status == 1, "it went"
        assert refusal.qemu_was_started(b), "who refused it?"
        said = b.read("%s/ferry.log" % refusal.QEMU_LOGS)
        sentence = re.search("refusing the guest.*", said)
        assert sentence, said
        note("QEMU: " + sentence.group())
        assert "3000000 kHz" in sentence.group()
        assert not b.do("list", "--all", "--name").split()
        still.assert_still(may_stop)


def test_12():
    """libvirt 9.0: the guest stays, unharmed; QEMU's log says why"""
    refused_by_qemu("12", "12")


def test_13():
    """11.3: the same"""
    refused_by_qemu("13", "13")


def test_p2p():
    """From daemon to daemon: the same"""
    refused_by_qemu("12", "13", "--p2p")


def test_tunnelled():
    """In libvirt's own connection, which leads one way: it stops, and goes on
    """
    refused_by_qemu("13", "12", "--p2p", "--tunnelled", may_stop=True)


def test_installed_later():
    """A hook that comes after libvirtd is heard from the next SIGHUP on"""
    for version in "12", "13":
        with scene.hosts("12 newest", "%s %s" % (version, UNFIT),
                         prepare=scene.without_hook) as (a, b):
            still = refusal.Unharmed(scene.start(a, scene.patched()))
            facts.store(a, facts.of_guest(a))
            b.set_hook()
            moved = scene.migrate(a, b, "--live")
            assert moved.status == 1 and refusal.qemu_was_started(b)
            b.signal_daemon("HUP")
            wait.until(lambda: "clockferry: guest" in scene.migrate(
                a, b, "--live").words, "it is never heard")
            still.assert_still()
