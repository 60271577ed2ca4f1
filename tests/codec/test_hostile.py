# SPDX-License-Identifier: GPL-2.0-or-later
"""Texts of any kind give facts or one sentence, and nothing else."""
import json
import tempfile

import test_golden
from codec import Codec, sanitized
from harness import places

FULL = {kind: text for kind, _, name, text in test_golden.files()
        if name == "full"}
HEAD = '{"format": "clockferry-%s", "version": 1, "min_version": 1'


def refused(codec, text, *words):
    good, answer = codec.ask(text)
    assert not good, "taken: %r" % text[:200]
    for word in words:
        assert word in answer, answer


def each_kind(run, program=None):
    for kind, text in FULL.items():
        with Codec(kind, program) as codec:
            run(codec, kind, text)


def truncated(codec, _, text):
    for size in range(len(text.rstrip()) - 1):
        refused(codec, text[:size])


def test_truncated():
    """A file that ends anywhere too early"""
    each_kind(truncated)


def syntax(codec, kind, text):
    head = HEAD % kind
    for bad in ("", " ", "\n", "{", "}", "[]", "null", "1", '"x"', "nul",
                text + text, text + "x", "\ufeff" + text, "x" + text,
                head + ",}", head + ', "host": \'x\'}', head + ', "a": 0x10}',
                head + ', "a": +1}', head + ', /* a */ "b": 1}',
                text.replace("{", "[", 1), text.replace(":", "=", 1)):
        refused(codec, bad)
    # json-c takes these words for numbers, but no member of ours is one
    for word in "NaN", "Infinity", "-Infinity":
        refused(codec, head + ', "host_khz": %s}' % word)


def test_syntax():
    """Texts that are almost JSON"""
    each_kind(syntax)


def deep(codec, kind, _):
    for open_, close in ("[", "]"), ('{"a":', "}"):
        for depth in 17, 1000, 100000:
            inner = open_ * depth + "1" + close * depth
            refused(codec, HEAD % kind + ', "x": ' + inner + "}",
                    "isn't JSON")
            refused(codec, inner)


def test_deep():
    """Nesting without end"""
    each_kind(deep)


def huge(codec, kind, text):
    refused(codec, text + " " * (2 << 20), "2097152 bytes")
    refused(codec, HEAD % kind + ', "host": "%s"}' % ("x" * (3 << 20)))
    long = HEAD % kind + ', "boot_id": "%s"}' % ("x" * 37)
    refused(codec, long) if kind == "state" else \
        refused(codec, long, "boot_id has more than 36 bytes")


def test_huge():
    """Files and texts that are too long"""
    each_kind(huge)


def encoding(codec, kind, text):
    body = text.encode()
    for bad in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
                b"\xe2\x82"):
        refused(codec, body.replace(b"5f0d", b"5f" + bad), "UTF-8")
    refused(codec, text.encode("utf-16"))
    refused(codec, body + b"\0")
    refused(codec, body.replace(b"5f0d", b"5f\0d"))
    refused(codec, text.replace("5f0d", "5f\\u0000"), "zero character")
    for bad in ("\\n", "\\u001b[2J", "\\u0085", "\\u007f", "\\u202e",
                "\\u2066", "\\u200b", "\\u2028", "\u2029"):
        refused(codec, text.replace("5f0d", bad), "control character")


def test_encoding():
    """What isn't UTF-8, zero bytes, control characters"""
    each_kind(encoding)


def test_vcpus():
    """1 to 4096 vCPUs, no more"""
    full = json.loads(FULL["state"])
    with Codec("state") as codec:
        for count, fits in (0, False), (1, True), (4096, True), (4097, False):
            full["vcpus"] = [full["vcpus"][0]] * count if count else []
            text = json.dumps(full, indent=2)
            good, answer = codec.ask(text)
            assert good == fits, answer[:200]
            if good:
                assert codec.ask(answer)[0], "can't read its own output"
            full = json.loads(FULL["state"])


def test_exchanges():
    """Up to 32 exchanges, no more"""
    full = json.loads(FULL["state"])
    one = {"sent_ticks": "1", "back_ticks": "2"}
    with Codec("state") as codec:
        for count, fits in (32, True), (33, False):
            text = json.dumps({**full, "exchanges": [one] * count})
            good, answer = codec.ask(text)
            assert good == fits, answer[:200]
            if not good:
                assert "at most 32 objects" in answer, answer


def test_impossible():
    """States that no machine can have"""
    full = json.loads(FULL["state"])
    with Codec("state") as codec:
        def refuse(word, **members):
            refused(codec, json.dumps({**full, **members}), word)

        boot = full["vcpus"][0]
        refuse("frequency", vcpus=[{**boot, "ratio": "0"}])
        refuse("frequency", vcpus=[{**boot, "ratio": str(2 ** 64 - 1),
                                    "frac_bits": 0}])
        refuse("real time", anchor={**full["anchor"], "realtime_ns": "0"})
        refuse("real time", anchor={**full["anchor"],
                                    "realtime_ns": str(2 ** 63)})
        refuse("kvmclock", anchor={**full["anchor"],
                                   "clock_ns": str(2 ** 64 - 1)})
        refuse("contradict", clock_fn={**full["clock_fn"],
                                       "system_ns": str(2 ** 61)})
        refuse("clock_fn", clock_fn={"origin": "page"})
        refuse("frequency", host_khz=0)


def flipped(codec, text, times):
    chance = places.chance()
    for _ in range(times):
        body = bytearray(text.encode())
        for _ in range(chance.randrange(1, 5)):
            body[chance.randrange(len(body))] = chance.randrange(256)
        codec.ask(bytes(body))


def spliced(codec, text, times):
    """Pieces of the file in another order and number."""
    chance = places.chance()
    for _ in range(times):
        cut = sorted(chance.randrange(len(text)) for _ in range(4))
        codec.ask(text[:cut[2]] + text[cut[0]:cut[1]] * 3 + text[cut[3]:])


def test_random():
    """Changed bytes and moved pieces never crash it"""
    each_kind(lambda codec, _, text: flipped(codec, text, 3000))
    each_kind(lambda codec, _, text: spliced(codec, text, 3000))


def test_sanitized():
    """All of that with sanitizers"""
    with tempfile.TemporaryDirectory() as folder:
        program = sanitized(folder)
        for run in truncated, syntax, deep, huge, encoding:
            each_kind(run, program)
        each_kind(lambda codec, _, text: flipped(codec, text, 2000), program)
        each_kind(lambda codec, _, text: spliced(codec, text, 2000), program)
