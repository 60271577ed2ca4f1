# SPDX-License-Identifier: GPL-2.0-or-later
"""Old machine types, stock beside patched: all go on to move as before."""
import os
import subprocess
import sys

from harness import measure
from harness.binaries import start
from harness.check import (OFF_HERE, UNKNOWN_SECTION, Untouched, assert_carried,
                           machine_types, patched, patched_off, stock)
from harness.migrate import cross, go, incoming, set_capabilities
from harness.qmp import QmpError
from harness.tap import Missing, note

# With its own way to save kvmclock (2.8), without the device where kvmclock
# is off (5.1), and others; some are gone from newer QEMUs.
MACHINES = ["pc-i440fx-2.8", "pc-q35-2.12", "pc-i440fx-5.1", "pc-q35-5.1",
            "pc-q35-7.2", "pc-q35-9.2", "pc-i440fx-10.0", "pc-q35-10.0",
            "microvm", "pc,kernel-irqchip=split"]
NO_KVMCLOCK = ["-cpu", "qemu64,-kvmclock"]
SYSTEM_TIME_MSR = 0x4b564d01


def machines():
    """Those of MACHINES that both QEMUs have."""
    known = machine_types()
    missing = [name for name in MACHINES if name.split(",")[0] not in known]
    if missing:
        note("not in these QEMUs: %s" % ", ".join(missing))
    return [name for name in MACHINES if name not in missing]


def crosses(source_side, destination_side, machine, judge=None):
    extra = ["-machine", machine]
    with start(source_side, extra=extra) as source:
        source.wait_up()
        crossing = cross(source, destination_side, brackets=False, extra=extra)
        with crossing.destination as destination:
            if judge:
                judge(crossing.source, destination)
            else:
                assert not any(crossing.result.tsc_steps or [])


def test_on():
    """Each machine type carries its clocks with the feature on."""
    for machine in machines():
        note(machine)
        crosses(patched(), patched(), machine, assert_carried)


def test_off():
    """Each crosses with the feature off."""
    for machine in machines():
        crosses(patched_off(), patched_off(), machine)


def test_from_stock():
    """Each comes from stock QEMU, the feature being off and on."""
    for machine in machines():
        crosses(stock(), patched_off(), machine)
        crosses(stock(), patched(), machine)


def test_to_stock():
    """Each goes to stock QEMU while the feature is off."""
    for machine in machines():
        crosses(patched_off(), stock(), machine)


def refused(source_side, destination_side, machine, words, other=None):
    """other: the destination's machine, if it isn't the same."""
    with start(source_side, extra=["-machine", machine]) as source:
        source.wait_up()
        untouched = Untouched(source)
        destination, uri = incoming(destination_side,
                                    extra=["-machine", other or machine])
        with destination:
            set_capabilities(source, "return-path")
            info = go(source, uri)
            destination.wait_exit()
            assert info["status"] == "failed", info
            assert words in destination.stderr(), destination.last_words()
        # A source of stock's own type doesn't wait for the answer to its set-up.
        untouched.assert_still(
            may_stop=bool(other) and not machine.endswith("-clockferry"))


def test_on_to_stock():
    """On, it is refused by stock QEMU; the guest was not even stopped."""
    for machine in machines():
        refused(patched(), stock(), machine, UNKNOWN_SECTION)


def test_on_to_off():
    """On, it is refused where the feature is off, just so."""
    for machine in machines():
        refused(patched(), patched_off(), machine, OFF_HERE)


def test_stock_there_and_back():
    """From stock to patched, and on to patched: from then on it's exact."""
    with start(stock()) as source:
        source.wait_up()
        first = cross(source, patched(), brackets=False)
        with first.destination as second:
            note("stock's step %.3f ms"
                 % (measure.worst(first.result.steps_ns) / 1e6))
            crossing = cross(second, patched(), brackets=False)
            with crossing.destination as third:
                assert_carried(crossing.source, third)


def test_no_kvmclock():
    """A machine without kvmclock device: no report, and it crosses."""
    machine = "pc-q35-5.1"
    if machine not in machines():
        raise Missing("machine", "there is no %s any more" % machine)
    extra = ["-machine", machine] + NO_KVMCLOCK
    with start(patched(), extra=extra) as source:
        source.wait_up()
        try:
            source.qmp.execute("query-kvm-clock")
            assert False, "it tells of a clock that it hasn't got"
        except QmpError as error:
            assert "no kvmclock device" in str(error), error
        cross(source, patched(), brackets=False, extra=extra)


def test_without_kvm():
    """QEMU names the properties that have no effect without KVM."""
    on = patched()._replace(kvmclock={"guest-clock": "on", "policy": "brave"})
    with start(on, accel="tcg", extra=["-S"]) as guest:
        for word in "guest-clock=on", "policy=brave":
            assert "global kvmclock.%s not used\n" % word in guest.stderr(), \
                guest.stderr()


def test_hidden_kvmclock():
    """A guest that isn't told of kvmclock: the device carries it all the same.

    QEMU leaves the record of such a guest alone, so it asks for a new one."""
    with start(patched(), extra=NO_KVMCLOCK) as source:
        source.wait_up()
        crossing = cross(source, patched(), brackets=False, extra=NO_KVMCLOCK)
        with crossing.destination as destination:
            destination.wrmsr(SYSTEM_TIME_MSR, destination.slot_address(0) | 1)
            destination.wait_beating()
            assert_carried(crossing.source, destination)


def checker():
    """QEMU's own comparison of two versions' sections."""
    path = os.path.join(os.environ.get("CLOCKFERRY_QEMU_SRC_STOCK", ""),
                        "scripts", "vmstate-static-checker.py")
    if not os.path.exists(path):
        raise Missing("qemu", "QEMU's sources aren't there")
    return path


def sections(side, machine, path):
    """All that this machine type can send, into a file."""
    subprocess.run([side.binary, "-machine", machine, "-accel", "kvm",
                    "-nodefaults", "-display", "none", "-dump-vmstate", path],
                   check=True, stderr=subprocess.DEVNULL)


def complaints(source, destination):
    run = subprocess.run([sys.executable, checker(), "-s", source,
                          "-d", destination], stdout=subprocess.PIPE,
                         text=True, check=False)
    return run.stdout.splitlines()


def test_sections():
    """By QEMU's own checker only one subsection is new, and sent when on."""
    with start(stock(), extra=["-S"]) as guest:
        theirs, ours = guest.path("stock.json"), guest.path("patched.json")
        for machine in "pc-i440fx-10.0", "pc-q35-9.2":
            sections(stock(), machine, theirs)
            sections(patched(), machine, ours)
            # The checker stumbles over some devices even of the same QEMU.
            always = complaints(theirs, theirs)
            forward, back = ([line for line in complaints(*pair)
                              if line not in always]
                             for pair in ((theirs, ours), (ours, theirs)))
            note("%s, to stock: %s" % (machine, back))
            assert not forward, forward
            assert len(back) == 1 and "kvmclock/guest_clock" in back[0], back
