# SPDX-License-Identifier: GPL-2.0-or-later
"""Machine types that turn the feature on, beside those that don't."""
import functools
import re

from harness.binaries import start
from harness.check import assert_carried, patched_off, stock
from harness.guest import GuestError
from harness.migrate import cross
from harness.registers import Registers
from harness.tap import note
from test_compat import refused

WITH = "-clockferry"
VERSIONED = re.compile(r"pc-(q35|i440fx)-[0-9]+(\.[0-9]+)+")
OFF = {"guest-clock": "off"}


def types(side):
    """What QEMU says of its machine types, by name."""
    with start(side, extra=["-S"]) as guest:
        return {machine["name"]: machine for machine
                in guest.qmp.execute("query-machines")}


@functools.lru_cache(None)
def newest():
    """The newest type of either kind, without and with."""
    names = {machine["alias"]: name for name, machine
             in types(patched_off()).items() if "alias" in machine}
    return [(names[alias], names[alias] + WITH) for alias in ("pc", "q35")]


def test_types():
    """Each versioned PC has one beside it, and is what it is in stock"""
    ours, theirs = types(patched_off()), types(stock())
    added = {name: machine for name, machine in ours.items()
             if name not in theirs}
    versioned = [name for name in theirs if VERSIONED.fullmatch(name)]
    note("%d machine types, %d have one beside them" % (len(theirs),
                                                        len(versioned)))
    assert set(added) == {name + WITH for name in versioned}, added
    assert {name: ours[name] for name in theirs} == theirs
    for name in versioned:
        wanted = dict(theirs[name], name=name + WITH)
        wanted.pop("alias", None)
        wanted.pop("is-default", None)
        assert added[name + WITH] == wanted, (added[name + WITH], wanted)


def setting(name, **options):
    with start(patched_off(), extra=["-S", "-machine", name],
               **options) as guest:
        return guest.qmp.execute("qom-get", {
            "path": "/machine/kvmclock", "property": "guest-clock"})


def test_setting():
    """On in the oldest and the newest; -global overrides either way"""
    oldest = sorted((name for name in types(patched_off())
                     if VERSIONED.fullmatch(name)),
                    key=lambda name: tuple(map(int, re.findall(
                        r"\d+", name.split("-")[-1]))))[:2]
    note("oldest: %s" % ", ".join(oldest))
    for name in [*oldest, *(pair[0] for pair in newest())]:
        assert setting(name) is False, name
        assert setting(name + WITH) is True, name
        assert setting(name + WITH, kvmclock=OFF) is False, name
        assert setting(name, kvmclock={"guest-clock": "on"}) is True, name


def looks(name):
    """All its devices with their properties, and what the firmware tells the
    guest of the machine."""
    with start(patched_off(), extra=["-S", "-machine", name, "-uuid",
                                     "c7a5fdbd-edaf-9455-926a-d65c16db1809"],
               kvmclock=OFF) as guest, Registers(guest) as registers:
        devices = guest.qmp.execute("human-monitor-command",
                                    {"command-line": "info qtree"})
        return devices, registers.firmware_file("etc/smbios/smbios-tables")


def test_equal():
    """Nothing else is different: devices, properties, and SMBIOS"""
    for without, name in newest():
        devices, tables = looks(without)
        assert without.encode() in tables and len(devices) > 1000, without
        assert looks(name) == (devices, tables), name


def test_carried():
    """The machine type alone does it, and the guest's clocks are carried"""
    for _, name in newest():
        extra = ["-machine", name]
        with start(patched_off(), extra=extra) as source:
            source.wait_up()
            crossing = cross(source, patched_off(), brackets=False,
                             extra=extra)
            with crossing.destination as destination:
                assert_carried(crossing.source, destination)


def test_other_type():
    """Between the two of a pair no guest moves, and QEMU names both"""
    for pair in newest():
        for there, here in pair, reversed(pair):
            refused(patched_off(), patched_off(), there, "Machine type "
                    "received is '%s' and local is '%s'" % (there, here), here)


def test_emulated():
    """Without KVM there is nothing to carry, and QEMU says so"""
    for _, name in newest():
        with start(patched_off(), accel="tcg",
                   extra=["-S", "-machine", name]) as guest:
            said = guest.stderr()
        assert said.count("only with KVM") == 1 and name in said, said


def test_unknown_to_stock():
    """A QEMU without the series doesn't start, and names the type"""
    for _, name in newest():
        try:
            start(stock(), extra=["-S", "-machine", name]).close()
        except GuestError as error:
            assert "unsupported machine type" in str(error) and \
                name in str(error), error
        else:
            raise AssertionError("stock QEMU has %s" % name)
