# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests that a host can't take: the hook says so before anything happens.

The destination's TSC runs at 3 GHz and can't be scaled."""
import json
import os
import re

import refusal
from harness import measure
from harness.libvirt import facts, scene
from harness.libvirt.host import HOOK_LINK
from harness.tap import note

UNFIT = "unscaled-fast"
# What is wrong, by how much, and what to do.
SENTENCE = ("guest 'ferry' can't come to host 'b'", "2596120 kHz",
            "3000000 kHz: 15.6 % faster, 3 h 44 min a day",
            "(choose a destination")
# So many times what libvirt takes with a hook that only says no.
TIMES = 3
TRIES, MOST_TRIES = 3, 20


def start(host, **options):
    known = json.dumps(facts.of_guest(host))
    return scene.start(host, scene.patched(),
                       metadata=facts.metadata(known), **options)


def refused(a, b, way):
    moved = scene.migrate(a, b, *way.split())
    assert moved.status == 1, way
    return moved


def only_no(a, b, ways):
    """{way: how long it takes with a hook that only says no}"""
    os.unlink(b.path(HOOK_LINK))
    b.set_hook("#!/bin/sh\nexit 1\n")
    took_s = {way: min(refused(a, b, way).seconds for _ in range(TRIES))
              for way in ways}
    os.unlink(b.path(HOOK_LINK))
    b.set_hook()
    return took_s


def refused_each_way(version, *ways):
    """Each way as soon as the machine allows: a busy one has tries more."""
    with scene.hosts("12 newest", "%s %s" % (version, UNFIT)) as (a, b):
        guest = start(a, persistent=True)
        still = refusal.Unharmed(guest)
        for way, none_s in only_no(a, b, ways).items():
            for _ in range(MOST_TRIES):
                moved = refused(a, b, way)
                refusal.tells(moved.words, *SENTENCE)
                refusal.nothing_came(b)
                if moved.seconds < TIMES * none_s:
                    break
            else:
                assert False, "%s: in %.2f s, and in %.2f s by a hook that " \
                    "only says no" % (way, moved.seconds, none_s)
            still.assert_still()
            note("%s: in %.2f s, %s" % (way, moved.seconds,
                                        refusal.sentence(moved.words)))


def test_live_12():
    """libvirt 9.0 refuses live, p2p and tunnelled, as soon as it can"""
    refused_each_way("12", "--live", "--live --p2p",
                     "--live --p2p --tunnelled")


def test_live_13():
    """libvirt 11.3: the same"""
    refused_each_way("13", "--live", "--live --p2p",
                     "--live --p2p --tunnelled")


def offline(a, b):
    a.do("destroy", "ferry")
    return scene.migrate(a, b, "--offline", "--persistent")


def test_offline():
    """A guest that doesn't run may go there, for its clocks begin anew"""
    with scene.hosts("12 newest", "13 " + UNFIT) as (a, b):
        scene.start(a, scene.patched(), persistent=True)
        facts.store(a, facts.of_guest(a))
        assert scene.migrate(a, b, "--live").status == 1
        moved = offline(a, b)
        assert moved.status == 0, moved.words
        assert b.do("list", "--all", "--name").split() == ["ferry"]


def test_offline_promised():
    """Unless its definition promises it a TSC that it can't have there"""
    with scene.hosts("12 newest", "13 " + UNFIT) as (a, b):
        scene.start(a, scene.patched(), persistent=True,
                    timer="<timer name='tsc' frequency='2596120000'/>")
        moved = offline(a, b)
        assert moved.status == 1, "the promise was broken"
        refusal.tells(moved.words, *SENTENCE)
        refusal.nothing_came(b)
        assert a.do("list", "--all", "--name").split() == ["ferry"]


def saved_and_restored(version):
    with scene.hosts("12 newest", "%s %s" % (version, UNFIT)) as (a, b):
        guest = start(a)
        before = measure.view(guest)
        image = a.folder + "/image"
        a.do("save", "ferry", image)
        refused = scene.virsh(b, "restore", image)
        assert refused.status == 1, "restored on an unfit host"
        refusal.tells(refused.words, "guest 'ferry' can't be restored on "
                      "host 'b'", *SENTENCE[1:])
        refusal.nothing_came(b)
        a.do("restore", image)
        scene.arrived(guest, before, a)


def test_restore_12():
    """A saved guest isn't restored there, and is where it was (9.0)"""
    saved_and_restored("12")


def test_restore_13():
    """The same with 11.3"""
    saved_and_restored("13")


def test_edited():
    """What was saved with wrong facts is restored once they are put right"""
    with scene.hosts("13 unscaled") as (a,):
        guest = scene.start(a, scene.patched())
        before = measure.view(guest)
        facts.store(a, facts.of_guest(a, host_khz=3000000))
        image, text = a.folder + "/image", a.folder + "/image.xml"
        a.do("save", "ferry", image)
        refused = scene.virsh(a, "restore", image)
        assert refused.status == 1, "restored"
        refusal.tells(refused.words, "can't be restored on host 'a'")
        saved = a.do("save-image-dumpxml", image)
        a.write(text, re.sub("<clockferry:facts.*?</clockferry:facts>", "",
                             saved, flags=re.S))
        a.do("save-image-define", image, text)
        a.do("restore", image)
        scene.arrived(guest, before, a)


def test_managedsave():
    """managedsave and start on a fit host: the clocks go on"""
    with scene.hosts("13 newest") as (a,):
        guest = start(a, persistent=True)
        before = measure.view(guest)
        a.do("managedsave", "ferry")
        a.do("start", "ferry")
        scene.arrived(guest, before, a)
        assert facts.stored(a)["host"] == "a"


def test_managedsave_elsewhere():
    """What was saved on a host that is another one now: not started there"""
    with scene.hosts("12 newest") as (a,):
        guest = start(a, persistent=True)
        before = measure.view(guest)
        a.do("managedsave", "ferry")
        restart(a, UNFIT)
        refused = scene.virsh(a, "start", "ferry")
        assert refused.status == 1, "it was started"
        refusal.tells(refused.words, "can't be restored on host 'a'",
                      *SENTENCE[1:])
        assert "Managed save:   yes" in a.do("dominfo", "ferry")
        restart(a, "newest")
        a.do("start", "ferry")
        scene.arrived(guest, before, a)


def restart(host, model):
    host.stop_daemon()
    host.become(model)
    host.start_daemon()
