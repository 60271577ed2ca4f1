# SPDX-License-Identifier: GPL-2.0-or-later
"""Hooks that don't work, and hosts on which ours can't: the guest is never
lost, blocked, or let in where it may not be."""
import json
import os

import refusal
from harness import measure
from harness.libvirt import facts, scene
from harness.libvirt.host import HOOK_LINK, HOOK_THERE, Host
from harness.tap import note

# Each file is opened and each block read 50 ms later than it might be.
SLOW = """#!/bin/sh
[ "$2" = migrate ] || exit 0
exec strace -f -qq -o /dev/null -e trace=openat,read \\
    -e inject=openat,read:delay_enter=50000 %s "$@"
""" % HOOK_THERE
KILLED = "#!/bin/sh\nkill -KILL $$\n"
CRASHES = "#!/bin/sh\necho '<domain'\nkill -SEGV $$\n"
FAILS = "#!/bin/sh\nexit 1\n"
BABBLES = "#!/bin/sh\n[ $2 != migrate ] || echo '<domain'\n"

FIT, UNFIT = "newest-amd", "unscaled-fast"


class Journey:
    """A guest with facts on host a that shall go to b."""

    def __init__(self, a, b):
        self._a, self.b = a, b
        known = json.dumps(facts.of_guest(a))
        self._guest = scene.start(a, scene.patched(),
                                  metadata=facts.metadata(known))
        self._still = refusal.Unharmed(self._guest)
        self._before = measure.view(self._guest)

    def _try(self):
        """virsh's words, if it stays, unharmed; None if it goes, unharmed."""
        moved = scene.migrate(self._a, self.b, "--live")
        note("%s after %.1f s %s" % ("refused" if moved.status else "went",
                                         moved.seconds, moved.words))
        if moved.status == 0:
            scene.arrived(self._guest, self._before, self.b)
            return None
        refusal.nothing_came(self.b)
        self._still.assert_still()
        return moved.words

    def refused(self, *parts):
        words = self._try()
        assert words, "it went"
        if parts:
            refusal.tells(words, *parts)

    def goes_or_not(self):
        self._try()


def everywhere(break_hook, try_it, model=FIT):
    """With either libvirt on the destination, whose hook is broken before it
    starts; the source's is ours."""
    def prepare(host):
        if host.name == "b":
            break_hook(host)
        else:
            host.set_hook()

    for version in "12", "13":
        with scene.hosts("12 newest", "%s %s" % (version, model),
                         prepare=prepare) as (a, b):
            try_it(Journey(a, b))


def script(text, mode=0o755):
    return lambda host: host.set_hook(text, mode)


def test_killed():
    """A hook that is killed: refused"""
    everywhere(script(KILLED), Journey.refused)


def test_crashes():
    """A hook that crashes in the middle of a word: refused"""
    everywhere(script(CRASHES), Journey.refused)


def test_fails():
    """A hook that fails without a word: refused"""
    everywhere(script(FAILS), Journey.refused)


def test_babbles():
    """A hook that prints half an XML: refused"""
    everywhere(script(BABBLES), Journey.refused)


def hangs(journey):
    """A disk that is gone: whoever opens that file waits until it is killed.
    Only the probe opens it."""
    journey.b.hang("/proc/sys/kernel/random/boot_id")
    journey.refused("no verdict within", "clockferry probe")


def test_hangs():
    """The host hangs under our hook: refused when its time is over"""
    everywhere(Host.set_hook, hangs, model="")


def test_slow():
    """On a very slow disk a fit guest goes, or is refused in time"""
    everywhere(script(SLOW), Journey.goes_or_not)


def test_slow_unfit():
    """and one that isn't fit never goes"""
    everywhere(script(SLOW), Journey.refused, UNFIT)


def test_not_executable():
    """A hook that isn't executable: libvirt knows, and nobody is lost"""
    everywhere(script(KILLED, 0o644), Journey.goes_or_not)


def test_dangling():
    """A link that leads nowhere, as a removed package may leave it"""
    everywhere(lambda host: os.symlink("/gone", host.path(HOOK_LINK)),
               Journey.goes_or_not)


def no_kvm(journey):
    """It is gone after libvirtd has started."""
    gone = journey.b.run("sh", "-c", "umount /dev/kvm && rm /dev/kvm")
    assert gone.returncode == 0, gone.stderr
    journey.refused()


def test_no_kvm():
    """A destination without /dev/kvm: refused"""
    everywhere(Host.set_hook, no_kvm)
