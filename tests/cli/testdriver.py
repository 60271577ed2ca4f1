# SPDX-License-Identifier: GPL-2.0-or-later
"""libvirt's own test driver: real libvirt code without a daemon or a QEMU.

What it is told is lost when the process ends. Daemons and QEMUs are in
tests/libvirt."""
import os
import tempfile

from harness.command import run
from harness.tap import Missing

KEY = "libvirt"
DEFAULT = "test:///default"
# A URI that names a socket may lead anywhere; to this driver it's the same.
ELSEWHERE = "test:///default?socket=/nowhere"
NOWHERE = "qemu+unix:///system?socket=/nowhere"
DOMAIN = """<domain type='test' xmlns:test='{ns}'>
  <name>{name}</name>
  <memory unit='KiB'>8192</memory>
  <os><type>hvm</type></os>
  {more}
  <test:runstate>{state}</test:runstate>{transient}
</domain>"""
NAMESPACE = "http://libvirt.org/schemas/domain/test/1.0"
RUNNING, OFF = 1, 5


def need():
    done = run("check", "--connect", DEFAULT, "none", "--desturi", DEFAULT)
    for missing in "built without libvirt", "library can't be loaded":
        if missing in done.stderr:
            raise Missing(KEY, done.stderr.strip())


def domain(name, more="", state=RUNNING, transient=False, saved=False):
    return DOMAIN.format(
        ns=NAMESPACE, name=name, more=more, state=state,
        transient="<test:transient/>" if transient else
        "<test:hasmanagedsave>1</test:hasmanagedsave>" if saved else "")


class Driver:
    """Its URI, with these domains."""

    def __init__(self, *domains):
        need()
        self._folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self._folder.name, "node.xml")
        with open(self.path, "w", encoding="utf-8") as file:
            file.write("<node>%s</node>" % "".join(domains))

    def __enter__(self):
        return "test://" + self.path

    def __exit__(self, *why):
        self._folder.cleanup()
