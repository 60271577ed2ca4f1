# SPDX-License-Identifier: GPL-2.0-or-later
"""The installed hook, called as libvirt does."""
import json
import os

from harness.debian import VERSIONS, installed
from harness.libvirt import facts

HOOK = "/etc/libvirt/hooks/qemu.d/50-clockferry"
NAMES = ("libclockferry0", "clockferry", "clockferry-libvirt")
DOMAIN = "<domain type='kvm'><name>guest</name>%s</domain>"
PROMISED = DOMAIN % ("<clock offset='utc'><timer name='tsc' "
                     "frequency='2000000000'/></clock>")


def call(debian, operation, xml):
    return debian.run(HOOK, "guest", operation, "begin", "-", input=xml)


def test_others():
    """The hook lets all else happen to a guest, though its program is broken"""
    for version in VERSIONS:
        with installed(version, *NAMES) as debian:
            os.remove(debian.path("/usr/lib/x86_64-linux-gnu/"
                                  "libclockferry.so.0"))
            for operation in ("prepare", "start", "started", "stopped",
                              "release", "reconnect", "attach"):
                done = call(debian, operation, PROMISED)
                assert (done.returncode, done.stdout, done.stderr) \
                    == (0, "", ""), (operation, done)
            assert call(debian, "migrate", PROMISED).returncode


def test_migrate():
    """Of two guests, the one with a promised TSC can't come without KVM"""
    for version in VERSIONS:
        with installed(version, *NAMES) as debian:
            plain = call(debian, "migrate", DOMAIN % "")
            assert not plain.returncode and not plain.stdout, plain
            refused = call(debian, "migrate", PROMISED)
        assert refused.returncode and not refused.stdout, refused
        assert refused.stderr.startswith("clockferry: guest 'guest' can't "
                                         "come"), refused
        assert refused.stderr.count("\n") == 1, refused


def test_facts():
    """A guest that was saved here comes back, with facts that tell of now"""
    for version in VERSIONS:
        with installed(version, *NAMES) as debian:
            debian.give_kvm()
            known = facts.of_guest(debian, policy="strict")
            done = call(debian, "restore",
                        DOMAIN % facts.metadata(json.dumps(known)))
        assert not done.returncode, done
        assert facts.NAMESPACE in done.stdout, done
        assert known["boot_id"] in done.stdout, done
        assert known["instant"]["host_ticks"] not in done.stdout, done
