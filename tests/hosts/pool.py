# SPDX-License-Identifier: GPL-2.0-or-later
"""Two machines, host-a with Debian 12 and host-b with 13, as the pages call
them; what a page's command does there."""
import atexit
import functools
import os
import shutil
import tempfile

import guests
import initramfs
from harness import binaries, debian, emulator, places
from host import HostError, Link, Spec
from image import depends, image, volume
from machine import COMMAND_LIMIT_S, Machine

VERSIONS = {"host-a": "12", "host-b": "13"}
SPECS = {"host-a": Spec("debian", 2500000, 0, claim_us=1000),
         "host-b": Spec("debian", 3100000, 10 ** 15, claim_us=1000)}
DOING = """hostname; ps axww -o pid,ppid,stat,wchan:24,etimes,args --forest |
    grep -v '\\[.*\\]$'
    timeout 60 virsh list --all; for one in vm-7 vm-8; do
        timeout 60 virsh domjobinfo $one
        timeout 60 virsh qemu-monitor-command --hmp $one 'info migrate'
    done; journalctl --no-pager -n 30"""
DOING_LIMIT_S = 300
# Where the machines find it; the page leaves that to its reader.
REPOSITORY = "/srv/clockferry"


@functools.lru_cache(None)
def packages():
    """The folder of ours, with the apt repository in it."""
    debian.build(places.TOP, "all", "--qemu")
    return os.path.join(debian.scratch(), "all")


def boot_once(made):
    folder = tempfile.mkdtemp(prefix="clockferry-hosts-")
    try:
        with Machine("debian", SPECS["host-a"], made, folder,
                     Link(folder + "/net", True), keep=True) as machine:
            machine.wait_up()
            machine.run("virsh list")       # AppArmor, QEMU's capabilities
            machine.shut_down()
    finally:
        shutil.rmtree(folder)


def images():
    """{host: Image}"""
    pool = os.path.join(packages(), "apt/pool")
    return {name: image(version, tuple(depends(os.path.join(
        pool, debian.SUITES[version]))), boot_once)
            for name, version in VERSIONS.items()}


def contents(folder):
    """What the machines get on their second disk: the repository, and what
    guests are made of."""
    shutil.copytree(os.path.join(packages(), "apt"), folder + "/apt")
    os.mkdir(folder + "/images")
    for name, path in {"guest.rom": binaries.rom(),
                       "guest.bzImage": emulator.built("kernel", "released"),
                       "guest.cpio": initramfs.linux_guest()}.items():
        shutil.copy(path, os.path.join(folder, "images", name))
    with open(folder + "/images/guest.img", "wb") as disk:
        disk.truncate(1 << 20)


class Pool:
    """Both machines; one at a time is the source of a guest."""

    def __init__(self):
        found = images()
        self._folder = tempfile.mkdtemp(prefix="clockferry-hosts-")
        atexit.register(shutil.rmtree, self._folder, True)
        self._machines = {}
        os.mkdir(self._folder + "/volume")
        contents(self._folder + "/volume")
        disk = volume(self._folder + "/disk", self._folder + "/volume")
        for name in VERSIONS:
            self._machines[name] = Machine(
                name, SPECS[name], found[name], self._folder,
                Link(self._folder + "/net", name == "host-a"), disk)
            atexit.register(self._end, self._machines[name])
        for name in self:
            self[name].wait_up()
            self.must(name, "mkdir -p %s && mount /dev/vdb %s && cp %s/images/* "
                      "%s" % (REPOSITORY, REPOSITORY, REPOSITORY,
                              guests.IMAGES))
        self._let_in()

    @staticmethod
    def _end(machine):
        """What it said on its console is kept until the next time."""
        machine.close()
        shutil.copy(machine.console, places.cache("hosts", "consoles"))

    def __getitem__(self, name):
        return self._machines[name]

    def __iter__(self):
        return iter(self._machines)

    def _let_in(self):
        """Each host's root may log in to the other, as virsh has to."""
        keys = ""
        for name in self:
            keys += self.must(name, "ssh-keygen -q -t ed25519 -N '' -f "
                              ".ssh/id_ed25519 && cat .ssh/id_ed25519.pub")
        for name in self:
            self[name].write("/root/.ssh/authorized_keys", keys)

    def run(self, name, command, limit_s=COMMAND_LIMIT_S):
        return self[name].run(command, limit_s)

    def must(self, name, command, good=(0,)):
        try:
            done = self.run(name, command)
        except HostError as error:
            raise HostError("%s: %s\n%s" % (error, command,
                                            self._doing())) from None
        assert done.returncode in good, (name, command, done.returncode,
                                         done.stdout[-2000:],
                                         done.stderr[-2000:])
        return done.stdout

    def _doing(self):
        """What both are at, when one of them doesn't come to an end."""
        return "\n".join(self.run(name, DOING, DOING_LIMIT_S).stdout
                         for name in self)

    def where(self, guest):
        """The host on which it runs: never two, never none."""
        found = [name for name in self if guest in self.must(
            name, "virsh list --name --state-running").split()]
        assert len(found) == 1, (guest, found)
        return found[0]
