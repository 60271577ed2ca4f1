# SPDX-License-Identifier: GPL-2.0-or-later
"""What hook and command share: reading and editing a domain's XML."""
import os
import subprocess
import tempfile
import xml.etree.ElementTree as etree

from harness import places
from harness.dialogue import Dialogue
from harness.tap import Missing
from hook import QEMU, domain, element, facts

SOURCES = ["commandline.c", "domain.c", "facts.c", "machine.c",
           "settings.c", "xml.c"]
ON = "guest-clock=on"


class Tool(Dialogue):
    """ask(xml) does one thing with it."""

    def __init__(self, *words, program=None):
        super().__init__(program or places.build("tests/hook/domain-tool"),
                         *words)


def ask(xml, *words):
    with Tool(*words) as tool:
        good, answer = tool.ask(xml)
    assert good, answer
    return answer


def tells(**parts):
    answer = ask(domain(**parts), "settings")
    return dict(pair.split("=", 1) for pair in answer.split(" "))


def test_tells():
    """Name, timer, feature and settings, as libvirt and QEMU take them"""
    nothing = {"name": "vm1", "kvm": "1", "khz": "0", "promised": "0",
               "on": "0", "policy": "-", "require": "-"}
    timer = {"khz": "2400000", "promised": "1"}
    for parts, wanted in (
            ({}, {}), ({"kind": "qemu"}, {"kvm": "0"}),
            ({"name": "a<&b"}, {"name": "a<&b"}),
            ({"timer_hz": 2400000000}, timer),
            ({"timer_hz": 2400000999}, timer), ({"timer_hz": 0}, {}),
            ({"timer_hz": (2 ** 32 - 1) * 1000},
             {"khz": "4294967295", "promised": "1"}),
            ({"timer_hz": 2 ** 32 * 1000}, {"promised": "1"}),
            ({"timer_hz": 999}, {"promised": "1"}),
            ({"timer_hz": -1}, {"promised": "1"}),
            ({"timer_hz": ""}, {"promised": "1"}),
            ({"timer_hz": "2400000000x"}, {"promised": "1"}),
            ({"invtsc": "require"}, {"promised": "1"}),
            ({"invtsc": "optional"}, {"promised": "1"}),
            ({"invtsc": "disable"}, {}), ({"invtsc": "forbid"}, {}),
            ({"settings": [ON]}, {"on": "1"}),
            ({"settings": ["guest-clock=true"]}, {"on": "1"}),
            ({"settings": ["guest-clock=off"]}, {}),
            ({"settings": [ON, "guest-clock=off"]}, {}),
            ({"settings": [ON, "policy=lax", "require=closed-loop"]},
             {"on": "1", "policy": "lax", "require": "closed-loop"}),
            ({"settings": ["policy=brave", "require="]}, {})):
        assert tells(**parts) == dict(nothing, **wanted), (parts, wanted)
    host = domain(invtsc="disable").replace(
        'mode="custom"', 'mode="host-passthrough" migratable="off"')
    assert "promised=0" in ask(host, "settings")
    assert "promised=1" in ask(host.replace("invtsc", "other"), "settings")
    assert "promised=0" in ask(host.replace("invtsc", "other").replace(
        '"off"', '"on"'), "settings")


def test_arguments():
    """Only -global with a value right behind it is a setting"""
    arg = '<qemu:arg value="%s"/>'
    for words, on in ((["-global", "kvmclock." + ON], "1"),
                      (["--global", "kvmclock." + ON], "1"),
                      (["-name", "-global", "kvmclock." + ON], "1"),
                      (["kvmclock." + ON], "0"), (["-global"], "0"), ([], "0"),
                      (["-global", "x", "kvmclock." + ON], "0"),
                      (["-global", "kvmclock." + ON + ",x=y"], "0"),
                      (["-global", "nokvmclock." + ON], "0")):
        xml = '<domain type="kvm" xmlns:qemu="%s"><qemu:commandline>%s' \
            "</qemu:commandline></domain>" \
            % (QEMU, "".join(arg % word for word in words))
        assert "on=%s " % on in ask(xml, "settings"), words


