# SPDX-License-Identifier: GPL-2.0-or-later
"""clockferry enable and disable; that they do it is in tests/libvirt, for
libvirt's test driver forgets QEMU's arguments"""
import json
import os
import pty
import re
import subprocess

from harness.command import FAILURE, FINE, USAGE, fails, output, program, run
from harness.schemas import assert_fits
from harness.wait import LIMIT_S
from testdriver import NOWHERE, OFF, Driver, domain

VM = domain("vm-7")


def on_terminal(answer, *arguments):
    """(exit status, all it shows) when the user types that."""
    user, terminal = pty.openpty()
    os.write(user, answer.encode() + b"\n")
    process = subprocess.Popen([program(), *arguments], stdin=terminal,
                               stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    shown = process.communicate(timeout=LIMIT_S)[0]
    os.close(user)
    os.close(terminal)
    return process.returncode, shown


def change(shown):
    """The lines that a difference puts in, without the first."""
    return [line[1:].strip() for line in shown.splitlines()
            if re.match(r"\+ ", line)]


def test_difference():
    """The change is shown first, and is nothing but QEMU's arguments"""
    with Driver(VM) as uri:
        done = run("enable", "--yes", "-c", uri, "vm-7", "--policy", "strict",
                   "--require", "closed-loop")
    assert "--- vm-7 as it is\n+++ vm-7 as it will be\n" in done.stdout
    assert change(done.stdout) == [
        "<qemu:commandline>",
        '<qemu:arg value="-global"/>',
        '<qemu:arg value="kvmclock.guest-clock=on"/>',
        '<qemu:arg value="-global"/>',
        '<qemu:arg value="kvmclock.policy=strict"/>',
        '<qemu:arg value="-global"/>',
        '<qemu:arg value="kvmclock.require=closed-loop"/>',
        "</qemu:commandline>"], done.stdout
    removed = re.findall("^-[^-].*", done.stdout, re.M)
    assert removed == ['-<domain type="test">'], removed


def test_machine():
    """By the machine type, and back"""
    typed = VM.replace("<type>", "<type arch='x86_64' machine='pc-q35-10.0'>")
    with Driver(typed) as uri:
        done = run("enable", "--yes", "-c", uri, "vm-7", "--machine")
    assert done.returncode == FINE, done
    assert re.findall("^[-+] .*", done.stdout, re.M) == [
        '-    <type arch="x86_64" machine="pc-q35-10.0">hvm</type>',
        '+    <type arch="x86_64" machine="pc-q35-10.0-clockferry">hvm</type>'
    ], done.stdout
    with Driver(typed.replace("10.0'", "10.0-clockferry'")) as uri:
        for option in [], ["--machine"]:
            said = output("enable", "-y", "-c", uri, "vm-7", *option)
            assert said.startswith("vm-7: nothing to change"), said
        done = run("disable", "--yes", "-c", uri, "vm-7")
        assert '+    <type arch="x86_64" machine="pc-q35-10.0">' in done.stdout
    with Driver(VM) as uri:
        fails(FAILURE, "enable", "-y", "-c", uri, "vm-7", "--machine",
              words=["can't change vm-7: its machine type is "])


def test_saved():
    """A saved image starts as it was saved, whatever the definition says"""
    with Driver(domain("off", state=OFF), domain("saved", state=OFF,
                                                 saved=True)) as uri:
        for name, told in ("off", False), ("saved", True):
            said = output("disable", "--yes", "-c", uri, name)
            assert ("has a saved image" in said) == told, said


def test_emulated():
    """A guest without KVM has nothing to carry; there is nothing to undo"""
    with Driver(VM.replace("type='test'", "type='qemu'")) as uri:
        fails(FAILURE, "enable", "--yes", "-c", uri, "vm-7",
              words=["emulates", "type='kvm'"])
        output("disable", "--yes", "-c", uri, "vm-7")


def test_not_kept():
    """What libvirt didn't keep isn't taken for done"""
    with Driver(VM) as uri:
        done = run("enable", "--yes", "-c", uri, "vm-7")
    assert done.returncode == FAILURE, done
    assert done.stderr.count("\n") == 1 and "keep" in done.stderr, done


def test_asks():
    """On a terminal it asks, and only yes is yes"""
    with Driver(VM) as uri:
        for answer in "n", "", "never", "yesterday":
            status, shown = on_terminal(answer, "enable", "-c", uri, "vm-7")
            assert status == FAILURE and "[y/N]" in shown, shown
            assert shown.endswith("Nothing was changed.\n"), shown
        status, shown = on_terminal("\x04", "enable", "-c", uri, "vm-7")
        assert status == FAILURE and \
            shown.endswith("[y/N] \nNothing was changed.\n"), shown
        for answer in "y", "YES":
            _, shown = on_terminal(answer, "enable", "-c", uri, "vm-7")
            assert "didn't keep the change" in shown, shown


def test_no_terminal():
    """Without a terminal, and for programs, only with --yes"""
    for command in "enable", "disable":
        with Driver(VM) as uri, open(os.devnull, encoding="utf-8") as null:
            fails(USAGE, command, "-c", uri, "vm-7", stdin=null,
                  words=["--yes"])
            fails(USAGE, command, "-c", uri, "vm-7", "--json", stdin=null,
                  words=["--yes"])


def test_nothing_to_do():
    """A definition that is as wished stays as it is"""
    with Driver(VM, domain("off", state=OFF)) as uri:
        said = output("disable", "-y", "-c", uri, "vm-7", status=[FINE])
        told = json.loads(output("disable", "-y", "-c", uri, "off", "--json"))
    assert said.startswith("vm-7: nothing to change") and \
        "not carried" in said, said
    assert told == {"format": "clockferry-enable", "version": 1,
                    "min_version": 1, "name": "off", "enabled": False,
                    "changed": False, "active": False}, told
    assert_fits("enable", told)


def test_fails():
    """One sentence: no libvirt, no such domain, nothing to define"""
    with Driver(domain("passing", transient=True)) as uri:
        fails(FAILURE, "enable", "-y", "-c", uri, "passing",
              words=["isn't persistent"])
        fails(FAILURE, "enable", "-y", "-c", uri, "none", words=["none"])
    fails(FAILURE, "disable", "-y", "-c", NOWHERE, "x",
          words=["can't connect"])
    fails(USAGE, "enable", "-y", words=["DOMAIN"])
    fails(USAGE, "enable", "-y", "x", "--policy", "brave", words=["brave"])
    fails(USAGE, "disable", "-y", "x", "--policy", "auto",
          words=["--policy"])


def test_no_diff():
    """Where there is no diff(1), nothing is changed unseen"""
    with Driver(VM) as uri:
        fails(FAILURE, "enable", "-y", "-c", uri, "vm-7",
              env=dict(os.environ, PATH="/nowhere"), words=["can't run diff"])


def test_names():
    """What plays tricks on a terminal doesn't get there"""
    name = "evil\u202e\u009b31m"
    with Driver(domain(name, "<description>a\u009bb</description>")) as uri:
        done = run("enable", "--yes", "-c", uri, name)
    assert "evil??31m as it is" in done.stdout, done
    assert all(line.isprintable() for line in
               (done.stdout + done.stderr).splitlines()), done
