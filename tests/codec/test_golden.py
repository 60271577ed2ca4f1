# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of every version are read, and those of this one written alike."""
import json
import os
import re

from codec import Codec
from harness import places

GOLDEN = places.top("tests/codec/golden")
VERSION = 1
WRITTEN = ("full", "minimal", "exchanges", "machine", "counter")  # all members known


def files():
    """(kind, version, name, text) of every golden file."""
    found = []
    for file in sorted(os.listdir(GOLDEN)):
        match = re.fullmatch(r"([a-z]+)-(\d+)-([a-z-]+)\.json", file)
        if match:
            with open(os.path.join(GOLDEN, file), encoding="utf-8") as stream:
                kind, version, name = match.groups()
                found.append((kind, int(version), name, stream.read()))
    assert len(found) >= 5, found
    return found


def ordered(text):
    """A JSON text as something that compares with the order of members."""
    return json.loads(text, object_pairs_hook=list)


def test_read():
    """Every file of every version is read"""
    for kind, _, name, text in files():
        with Codec(kind) as codec:
            good, answer = codec.ask(text)
        assert good, "%s %s: %s" % (kind, name, answer)


def test_written():
    """Files of this version are written as they were read"""
    for kind, version, name, text in files():
        if version == VERSION and name in WRITTEN:
            with Codec(kind) as codec:
                _, answer = codec.ask(text)
            assert ordered(answer) == ordered(text), answer


def test_newer():
    """A newer version's unknown members are left out, the rest is kept"""
    text = next(text for kind, _, name, text in files()
                if name == "from-a-newer-version")
    with Codec("probe") as codec:
        _, answer = codec.ask(text)
    assert json.loads(answer) == {
        "format": "clockferry-probe", "version": 1, "min_version": 1,
        "host_khz": 2400000, "scaling": "works", "offset": "sticks"}


def test_too_new():
    """What only a newer reader understands is refused in a sentence"""
    with Codec("probe") as codec:
        good, answer = codec.ask(json.dumps({
            "format": "clockferry-probe", "version": 7, "min_version": 2}))
    assert not good and "update clockferry" in answer, answer


def test_other_format():
    """A file of another format is refused by its name"""
    for kind, other in ("probe", "state"), ("state", "probe"), \
            ("state", "guest"):
        text = next(text for k, _, name, text in files()
                    if k == other and name == "full")
        with Codec(kind) as codec:
            good, answer = codec.ask(text)
        assert not good and "clockferry-" + kind in answer, answer
