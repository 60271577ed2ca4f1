# SPDX-License-Identifier: GPL-2.0-or-later
"""Which QEMUs and which guest image to use, from the environment."""
import array
import fcntl
import os
import struct
from collections import namedtuple

from harness.guest import Guest
from harness.qmp import QmpError
from harness.tap import Missing

# `kvmclock` are the -global properties its guests get by default.
Side = namedtuple("Side", "name binary kvmclock")

KVM_CREATE_VM = 0xAE01
KVM_CREATE_VCPU = 0xAE41
KVM_SET_DEVICE_ATTR = 0x4018AEE1
KVM_GET_DEVICE_ATTR = 0x4018AEE2


def keeps_tsc_offsets():
    """Whether this host's KVM does what it is told with TSC offsets."""
    wanted = 1 << 40
    value = array.array("Q", [wanted])
    request = struct.pack("<IIQQ", 0, 0, 0, value.buffer_info()[0])
    kvm = vm = vcpu = -1
    try:
        kvm = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
        vm = fcntl.ioctl(kvm, KVM_CREATE_VM, 0)
        vcpu = fcntl.ioctl(vm, KVM_CREATE_VCPU, 0)
        fcntl.ioctl(vcpu, KVM_SET_DEVICE_ATTR, request)
        value[0] = 0
        fcntl.ioctl(vcpu, KVM_GET_DEVICE_ATTR, request)
    except OSError:
        return False
    finally:
        for handle in vcpu, vm, kvm:
            if handle >= 0:
                os.close(handle)
    return value[0] == wanted


def rom():
    """The path of guest.rom in the build folder."""
    path = os.path.join(os.environ.get("CLOCKFERRY_BUILD", ""),
                        "tests", "guest", "guest.rom")
    if not os.path.exists(path):
        raise Missing("qemu", "the test guest isn't built (CLOCKFERRY_BUILD)")
    return path


def binary(variable):
    """The path of the QEMU that the environment names."""
    path = os.environ.get(variable, "")
    if not os.access(path, os.X_OK) or os.path.isdir(path):
        why = os.environ.get("CLOCKFERRY_QEMU_WHY") or variable + " names none"
        raise Missing("qemu", "QEMU isn't built: %s" % why)
    return path


def knows_guest_clock(binary):
    """Whether this QEMU's kvmclock has our property: stock hasn't."""
    with Guest(binary, rom(), extra=["-S"]) as guest:
        try:
            found = guest.qmp.execute("device-list-properties",
                                      {"typename": "kvmclock"})
        except QmpError:
            return False
    return any(entry["name"] == "guest-clock" for entry in found)


def stock():
    return Side("stock", binary("CLOCKFERRY_QEMU_STOCK"), {})


def patched():
    """With the feature on. Developers may point this at a stock QEMU."""
    path = binary("CLOCKFERRY_QEMU_PATCHED")
    on = {"guest-clock": "on"} if knows_guest_clock(path) else {}
    return Side("patched", path, on)


def start(side, **options):
    """A QEMU of this side; `kvmclock` adds to the side's properties."""
    kvmclock = dict(side.kvmclock, **options.pop("kvmclock", {}))
    return Guest(side.binary, rom(), kvmclock=kvmclock, **options)
