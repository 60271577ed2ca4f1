# SPDX-License-Identifier: GPL-2.0-or-later
"""clockferry selftest; how exact it must be is for tests/kvm to say"""
import json
import os
import pty
import re
import subprocess
import tempfile

from harness import fakehost, places
from harness.command import FAILURE, USAGE, fails, output, program, run


def test_histogram():
    """Every round is in one bin, and the bins hold the extremes"""
    places.need_kvm()
    said = json.loads(output("selftest", "--rounds", "60", "--vcpus", "2",
                             "--json"))
    bins = said["step_histogram"]
    assert sum(each["rounds"] for each in bins) == said["rounds"] == 60
    assert all(a["to"] + 1 == b["from"] for a, b in zip(bins, bins[1:]))
    assert bins[0]["from"] <= said["step_ns"]["min"] <= bins[0]["to"]
    assert bins[-1]["from"] <= said["step_ns"]["max"] <= bins[-1]["to"]


def test_text():
    """Figures in their units, then a bar for each bin"""
    places.need_kvm()
    text = output("selftest", "--rounds", "30")
    above, below = text.split("\n\n")
    assert re.match(r"30 rounds with 1 vCPU\n  rung +[a-z-]+ \d+", above)
    assert re.search(r"^  step as the guest sees it +min -?\d+, median "
                     r"-?\d+, p99 \+-\d+, max -?\d+ ns$", above, re.M)
    bars = [re.fullmatch(r" +(-?\d+|-?\d+ to -?\d+|to -?\d+|-?\d+ on) "
                         r"(#*) *(\d+)", line)
            for line in below.splitlines()[1:]]
    assert all(bars), below
    assert sum(int(bar[3]) for bar in bars) == 30
    longest = max(bars, key=lambda bar: int(bar[3]))
    assert len(longest[2]) == 40
    assert all((bar[2] == "") == (bar[3] == "0") for bar in bars), below


def test_numbers():
    """Rounds and vCPUs out of range"""
    for wrong in (["--rounds", "0"], ["--rounds", "1000001"],
                  ["--vcpus", "0"], ["--vcpus", "65"]):
        fails(USAGE, "selftest", *wrong, words=["1 to"])
    fails(USAGE, "selftest", "--rounds", "many", words=["many"])


def test_calls_fail():
    """What KVM can't do any more is named; what it can do without is done"""
    places.need_kvm()
    for number, (call, words) in enumerate((
            ("KVM_GET_CLOCK#2+=EIO", "KVM_GET_CLOCK failed"),
            ("KVM_SET_CLOCK#2+=EIO", "the destination's clock can't be set"),
            ("KVM_GET_CLOCK_GUEST#1+=EIO", None))):
        fake = fakehost.declare("selftest-%d" % number, "newest", fail=call)
        arguments = ["selftest", "--rounds", "2", "--vcpus", "2"]
        inside = {"env": fakehost.environment(fake)}
        if words:
            fails(FAILURE, *arguments, words=[words], **inside)
        else:
            assert "closed-loop 2" in output(*arguments, **inside)


def test_wrong_guest():
    """A guest that asks for a device isn't the one that is needed"""
    places.need_kvm()
    with open(places.build("tests/guest/guest.rom"), "rb") as file:
        rom = bytearray(file.read())
    rom[-16:-14] = b"\xe6\x80"         # out %al, $0x80, where it begins
    with tempfile.NamedTemporaryFile() as file:
        file.write(rom)
        file.flush()
        fails(FAILURE, "selftest", "--rounds", "2", "--rom", file.name,
              words=["the guest doesn't run (exit 2)"])


def test_progress():
    """Who looks on a terminal sees how far it is; a file doesn't"""
    places.need_kvm()
    ours, theirs = pty.openpty()
    with subprocess.Popen([program(), "selftest", "--rounds", "1000000"],
                          stdout=subprocess.DEVNULL, stderr=theirs) as going:
        os.close(theirs)
        seen = b""
        while not re.search(rb"\r\d+ of 1000000 rounds", seen):
            seen += os.read(ours, 4096)
        going.kill()
    os.close(ours)
    said = run("selftest", "--rounds", "2000").stderr
    assert not said, said
