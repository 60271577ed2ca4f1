# SPDX-License-Identifier: GPL-2.0-or-later
"""Plugs vCPUs into a running guest, starts them, and pulls them out.

Such guests begin with 1 vCPU and ROOM; their boot vCPU's APIC is in x2APIC
mode afterwards, in which the guest's own code can't sleep (guest.calm)."""
from harness import fakehost
from snapshot import monitor

MAX_VCPUS = 3
ROOM = ["-smp", "1,maxcpus=%d" % MAX_VCPUS]

APIC_BASE_MSR = 0x1b
X2APIC_ENABLED = 0xfee00d00         # the boot vCPU's, at the usual address
ICR_MSR = 0x830
INIT, STARTUP_AT_0X8000 = 0x4500, 0x4608

# The CPU hotplug ports of hw/acpi/cpu.c, where the machine "pc" has them.
PORTS = 0xaf00
EJECT = 1 << 3


def plug(guest):
    """One vCPU more, which then runs like the others."""
    number = guest.vcpus
    free = [slot for slot in guest.qmp.execute("query-hotpluggable-cpus")
            if slot["props"]["core-id"] == number]
    guest.qmp.execute("device_add", dict(free[0]["props"], id=name(number),
                                         driver=free[0]["type"]))
    guest.wrmsr(APIC_BASE_MSR, X2APIC_ENABLED)
    for command in INIT, STARTUP_AT_0X8000:
        guest.wrmsr(ICR_MSR, number << 32 | command)
    guest.vcpus += 1
    guest.wait_up()


def assert_alike(host, guest):
    """On a fake host: vCPU 1 has the boot vCPU's TSC."""
    calls = fakehost.log(host, guest.pid)
    boot, plugged = (fakehost.clocks(calls, vcpu) for vcpu in range(2))
    assert plugged.frequency() == boot.frequency()
    assert plugged.values["offset"] == boot.values["offset"]


def unplug(guest):
    """Pull the last vCPU out, as a guest with ACPI would let it go. KVM keeps
    it: QEMU parks it for the next that is plugged in."""
    guest.vcpus -= 1
    monitor(guest, "o/1 %#x 0" % PORTS)             # the modern interface
    monitor(guest, "o/4 %#x %d" % (PORTS, guest.vcpus))
    guest.qmp.events.clear()
    guest.qmp.execute("device_del", {"id": name(guest.vcpus)})
    monitor(guest, "o/1 %#x %d" % (PORTS + 4, EJECT))
    guest.qmp.wait_event("DEVICE_DELETED", device=name(guest.vcpus))


def name(number):
    return "vcpu%d" % number


def plugged(guest):
    """QEMU's arguments for a destination with the same vCPUs."""
    found = list(ROOM)
    for slot in guest.qmp.execute("query-hotpluggable-cpus"):
        number = slot["props"]["core-id"]
        if 0 < number < guest.vcpus:
            found += ["-device", "%s,socket-id=0,core-id=%d,thread-id=0,id=%s"
                      % (slot["type"], number, name(number))]
    return found
