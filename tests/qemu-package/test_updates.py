# SPDX-License-Identifier: GPL-2.0-or-later
"""What apt does to a host's QEMU when Debian has a newer one, and when parts of
ours are removed: nothing that runs guests may go without being named."""
import os
import re

import hosts
from harness import guide
from harness.debian import VERSIONS, Debian

QEMU = "qemu-system-x86"
WHOLE = {"clockferry-host", "clockferry", "clockferry-libvirt", QEMU}


def ready(version):
    """A host that has all of it because of clockferry-host."""
    debian = Debian(version)
    debian.add_repository(hosts.repository())
    debian.apt("install", "--no-install-recommends", "clockferry-host")
    return debian


def simulated(debian, *arguments):
    """What apt would install, and what it would remove."""
    said = debian.must("apt-get", "-q", "--simulate", *arguments)
    return [set(re.findall("^(?:%s) (\\S+)" % verbs, said, re.M))
            for verbs in ("Inst", "Remv|Purg")]


def packages_here(debian):
    """Those of QEMU that are installed."""
    said = debian.must("dpkg-query", "--show", "--showformat",
                       "${source:Package} ${Package}\n")
    return re.findall(r"^qemu (\S+)$", said, re.M)


def upload(debian):
    """Debian's next security upload, as an index: apt only looks at it."""
    theirs = hosts.version(hosts.stock())
    shown = [debian.must("apt-cache", "show", "%s=%s" % (name, theirs))
             for name in packages_here(debian)]
    os.mkdir(debian.path("/next"))
    with open(debian.path("/next/Packages"), "w", encoding="utf-8") as stream:
        stream.write("\n".join(shown).replace(theirs,
                                              hosts.following(theirs)))
    with open(debian.path("/etc/apt/sources.list.d/next.list"), "w",
              encoding="utf-8") as stream:
        stream.write("deb [trusted=yes] file:/next ./\n")
    debian.must("apt-get", "-q", "update")


def preferences():
    """What the documents have one write for apt."""
    indented = re.search(r"^    Package: src:qemu\n(    .+\n)+",
                         guide.text(guide.PAGE), re.M)[0]
    return re.sub("^    ", "", indented, flags=re.M)


def test_next_upload():
    """Debian's next QEMU comes by apt full-upgrade alone, and unless pinned"""
    with ready(hosts.DEBIANS) as debian:
        upload(debian)
        assert not any(WHOLE & part for part in simulated(debian, "upgrade"))
        new, gone = simulated(debian, "dist-upgrade", "--autoremove")
        assert QEMU in new and gone == {"clockferry-host"}, (new, gone)
        with open(debian.path("/etc/apt/preferences.d/clockferry"), "w",
                  encoding="utf-8") as stream:
            stream.write(preferences())
        for how in "upgrade", "dist-upgrade":
            new, gone = simulated(debian, how, "--autoremove")
            assert not WHOLE & new and not gone, (how, new, gone)


def test_purge_keeps_qemu():
    """Without the command and the hook, QEMU isn't there to be cleaned up"""
    for version in VERSIONS:
        with ready(version) as debian:
            _, gone = simulated(debian, "--autoremove", "purge", "clockferry",
                                "clockferry-libvirt", "libclockferry0")
        assert WHOLE - gone == {QEMU}, gone
        assert not [name for name in gone if name.startswith("qemu")], gone
