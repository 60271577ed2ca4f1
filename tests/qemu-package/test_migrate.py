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


def test_upgrade():
    """A guest runs on while Debian's QEMU becomes ours, and ours Debian's"""
    with hosts.share(Debian(hosts.DEBIANS, "qemu-system-x86", "qemu-utils",
                            "qemu-block-extra")) as debian:
        theirs = hosts.version(debian)
        with start(hosts.side(debian)) as guest:
            guest.wait_up()
            debian.add_repository(hosts.repository())
            debian.apt("install", "--no-install-recommends", "clockferry-host")
            assert "clockferry" in hosts.version(debian)
            assert "clockferry" in hosts.version(debian, "qemu-utils")
            guest.wait_beating()
            crossing = cross(guest, hosts.side(debian, **hosts.ON))
        with crossing.destination as guest:
            debian.apt("install", "--allow-downgrades", "clockferry-host-",
                       *["%s=%s" % (name, theirs) for name in (
                           "qemu-system-x86", "qemu-system-common",
                           "qemu-utils", "qemu-block-extra")])
            assert hosts.version(debian) == theirs
            guest.wait_beating()
            assert guest.why_gone() is None
