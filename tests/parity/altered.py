# SPDX-License-Identifier: GPL-2.0-or-later
"""Clocks that somebody altered on their way: the library's state and QEMU's
stream, by the same words."""
import json
import struct
from collections import namedtuple

import library
import outcome
import qemu
from harness import fakehost, measure, stream
from harness.binaries import start
from harness.check import crashed
from harness.migrate import go, load, wait_loaded

# vmstate_kvmclock_carried, and where the library's state has the same.
RATIO = struct.Struct(">Q")
CARRIED = struct.Struct(">II16sQQIiIQQQQiQ")
Carried = namedtuple("Carried", "state_flags host_khz boot_id tsc_ticks "
                                "system_ns mul shift flags clock_ns slack_ns "
                                "host_ticks realtime_ns tai_offset_s "
                                "max_error_ns")
PARTS = {"clock_fn": ("tsc_ticks", "system_ns", "mul", "shift"),
         "anchor": ("clock_ns", "host_ticks", "realtime_ns", "tai_offset_s")}
CORRUPT = "corrupt"


# -- The library's --

def alter_json(text, change):
    """change: of {member: number}, in place"""
    at = text.index("{")
    state = json.loads(text[at:])
    members = {name: int(state[part][name])
               for part, names in PARTS.items() for name in names}
    members["host_khz"] = state["host_khz"]
    members["slack_ns"] = 0
    members["ratio"] = int(state["vcpus"][0]["ratio"])
    change(members)
    for vcpu in state["vcpus"]:
        vcpu["ratio"] = str(members["ratio"])
    state["anchor"]["slack_ns"] = str(members["slack_ns"])
    for part, names in PARTS.items():
        for name in names:
            kind = type(state[part][name])
            state[part][name] = kind(members[name])
    state["host_khz"] = members["host_khz"]
    return text[:at] + json.dumps(state)


def unseen(fields, report):
    """As a guest from a file, which nobody sees come in, in QEMU neither."""
    if "time bound" in fields:
        report = dict(report, **{"passed-ns": 0})
        fields["time bound"] = outcome.time_bound(report)
    return fields, report


def by_library(case, change):
    words, there = library.source(case)
    text = alter_json(words, change)
    try:
        return unseen(*library.land(case, text, there))
    except AssertionError as error:
        if "invalid" not in str(error) and "state" not in str(error):
            raise
        return {"verdict": CORRUPT}, str(error)


# -- QEMU's --

def alter_stream(data, change):
    fields = stream.fields(data)
    found = [at for path, at, size in fields
             if path[-2] == "kvmclock/guest_clock" and size == CARRIED.size]
    ratios = [at for path, at, size in fields
              if path[-2] == "cpu/guest_tsc" and path[-1].endswith("ratio")]
    assert len(found) == 1 and ratios, "no carried clocks in the stream"
    members = Carried(*CARRIED.unpack_from(data, found[0]))._asdict()
    members["ratio"], = RATIO.unpack_from(data, ratios[0])
    change(members)
    ratio = members.pop("ratio")
    data = bytearray(data)
    for at in ratios:
        RATIO.pack_into(data, at, ratio)
    CARRIED.pack_into(data, found[0], *members.values())
    return data


def save(case):
    """(stream, the source's log, where its function is from)"""
    with start(qemu.side(case.source, case), vcpus=case.vcpus,
               extra=qemu.TRACE) as source:
        source.wait_up()
        path = source.path("stream")
        assert go(source, "file:" + path)["status"] == "completed"
        with open(path, "rb") as file:
            return file.read(), fakehost.log(case.source, source.pid), \
                qemu.origin(source)


def by_qemu(case, change):
    data, there, origin = save(case)
    path = fakehost.path("altered")
    with open(path, "wb") as file:
        file.write(alter_stream(data, change))
    with load(qemu.side(case.destination, case), "file:" + path,
              case.vcpus) as destination:
        if not wait_loaded(destination):
            words = destination.stderr()
            assert not crashed(destination.wait_exit()), words
            assert CORRUPT in words, words
            return {"verdict": CORRUPT}, words
        if CORRUPT in destination.stderr():
            # What was saved is taken all the same, without its clocks.
            assert not measure.own_report(destination)
            assert measure.not_carried(destination)
            return {"verdict": CORRUPT}, destination.stderr()
        return qemu.landed(case, destination, origin, there)


def without_truth(result):
    """What the source's clocks were is no measure of altered ones."""
    fields, said = result
    fields.pop("carried", None)
    return fields, said


def ways(change):
    """compare.difference()'s, of altered clocks."""
    return [lambda case: without_truth(by_library(case, change)),
            lambda case: without_truth(by_qemu(case, change))]
