# SPDX-License-Identifier: GPL-2.0-or-later
"""Migrations that don't happen leave the source's clocks alone."""
import os
import time

import stages
from harness.binaries import start
from harness.check import Untouched, assert_carried, patched
from harness.migrate import (cross, go, incoming, set_capabilities, wait_over,
                             wait_running)

PIPES = [1, 1000, 1 << 20, 10 << 20]    # bytes after which a pipe closes

# Up to here the guest need not even be stopped.
RUNS_ON = {stages.connecting, stages.setup, stages.ram, stages.exchange}


def ends_untouched(stage, end):
    """Once without a way back, once with one."""
    with start(patched(), vcpus=2) as source:
        source.wait_up()
        untouched = Untouched(source)
        for capabilities in (), ("return-path",):
            with stage(source, *capabilities) as destination:
                end(source, stage, destination)
                wait_running(source)
                untouched.assert_still(may_stop=stage not in RUNS_ON)
            wait_over(source)
        then_crosses(source)


def then_crosses(source):
    crossing = cross(source, patched(), brackets=False)
    with crossing.destination as destination:
        assert_carried(crossing.source, destination)


def test_connecting():
    """Cancelled while it connects, or nobody answers: nothing happened."""
    ends_untouched(stages.connecting, stages.cancel)
    ends_untouched(stages.connecting, stages.let_fail)


def test_setup():
    """Cancelled, or the destination killed, before RAM: nothing happened."""
    ends_untouched(stages.setup, stages.cancel)
    ends_untouched(stages.setup, stages.let_fail)


def test_ram():
    """Cancelled, or the destination killed, while RAM goes: the same."""
    ends_untouched(stages.ram, stages.cancel)
    ends_untouched(stages.ram, stages.let_fail)


def test_exchange():
    """The same while messages before the stop go unanswered."""
    ends_untouched(stages.exchange, stages.cancel)
    ends_untouched(stages.exchange, stages.let_fail)


def test_switchover():
    """Cancelled, or the destination killed, at the last moment."""
    ends_untouched(stages.switchover, stages.cancel)
    ends_untouched(stages.switchover, stages.let_fail)


def test_device():
    """The destination killed while the guest is stopped: the same."""
    ends_untouched(stages.device, stages.let_fail)


def test_refused_late():
    """A destination without one of the guest's devices: the same."""
    with start(patched(), extra=["-device", "i6300esb"]) as source:
        source.wait_up()
        untouched = Untouched(source)
        destination, uri = incoming(patched())
        with destination:
            set_capabilities(source, "return-path")
            info = go(source, uri)
            assert info["status"] == "failed", info
            wait_running(source)
            untouched.assert_still(may_stop=True)


def test_nowhere_to_save():
    """A full disk, a pipe that closes at any point: the guest runs on."""
    with start(patched()) as source:
        source.wait_up()
        untouched = Untouched(source)
        address, size = stages.BALLAST
        source.write(address, os.urandom(size))
        stages.stop_at_once(source)
        for uri in ["exec:cat >/dev/full"] + [
                "exec:head -c %d >/dev/null" % most for most in PIPES]:
            info = go(source, uri)
            assert info["status"] == "failed", (uri, info)
            wait_running(source)
            untouched.assert_still(may_stop=True)


def test_again_and_again():
    """One guest, all stages, both ends of each, and then it crosses."""
    with start(patched()) as source:
        source.wait_up()
        untouched = Untouched(source)
        for stage in stages.STAGES:
            for end in stages.ends(stage):
                with stage(source) as destination:
                    end(source, stage, destination)
                wait_running(source)
                untouched.assert_still(may_stop=True)
                wait_over(source)
        then_crosses(source)


def test_beyond_the_limit():
    """Held longer than blackout-limit: both clocks agree all the same."""
    limit_s = 1
    with start(patched(), kvmclock={"blackout-limit": str(limit_s)}) as source:
        source.wait_up()
        untouched = Untouched(source)
        with stages.switchover(source) as destination:
            time.sleep(1.5 * limit_s)
            stages.cancel(source, stages.switchover, destination)
            wait_running(source)
            untouched.assert_still(may_stop=True)
