# SPDX-License-Identifier: GPL-2.0-or-later
"""`./run soak`, a few hops of it, and that it sees what goes wrong."""
from xml.etree import ElementTree

from harness import picture, places
from harness.check import stock, tries
from harness.guest import GuestError
from harness.process import Held
from harness.tap import note
from journey import Hop, Journey, Pages
from soak import (MORE_FDS, MORE_KB, MORE_THREADS, SETTLED, Soak, as_line,
                  leak, panels, summary, table)

HOPS = 10


def test_short():
    """Ten hops of a soak: nothing is lost, no clock steps; it can be drawn."""
    soak = Soak(places.seed(), note)
    soak.run(tries(HOPS))
    assert not soak.wrongs, "\n".join(soak.wrongs)
    assert len(soak.hops) == tries(HOPS)
    note(table(soak.hops) + "\n" + summary(soak.hops))
    drawn = panels(soak.hops)
    circles = [element for element in ElementTree.fromstring(
        picture.svg_panels(drawn, "words")).iter()
               if element.tag.endswith("circle")]
    assert len(circles) == len(drawn) * len(soak.hops)
    assert as_line(soak.hops[0]).startswith("{")


class OnStock(Journey):
    """Where kvmclock steps."""

    class Stock(Pages):
        def side(self, _):
            return stock()

    def __init__(self, seed, number):
        super().__init__(seed, number)
        self.kind, self.world, self.host = "stays", self.Stock(), None


class Lost(Journey):
    """A guest that isn't there after its first hop."""

    def hop(self):
        if self.guest.why_gone():
            raise GuestError("gone")
        self.guest.qmp.execute("quit")
        self.guest.wait_exit()
        return Hop(self.number, 1, "unix", "here", 1, "plain", "moved", 0, 0,
                   0, 1, 0, Held(1, 1, 1), None)


def test_seen():
    """A clock that steps, as stock QEMU's do, and a guest that is lost are
    seen, and how to see them again is told."""
    for travel, words in (OnStock, "stepped"), (Lost, "lost: "):
        soak = Soak("1", note, travel)
        soak.run(2)
        assert soak.wrongs, words
        for wrong in soak.wrongs:
            assert words in wrong, wrong
            assert "./run soak" in wrong and "--seed 1 --journey" in wrong, \
                wrong


def test_leak():
    """More memory, descriptors or threads than a few hops need are seen."""
    first = Hop(0, 1, "savevm", "here", 1, "stays", "moved", 0, 0, 0, 1,
                SETTLED, Held(30000, 17, 5), None)
    much = Held(MORE_KB + 1000, MORE_FDS + 1, MORE_THREADS + 1)
    for number, what in enumerate(("KB", "descriptors", "threads")):
        held = list(first.held)
        assert leak(first._replace(age=SETTLED + 1, held=Held(*held)),
                    first) is None
        held[number] += much[number]
        later = first._replace(age=SETTLED + 1, held=Held(*held))
        assert what in leak(later, first), what
        assert leak(later._replace(age=0), None) is None