def layouts():
    """The same domain in several layouts, with and without a command line."""
    theirs = domain(settings=["x=y"]).replace("kvmclock.x=y", "isa-fdc.x=y")
    for xml in domain(), theirs, domain(element(facts())):
        yield xml
        yield "".join(line.strip() for line in xml.splitlines()) + "\n"
        yield xml.replace("  ", "\t").replace("\n", "\n\n")[:-1]


def test_prefix():
    """Where the prefix qemu means something else, another one is used"""
    xml = domain().replace("<domain", '<domain xmlns:qemu="urn:other"')
    on = ask(xml, "enable", "strict")
    assert etree.fromstring(on).find("{%s}commandline" % QEMU) is not None, on
    assert "on=1 policy=strict" in ask(on, "settings")


def test_enable():
    """disable takes away exactly what enable added, in any layout"""
    for xml in layouts():
        for words in [], ["strict"], ["lax", "closed-loop"]:
            on = ask(xml, "enable", *words)
            said = ask(on, "settings")
            assert "on=1 policy=%s require=%s" % (
                (words + ["-"])[0], (words + ["-", "-"])[1]) in said, said
            assert ask(on, "enable") == on
            assert ask(on, "enable", *words) == on
            off = ask(on, "disable").replace(' xmlns:qemu="%s"' % QEMU, "")
            assert off == xml.replace(' xmlns:qemu="%s"' % QEMU, ""), off
            assert ask(off, "disable") == off


def test_layout():
    """What is added looks as if libvirt had written it"""
    on = ask(domain(), "enable", "strict")
    assert on == domain(settings=[ON, "policy=strict"]), on
    changed = ask(on, "enable", "lax")
    assert changed == domain(settings=[ON, "policy=lax"]), changed


def test_machine():
    """The machine type of the same version, and then no argument for it"""
    for xml in layouts():
        for of in "q35-10.0", "i440fx-10.0", "q35-2.12", "i440fx-4.0.1":
            xml = xml.replace("pc-q35-10.0", "pc-" + of)
            by_type = xml.replace("pc-" + of, "pc-%s-clockferry" % of)
            assert ask(xml, "machine") == by_type
            assert "on=1 policy=- " in ask(by_type, "settings")
            for words in ["machine"], ["enable"]:
                assert ask(by_type, *words) == by_type
            assert ask(by_type, "disable") == xml
            xml = xml.replace("pc-" + of, "pc-q35-10.0")
    was = domain(settings=[ON, "policy=strict"])
    changed = ask(was, "machine")
    assert changed == domain(settings=["policy=strict"]).replace(
        "q35-10.0", "q35-10.0-clockferry"), changed
    assert "on=1 policy=strict" in ask(changed, "settings")
    assert "on=0" in ask(domain(settings=["guest-clock=off"]).replace(
        "q35-10.0", "q35-10.0-clockferry"), "settings")
    twice = domain().replace("q35-10.0", "q35-10.0-clockferry-clockferry")
    assert ask(twice, "disable") == domain()


def test_no_machine():
    """Other machine types have none beside them"""
    with Tool("machine") as tool:
        for other in ("pc", "q35", "pc-q35-", "pc-q35-noble", "microvm",
                      "pc-q35-rhel9.4.0", "xpc-q35-10.0", "pc-q35-10.0 ",
                      "pc-q35-10", "pc-q35-10.0\u009b", ""):
            good, why = tool.ask(domain().replace("pc-q35-10.0", other))
            assert not good and "leave out --machine" in why and \
                why.isprintable(), (other, why)
        for without in "<os/>", "", "<os><type>hvm</type></os>":
            xml = etree.fromstring(domain())
            xml.remove(xml.find("os"))
            good, why = tool.ask(etree.tostring(xml, "unicode").replace(
                "<devices>", without + "<devices>"))
            assert not good and "is none" in why, why


def test_element():
    """The element for libvirt's own call has no namespace; text is escaped"""
    with Tool("facts") as tool:
        good, xml = tool.ask(domain(element(facts(host="a<b&c>\u00e4"))))
        assert good and xml.startswith("<facts>{\n"), xml
        assert "a&lt;b&amp;c&gt;\u00e4" in xml and xml.endswith("</facts>")
        assert tool.ask(domain()) == (True, "none")


