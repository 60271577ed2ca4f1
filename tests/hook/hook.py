# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the hook as libvirt does, and the XML that it is given."""
import json
import os
import re
import subprocess
from xml.sax.saxutils import escape, quoteattr

from harness import fakehost, places

NAMESPACE = "urn:clockferry:facts:1"
ELEMENT = re.compile(r'<clockferry:facts xmlns:clockferry="%s">(.*?)'
                     r'</clockferry:facts>' % NAMESPACE, re.S)
QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"
GO, REPORT, REFUSE = "go", "report", "refuse"

# As libvirt formats it, with metadata of others.
XML = """\
<domain%(namespaces)s type="kvm" id="3">
  <name>%(name)s</name>
  <uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>
%(metadata)s  <memory unit="KiB">65536</memory>
  <vcpu placement="static">1</vcpu>
  <os>
    <type arch="x86_64" machine="pc-q35-10.0">hvm</type>
  </os>
%(cpu)s  <clock offset="utc">
    <timer name="rtc" tickpolicy="catchup"/>
%(timer)s  </clock>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <memballoon model="none"/>
  </devices>
%(commandline)s</domain>
"""
CPU = """\
  <cpu mode="custom" match="exact" check="full">
    <model fallback="forbid">EPYC</model>
    <feature policy="%s" name="invtsc"/>
  </cpu>
"""


def program():
    return places.build("libvirt-hooks/clockferry-libvirt-hook")


def facts(**changes):
    """A promised guest from a host that is none of the fake ones, or None
    takes a member out."""
    members = {"format": "clockferry-guest", "version": 1, "min_version": 1,
               "host": "there", "boot_id": "3f2a", "host_khz": fakehost.KHZ,
               "instant": {"host_ticks": "77", "realtime_ns": "1800000000"},
               "max_error_ns": "100000", "tai_offset_s": 37, "leap": "none",
               "ratio": "1", "frac_bits": 0, "promised": True,
               "policy": "auto", "require": "plain"}
    members.update(changes)
    return {name: value for name, value in members.items()
            if value is not None}


def element(content):
    """The facts, or any text in their place, as an element."""
    text = content if isinstance(content, str) else json.dumps(content)
    return '<clockferry:facts xmlns:clockferry="%s">%s</clockferry:facts>' \
        % (NAMESPACE, escape(text))


def domain(*elements, name="vm1", timer_hz=None, invtsc=None, settings=(),
           kind="kvm", others=""):
    """A domain's XML, with these elements and others' in its metadata."""
    metadata = "".join("    %s\n" % each for each in (*elements, others)
                       if each)
    arguments = "".join(
        '    <qemu:arg value="-global"/>\n    <qemu:arg value=%s/>\n'
        % quoteattr("kvmclock." + each) for each in settings)
    xml = XML % {
        "name": escape(name),
        "namespaces": ' xmlns:qemu="%s"' % QEMU if settings else "",
        "metadata": metadata and "  <metadata>\n%s  </metadata>\n" % metadata,
        "cpu": CPU % invtsc if invtsc else "",
        "timer": '    <timer name="tsc" frequency="%s"/>\n' % timer_hz
                 if timer_hz is not None else "",
        "commandline": "  <qemu:commandline>\n%s  </qemu:commandline>\n"
                       % arguments if settings else ""}
    return xml.replace('type="kvm"', 'type="%s"' % kind, 1)


def environment(host=None, **more):
    """As libvirt sets it; on this machine's KVM or on a fake host."""
    variables = {"LC_ALL": "C", "PATH": os.environ["PATH"], "HOME": "/", **more}
    if host:
        variables["LD_PRELOAD"] = fakehost.preload(host)
    return variables


def arguments(operation="migrate", stage="begin", name="vm1"):
    return [program(), name, operation, stage, "-"]


def run(xml, host=None, operation="migrate", stage="begin", name="vm1",
        **options):
    """One run, with the XML on the standard input."""
    places.need_kvm()
    if isinstance(xml, str):
        xml = xml.encode()
    options.setdefault("env", environment(host))
    done = subprocess.run(arguments(operation, stage, name), input=xml,
                          capture_output=True, timeout=60, **options)
    return done.returncode, done.stdout, done.stderr


def sentence(text, *words):
    """It is one clean line that begins as it must, with these words in it."""
    text = text.decode()
    assert text.startswith("clockferry: guest '"), repr(text)
    assert text.endswith("\n") and text[:-1].isprintable(), repr(text)
    for word in words:
        assert word in text, (word, text)
    return text[:-1]


def refused(xml, *words, host=None, **options):
    """It refuses, in one sentence with these words; returns that."""
    status, out, err = run(xml, host, **options)
    assert status == 1, (status, out[-2000:], err)
    assert not out, out[-2000:]
    return sentence(err, *words)


def taken(xml, *words, host=None, **options):
    """It takes the guest, with these words in a warning or without one;
    returns the XML that libvirt goes on with."""
    status, out, err = run(xml, host, **options)
    assert status == 0, (status, err)
    if words:
        sentence(err, *words)
    else:
        assert not err, err
    return out.decode() or xml


def facts_in(xml):
    """The facts in a domain's XML, of which there must be one element."""
    found = ELEMENT.findall(xml)
    assert len(found) == 1, (len(found), xml)
    return json.loads(found[0].replace("&lt;", "<").replace("&gt;", ">")
                      .replace("&amp;", "&"))


def without_facts(xml):
    return ELEMENT.sub("FACTS", xml)
