# SPDX-License-Identifier: GPL-2.0-or-later
"""Debians as disk images that have booted once, kept in the cache.

Nothing is added to Debian but the lab's agent, which is a service there, and
nothing taken away but the archive, which these hosts can't reach."""
import atexit
import fcntl
import hashlib
import os
import shutil
import subprocess
from collections import namedtuple

import initramfs
from harness import debian, places
from harness.tap import Missing, note, once

PACKAGES = ("linux-image-amd64", "initramfs-tools", "zstd", "systemd-sysv",
            "dbus", "kmod", "iproute2", "netcat-openbsd", "apparmor", "chrony",
            "libvirt-daemon-system", "libvirt-daemon-driver-qemu",
            "libvirt-clients", "openssh-server", "openssh-client",
            "qemu-system-x86", "qemu-utils", "prometheus-node-exporter")
# What clockferry-host brings, by itself or because these depend on it.
OURS = debian.RUNTIME + ("qemu-system-x86", "qemu-system-common",
                         "qemu-system-data", "qemu-utils", "seabios")
SIZE = "6G"
AGENT_UNIT = """
[Unit]
Description=The lab's agent
[Service]
ExecStart=/usr/local/sbin/lab-agent
KillMode=process
Environment=HOME=/root LC_ALL=C.UTF-8
[Install]
WantedBy=multi-user.target
"""
FILES = {
    "/etc/systemd/system/lab-agent.service": AGENT_UNIT,
    "/etc/fstab": "/dev/vda / ext4 defaults 0 1\n",
    "/etc/hosts": "127.0.0.1 localhost\n10.0.0.1 host-a\n10.0.0.2 host-b\n",
    "/etc/apt/sources.list": "",
    # As for any host that somebody has logged in to once.
    "/etc/ssh/ssh_config.d/lab.conf": "StrictHostKeyChecking accept-new\n",
}

Image = namedtuple("Image", "disk kernel initrd")


def depends(folder):
    """What the packages in a repository's folder want from Debian."""
    names, wanted = set(), set()
    for file in sorted(os.listdir(folder)):
        name = file.split("_")[0]
        if file.endswith(".deb"):
            names.add(name)
            if name in OURS:
                wanted |= debian.depends(os.path.join(folder, file))
    return sorted(wanted - names)


def _fill(folder, agent):
    for path, text in FILES.items():
        with open(folder + path, "w", encoding="utf-8") as file:
            file.write(text)
    shutil.copy(agent, folder + "/usr/local/sbin/lab-agent")
    wanted = folder + "/etc/systemd/system/multi-user.target.wants"
    os.symlink("/etc/systemd/system/lab-agent.service",
               wanted + "/lab-agent.service")
    os.unlink(folder + "/usr/sbin/policy-rc.d")


def _make(image, version, packages, agent):
    """Disk, kernel and initrd; it hasn't booted yet."""
    with debian.Debian(version, *packages) as made:
        debian.run("umount", made.path("proc"), check=True)
        _fill(made.root, agent)
        for kind, path in ("vmlinuz", image.kernel), \
                ("initrd.img", image.initrd):
            names = [name for name in os.listdir(made.path("boot"))
                     if name.startswith(kind)]
            if len(names) != 1:
                raise Missing("hosts", "Debian %s has no single %s: %s" % (
                    version, kind, names))
            shutil.copy(made.path("boot/" + names[0]), path)
        done = debian.run("mke2fs", "-q", "-t", "ext4", "-d", made.root,
                          image.disk, SIZE)
        if done.returncode:
            raise Missing("hosts", "mke2fs failed: " + done.stderr.strip())


def _lock(path, how):
    """Held until the file is closed, or this process ends; None if it would
    have to wait and shan't."""
    file = open(path, "ab")     # pylint: disable=consider-using-with
    try:
        fcntl.flock(file, how)
    except BlockingIOError:
        file.close()
        return None
    atexit.register(file.close)
    return file


def _forget_old(folder, version):
    """Each is 2 GB, and only the last one is of use; but another tree's suite
    may be running on one."""
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if name.startswith("debian-%s-" % version) and os.path.isdir(path):
            done = _lock(path + "/done", fcntl.LOCK_EX | fcntl.LOCK_NB)
            if done:
                shutil.rmtree(path)
                done.close()


@once
def image(version, packages, boot_once):
    """The image of a Debian with these packages besides; boot_once(image) lets
    it boot and shut down, which settles what only a first boot does."""
    packages = tuple(sorted({*PACKAGES, *packages}))
    agent = initramfs.compiled("agent", "-static")
    root = debian.base(version, *packages)
    with open(__file__, "rb") as own:
        key = hashlib.sha256(repr((root, initramfs.digest(agent))).encode()
                             + own.read()).hexdigest()[:12]
    cache = places.cache("hosts")
    folder = os.path.join(cache, "debian-%s-%s" % (version, key))
    found = Image(*(os.path.join(folder, name)
                    for name in ("disk", "kernel", "initrd")))
    making = _lock(os.path.join(cache, "lock-" + version), fcntl.LOCK_EX)
    if not os.path.exists(found.disk + ".made"):
        note("making a disk image of Debian %s, and booting it once" % version)
        _forget_old(cache, version)
        os.mkdir(folder)
        _make(found, version, packages, agent)
        boot_once(found)
        open(found.disk + ".made", "wb").close()
    _lock(folder + "/done", fcntl.LOCK_SH)
    making.close()
    return found


def volume(path, folder):
    """A file system that holds a folder, for hosts to read."""
    size = subprocess.run(["du", "-sm", folder], capture_output=True,
                          text=True, check=True).stdout.split()[0]
    debian.run("mke2fs", "-q", "-t", "ext4", "-d", folder, path,
               "%dM" % (int(size) * 5 // 4 + 16), check=True)
    return path
