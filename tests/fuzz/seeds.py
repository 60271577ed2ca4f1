# SPDX-License-Identifier: GPL-2.0-or-later
"""What the fuzzers begin with, made of what other suites have."""
import itertools
import json
import os
import re

from harness import places
from hook import hook

GOLDEN = "tests/codec/golden"

# As in clock-causal.h.
EXCHANGES_MAX = 32

# Settings on QEMU's command line, as libvirt passes them on.
SETTINGS = [(), ("guest-clock=on",), ("guest-clock=off", "policy=strict"),
            ("guest-clock=on", "policy=lax", "require=closed-loop")]

# What a QEMU with the series says, in the order that it is asked.
GREETING = {"QMP": {"version": {"qemu": {"micro": 0, "minor": 0, "major": 10},
                                "package": ""}, "capabilities": ["oob"]}}
RESTORE = {"rung": "closed-loop", "tries": 3, "residual-ns": -1, "bound-ns": 3,
           "tsc": "computed", "rate-error-ppt": 0, "skew-ticks": 0,
           "time-bound-ns": 20400, "elapsed-from": "channel",
           "round-trip-ns": 40100, "clocks-wrong-ns": 12, "same-host": False,
           "kexec-ppt": 0, "frozen": False, "elapsed-ns": 31000000,
           "duration-ns": 812000}
CLOCKS = {"enabled": True, "policy": "auto", "require": "plain",
          "blackout": "count", "blackout-limit": 600, "host-tsc-khz": 2500000,
          "guest-tsc-khz": 2400000, "restore": RESTORE}
LOST = {"enabled": True, "blackout": "freeze",
        "not-carried": "the source didn't know them"}
EVENTS = [{"event": "KVM_CLOCK_RESTORED", "data": RESTORE,
           "timestamp": {"seconds": 1800000000, "microseconds": 5}},
          {"event": "KVM_CLOCK_NOT_CARRIED", "data": {"reason": "no anchor"}},
          {"event": "STOP"}, {"event": "RESUME"}]


def _golden(*starts):
    folder = places.top(GOLDEN)
    for name in sorted(os.listdir(folder)):
        if name.endswith(".json") and name.startswith(starts):
            with open(os.path.join(folder, name), "rb") as file:
                yield file.read()


def texts(*formats):
    """The golden files of these formats."""
    return lambda: list(_golden(*formats))


def states():
    """Captured clocks; of one there are as many messages as there may be."""
    cases = list(_golden("state-"))
    most = json.loads(next(_golden("state-1-exchanges")))
    most["exchanges"] = [{"sent_ticks": "1"}] * EXCHANGES_MAX
    return cases + [json.dumps(most).encode()]


def checks():
    """Each golden guest, to each golden host."""
    return [b"\0".join(pair) for pair in itertools.product(
        _golden("guest-", "state-"), _golden("probe-"))]


def _xmls():
    elements = [()] + [(hook.element(text.decode()),)
                       for text in _golden("guest-")] + \
        [(hook.element(hook.facts()),), (hook.element("{"),),
         (hook.element(hook.facts()),) * 2]
    for facts, settings in itertools.product(elements, SETTINGS):
        yield hook.domain(*facts, settings=settings)
    for hz in "0", "2400000000", "x":
        yield hook.domain(timer_hz=hz, invtsc="require")
    yield hook.domain(invtsc="disable", kind="qemu", others="<a:b xmlns:a='c'/>")
    yield hook.domain().replace("pc-q35-10.0", "pc-q35-10.0-clockferry")
    yield "<domain/>"


def domains():
    """Domains' XML, with wishes, for each edit."""
    wishes = itertools.cycle([(3, 5), (0, 2), (1, 0), (2, 4), (3, 4)])
    return [xml.encode() + b"\0" + bytes([*next(wishes), edit])
            for xml, edit in itertools.product(_xmls(), range(4))]


def arrivals():
    """Domains' XML, with a host and a name."""
    hosts = list(_golden("probe-")) + [b"no such device"]
    return [b"\0".join((xml.encode(), host, b"vm-7", bytes([number & 1])))
            for number, (xml, host) in enumerate(zip(_xmls(),
                                                     itertools.cycle(hosts)))]


def _conversation(clocks):
    answers = [{}, clocks, {"name": "vm-7"},
               {"status": "running", "running": True},
               [{"qom-path": "/machine/unattached/device[0]"}], True]
    said = [GREETING] + [{"return": answer, "id": str(number + 1)}
                         for number, answer in enumerate(answers)]
    refused = {"id": "2", "error": {"class": "CommandNotFound", "desc": "x"}}
    yield said + EVENTS
    yield said[:2] + EVENTS[2:] + [refused]


def monitors():
    """Conversations, for each thing that can be asked for; in a few pieces."""
    talks = [b"".join(json.dumps(message).encode() + b"\n" for message in talk)
             for clocks in (CLOCKS, LOST, {"enabled": False})
             for talk in _conversation(clocks)]
    return [talk + b"\0" + bytes([how, 255, 1, 90, 3])
            for talk, how in itertools.product(talks, (0, 5, 8, 19, 22))]


def none():
    """Numbers need no example."""
    return []


def words(cases):
    """A dictionary of the words in these, for libFuzzer."""
    found = set()
    for case in cases:
        found.update(re.findall(rb'"[ -!#-\[\]-~]{1,40}"', case))
        found.update(b"<%s" % name for name in
                     re.findall(rb"<(/?[a-z:]+)", case))
    return "".join('"%s"\n' % re.sub(r'(["\\])', r"\\\1", word.decode())
                   for word in sorted(found))
