# SPDX-License-Identifier: GPL-2.0-or-later
"""By apt, from the repository; and what is installed is all that it needs."""
import os
import re
import shutil
import socket
import subprocess
import tempfile

import hosts
from harness.debian import VERSIONS, Debian, run
from harness.wait import until

# As libvirt does it, but for KVM, which this doesn't depend on.
ORDINARY = ("-nodefaults", "-device", "VGA", "-netdev", "user,id=net",
            "-device", "virtio-net-pci,netdev=net", "-sandbox",
            "on,obsolete=deny,elevateprivileges=deny,spawn=deny,"
            "resourcecontrol=deny", "-boot", "n")
# Whoever changes Debian's packages shall say whose they are, and where faults
# go: Bugs and Original-Maintainer. lintian knows neither, for Debian has none.
OF_A_DERIVATIVE = ("bugs-field-does-not-refer-to-debian-infrastructure",
                   "unknown-field")
# More than 80 characters: what tells commits apart is in them until a release.
UNRELEASED = ("package-has-long-file-name",)


def test_installed():
    """Three commands install the QEMU with the series, helper and hook"""
    for version in VERSIONS:
        debian = hosts.installed(version)
        said = debian.must(hosts.QEMU, "--version")
        assert "Debian " + hosts.version(debian) in said, said
        assert re.search(r"\+clockferry\d+(~\d{14}\.\w{7})?(~deb12)?$",
                         hosts.version(debian)), hosts.version(debian)
        debian.must("clockferry", "--version")
        known = debian.must(hosts.QEMU, "-device", "kvmclock,help")
        assert "guest-clock=<bool>" in known, known


def test_versions():
    """Ours are newer than Debian's, 13's newer than 12's, Debian's next newest
    """
    ours = [hosts.version(hosts.installed(version)) for version in VERSIONS]
    theirs = hosts.version(hosts.stock())
    order = [theirs, *ours, hosts.following(theirs)]
    for older, newer in zip(order, order[1:]):
        run("dpkg", "--compare-versions", older, "lt", newer, check=True)


def test_ordinary():
    """It runs a guest with SeaBIOS, option ROM, VNC and the sandbox on"""
    for version in VERSIONS:
        for machine in "pc", "q35":
            ordinary(hosts.installed(version), machine)


def ordinary(debian, machine):
    folder = tempfile.mkdtemp()
    log, vnc = os.path.join(folder, "log"), os.path.join(folder, "vnc")
    with subprocess.Popen(
            [hosts.program(debian), "-machine", machine, "-accel", "kvm",
             *ORDINARY, "-vnc", "unix:" + vnc,
             "-chardev", "file,id=log,path=" + log,
             "-device", "isa-debugcon,iobase=0x402,chardev=log"],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True) as qemu:
        try:
            until(lambda: "Booting from ROM" in read(log)
                  or qemu.poll() is not None, "the option ROM doesn't run")
            assert qemu.poll() is None, qemu.stderr.read()
            assert "SeaBIOS (version" in read(log), read(log)
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(vnc)
                assert client.recv(12) == b"RFB 003.008\n"
            with open("/proc/%d/status" % qemu.pid, encoding="utf-8") as file:
                assert "\nSeccomp:\t2\n" in file.read()
        finally:
            qemu.kill()
            shutil.rmtree(folder)


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""


def test_only_ours():
    """clockferry-host takes no QEMU but ours"""
    with Debian(hosts.DEBIANS, "qemu-system-x86") as debian:
        debian.add_repository(hosts.repository())
        theirs = hosts.version(debian)
        done = debian.run("apt-get", "-q", "-y", "--no-install-recommends",
                          "install", "clockferry-host",
                          "qemu-system-x86=" + theirs)
    assert done.returncode, done
    assert "qemu-system-x86-clockferry" in done.stdout + done.stderr, done


def lintian(debian, *files):
    """{tags, with the package that has them} of errors and warnings."""
    done = debian.run("lintian", "--allow-root", "--display-level", ">=warning",
                      *[debian.put(file) for file in files])
    return set(re.findall(r"^[EW]: \S+: [a-z0-9-]+", done.stdout, re.M)), done


def test_lintian():
    """lintian finds nothing that it doesn't find in Debian's own packages"""
    pool = os.path.join(hosts.repository(), "pool/trixie")
    ours = [os.path.join(pool, name) for name in os.listdir(pool)
            if name.startswith("qemu-") and name.endswith(".deb")]
    assert len(ours) == 7, ours
    with Debian("13", "lintian") as debian:
        debian.must("apt-get", "-q", "update")
        names = [os.path.basename(file).split("_")[0] for file in ours]
        debian.must("sh", "-c", "cd /tmp && apt-get -q download "
                    + " ".join(names))
        theirs = debian.must("sh", "-c", "lintian --allow-root "
                             "--display-level '>=warning' /tmp/*.deb || true")
        known = set(re.findall(r"^[EW]: \S+: [a-z0-9-]+", theirs, re.M))
        found, done = lintian(debian, *ours)
    let_pass = OF_A_DERIVATIVE
    if "~" in hosts.version(hosts.installed("13")):
        let_pass += UNRELEASED
    new = {tag for tag in found - known if not tag.endswith(let_pass)}
    assert not new, (new, done)


def test_autopkgtest():
    """The tests that Debian runs after each upload pass

    QEMU's own migration-test can't run with it, nor with Debian's: Debian's
    rules remove accel-qtest.
    """
    for version in VERSIONS:
        debian = hosts.installed(version)
        for script in "test-qemu-img.sh", "test-qemu-system.sh":
            file = debian.put(source_file("debian/tests/" + script))
            debian.must("sh", "-c", "mkdir -p /var/tmp/test && cd /var/tmp && "
                        "AUTOPKGTEST_TMP=/var/tmp/test sh " + file)


def source_file(name):
    """A file of debian/ in the source package, as a file."""
    pool = os.path.join(hosts.repository(), "pool/trixie")
    archive = [file for file in os.listdir(pool)
               if file.endswith(".debian.tar.xz")][0]
    folder = tempfile.mkdtemp()
    run("tar", "-C", folder, "-xf", os.path.join(pool, archive), name,
        check=True)
    return os.path.join(folder, name)
