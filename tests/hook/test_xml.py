# SPDX-License-Identifier: GPL-2.0-or-later
"""What the hook reads in the XML, what it writes, and what it leaves alone."""
import json
import os
import xml.etree.ElementTree as etree

from harness import places
from harness.fakehost import KHZ
from hook import (ELEMENT, domain, element, facts, facts_in, refused, run,
                  taken, without_facts)

FIT, UNFIT, IGNORING = "newest", "unscaled-fast", "ignoring"
ON = ["guest-clock=on"]
HZ = KHZ * 1000

# Metadata of others, such that a careless writer would change it.
OTHERS = """\
<nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1">
      <nova:name>a &amp; b &lt;c&gt; "d" 'e' \u00e4\u4e2d\U0001f600</nova:name>
      <nova:flavor name="x&#10;y&#9;z&quot;" empty=""/>
      <!-- a <comment> --><?target some data?>
      <script><![CDATA[if (a < b && c > d) { "&amp;" }]]></script>
      <raw xmlns="urn:default">  two  spaces&#13;
	<inner xmlns=""/></raw>
    </nova:instance>
    <facts>not ours: no namespace</facts>
    <clockferry:facts xmlns:clockferry="urn:clockferry:facts:2">another's</clockferry:facts>
    <libosinfo:libosinfo xmlns:libosinfo="http://libosinfo.org/xmlns/libvirt/domain/1.0"/>"""


def test_others():
    """Others' metadata is kept byte for byte, and all else as it was"""
    before = domain(element(facts()), others=OTHERS)
    after = taken(before, host=FIT)
    assert OTHERS in after, after
    assert without_facts(after) == without_facts(before), after


def test_namespaces():
    """XML is never broken: not written where libxml2 can't write it right"""
    for name in "http://x/?a=1&amp;b=2", "urn:a&lt;b", "urn:q&quot;r":
        others = '<app:x xmlns:app="%s"/>' % name
        status, out, err = run(domain(element(facts()), others=others), FIT)
        assert status == 0 and not err, err
        if out:
            assert etree.fromstring(out).find(".//metadata/*[last()]").tag


def test_meaning():
    """XML in another hand's layout keeps its meaning"""
    before = ("<?xml version='1.0' encoding='utf-8' standalone='yes'?>"
              "<!-- one --><domain type = 'kvm'\n id='3' ><name>vm1</name>"
              "<title>a&#x26;b &gt; c</title><metadata>%s%s</metadata>"
              "<devices></devices><x a='1' b=\"'&quot;\"/></domain>"
              "<!-- two -->" % (element(facts()), OTHERS))
    after = taken(before, host=FIT)
    assert canonical(after) == canonical(before), after


def canonical(xml):
    return without_facts(etree.canonicalize(xml, with_comments=True))


def test_again():
    """Its own output gives the same again, but for the instant"""
    for host in FIT, "fast", "newest-amd", "2-khz-exact":
        once = taken(domain(element(facts()), others=OTHERS), host=host)
        twice = taken(once, host=host)
        first, second = facts_in(once), facts_in(twice)
        assert int(first.pop("instant")["host_ticks"]) \
            < int(second.pop("instant")["host_ticks"])
        assert first == second
        assert without_facts(once) == without_facts(twice)


def test_stranger():
    """A guest of whose clocks nobody ever said anything passes as it is"""
    for xml in (domain(), domain(others=OTHERS), domain(invtsc="disable"),
                domain(timer_hz=0), domain(settings=["guest-clock=off"]),
                domain(element(facts()), timer_hz=HZ, kind="qemu")):
        for host in FIT, UNFIT, IGNORING:
            status, out, err = run(xml, host)
            assert (status, out, err) == (0, b"", b""), (status, out, err)


def test_timer_only():
    """Without facts a timer's frequency serves"""
    xml = domain(timer_hz=HZ)
    after = facts_in(taken(xml, host="fast"))
    assert after["host_khz"] == 3000000 and after["promised"], after
    assert int(after["ratio"]) * 3000000 * 1000 >> 48 in (HZ - 1, HZ), after
    refused(xml, "runs at 2596120 kHz and would run at 3000000 kHz",
            host=UNFIT)
    refused(domain(timer_hz=HZ + 999), "runs at 2596120 kHz", host=UNFIT)
    refused(domain(timer_hz=HZ, settings=ON), "3000000 kHz", host=UNFIT)


def test_invtsc_only():
    """A promise without a frequency can't be kept by anybody"""
    for policy in "require", "force", "optional":
        refused(domain(invtsc=policy), "the frequency of the guest's TSC is unknown",
                "clockferry annotate 'vm1'", host=FIT)
    refused(domain(timer_hz="much"), "TSC is unknown", host=FIT)
    xml = domain(invtsc="require", settings=ON + ["policy=lax"])
    assert taken(xml, "TSC is unknown", host=FIT) == xml


