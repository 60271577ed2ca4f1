# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests that move between installed QEMUs, ours and Debian's."""
import os
import re
import sys

import hosts
from harness import places
from harness.binaries import start
from harness.check import assert_unharmed
from harness.debian import VERSIONS, Debian, run
from harness.migrate import cross
from harness.tap import note

# Tests of suite qemu: clocks arrive, and what is off is Debian's to the byte.
TOPICS = ("crossing", "off.stream", "off.growth", "off.stock_to_o",
          "off.off_to_stock", "off.on_to_stock", "streams", "report.event")


def suite_qemu(patched):
    """Its tests, with these QEMUs in place of those of the build."""
    done = run(sys.executable, places.top("tests/qemu/suite"), *TOPICS,
               env=dict(os.environ,
                        CLOCKFERRY_QEMU_STOCK=hosts.program(hosts.stock()),
                        CLOCKFERRY_QEMU_PATCHED=hosts.program(patched)))
    note(done.stdout)
    bad = re.findall(r"^not ok .*", done.stdout, re.M)
    skipped = re.findall(r"^ok .*# SKIP.*", done.stdout, re.M)
    assert not done.returncode and not bad and not skipped, (bad, skipped)


def test_12():
    """Tests of suite qemu pass with Debian 13's own QEMU and ours for 12"""
    suite_qemu(hosts.installed("12"))


def test_13():
    """Tests of suite qemu pass with Debian 13's own QEMU and ours for 13"""
    suite_qemu(hosts.installed("13"))


def hop(source, debian):
    """To another QEMU; the source is gone afterwards."""
    crossing = cross(source, hosts.side(debian, **hosts.ON))
    source.close()
    assert_unharmed(crossing.result)
    assert crossing.report["rung"] != "none", crossing.report
    note("to Debian %s: step %s ns" % (debian.version, crossing.result.steps_ns))
    return crossing.destination


def test_between():
    """A guest's clocks are carried from 12 to 13 and back, again and again"""
    here, there = [hosts.installed(version) for version in VERSIONS]
    guest = start(hosts.side(here, **hosts.ON), vcpus=2)
    guest.wait_up()
    for _ in range(3):
        guest = hop(hop(guest, there), here)
    guest.close()


# What the page names for the way back, of what is installed here. Debian 12's
# QEMU is 7.2, and ours there brings Debian 13's data and firmware.
OF_QEMU = ("qemu-system-x86", "qemu-system-common", "qemu-utils",
           "qemu-block-extra")
WAY_BACK = {"12": (*OF_QEMU, "qemu-system-data", "seabios"), "13": OF_QEMU}
MACHINE = {"12": ("-machine", "pc-i440fx-7.2"), "13": ()}


def go_on_from(debian):
    """A guest of Debian's QEMU runs on while that becomes ours, and is moved."""
    machine = MACHINE[debian.version]
    with start(hosts.side(debian), extra=machine) as guest:
        guest.wait_up()
        debian.add_repository(hosts.repository())
        debian.apt("install", "--no-install-recommends", "clockferry-host")
        for name in "qemu-system-x86", "qemu-utils":
            assert "clockferry" in hosts.version(debian, name)
        guest.wait_beating()
        return cross(guest, hosts.side(debian, **hosts.ON),
                     extra=machine).destination


def upgrade_and_back(debian):
    names = WAY_BACK[debian.version]
    theirs = ["%s=%s" % (name, hosts.version(debian, name)) for name in names]
    with go_on_from(debian) as guest:
        debian.apt("install", "--allow-downgrades", "clockferry-host-",
                   *theirs)
        assert theirs == ["%s=%s" % (name, hosts.version(debian, name))
                          for name in names]
        ours = debian.must("dpkg-query", "--show",
                           "--showformat=${Package} ${Version}\\n", "*")
        assert "+clockferry" not in ours, ours
        guest.wait_beating()
        assert guest.why_gone() is None
    with start(hosts.side(debian), extra=MACHINE[debian.version]) as guest:
        guest.wait_up()


def test_upgrade():
    """A guest runs on while Debian's QEMU becomes ours, and ours Debian's"""
    for version in VERSIONS:
        with hosts.share(Debian(version, "qemu-system-x86", "qemu-utils",
                                "qemu-block-extra")) as debian:
            upgrade_and_back(debian)
