# SPDX-License-Identifier: GPL-2.0-or-later
"""The test guest as a libvirt domain, and its memory to look at."""
import os
import re
import socket
import struct
import zlib
from xml.sax.saxutils import escape

from harness import binaries, fakehost
from harness.published import Published
from harness.qmp import Qmp

SO_PEERCRED_FORMAT = "iII"

# A monitor for us beside libvirt's: it measures, and changes nothing.
XML = """
<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{name}</name>
  {metadata}
  <memory unit='MiB'>32</memory>
  <vcpu>{vcpus}</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <loader type='rom' readonly='yes'>{rom}</loader>
  </os>
  <features><acpi/></features>
  <clock offset='utc'>{timer}</clock>
  <devices>
    <emulator>{emulator}</emulator>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  </devices>
  <qemu:commandline>
    <qemu:arg value='-chardev'/>
    <qemu:arg value='socket,id=tests,path={monitor},server=on,wait=off'/>
    <qemu:arg value='-mon'/>
    <qemu:arg value='chardev=tests,mode=control'/>
    {options}
  </qemu:commandline>
</domain>
"""


def monitor(name):
    """On whichever host it runs; the name may have anything in it."""
    return "/run/%08x.monitor" % zlib.crc32(name.encode())


def xml(side, name="ferry", vcpus=1, metadata="", timer="", **kvmclock):
    options = dict(side.kvmclock, **kvmclock)
    arguments = []
    for key, value in options.items():
        arguments += ["-global", "kvmclock.%s=%s" % (key, value)]
    return XML.format(
        name=escape(name), vcpus=vcpus, metadata=metadata, timer=timer,
        rom=binaries.rom(), emulator=side.binary, monitor=monitor(name),
        options="".join("<qemu:arg value='%s'/>" % argument
                        for argument in arguments))


class Running(Published):
    """A domain that runs on a host, seen from outside."""

    def __init__(self, host, name="ferry", vcpus=1):
        self.host, self.name, self.vcpus = host, name, vcpus
        host.at_close(self.close)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(host.path(monitor(name)))
        credentials = self._socket.getsockopt(
            socket.SOL_SOCKET, socket.SO_PEERCRED,
            struct.calcsize(SO_PEERCRED_FORMAT))
        self.pid = struct.unpack(SO_PEERCRED_FORMAT, credentials)[0]
        self.pid_there = self._pid_there()
        self.qmp = Qmp(self._socket)
        self._open_ram()

    def close(self):
        self._close_ram()
        self._socket.close()

    def path(self, name):
        """A file for QEMU to write and us to read."""
        return os.path.join(self.host.folder, name)

    def _pid_there(self):
        """What the host calls it."""
        with open("/proc/%d/status" % self.pid) as status:
            return int(re.search(r"^NSpid:.*\s(\d+)$", status.read(),
                                 re.M).group(1))

    def model_log(self):
        """What a fake host's KVM was asked to do for it."""
        return fakehost.log(self.host.model, self.pid_there)

    def why_gone(self):
        return None if os.path.exists("/proc/%d" % self.pid) else \
            "QEMU has ended"

    def last_words(self):
        log = self.host.read("/var/log/libvirt/qemu/%s.log" % self.name)
        return "\n".join(log.splitlines()[-10:])
