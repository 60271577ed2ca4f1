# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests that libvirt runs in the machines, seen from outside: the test guest,
and a Linux with SeaBIOS, disk, network card and VNC."""
import json

from agent import Process
from harness.qmp import QmpError
from inner import Inner
from linux import READ_NS, LinuxGuest, told, wait_beats
from truth import View

IMAGES = "/var/lib/libvirt/images"
ALIVE_LIMIT_S, BEATS = 900, 4
CONSOLE = "/var/log/libvirt/qemu/%s.console"
ROM = """
<domain type='kvm'>
  <name>{name}</name>
  <memory unit='MiB'>32</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <loader type='rom' readonly='yes'>{images}/guest.rom</loader>
  </os>
  <features><acpi/></features>
  <devices>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  </devices>
</domain>
"""
LINUX = """
<domain type='kvm'>
  <name>{name}</name>
  <memory unit='MiB'>128</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>{images}/guest.bzImage</kernel>
    <initrd>{images}/guest.cpio</initrd>
    <cmdline>console=ttyS0 loglevel=4 rdinit=/init panic=-1</cmdline>
  </os>
  <features><acpi/></features>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw' cache='none'/>
      <source file='{images}/guest.img'/>
      <target dev='vda' bus='virtio'/>
      <readonly/>
    </disk>
    <interface type='user'><model type='virtio'/></interface>
    <graphics type='vnc'/>
    <video><model type='vga'/></video>
    <serial type='file'><source path='{console}'/></serial>
  </devices>
</domain>
"""


def xml(name, kind=ROM):
    return kind.format(name=name, images=IMAGES, console=CONSOLE % name)


class Monitor:
    """A domain's QEMU, asked through virsh."""

    def __init__(self, host, name):
        self._host, self._name = host, name

    def execute(self, command, arguments=None):
        request = {"execute": command, "arguments": arguments or {}}
        done = self._host.run("virsh qemu-monitor-command %s '%s'" % (
            self._name, json.dumps(request)))
        if done.returncode:
            raise QmpError(done.stderr.strip())
        return json.loads(done.stdout)["return"]


class Seen:
    """What both kinds have in common: a domain on a host, by its name."""

    def __init__(self, host, name):
        self.host, self.name, self.vcpus = host, name, 1
        self._proc = Process(host.agent, int(
            host.read("/run/libvirt/qemu/%s.pid" % name)))
        self.qmp = Monitor(host, name)
        self._memory = self._records = None
        self._starved = 0
        self._find_ram()

    def why_gone(self):
        return None if self.host.agent.glob("/proc/%d" % self.pid) else \
            "QEMU has ended"

    def stderr(self):
        return self.host.read("/var/log/libvirt/qemu/%s.log" % self.name)

    def view(self, drift):
        return View(self.steady_slots(), self.scaling(), drift)


class RomDomain(Seen, Inner):
    """The test guest."""

    def wait_alive(self):
        if not self.vcpus_up():
            self.wait_up(ALIVE_LIMIT_S)
        self.wait_beating(ALIVE_LIMIT_S)

    def saw(self, before, clock_map):
        """It has its clocks read from outside."""


class LinuxDomain(Seen, LinuxGuest):
    """The Linux guest, whose kernel tells on its console what it saw."""

    @property
    def _console(self):
        return CONSOLE % self.name

    def wait_alive(self):
        wait_beats(self, len(told(self.console())) + BEATS, ALIVE_LIMIT_S)

    def saw(self, before, clock_map):
        """Neither a step nor a clock that went back, nor any complaint."""
        line = self.noted(before, clock_map)
        assert not line["guest_saw_back"] and not line["said"], line
        assert abs(line["guest_step_ns"]) <= READ_NS + line["guest_width_ns"], \
            line
