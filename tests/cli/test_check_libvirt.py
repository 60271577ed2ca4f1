# SPDX-License-Identifier: GPL-2.0-or-later
"""clockferry check, where libvirt tells"""
import json
import os
import tempfile

import testdriver
from harness import places
from harness.command import (FAILURE, FINE, INEXACT, REFUSED, USAGE, fails,
                             output, run)
from harness.schemas import assert_fits
from test_check import Files, finding, good, other
from testdriver import DEFAULT, ELSEWHERE, NOWHERE, OFF, Driver, domain

TIMER = "<clock offset='utc'><timer name='tsc' frequency='2000000000'/>" \
    "</clock>"


def ask(*arguments):
    """(exit status, what it says) of a check with --json."""
    done = run("check", *arguments, "--json")
    assert not done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_guest():
    """A guest that libvirt tells of: its name, and who told"""
    with Driver(domain("vm-7"), domain("vm-8", TIMER)) as uri, \
            Files(other()) as (file,):
        _, said = ask("--connect", uri, "vm-7", file)
        _, promised = ask("--connect", uri, "vm-8", file)
    assert said["guest"] == "vm-7" and said["told_by"] == "xml", said
    assert not said["carried"] and not said["promised"], said
    assert said["source"] != uri and said["destination"] == "b", said
    assert promised["promised"], promised


def test_here():
    """This host's libvirt as the destination: probed, so nothing is unknown"""
    places.need_kvm()
    testdriver.need()
    with Files(good()) as (file,):
        _, said = ask(file, "--desturi", DEFAULT)
    assert said["destination"] == json.loads(
        output("probe", "--json"))["host"], said
    kinds = {each["kind"] for each in said["findings"]}
    assert not kinds & {"rate-unknown", "offset-unknown", "rung-unknown"}
    assert said["undecided"] is False


def test_undecided():
    """What libvirt doesn't say is unknown: refused, and only for that"""
    testdriver.need()
    with Files(good()) as (file,):
        status, said = ask(file, "--desturi", ELSEWHERE)
        text = output("check", file, "--desturi", ELSEWHERE, status=[REFUSED])
        lax, _ = ask(file, "--desturi", ELSEWHERE, "--policy", "lax")
    assert status == REFUSED and said["undecided"] is True, said
    for kind in "rate-unknown", "offset-unknown":
        assert finding(said, kind)["verdict"] == "refuse", said
    assert "\nVerdict         : refused, for lack of facts\n" in text, text
    assert lax == INEXACT


def test_decided():
    """A fact that speaks against it makes it a plain refusal"""
    for changes, undecided in (({"offset": None}, True),
                               ({"offset": None, "scaling": "none",
                                 "host_khz": 3000000}, False),
                               ({"offset": "ignored"}, False)):
        with Files(good(), other(**changes)) as files:
            status, said = ask(*files)
        assert status == REFUSED and said["undecided"] is undecided, said


def test_text():
    """The guest, and where its clocks are known from, below both hosts"""
    with Driver(domain("vm-7")) as uri, Files(other()) as (file,):
        lines = output("check", "--connect", uri, "vm-7", file,
                       status=[FINE, INEXACT, REFUSED]).splitlines()
    assert lines[1:3] == [
        "Guest vm-7, according to its XML; there is no QEMU to ask",
        "Its clocks aren't carried: see clockferry enable"], lines


def test_uuid():
    """A domain may be named by its UUID"""
    number = "11111111-2222-3333-4444-555555555555"
    with Driver(domain("vm-7", "<uuid>%s</uuid>" % number)) as uri, \
            Files(other()) as (file,):
        _, said = ask("--connect", uri, number, file)
    assert said["guest"] == "vm-7"


def test_fails():
    """One sentence: no such libvirt, no such domain, one that is off"""
    with Driver(domain("off", state=OFF)) as uri, Files(other()) as (file,):
        fails(FAILURE, "check", "--connect", uri, "none", file,
              words=["none", "Domain not found"])
        fails(FAILURE, "check", "--connect", uri, "off", file,
              words=["off isn't running"])
        fails(FAILURE, "check", "--connect", NOWHERE, "x", file,
              words=["can't connect to " + NOWHERE])
        fails(FAILURE, "check", file, "--desturi", "nonsense:///",
              words=["nonsense"])


def test_usage():
    """Ends that are missing, or named twice"""
    with Files(good(), other()) as (one, two):
        fails(USAGE, "check", one, words=["--desturi"])
        fails(USAGE, "check", "--connect", DEFAULT, "vm", words=["--desturi"])
        fails(USAGE, "check", one, two, "--desturi", DEFAULT, words=[two])
        fails(USAGE, "check", "--connect", DEFAULT, words=["too few"])
        fails(USAGE, "check", "--connect", DEFAULT, "vm", two, "--tsc-khz",
              "5", words=["--tsc-khz", "--connect"])


def test_schema():
    """The JSON fits its schema"""
    with Driver(domain("vm-7", TIMER)) as uri:
        for destination in DEFAULT, ELSEWHERE:
            assert_fits("check", ask("--connect", uri, "vm-7", "--desturi",
                                     destination)[1])


def test_not_linked():
    """libvirt is loaded by those who ask it, not by every command"""
    listing = run("--version", env={"LD_TRACE_LOADED_OBJECTS": "1"}).stdout
    assert "libclockferry" in listing, listing
    assert "libvirt" not in listing, listing


def without(folder, library):
    """Who asks libvirt gets this in its place; the sentence."""
    for name in "libvirt.so.0", "libvirt-qemu.so.0":
        os.symlink(library, os.path.join(folder, name))
    return fails(FAILURE, "state", "--connect", DEFAULT, "vm",
                 env=dict(os.environ, LD_LIBRARY_PATH=folder))


def test_unusable():
    """A library that isn't one, and one that lacks what we call"""
    testdriver.need()
    with tempfile.TemporaryDirectory() as none, \
            tempfile.TemporaryDirectory() as old:
        sentence = without(none, os.devnull)
        assert "is libvirt installed?" in sentence, sentence
        sentence = without(old, places.build("tests/cli/libsteady-clock.so"))
        assert "this libvirt is too old: it has no vir" in sentence, sentence
