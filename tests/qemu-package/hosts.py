# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts that got their QEMU by apt, and programs of theirs that run here."""
import atexit
import os
import re
import tempfile

from harness import places
from harness.binaries import Side
from harness.debian import Debian, build, scratch
from harness.tap import once

QEMU = "/usr/bin/qemu-system-x86_64"
ON = {"guest-clock": "on"}
# Debian's own of the version that ours was made from.
DEBIANS = "13"


@once
def repository():
    """The apt repository with everything in it."""
    build(places.TOP, "all", "--qemu")
    return os.path.join(scratch(), "all", "apt")


def share(debian):
    """What a QEMU there has to find under the path that it has here."""
    debian.share("/tmp")
    for folder in places.TOP, places.build():
        debian.share(folder)
    debian.give_kvm()
    return debian


def kept(version, *packages):
    """A Debian that several tests use."""
    debian = Debian(version, *packages)
    atexit.register(debian.__exit__)
    return debian


@once
def installed(version):
    """A bare Debian, and then the three commands of the documents."""
    debian = share(kept(version))
    debian.add_repository(repository())
    debian.apt("install", "--no-install-recommends", "clockferry-host",
               "qemu-utils", "qemu-block-extra")
    return debian


@once
def stock():
    """A Debian with its own QEMU."""
    return share(kept(DEBIANS, "qemu-system-x86", "qemu-utils",
                      "qemu-block-extra"))


def program(debian, path=QEMU):
    """What runs it there, as a program of this side."""
    wrapper = tempfile.mkdtemp(dir=scratch()) + "/qemu-system-x86_64"
    with open(wrapper, "w", encoding="utf-8") as stream:
        stream.write('#!/bin/sh\nexec /usr/sbin/chroot %s %s "$@"\n'
                     % (debian.root, path))
    os.chmod(wrapper, 0o755)
    return wrapper


def side(debian, **kvmclock):
    return Side("Debian %s's" % debian.version, program(debian), kvmclock)


def following(theirs):
    """The version of Debian's next security upload."""
    return re.sub(r"\d+$", lambda last: str(int(last[0]) + 1), theirs)


def version(debian, package="qemu-system-x86"):
    return debian.must("dpkg-query", "--show", "--showformat=${Version}",
                       package)
