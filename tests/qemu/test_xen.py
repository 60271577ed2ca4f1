# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests that believe to be on Xen, on fake hosts.

KVM writes kvmclock's record to two more places for them. QEMU neither migrates
nor saves such guests yet, so this is about what remains."""
import time

from harness import fakehost
from harness.binaries import start
from harness.check import Untouched
from harness.pvclock import Record
from harness.qmp import QmpError
from harness.tap import note
from test_hyperv import turn_kvmclock_on
from test_table import PAUSE_S

GUEST = 0x50000             # where its vcpu_info is
RECORDS = (GUEST + 32, GUEST + 0x100)
XEN = {"accel": "kvm,xen-version=0x4000a,kernel-irqchip=split"}
HOSTS = ("newest", "released")


def begin(like):
    host = fakehost.declare("xen-" + like, like, xen_guest=GUEST)
    guest = start(fakehost.side(host), **XEN)
    guest.wait_up()
    turn_kvmclock_on(guest)
    return guest


def records(guest):
    """Xen's two, and kvmclock's own."""
    return [Record.parse(guest.read(at, 32)) for at in RECORDS] + \
        [guest.slot().record]


def functions(guest):
    return {record.function for record in records(guest)}


def test_records():
    """Xen's records are kvmclock's, also after a pause."""
    for host in HOSTS:
        with begin(host) as guest:
            before = records(guest)
            guest.qmp.execute("stop")
            time.sleep(PAUSE_S)
            guest.qmp.execute("cont")
            guest.wait_beating()
            after = records(guest)
        step = after[0].at(after[0].tsc_timestamp) - \
            before[0].at(after[0].tsc_timestamp)
        note("%s: step %d ns" % (host, step))
        assert len({record.function for record in before}) == 1, before
        assert len({record.function for record in after}) == 1, after
        assert before[0].version and abs(step) <= 3


def refused(guest, uri):
    try:
        guest.qmp.execute("migrate", {"uri": uri})
    except QmpError as error:
        return "xen_xenstore" in str(error)
    return False


def test_not_migratable():
    """QEMU refuses to migrate such a guest, which doesn't notice."""
    for host in HOSTS:
        with begin(host) as guest:
            untouched = Untouched(guest)
            before = functions(guest)
            assert refused(guest, "file:" + guest.path("stream"))
            assert refused(guest, "unix:" + guest.path("nobody"))
            untouched.assert_still()
            assert functions(guest) == before
