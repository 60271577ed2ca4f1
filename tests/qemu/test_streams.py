# SPDX-License-Identifier: GPL-2.0-or-later
"""Streams that other versions sent once, kept in tests/data/streams."""
import contextlib
import json
import os

from harness.check import (OFF_HERE, UNKNOWN_SECTION, crashed, machine_types,
                           patched, patched_off, stock)
from harness.migrate import arrive, load, wait_loaded
from harness.tap import note

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                      "..", "data", "streams")
LAX = {"policy": "lax"}     # they come from other hosts, at other times


def recipes(wanted):
    """[(name, recipe)] of the streams with the feature, or of the others; of
    machines that both QEMUs still have."""
    with open(os.path.join(FOLDER, "streams.json"), encoding="utf-8") as file:
        found = json.load(file)
    for name in sorted(found):
        if found[name]["machine"] not in machine_types():
            note("%s: these QEMUs have no such machine" % name)
            del found[name]
    return [(name, recipe) for name, recipe in sorted(found.items())
            if bool(recipe["kvmclock"]) == wanted]


@contextlib.contextmanager
def loaded(name, recipe, side, **options):
    """A QEMU that has taken this stream, or has ended."""
    path = os.path.abspath(os.path.join(FOLDER, name + ".gz"))
    with load(side, "exec:gzip -dc '%s'" % path, vcpus=recipe["vcpus"],
              extra=["-machine", recipe["machine"]], **options) as guest:
        yield guest


def runs(name, recipe, side, **options):
    with loaded(name, recipe, side, **options) as guest:
        assert wait_loaded(guest), guest.last_words()
        arrive(guest)
        note("%s in %s" % (name, side.name))
        return guest.last_words()


def is_refused(name, recipe, side, sentence):
    with loaded(name, recipe, side) as guest:
        assert not wait_loaded(guest), "%s was loaded" % name
        assert not crashed(guest.wait_exit()), guest.last_words()
        words = guest.last_words()
        said = [line for line in words.splitlines() if sentence in line]
        assert said, words
        note("%s in %s: %s" % (name, side.name, said[0]))


def test_old_in_on():
    """Stock QEMUs' streams, back to 7.2, load with the feature on."""
    for name, recipe in recipes(False):
        runs(name, recipe, patched())


def test_old_in_off():
    """They load with the feature off."""
    for name, recipe in recipes(False):
        runs(name, recipe, patched_off())


def test_old_in_stock():
    """They load in stock QEMU: the streams are good."""
    for name, recipe in recipes(False):
        runs(name, recipe, stock())


def test_new_in_on():
    """Streams with the feature load, each version that there was."""
    for name, recipe in recipes(True):
        words = runs(name, recipe, patched(), kvmclock=LAX)
        assert "kvmclock: restored by" in words, words


def test_new_in_off():
    """A QEMU with the feature off refuses them: a pipe is no storage."""
    for name, recipe in recipes(True):
        is_refused(name, recipe, patched_off(), OFF_HERE)


def test_new_in_stock():
    """So does stock QEMU, in its own words."""
    for name, recipe in recipes(True):
        is_refused(name, recipe, stock(), UNKNOWN_SECTION)


def test_clock():
    """The guest's clock goes on from where the stream says, never back."""
    for name, recipe in recipes(True):
        with loaded(name, recipe, patched(), kvmclock=LAX) as guest:
            assert wait_loaded(guest), guest.last_words()
            arrive(guest)
            slots = [guest.slot(index) for index in range(recipe["vcpus"])]
            assert not any(slot.clock_warps for slot in slots), slots
