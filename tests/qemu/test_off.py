# SPDX-License-Identifier: GPL-2.0-or-later
"""Off means off: stream and behaviour are stock's."""
import ioctls
from harness import growth, stream
from harness.binaries import start
from harness.check import UNKNOWN_SECTION, patched, patched_off, stock
from harness.migrate import (arrive, cross, go, incoming, set_capabilities,
                             wait_status)
from harness.tap import note

TIMES = 20      # stop and cont, while ioctls are counted

# What differs from one run of stock to the next in a guest that never ran:
# the time of day, KVM's clock, and the PIT's first tick.
VOLATILE = {("kvmclock", "clock"), ("mc146818rtc", "cmos_data"),
            ("mc146818rtc", "base_rtc"), ("mc146818rtc", "last_update"),
            ("mc146818rtc", "update_timer"),
            ("mc146818rtc", "next_alarm_time"), ("i8259", "irr")}


def record(side, vcpus=1):
    """The stream of a guest that never ran: the same each time."""
    with start(side, vcpus=vcpus, extra=["-S"]) as guest:
        path = guest.path("stream")
        info = go(guest, "file:" + path)
        assert info["status"] == "completed", info
        with open(path, "rb") as file:
            return file.read()


def test_stream():
    """With guest-clock=off the stream is byte for byte stock's."""
    for vcpus in 1, 3:
        theirs, ours = record(stock(), vcpus), record(patched_off(), vcpus)
        found = stream.difference(theirs, ours, VOLATILE)
        note("%d vCPUs: %d fields compared" % (vcpus,
                                               len(stream.fields(ours))))
        assert not found, "\n".join(found)


def test_stock_differs_from_on():
    """The comparison sees it when the feature is on."""
    found = stream.difference(record(stock()), record(patched()), VOLATILE)
    assert found, "guest-clock=on sent nothing of its own"
    note("\n".join(found))


def test_growth():
    """On, a stream grows by less than 512 bytes, and 64 for each vCPU."""
    for vcpus in 1, 2, 16:
        added, description = growth.growth(patched_off(), patched(), vcpus)
        note("%d vCPUs: %d bytes, and %d of description" % (vcpus, added,
                                                            description))
        assert 0 < added < growth.STREAM_BYTES \
            + growth.STREAM_BYTES_PER_VCPU * vcpus, added


def moves(source_side, destination_side):
    with start(source_side) as source:
        source.wait_up()
        crossing = cross(source, destination_side, brackets=False)
        with crossing.destination:
            result = crossing.result
            note("%s to %s: step %s ns" % (source_side.name,
                                           destination_side.name,
                                           result.steps_ns))
            assert not any(result.tsc_steps or []), result.tsc_steps


def test_stock_to_off():
    """A stock guest arrives at a patched QEMU with the feature off."""
    moves(stock(), patched_off())


def test_off_to_stock():
    """A patched guest with the feature off arrives at stock."""
    moves(patched_off(), stock())


def test_stock_to_on():
    """A stock guest arrives at a patched QEMU with the feature on."""
    moves(stock(), patched())


def test_on_to_stock():
    """Stock refuses a guest with the feature on, and the guest lives on."""
    with start(patched()) as source:
        source.wait_up()
        destination, uri = incoming(stock())
        with destination:
            set_capabilities(source, "return-path")
            source.qmp.execute("migrate", {"uri": uri})
            info = wait_status(source)
            destination.wait_exit()
            words = destination.stderr()
        assert info["status"] == "failed", info
        assert UNKNOWN_SECTION in words, words
        assert source.qmp.execute("query-status")["status"] == "running"
        source.wait_beating()


def stops_and_runs(side):
    """The ioctls of stop and cont."""
    with start(side, vcpus=3) as guest:
        guest.wait_up()
        with ioctls.counted(guest) as found:
            for _ in range(TIMES):
                guest.qmp.execute("stop")
                guest.qmp.execute("cont")
    return found


def migrates(side):
    """The ioctls of a migration, at the source and at the destination."""
    with start(side, vcpus=3) as source:
        source.wait_up()
        destination, uri = incoming(side, vcpus=3)
        with destination:
            with ioctls.counted(source) as there, \
                    ioctls.counted(destination) as here:
                assert go(source, uri)["status"] == "completed"
                arrive(destination)
    return there, here


def assert_none_added(theirs, ours, what):
    """Ours may be fewer: then we remember what stock asks again."""
    note("%s: %s" % (what, ", ".join("%s %d" % pair
                                     for pair in sorted(ours.items()))))
    assert ours["KVM_GET_CLOCK"] or ours["KVM_SET_CLOCK"], "nothing counted"
    assert not ours - theirs, "%s: added %s" % (what, dict(ours - theirs))


def test_ioctls():
    """Off, not one ioctl is added when the guest stops and runs."""
    assert_none_added(stops_and_runs(stock()), stops_and_runs(patched_off()),
                      "stop and cont %d times" % TIMES)


def test_ioctls_migration():
    """Off, not one is added at the source and the destination of a move."""
    for theirs, ours, what in zip(migrates(stock()), migrates(patched_off()),
                                  ("source", "destination")):
        assert_none_added(theirs, ours, what)


def test_ioctls_on():
    """The count sees it when the feature is on."""
    added = stops_and_runs(patched()) - stops_and_runs(stock())
    note("on: added %s" % dict(added))
    assert added, "guest-clock=on asked KVM nothing more"
