# SPDX-License-Identifier: GPL-2.0-or-later
"""The source has sent everything, and the destination says nothing yet.

Then a guest may come to run twice: the destination has it all, and whatever
ends the migration at the source lets it run there. Without the capability
return-path a source has let go by then, and guest-clock=on changes nothing of
that. With the capability it waits, on stock QEMU just so."""
import contextlib
import signal
from collections import namedtuple

from harness.binaries import start
from harness.check import patched, stock
from harness.migrate import (incoming, set_capabilities, status, wait_running,
                             wait_status)
from harness.qmp import QmpClosed, QmpError
from harness.tap import note
from harness.wait import LIMIT_S
from relay import Relay

# The ends of a migration: `runs` are the QEMUs where the guest runs at last.
# Whether QEMU calls one that didn't complete "cancelled" or "failed" depends,
# stock or not, on which of its threads is first to notice.
Outcome = namedtuple("Outcome", "completed source runs")


def cancel(source, _destination, _relay):
    source.qmp.execute("migrate_cancel")


def cut(_source, _destination, relay):
    relay.cut(lossy=False)


def yank(source, _destination, _relay):
    """Refused where no migration is left that it could break."""
    with contextlib.suppress(QmpError):
        source.qmp.execute("yank", {"instances": [{"type": "migration"}]})


def kill(_source, destination, _relay):
    destination.signal(signal.SIGKILL)
    destination.wait_exit()


def wait_at_rest(source, waits):
    """Until the source has let go, or waits for the destination's word."""
    wait_status(source, ("device" if waits else "completed",))


@contextlib.contextmanager
def sent(side, *capabilities):
    """(source, destination, relay); the destination is stopped by SIGSTOP."""
    with start(side) as source:
        source.wait_up()
        destination, uri = incoming(side, capabilities=capabilities)
        with destination, Relay(uri) as relay:
            set_capabilities(source, "pause-before-switchover", *capabilities)
            source.qmp.execute("migrate", {"uri": relay.uri})
            wait_status(source, ("pre-switchover",))
            destination.signal(signal.SIGSTOP)
            source.qmp.execute("migrate-continue", {"state": "pre-switchover"})
            assert relay.whole.wait(LIMIT_S), "the source doesn't send everything"
            wait_at_rest(source, waits="return-path" in capabilities)
            yield source, destination, relay


def outcome(side, end, *capabilities):
    with sent(side, *capabilities) as (source, destination, relay):
        end(source, destination, relay)
        if end is not kill:
            destination.signal(signal.SIGCONT)
            wait_running(destination)
        info = wait_status(source)
        if info["status"] != "completed":
            wait_running(source)
        runs = {name for name, guest in (("source", source),
                                         ("destination", destination))
                if runs_now(guest)}
        return Outcome(info["status"] == "completed",
                       source.qmp.execute("query-status")["status"], runs)


def runs_now(guest):
    try:
        if not guest.running():
            return False
    except QmpClosed:
        return False
    guest.wait_beating()
    return True


def ends_as_stock(end):
    """Without return-path one guest at most; and always what stock has."""
    for capabilities in (), ("return-path",):
        ours = outcome(patched(), end, *capabilities)
        theirs = outcome(stock(), end, *capabilities)
        note("%s: %s, the source %s; runs on %s" % (
            " ".join(capabilities) or "no capability",
            "completed" if ours.completed else "not completed", ours.source, " and ".join(sorted(ours.runs)) or "none"))
        assert capabilities or len(ours.runs) < 2, "two guests run: %s" % (
            ours,)
        assert ours == theirs, "%s, and on stock %s" % (ours, theirs)


def test_cancel():
    """Cancelled after the last byte: one guest runs, as on stock."""
    ends_as_stock(cancel)


def test_cut():
    """The line cut after the last byte: the same."""
    ends_as_stock(cut)


def test_yank():
    """Yanked after the last byte: the same."""
    ends_as_stock(yank)


def test_killed():
    """The destination killed before it runs: what stock does."""
    ends_as_stock(kill)


def test_lets_go():
    """Without return-path the source doesn't wait for the last word."""
    with sent(patched()) as (source, _destination, _relay):
        assert status(source)["status"] == "completed", status(source)