def test_limits():
    """Where it ends: size, depth, what isn't XML; and in clean sentences"""
    empty = len(domain(others="<x></x>"))
    full = domain(others="<x>%s</x>" % ("x" * ((16 << 20) - empty)))
    with Tool("again") as tool:
        assert tool.ask(full) == (True, full)
        for xml, words in (
                (full + "\n", "16 MiB"),
                ("<a>" * 300, "epth"), ("<!DOCTYPE domain><domain/>", "type"),
                ("<domain><a\u200d></b\u200d></domain>", "line 1: "),
                (b"<domain>\xff</domain>", "UTF-8"), ("", "line 1: ")):
            good, sentence = tool.ask(xml)
            assert not good and words in sentence, sentence


def seeds():
    return [domain(), domain(element(facts()), timer_hz=2400000000,
                             invtsc="require", settings=[ON, "policy=lax"],
                             others="<x:y xmlns:x='urn:x'><![CDATA[<]]>"
                                    "<!-- c --><?p i?>&lt;</x:y>")]


def changed(chance, xml):
    """Some bytes other ones, or pieces in another order and number."""
    body = bytearray(xml.encode())
    if chance.random() < .5:
        for _ in range(chance.randrange(1, 4)):
            body[chance.randrange(len(body))] = chance.randrange(256)
        return bytes(body)
    cut = sorted(chance.randrange(len(body)) for _ in range(4))
    return bytes(body[:cut[2]] + body[cut[0]:cut[1]] * 2 + body[cut[3]:])


def pieces(chance, xml):
    """Whole elements in another order and number: still an XML, mostly."""
    lines = xml.splitlines()
    for _ in range(chance.randrange(1, 4)):
        lines.insert(chance.randrange(len(lines)), chance.choice(lines))
        del lines[chance.randrange(1, len(lines) - 1)]
    return "\n".join(lines).encode()


def torture(program, times):
    chance = places.chance()
    fine = 0
    for words in ["again"], ["settings"], ["facts"], ["disable"], \
            ["enable", "strict", "exact"]:
        with Tool(*words, program=program) as tool, \
                Tool("again", program=program) as reader:
            for number in range(times):
                make = changed if number % 3 == 0 else pieces
                good, answer = tool.ask(make(chance, seeds()[number % 2]))
                fine += good
                if good and words[0] not in ("settings", "facts"):
                    assert reader.ask(answer)[0], answer
    assert fine > times / 10, "only %d of them could be read" % fine


def test_random():
    """Changed and moved pieces never crash it; what it writes it can read"""
    torture(None, 2000)


def sanitized(folder):
    """domain-tool with sanitizers, in that folder."""
    empty = os.path.join(folder, "empty.c")
    tool = os.path.join(folder, "domain-tool")
    compiler = [os.environ.get("CC", "cc"), "-std=gnu11", "-D_GNU_SOURCE",
                "-g", "-O1", "-fsanitize=address,undefined",
                "-fno-sanitize-recover=all", "-I" + places.top("include"), "-I" + places.top("src")]
    with open(empty, "w", encoding="utf-8") as stream:
        stream.write("int main(void) { return 0; }\n")
    if subprocess.run([*compiler, empty, "-o", tool],
                      capture_output=True).returncode:
        raise Missing("sanitizers", "this compiler can't link them here")
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "glib-2.0", "libxml-2.0"],
        capture_output=True, text=True, check=True).stdout.split()
    built = places.build("src")
    done = subprocess.run(
        [*compiler, places.top("tests/hook/domain-tool.c"), "-o", tool,
         *[places.top("src/domain", name) for name in SOURCES],
         places.top("src/text/printable.c"), places.top("src/text/names.c"), *flags,
         "-L" + built, "-lclockferry", "-Wl,-rpath," + built],
        capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return tool


def test_sanitized():
    """All of that with sanitizers, which see leaks as well"""
    with tempfile.TemporaryDirectory() as folder:
        torture(sanitized(folder), 1000)
