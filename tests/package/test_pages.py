# SPDX-License-Identifier: GPL-2.0-or-later
"""What docs/kubevirt.rst and docs/operating.rst show, as far as it runs here."""
import re
import sys
import textwrap
from xml.etree import ElementTree

from debian import run
from harness import places

QEMU = "{http://libvirt.org/schemas/domain/qemu/1.0}"
OTHERS = """<domain type='kvm'
 xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>vm</name>
 <qemu:commandline><qemu:arg value='-no-hpet'/></qemu:commandline></domain>"""


def block(page, first):
    """The literal block that begins so."""
    with open(places.top("docs", page), encoding="utf-8") as stream:
        text = stream.read()
    found = re.search(r"(?<=::\n\n)((?: {4}.*\n|\n(?= {4}))*?"
                      + re.escape("    " + first) + r"(?:.*\n)(?: {4}.*\n|\n(?="
                      r" {4}))*)", text)
    assert found, first
    return textwrap.dedent(found[1])


def arguments(xml):
    script = block("kubevirt.rst", "#!/usr/bin/env python3")
    done = run(sys.executable, "-c", script, "--vmi", "{}", "--domain", xml)
    assert not done.returncode, done.stderr
    domain = ElementTree.fromstring(done.stdout)
    assert domain.find("name").text == "vm", done.stdout
    lines = domain.findall(QEMU + "commandline")
    assert len(lines) == 1, done.stdout
    return [each.get("value") for each in lines[0]]


def test_sidecar():
    """The script for KubeVirt adds the option, and keeps others"""
    ours = ["-global", "kvmclock.guest-clock=on"]
    assert arguments("<domain type='kvm'><name>vm</name></domain>") == ours
    assert arguments(OTHERS) == ["-no-hpet"] + ours


def test_alerts():
    """What the alerts look at is what probe tells Prometheus"""
    told = run(places.build("src/cli/clockferry"), "probe", "-f", "prometheus",
               "--from", places.top("tests/codec/golden/probe-1-full.json"))
    expressions = re.findall(r"^ +expr: (.+)$",
                             block("operating.rst", "groups:"), re.M)
    names = re.findall(r"\bclockferry_\w+(?:\{.*?\})?",
                       " ".join(expressions))
    assert len(names) >= len(expressions) > 3, expressions
    for name in names:
        assert "\n" + name in told.stdout, (name, told)
