# SPDX-License-Identifier: GPL-2.0-or-later
"""One guest that goes back and forth, with hooks and followers on both hosts.
"""
import follower
from harness import check, measure, process, wait
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
        return process.fds(self._folder)

    def rss_kb(self):
        return process.rss_kb(self._folder)


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
        before = [(one.fds(), one.rss_kb()) for one in watched]
        journey.go(half)
        for one, (fds, rss_kb) in zip(watched, before):
            more_kb = one.rss_kb() - rss_kb
            note("%s: %d fds, %d KB, %d KB more after %d hops" % (
                one.what, one.fds(), rss_kb, more_kb, half))
            wait.until(lambda: one.fds() <= fds,
                       "%s: %d fds became more" % (one.what, fds))
            assert more_kb <= LEAK_KB_PER_HOP * half, one.what
