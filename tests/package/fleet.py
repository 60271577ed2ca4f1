# SPDX-License-Identifier: GPL-2.0-or-later
"""Three hosts with libvirt on which the packages get installed: host-a has
Debian 12 and host-b 13; host-c is a model of one that fits no guest of these."""
import contextlib
import shutil
import subprocess

from harness import places
from harness.debian import packages
from harness.libvirt import domain, scene

HOSTS = {"host-a": "12", "host-b": "13", "host-c": "12 unscaled-fast"}


class Fleet:
    """What a command on a page means by its names."""

    def __init__(self, hosts):
        self._hosts = hosts
        for host in hosts.values():
            host.run("sh", "-c", "mkdir -p /run/libvirt && ln -s "
                     "%s/libvirt-sock /run/libvirt/" % host.folder)

    def __getitem__(self, name):
        return self._hosts[name]

    def __iter__(self):
        return iter(self._hosts)

    def command(self, command):
        """With our sockets in place of ssh. libvirt has no name of a host
        to connect QEMU to, so that is a socket, too."""
        for name, host in self._hosts.items():
            uri = "qemu+ssh://%s/system" % name
            if command.lstrip().startswith("clockferry"):
                command = command.replace(uri, host.uri)
            command = command.replace(uri, "'%s' 'unix://%s/move.socket'"
                                      % (host.uri, host.folder))
        return command

    def run(self, name, command):
        return self[name].run("sh", "-c", "cd /root && "
                              + self.command(command))

    def must(self, name, command, good=(0,)):
        done = self.run(name, command)
        assert done.returncode in good, (name, command, done)
        return done.stdout

    def start(self, name, command):
        """Leaves it running, for its output to be read."""
        return subprocess.Popen(
            self[name].command("sh", "-c", "exec " + command), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)

    def where(self, guest):
        """The host on which it runs."""
        found = [name for name in self if guest in self.must(
            name, "virsh list --name").split()]
        assert len(found) == 1, (guest, found)
        return found[0]

    def define(self, name, guest):
        """A guest with the series' QEMU, as libvirt starts it: without the
        option."""
        side = scene.patched_off()
        self[name].write("/root/%s.xml" % guest, domain.xml(side, guest))
        self.must(name, "virsh define %s.xml && virsh start %s"
                  % (guest, guest))

    def put_packages(self):
        """The files, for apt to install them."""
        for host in self._hosts.values():
            for file in packages().values():
                shutil.copy(file, host.path("/root"))


@contextlib.contextmanager
def fleet():
    places.need_kvm()
    packages()
    with scene.hosts(*HOSTS.values(),
                     prepare=scene.without_hook) as hosts:
        yield Fleet(dict(zip(HOSTS, hosts)))
