# SPDX-License-Identifier: GPL-2.0-or-later
"""What a vCPU has pending is settled by KVM_RUN, with a signal pending, before
kvmclock is set: but only where that changes nothing for the guest."""
import os

from harness import fakehost, stream
from harness.binaries import start
from harness.migrate import (arrive, go, incoming, load, set_capabilities,
                             set_parameters, wait_loaded, wait_running,
                             wait_status)
from snapshot import monitor
from test_postcopy import BALLAST, SLOW

HALTED = 3                  # KVM_MP_STATE_HALTED
SETTLES = "KVM_RUN(signal)"
# A guest that may have guests of its own, on whatever machine.
NESTING = ["-cpu", "qemu64,+svm,x-force-features=on"]


def side(host):
    return fakehost.side(host, policy="lax")


def saved(host="newest", extra=(), state=None):
    """A guest's stream; state: as if its vCPU had been in that one."""
    path = fakehost.path("settle")
    with start(side(host), extra=list(extra)) as guest:
        guest.wait_up()
        assert go(guest, "file:" + path)["status"] == "completed", \
            guest.stderr()
    if state is not None:
        with stream.edited(path) as data:
            (at, size), = [(at, size) for path_, at, size
                           in stream.fields(data)
                           if path_[-1].endswith("mp_state")]
            data[at:at + size] = state.to_bytes(size, "big")
    return "file:" + path


def loaded(host, uri, look=False, extra=()):
    """The calls of a QEMU that loads it and lets it run."""
    with load(side(host), uri, extra=["-S", *extra]) as guest:
        assert wait_loaded(guest), guest.stderr()
        if look:
            monitor(guest, "info registers -a")
        guest.qmp.execute("cont")
        wait_running(guest)
        return fakehost.log(host, guest.pid)


def settled(calls):
    return any(call.name == SETTLES for call in calls)


def with_key(key, value):
    return fakehost.declare("%s-%s" % (key, value), "released",
                            **{key: value})


def test_pending():
    """No vCPU is run to the brink while anything is pending for it."""
    uri = saved()
    assert settled(loaded("released", uri)), "nothing is settled at all"
    for what in "nmi", "smi", "init", "shutdown":
        assert not settled(loaded(with_key("pending", what), uri)), what


def test_nested():
    """Nor one that runs a guest of its own."""
    host = with_key("pending", "nested")
    uri = saved(extra=NESTING)
    assert settled(loaded("released", uri, extra=NESTING))
    uri = saved(host, NESTING)
    assert not settled(loaded(host, uri, extra=NESTING))


def test_looked_at():
    """Nor one whose registers QEMU has taken, and will write back."""
    assert not settled(loaded("released", saved(), look=True))


def test_postcopy():
    """Nor in postcopy, where it would wait for pages under the BQL."""
    with start(side("newest")) as source:
        source.wait_up()
        destination, uri = incoming(side("released"),
                                    capabilities=["postcopy-ram"])
        with destination:
            set_capabilities(source, "postcopy-ram")
            set_parameters(source, **{"max-bandwidth": SLOW})
            address, size = BALLAST
            source.write(address, os.urandom(size))
            source.qmp.execute("migrate", {"uri": uri})
            wait_status(source, ("active",))
            source.qmp.execute("migrate-start-postcopy")
            wait_status(source, ("postcopy-active", "completed"))
            arrive(destination)
            assert not settled(fakehost.log("released", destination.pid))


def sleeps_on(host, uri):
    """Is a vCPU that arrived asleep put to sleep again?"""
    calls = loaded(host, uri)
    assert settled(calls), "it isn't settled at all"
    return [call.values["state"] for call in calls
            if call.name == "KVM_SET_MP_STATE"][-1] == HALTED


def test_asleep():
    """A vCPU that slept sleeps on, unless KVM took up an interrupt for it."""
    uri = saved(state=HALTED)
    assert sleeps_on("released", uri)
    for what in "wakes", "moves":
        assert not sleeps_on(with_key("brink", what), uri), what
