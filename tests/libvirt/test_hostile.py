# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests whose metadata somebody else wrote: one clean sentence, and the guest
stays; tests/hook has what libvirt doesn't let through."""
import json

import refusal
from harness import measure
from harness.libvirt import facts, scene

ESCAPES = "\x1b[2J\x1b]0;owned\x07\r\nerror: all is well\u202e\u2028"
NAME = "f\u00e9\u202er \"&<r>;$(y)"


def mutations(known):
    """[(what, text that isn't facts)]"""
    text = json.dumps(known)
    def changed(**more):
        return json.dumps(dict(known, **more))
    return [
        ("nothing", ""),
        ("no JSON", "owned"),
        ("half of it", text[:len(text) // 2]),
        ("twice", text + text),
        ("a list", "[%s]" % text),
        ("deep", "[" * 100000 + "]" * 100000),
        ("another format", changed(format="clockferry-" + ESCAPES)),
        ("from the future", changed(version=9, min_version=9)),
        ("a type", changed(host_khz="2596120")),
        ("too much", changed(host_khz=2 ** 64)),
        ("a ratio", changed(ratio="-1")),
        ("an escape", changed(policy=ESCAPES)),
        ("a name", changed(host=ESCAPES, policy="none")),
        ("a megabyte", changed(host="a" * 1000000)),
    ]


def test_facts():
    """Facts of 14 wrong kinds: none goes, all get one clean sentence"""
    with scene.hosts("12 newest", "13 newest-amd") as (a, b):
        guest = scene.start(a, scene.patched())
        still = refusal.Unharmed(guest)
        known = facts.of_guest(a)
        for what, text in mutations(known):
            facts.store_text(a, text)
            moved = scene.migrate(a, b, "--live")
            assert moved.status == 1, "%s: it went" % what
            said = refusal.sentence(moved.words)
            assert len(said) < 1000, "%s: %s" % (what, said)
            refusal.nothing_came(b)
        still.assert_still()
        facts.store(a, known)
        before = measure.view(guest)
        assert scene.migrate(a, b, "--live").status == 0, "the right ones"
        scene.arrived(guest, before, b)


def test_names():
    """Names with control characters and quotes: clean words, nothing run"""
    with scene.hosts("12 newest", "13 unscaled-fast") as (a, b):
        guest = scene.start(a, scene.patched(), name=NAME)
        still = refusal.Unharmed(guest)
        facts.store(a, facts.of_guest(a), NAME)
        moved = scene.migrate(a, b, "--live", name=NAME)
        assert moved.status == 1, "it went"
        refusal.tells(moved.words, "2596120 kHz", "3000000 kHz")
        still.assert_still()


def test_large():
    """A megabyte of others' metadata: it goes as it would without us"""
    with scene.hosts("12 newest", "13 newest-amd") as (a, b):
        others = '<o:o xmlns:o="urn:others">%s</o:o>' % ("<o:x/>" * 100000)
        guest = scene.start(a, scene.patched(),
                            metadata="<metadata>%s</metadata>" % others)
        facts.store(a, facts.of_guest(a))
        before = measure.view(guest)
        moved = scene.migrate(a, b, "--live")
        assert moved.status == 0, moved.words
        scene.arrived(guest, before, b)
        assert facts.stored(b)["host"] == "b"
