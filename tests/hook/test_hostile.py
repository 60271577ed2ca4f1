# SPDX-License-Identifier: GPL-2.0-or-later
"""XML that somebody made who means harm: a sentence, soon, and no more."""
import json
import os
import subprocess
import tempfile

from harness import places
from harness.wait import LIMIT_S
from hook import (arguments, domain, element, environment, facts, refused, run,
                  sentence, taken)

HOST = "newest"
EVIL = "evil\x1b[2J\x1b]0;x\x07\n\r\t\u0085\u202eclockferry: all is well\x7f"

LAUGHS = '<!DOCTYPE domain [<!ENTITY a "ha">%s]>' % "".join(
    '<!ENTITY %s "%s">' % (chr(ord("a") + i), "&%s;" % chr(ord("a") + i - 1)
                           * 10) for i in range(1, 12))


def with_type(doctype, text):
    return doctype + domain(element(facts())).replace(
        "vm1</name>", "vm1</name><title>%s</title>" % text)


def test_entities():
    """A document type ends it, whatever it declares: laughs, files, hosts"""
    secret = "/etc/passwd"
    for doctype, text in (
            (LAUGHS, "&l;"), (LAUGHS, ""), ("<!DOCTYPE domain>", ""),
            ('<!DOCTYPE domain SYSTEM "file://%s">' % secret, ""),
            ('<!DOCTYPE domain [<!ENTITY x SYSTEM "%s">]>' % secret, "&x;"),
            ('<!DOCTYPE domain [<!ENTITY %% x SYSTEM "%s"> %%x;]>' % secret,
             ""),
            ('<!DOCTYPE domain PUBLIC "x" "http://127.0.0.1:1/x">', ""),
            ('<!DOCTYPE domain [<!ATTLIST domain type CDATA "qemu">]>', "")):
        said = refused(with_type(doctype, text), "document type", host=HOST)
        assert "root" not in said
    refused(domain(element(facts()), name="x").replace(">x<", ">&l;<"),
            "can't read the domain's XML: line 2", host=HOST)


def test_xinclude():
    """Nothing is fetched that the XML points at"""
    include = '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" ' \
        'href="file:///etc/passwd" parse="text"/>'
    after = taken(domain(element(facts()), others=include), host=HOST)
    assert include in after, after