def test_no_facts():
    """Guests whose clocks QEMU carries are QEMU's to judge, with a warning"""
    for host in FIT, UNFIT, IGNORING:
        xml = domain(settings=ON)
        assert taken(xml, "the frequency of the guest's TSC is unknown", "annotate 'vm1'",
                     host=host) == xml
    refused(domain(element(facts()), settings=ON), "ignores TSC offsets",
            host=IGNORING)
    # but not what would be seen anyway, nor where it must be strict
    refused(domain(settings=ON + ["require=exact"]), "'exact' is required",
            host="released")
    strict = domain(settings=ON + ["policy=strict"])
    refused(strict, "TSC is unknown", "clockferry annotate 'vm1'", host=FIT)
    # which would be too late for one that was saved
    assert taken(strict, "TSC is unknown", "virsh managedsave-edit", host=FIT,
                 operation="restore") == strict


def test_settings():
    """Beside the facts the XML's own words count, where they ask for more"""
    close = facts(promised=False)
    taken(domain(element(close)), ": 100 ppm faster", host="100-ppm")
    for more in ({"invtsc": "require"}, {"timer_hz": HZ},
                 {"settings": ON + ["policy=strict"]}):
        refused(domain(element(close), **more), ": 100 ppm faster", host="100-ppm")
    refused(domain(element(close), settings=["require=exact"]),
            "'exact' is required", host="released")
    lax = domain(element(facts()), settings=ON + ["policy=lax"])
    refused(lax, ": 100 ppm faster", host="100-ppm")
    lax = domain(element(facts(policy="lax")), settings=ON + ["policy=lax"])
    taken(lax, ": 100 ppm faster", host="100-ppm")


def test_off():
    """A promise counts also if QEMU doesn't carry this guest's clocks"""
    for xml in (domain(element(facts())), domain(timer_hz=HZ)):
        refused(xml, "3000000 kHz", host=UNFIT)
        taken(xml, host=FIT)


def test_versions():
    """Facts of every version that has been, and of later ones"""
    folder = places.top("tests/codec/golden")
    for name in sorted(os.listdir(folder)):
        if name.startswith("guest-"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                golden = file.read()
            known = json.loads(golden)
            xml = domain(element(golden))
            if "ratio" in known:
                facts_in(taken(xml, host=FIT))
            elif known.get("architecture") == "arm64":
                refused(xml, "no guest goes to another architecture", host=FIT)
            else:
                refused(xml, "frequency of the guest's TSC is unknown", host=FIT)
    later = facts(version=9, added={"by": ["a later", "version"]})
    assert "added" not in facts_in(taken(domain(element(later)), host=FIT))
    refused(domain(element(facts(version=9, min_version=2))), "version",
            "clockferry annotate 'vm1'", host=FIT)


def test_broken_facts():
    """Facts that can't be used are a reason to refuse, by any policy"""
    for content in ("", " ", "{", "[]", "null", "none", "{}", '{"format": 1}',
                    json.dumps(facts(format="clockferry-check")),
                    json.dumps(facts(host_khz=-1)),
                    json.dumps(facts(host_khz="2596120")),
                    json.dumps(facts(ratio="0")),
                    json.dumps(facts(policy="brave")),
                    json.dumps(facts(host="a\nb")),
                    json.dumps(facts(host="\x1b[2J")),
                    "x" * 3000000):
        refused(domain(element(content)), "the facts in its metadata",
                "clockferry annotate 'vm1'", host=FIT)
        refused(domain(element(content)), "virsh managedsave-edit", host=FIT,
                operation="restore")


def test_two_elements():
    """Which of two would be the right one?"""
    twice = domain(element(facts()), element(facts()))
    assert len(ELEMENT.findall(twice)) == 2
    refused(twice, "more than one", "clockferry annotate", host=FIT)
    # libvirt takes the first <metadata> only
    second = domain(element(facts())).replace(
        "  <devices>", "<metadata>%s</metadata><devices>"
        % element(facts(policy="lax")))
    refused(second, "3000000 kHz", host=UNFIT)


def test_wrapped():
    """Facts in CDATA, with comments, under another prefix"""
    text = json.dumps(facts(policy="lax"))
    for content in ('<p:facts xmlns:p="urn:clockferry:facts:1"><![CDATA[%s]]>'
                    '</p:facts>' % text,
                    '<facts xmlns="urn:clockferry:facts:1"><!-- x -->%s'
                    '</facts>' % text):
        after = taken(domain(content), "3000000 kHz", host=UNFIT)
        assert facts_in(after)["host_khz"] == 3000000, after
    # nobody's, if it isn't in the metadata, or not at its top
    outside = domain().replace("<devices>", element(facts()) + "<devices>")
    deeper = domain("<a>%s</a>" % element(facts()))
    for xml in outside, deeper:
        assert run(xml, UNFIT) == (0, b"", b"")
