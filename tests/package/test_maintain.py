# SPDX-License-Identifier: GPL-2.0-or-later
"""Upgraded, removed and purged, and what libvirtd learns of it."""
import os
import re
import subprocess
import time

from harness.debian import (NAMES, PLAIN, VERSIONS, Debian, installed,
                            packages, run, scratch, wanted)
from harness.libvirt import host

SERVICE = "/usr/lib/systemd/system/clockferry-annotate.service"
HOOK = "/etc/libvirt/hooks/qemu.d/50-clockferry"


def newer(name):
    """The same package with a higher version; its file."""
    folder = os.path.join(scratch(), "newer", name)
    if not os.path.isdir(folder):
        os.makedirs(folder)
        run("dpkg-deb", "--raw-extract", packages()[name], folder, check=True)
        control = os.path.join(folder, "DEBIAN/control")
        with open(control, encoding="utf-8") as stream:
            text = stream.read()
        version = re.search(r"^Version: (.+)$", text, re.M)[1]
        with open(control, "w", encoding="utf-8") as stream:
            stream.write(text.replace(version, version + "+1"))
        run("dpkg-deb", "--root-owner-group", "--build", folder, check=True)
    return folder + ".deb"


def test_purge():
    """Purged, nothing is left"""
    for version in VERSIONS:
        with Debian(version, *wanted(NAMES)) as debian:
            debian.must("ldconfig")
            before = debian.files()
            debian.install(*NAMES)
            assert debian.files() != before
            debian.must("dpkg", "--purge", *NAMES)
            after = debian.files()
            known = debian.run("dpkg-query", "--status", *NAMES)
        assert after == before, (version, {
            path for path in after.keys() ^ before.keys()} or {
            path for path in after if after[path] != before[path]})
        assert "Status" not in known.stdout, known


def test_removed():
    """Removed but not purged, the hook lets every guest come"""
    with installed("12", *NAMES) as debian:
        debian.must("dpkg", "--remove", *NAMES)
        for operation in "migrate", "reconnect":
            done = debian.run(HOOK, "guest", operation, "begin", "-",
                              input="<domain/>")
            assert done.returncode == 0 and not done.stdout, done


def test_upgrade():
    """Upgraded; a hook that the administrator took away doesn't come back"""
    for version in VERSIONS:
        with installed(version, *NAMES) as debian:
            os.remove(debian.path(HOOK))
            debian.must("dpkg", "--install",
                        *[debian.put(newer(name)) for name in NAMES])
            said = debian.must("dpkg-query", "--show", *NAMES)
            assert len(re.findall(r"\+1$", said, re.M)) == len(NAMES), said
            assert not os.path.exists(debian.path(HOOK))
            debian.must("clockferry", "--version")


def test_service():
    """The service is there, for a program that is there, and is off"""
    with installed("13", "libclockferry0", "clockferry") as debian:
        unit = debian.read(SERVICE)
        program = re.search(r"^ExecStart=(\S+) annotate .*--follow", unit,
                            re.M)[1]
        debian.must(program, "annotate", "--help")
        links = debian.run("find", "/etc/systemd", "-name",
                           os.path.basename(SERVICE)).stdout
    assert not links, links


def follow(path, words, process):
    """Waits until one of the words stands in the log; which."""
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        text = ""
        if os.path.exists(path):
            with open(path, encoding="utf-8") as stream:
                text = stream.read()
        for word in words:
            if word in text:
                return word
        time.sleep(0.05)
    raise AssertionError("none of %s in %s: %s" % (words, path, text[-2000:]))


def test_libvirtd_reloads():
    """A libvirtd that runs notices the hook when it gets installed"""
    with Debian("12", *host.PACKAGES["12"]) as debian:
        debian.must("sh", "-c", "getent passwd libvirt-qemu || "
                    "useradd --system --user-group libvirt-qemu")
        log = debian.path("/tmp/log")
        with subprocess.Popen(
                ["chroot", debian.root, "/usr/sbin/libvirtd"], env=dict(
                    PLAIN, LIBVIRT_LOG_FILTERS="1:util.hook 4:*",
                    LIBVIRT_LOG_OUTPUTS="1:file:/tmp/log"),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL) as daemon:
            try:
                follow(log, ["hooks/qemu"], daemon)
                with open(log, encoding="utf-8") as stream:
                    assert "Found hook" not in stream.read()
                debian.install("libclockferry0", "clockferry-libvirt")
                follow(log, ["50-clockferry"], daemon)
            finally:
                daemon.kill()