def test_huge():
    """More than 16 MiB is refused, and not even read"""
    places.need_kvm()
    small = domain(element(facts()))
    huge = small + " " * (100 << 20)
    refused(huge, "more than 16 MiB", host=HOST)
    with tempfile.TemporaryFile() as xml:
        xml.write(huge.encode())
        xml.seek(0)
        subprocess.run(arguments(), stdin=xml, env=environment(HOST),
                       capture_output=True)
        assert os.lseek(xml.fileno(), 0, os.SEEK_CUR) <= 17 << 20
    # and that much, in the shape that takes most memory, is taken
    fill = (16 << 20) - len(small) - 1000
    for piece in "<a/>", "<!---->", "<a b=''/>", "x", "<?a?>":
        big = "<x>%s</x>" % (piece * (fill // len(piece)))
        status, out, err = run(domain(element(facts()), others=big), HOST)
        if status == 0:
            assert out.endswith(b"</domain>\n") and not err, (piece, err)
        else:
            assert not out, piece
            sentence(err)


def test_deep():
    """Nesting without end"""
    for depth in 200, 300, 100000, 2000000:
        deep = "<a>" * depth + "</a>" * depth
        xml = domain(element(facts()), others=deep)
        if depth == 200:
            taken(xml, host=HOST)
        else:
            refused(xml, "can't read the domain's XML: line", host=HOST)
    many = '{"a":' * 100000 + "1" + "}" * 100000
    refused(domain(element(many)), "the facts in its metadata", host=HOST)


def test_many_attributes():
    """An element with very many attributes ends in a verdict, or in time"""
    for count in 1000, 1000000:
        attributes = " ".join("a%d=''" % i for i in range(count))
        xml = domain(element(facts()), others="<a %s/>" % attributes)
        status, out, err = run(xml, HOST)
        if status == 0:
            assert out.endswith(b"</domain>\n") and not err, err
        else:
            assert count > 1000 and not out, out[-200:]
            sentence(err)


def test_encoding():
    """What isn't UTF-8, zero bytes, characters that XML doesn't have"""
    body = domain(element(facts())).encode()
    for bad in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
                b"\xe2\x82", b"\0"):
        for place in (b"vm1", b"rtc", b"there"):
            refused(body.replace(place, place + bad), "isn't UTF-8",
                    host=HOST)
    refused(body + b"\0", "isn't UTF-8", host=HOST)
    refused(body.decode().encode("utf-16"), "isn't UTF-8", host=HOST)
    for bad in (b"\x01", b"\x1b", b"\xef\xbf\xbe", b"&#0;", b"&#x1b;"):
        refused(body.replace(b"vm1", b"vm1" + bad),
                "can't read the domain's XML: line 2: ", host=HOST)
    # It lies about its encoding, but only UTF-8 is what libvirt hands over.
    lies = "<?xml version='1.0' encoding='UTF-16'?>" + body.decode().replace(
        "vm1", "vm\u00e4")
    assert "vm\u00e4" in taken(lies, host=HOST)


def test_syntax():
    """Texts that are almost a domain"""
    good = domain(element(facts()))
    for bad in ("", " ", "\n", "x", "<", "<domain>", "</domain>",
                "<domains/>", "<x:domain xmlns:x='urn:x'/>",
                "<domain xmlns='urn:x'/>", good + good, good + "x",
                good[:-5], good.replace("</name>", "</Name>"),
                good.replace('type="kvm"', "type=kvm")):
        refused(bad, "can't read the domain's XML: ", host=HOST)
    for size in range(0, len(good) - 1, 7):
        refused(good[:size], host=HOST)


def test_names():
    """A guest's name can't play tricks on a terminal or a log"""
    for name in EVIL, "'; rm -rf /", "$(reboot)", "%s%n", "-", "\udcff\udcfe":
        said = refused(domain(element(facts()), name="x"), host="ignoring",
                       name=name)
        assert "can't come to host" in said
        taken(domain(element(facts(policy="lax"))), "ignores TSC offsets",
              host="ignoring", name=name)
    said = refused(domain(element(facts())), "can't come to host",
                   host="ignoring", name="\u4e2d" * 30000)
    assert len(said) < 500, len(said)
    refused(domain(element(facts()), name=EVIL[:4] + EVIL[-9:]),
            host="ignoring", name="vm1")


def test_texts():
    """Nor can what stands in its facts or its elements"""
    for text in (json.dumps(facts(host=EVIL)), json.dumps(facts(policy=EVIL)),
                 json.dumps({EVIL: 1}), EVIL.replace("\x1b", "").replace(
                     "\x07", ""), json.dumps(facts(format="x" * 100000))):
        said = refused(domain(element(text)), host=HOST)
        assert "\u202e" not in said and len(said) < 1000, len(said)
    evil = EVIL.replace("\x1b", "").replace("\x07", "")
    said = refused("<%s/>" % evil, host=HOST)
    said = refused(domain("<a%s/>" % "\u202e"), host=HOST)
    assert "\u202e" not in said


def test_elsewhere():
    """Input that never ends, or comes byte by byte"""
    places.need_kvm()
    with open("/dev/zero", "rb") as endless:
        done = subprocess.run(arguments(), stdin=endless, capture_output=True,
                              env=environment(HOST), timeout=LIMIT_S)
    assert done.returncode == 1 and not done.stdout
    sentence(done.stderr, "more than 16 MiB")
    xml = domain(element(facts())).encode()
    drip = subprocess.Popen(arguments(), stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, env=environment(HOST))
    for byte in xml:
        os.write(drip.stdin.fileno(), bytes([byte]))
    assert drip.communicate()[0].endswith(b"</domain>\n")
    assert drip.returncode == 0
