# SPDX-License-Identifier: GPL-2.0-or-later
"""One guest that goes back and forth, with hooks and followers on both hosts.
"""
import os
import re

import follower
from harness import check, measure, wait
from harness.libvirt import facts, scene
from harness.tap import note

HOPS = 100
# Any XML or connection that isn't freed is more.
LEAK_KB_PER_HOP = 5


class Watched:
    """A process on a host, and what it holds."""

    def __init__(self, what, host, pid):
        self.what = "%s on %s" % (what, host.name)
        self._folder = host.process(pid)

    def fds(self):
        return len(os.listdir(self._folder + "/fd"))

    def rss_kb(self):
        with open(self._folder + "/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))


class BackAndForth:
    def __init__(self, a, b):
        self._guest = scene.start(a, scene.patched())
        self._source, self._destination = a, b
        self._known = wait.until(lambda: facts.stored(a), "no facts")
        assert self._known["host"] == a.name

    def go(self, hops):
        for _ in range(hops):
            self._hop()

    def _hop(self):
        before = measure.view(self._guest)
        moved = scene.migrate(self._source, self._destination, "--live")
        assert moved.status == 0, moved.words
        self._guest = scene.arrived(self._guest, before, self._destination)
        known = facts.stored(self._destination)
        assert known["host"] == self._destination.name, "stale: %s" % known
        assert read_ns(known) > read_ns(self._known), "stale: %s" % known
        self._known = known
        self._source, self._destination = self._destination, self._source


def read_ns(known):
    """When the facts were found out, by the host's clock."""
    return int(known["instant"]["realtime_ns"])


def test_hops():
    """100 hops: facts true after each; nobody holds more than half-way"""
    half = check.tries(HOPS // 2)
    with scene.hosts("12", "13") as (a, b):
        watched = [Watched("follower", host, follower.start(host))
                   for host in (a, b)]
        watched += [Watched("libvirtd", host, host.daemon_pid())
                    for host in (a, b)]
        journey = BackAndForth(a, b)
        journey.go(half)
        before = [(process.fds(), process.rss_kb()) for process in watched]
        journey.go(half)
        for process, (fds, rss_kb) in zip(watched, before):
            more_kb = process.rss_kb() - rss_kb
            note("%s: %d fds, %d KB, %d KB more after %d hops" % (
                process.what, process.fds(), rss_kb, more_kb, half))
            wait.until(lambda: process.fds() <= fds,
                       "%s: %d fds became more" % (process.what, fds))
            assert more_kb <= LEAK_KB_PER_HOP * half, process.what
