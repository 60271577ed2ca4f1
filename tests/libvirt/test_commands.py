# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands that ask libvirt, against real daemons."""
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor

import follower
import refusal
from harness import measure, wait
from harness.libvirt import domain, facts, scene
from harness.tap import Missing

FINE, FAILURE, USAGE, REFUSED, INEXACT = range(5)
TIMER = "<timer name='tsc' frequency='2596120000'/>"


def run(host, *arguments):
    return host.run("clockferry", *arguments, "--connect", "qemu:///system")


def clockferry(host, *arguments, status=(FINE, INEXACT)):
    """What it prints, run on that host."""
    done = run(host, *arguments)
    assert done.returncode in status, (arguments, done.stdout, done.stderr)
    return done.stdout


def test_annotate():
    """annotate writes what is true, and leaves alone what is already"""
    for version in "12", "13":
        with scene.hosts(version + " newest") as (a,):
            scene.start(a, scene.patched(policy="strict"), timer=TIMER)
            assert "facts written" in clockferry(a, "annotate", "ferry")
            known = facts.stored(a)
            there = facts.of_host(a)
            for key in "host", "boot_id", "host_khz", "max_error_ns":
                assert known[key] == there[key], (key, known, there)
            assert facts.khz(known) == there["host_khz"]
            assert known["promised"] and known["policy"] == "strict", known
            assert "unchanged" in clockferry(a, "annotate", "--all")


def test_annotate_stock():
    """With stock QEMU: a guest that was promised its TSC has facts, too"""
    with scene.hosts("12 newest", "13 unscaled-fast") as (a, b):
        guest = scene.start(a, scene.stock(), timer=TIMER)
        still = refusal.Unharmed(guest)
        clockferry(a, "annotate", "--all")
        known = facts.stored(a)
        assert known["promised"] and facts.khz(known) == 2596120, known
        moved = scene.migrate(a, b, "--live")
        assert moved.status == 1, "it went"
        refusal.tells(moved.words, "2596120 kHz", "3000000 kHz")
        still.assert_still()


def has_been_asked(host):
    """libvirt marks a guest whose monitor somebody has used."""
    return "custom monitor" in host.do("dominfo", "ferry")


def start_plain(host):
    """A guest without arguments for QEMU, so without a monitor of ours."""
    whole = domain.xml(scene.stock())
    plain = re.sub(r"<qemu:commandline>.*</qemu:commandline>", "", whole,
                   flags=re.S)
    assert plain != whole
    host.write("/root/plain.xml", plain)
    host.do("create", "/root/plain.xml")


def test_annotate_others():
    """--all leaves a guest alone that has nothing to do with us, untainted"""
    with scene.hosts("12 newest", "13 newest") as all_hosts:
        for host in all_hosts:
            start_plain(host)
            assert "skipped" in clockferry(host, "annotate", "--all")
            assert not has_been_asked(host)
            assert "facts written" in clockferry(host, "annotate", "ferry")
            assert has_been_asked(host)


# Holds a migration until somebody lets it go on.
HOLDS = """#!/bin/sh
[ "$2" = prepare ] || exit 0
touch /root/held
while test -e /root/held; do sleep 0.02; done
"""


def hold(host):
    host.set_hook(HOLDS if host.name == "b" else None)


def test_annotate_during():
    """A guest on its way can't be annotated: one sentence, and it arrives"""
    with scene.hosts("12", "13", prepare=hold) as (a, b), \
            ThreadPoolExecutor() as aside:
        guest = scene.start(a, scene.patched())
        before = measure.view(guest)
        moving = aside.submit(scene.migrate, a, b, "--live")
        wait.until(lambda: os.path.exists(b.path("/root/held")),
                   "it isn't on its way")
        try:
            refused = run(a, "annotate", "ferry")
        finally:
            os.unlink(b.path("/root/held"))
        assert refused.returncode == FAILURE, refused
        refusal.tells(refused.stderr.strip(), "being migrated")
        assert moving.result().status == 0, moving.result().words
        scene.arrived(guest, before, b)


def test_follow_restart():
    """libvirtd is killed and comes back: guests go on, and are followed"""
    for version in "12", "13":
        with scene.hosts(version) as (a,):
            follower.start(a)
            still = refusal.Unharmed(scene.start(a, scene.patched()))
            wait.until(lambda: facts.stored(a), "no facts")
            a.stop_daemon("KILL")
            a.start_daemon()
            still.assert_still()
            scene.start(a, scene.patched(), "another")
            wait.until(lambda: facts.stored(a, "another"),
                       "not followed any longer")


def test_state():
    """state tells what QEMU does, also after a migration"""
    with scene.hosts("12 newest", "13 newest-amd") as (a, b):
        scene.start(a, scene.patched())
        moved = scene.migrate(a, b, "--live")
        assert moved.status == 0, moved.words
        domain.Running(b).wait_beating()
        state = json.loads(clockferry(b, "state", "ferry", "--json"))
        assert state["name"] == "ferry" and state["enabled"], state
        assert state["host"] == "b" and state["status"] == "running", state
        assert state["restore"]["rung"] == "exact", state


def verdict(source, destination):
    return json.loads(clockferry(
        source, "check", "ferry", "--json", "--desturi", destination.uri,
        status=[REFUSED]))


def test_check():
    """check knows by libvirt's word alone that a TSC can't go there"""
    with scene.hosts("12 newest", "13 newest-amd",
                     "12 unscaled-fast") as (a, fit, unfit):
        if "<counter name='tsc'" not in fit.do("capabilities"):
            raise Missing("invtsc", "libvirt tells no TSC frequency here")
        scene.start(a, scene.patched())
        answers = verdict(a, fit), verdict(a, unfit)
        for answer in answers:
            assert answer["guest"] == "ferry" and answer["carried"]
            assert answer["told_by"] == "qemu" and answer["source"] == "a"
        assert answers[0]["undecided"] and not answers[1]["undecided"]
        assert answers[0]["rate_error_ppt"] == "0", answers[0]
        assert int(answers[1]["rate_error_ppt"]) // 10 ** 6 == 155570


def test_enable():
    """enable: from the next start on clocks are carried; disable undoes it"""
    for version in "12", "13":
        with scene.hosts(version) as (a,):
            scene.start(a, scene.patched_off(), persistent=True)
            before = a.do("dumpxml", "--inactive", "ferry")
            assert not state(a)["enabled"]
            shown = clockferry(a, "enable", "ferry", "--yes",
                               "--policy", "strict")
            assert '+    <qemu:arg value="kvmclock.guest-clock=on"/>' in shown
            restart(a)
            assert state(a)["enabled"] and state(a)["policy"] == "strict"
            clockferry(a, "disable", "ferry", "--yes")
            assert a.do("dumpxml", "--inactive", "ferry") == before
            restart(a)
            assert not state(a)["enabled"]


def state(host):
    return json.loads(clockferry(host, "state", "ferry", "--json"))


def restart(host):
    host.do("destroy", "ferry")
    host.do("start", "ferry")
