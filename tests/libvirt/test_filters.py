# SPDX-License-Identifier: GPL-2.0-or-later
"""The hook behind another one, as behind KubeVirt's in virt-launcher: libvirt
runs hooks/qemu first, and gives the XML that it prints to those in qemu.d."""
import refusal
from harness import measure
from harness.libvirt import facts, scene

FIRST = "/etc/libvirt/hooks/qemu"
# At "migrate begin" it prints the XML with what it wants; like KubeVirt's.
REWRITES = """#!/bin/sh
echo "$2 $3" >>/root/first
[ "$2" = migrate ] || exit 0
sed 's,</name>,</name><title>rewritten</title>,'
"""


def two_filters(host):
    host.set_hook()
    host.write(FIRST, REWRITES, 0o755)


def test_fit():
    """It decides by the XML that the first one prints, and both changes count
    """
    for version in "12", "13":
        with scene.hosts("12 newest", version + " newest-amd",
                         prepare=two_filters) as (a, b):
            guest = scene.start(a, scene.patched())
            facts.store(a, facts.of_guest(a))
            before = measure.view(guest)
            moved = scene.migrate(a, b, "--live")
            assert moved.status == 0, moved.words
            scene.arrived(guest, before, b)
            assert "migrate begin" in b.read("/root/first")
            assert "<title>rewritten</title>" in \
                b.do("dumpxml", "ferry")
            assert facts.stored(b)["host"] == "b", facts.stored(b)


def test_unfit():
    """And refuses, whatever the first one printed"""
    with scene.hosts("12 newest", "13 unscaled-fast",
                     prepare=two_filters) as (a, b):
        still = refusal.Unharmed(scene.start(a, scene.patched()))
        facts.store(a, facts.of_guest(a))
        moved = scene.migrate(a, b, "--live")
        assert moved.status == 1, "it went"
        refusal.tells(moved.words, "3000000 kHz")
        refusal.nothing_came(b)
        still.assert_still()
