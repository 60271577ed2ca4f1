# SPDX-License-Identifier: GPL-2.0-or-later
"""A refusal comes early, in a sentence, and leaves the guest alone."""
import signal
import statistics
import time

from harness.binaries import start
from harness.check import Untouched, crashed, patched, sentences, stock, tries
from harness.measure import worst
from harness.migrate import cross, go, incoming, set_capabilities, wait_status
from harness.tap import note
from relay import Relay

FAR_KHZ = "1000000"     # no host of ours has it, and it can't be scaled
LATE_S = 0.05
MOVES = 50              # that long a refusal may take, for it waits for no timeout
SETUP_BYTES = 4096      # set-up, and not even one page of RAM
TRIES = 50              # for each of the four ways: 200 together


def refuse_once(source, late):
    """One try; returns how long the source took to know."""
    destination, uri = incoming(patched(),
                                kvmclock={"x-pretend-tsc-khz": FAR_KHZ})
    with destination, Relay(uri) as relay:
        if late:
            destination.signal(signal.SIGSTOP)
        began = time.monotonic()
        source.qmp.execute("migrate", {"uri": relay.uri})
        if late:
            time.sleep(LATE_S)
            destination.signal(signal.SIGCONT)
        info = wait_status(source)
        took = time.monotonic() - began
        ended = destination.wait_exit()
        words = destination.stderr()
    assert info["status"] == "failed", info
    assert "downtime" not in info, info
    assert relay.sent < SETUP_BYTES, "%d bytes were sent" % relay.sent
    assert not crashed(ended), "destination died by signal: %s" % words
    assert len(sentences(words)) == 1, "not one sentence: %r" % words
    return took


def refuse_many(late, return_path):
    with start(patched()) as source:
        source.wait_up()
        set_capabilities(source, "return-path", state=return_path)
        untouched = Untouched(source)
        took = []
        for _ in range(tries(TRIES)):
            took.append(refuse_once(source, late))
            untouched.assert_still()
        median, move = statistics.median(took), move_away(source)
        note("%d refused, median %.3f s, the slowest in %.3f s; a move takes "
             "%.3f s" % (len(took), median, max(took), move))
        assert median < MOVES * move, "it takes %.1f moves" % (median / move)


def move_away(source):
    """How long that takes."""
    destination, uri = incoming(patched())
    with destination:
        began = time.monotonic()
        assert go(source, uri)["status"] == "completed"
        return time.monotonic() - began


def test_plain():
    """50 refusals without return-path never stop or step the guest."""
    refuse_many(late=False, return_path=False)


def test_return_path():
    """50 refusals with return-path never stop or step the guest."""
    refuse_many(late=False, return_path=True)


def test_late():
    """50 refusals 50 ms late without return-path: the same."""
    refuse_many(late=True, return_path=False)


def test_late_return_path():
    """50 refusals 50 ms late with return-path: the same."""
    refuse_many(late=True, return_path=True)


def test_relay_counts():
    """Who isn't refused sends far more than set-up, so the limit is a limit."""
    with start(patched()) as source:
        source.wait_up()
        destination, uri = incoming(patched())
        with destination, Relay(uri) as relay:
            assert go(source, relay.uri)["status"] == "completed"
        note("%d bytes in all, %d is the limit" % (relay.sent, SETUP_BYTES))
        assert relay.sent > 10 * SETUP_BYTES, relay.sent


def test_then_accepted():
    """After a refusal the same guest crosses to a good destination."""
    with start(patched()) as source:
        source.wait_up()
        refuse_once(source, late=False)
        crossing = cross(source, patched(), brackets=False)
        with crossing.destination:
            assert abs(worst(crossing.result.steps_ns)) <= 5, crossing.result


def test_stock_loses():
    """How often stock loses a guest that is refused (for comparison)."""
    lost = 0
    rounds = tries(10)
    for _ in range(rounds):
        with start(stock(), extra=["-device", "i6300esb"]) as source:
            source.wait_up()
            destination, uri = incoming(stock())
            with destination:
                info = go(source, uri)
                assert destination.wait_exit() == 1, "stock accepted it"
            lost += info["status"] == "completed"
    note("stock lost %d of %d refused guests" % (lost, rounds))
