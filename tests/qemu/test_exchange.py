# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages on the migration channel tell the time where hosts' clocks don't."""
import gzip
import os
import re
import time

import stages
from hosttime import REAL_NS, by_file, passed_through, stepped_ns
from relay import Relay

from harness import fakehost, measure, stream
from harness.binaries import start
from harness.check import crashed, patched, sentences
from harness.migrate import (arrive, arrive_late, go, incoming, set_parameters,
                             wait_loaded, wait_over, wait_status)
from harness.tap import note
from snapshot import add_disk, monitor
from test_streams import FOLDER

MS = 10 ** 6
APART_NS = (3 * MS, 1000 * MS, 540 * 1000 * MS, 86400 * 1000 * MS)
UNKNOWN = {"synchronised": "false"}
CLOCKS, TABLE = b"kvmclock/guest_clock", b"kvmclock/guest_clock/exchange"
MAX_EXCHANGES, EXCHANGE_BYTES, VERSION_BYTES = 8, 16, 4
PING_BYTES, GROWTH_BYTES = 9, 1024
FORMER = "on-1-pc-i440fx-10.0.gz"
WARNED = r"differ by at least (\d+\.\d+) ms, more than their hosts know of"


def host(name, **keys):
    """A host like "newest-amd" but for these keys."""
    return fakehost.declare("exchange-" + name, "newest-amd", **keys)


def within(report, step_ns):
    return abs(step_ns) <= report["time-bound-ns"]


def moved(name, watch=None, meanwhile=None, **kvmclock):
    """To that host, where something may happen before it is started: report,
    the TSC's true step, and what was said."""
    with start(fakehost.side("newest")) as source:
        source.wait_up()
        destination, uri = incoming(fakehost.side(name, **kvmclock),
                                    extra=["-S"] if meanwhile else [])
        with destination, Relay(uri, watch) as relay:
            info = go(source, relay.uri)
            assert info["status"] == "completed", destination.stderr()
            if meanwhile:
                assert wait_loaded(destination), destination.stderr()
                meanwhile(destination)
                destination.qmp.execute("cont")
            arrive(destination)
            step_ns = stepped_ns(source, destination, name)
            report = measure.own_report(destination)
            note("%s: stepped %.0f ns: %s" % (name, step_ns, report))
            return report, step_ns, destination.stderr()


def test_apart():
    """Clocks 3 ms to a day apart, either way: the bound holds, the guest is near."""
    for apart_ns in APART_NS:
        for sign, way in ((1, "ahead"), (-1, "behind")):
            name = host("%s-%d" % (way, apart_ns),
                        realtime=REAL_NS + sign * apart_ns)
            report, step_ns, words = moved(name)
            assert within(report, step_ns), (report, step_ns)
            assert abs(step_ns) * 10 < apart_ns, step_ns
            assert report["elapsed-from"] == "channel", report
            assert 0 < report["clocks-wrong-ns"] <= apart_ns, report
            told_ms, = map(float, re.findall(WARNED, words))
            assert abs(told_ms * MS - report["clocks-wrong-ns"]) <= 1000


def test_unsynchronised():
    """A host that doesn't know how wrong its clock is gets a bound."""
    name = host("unsynchronised", realtime=REAL_NS + 7 * MS, **UNKNOWN)
    report, step_ns, words = moved(name)
    assert within(report, step_ns), (report, step_ns)
    assert report["elapsed-from"] == "channel", report
    assert re.search(WARNED, words), words


def test_good_clocks():
    """Clocks that are right stay the better estimate, and nothing is said."""
    report, step_ns, words = moved(host("good", max_error_ns=1000,
                                        realtime=REAL_NS + 500))
    assert report["elapsed-from"] == "tai", report
    assert abs(step_ns - 500) <= 50, step_ns
    # nor by more than the doubt of a rate that was measured for a moment
    assert within(report, step_ns) and \
        report["time-bound-ns"] < 102000 + report["elapsed-ns"] // 1000
    assert "clocks-wrong-ns" not in report, report
    assert not sentences(words), words


def is_narrow(report):
    """Nothing kept the guest from stopping right after the last message."""
    return report["time-bound-ns"] <= report["round-trip-ns"] + \
        report["elapsed-ns"] // 500


def test_narrower():
    """The channel is as good as half a round trip, and what drifts since."""
    reports = []
    while len(reports) < 5 and not any(map(is_narrow, reports)):
        report, step_ns, _ = moved(
            host("narrower-%d" % len(reports), max_error_ns=40 * MS,
                 realtime=REAL_NS + 30 * MS))
        assert within(report, step_ns)
        reports.append(report)
    assert any(map(is_narrow, reports)), reports


def test_waits():
    """A guest that isn't started at once: the bound grows, and holds."""
    report, step_ns, _ = moved(host("waits", realtime=REAL_NS + 60000 * MS),
                               meanwhile=lambda _: time.sleep(1))
    assert within(report, step_ns), (report, step_ns)
    assert report["elapsed-from"] == "channel", report


def test_saved_meanwhile():
    """A guest that is saved before it is started forgets nothing by that."""
    def save(guest):
        info = go(guest, "file:" + guest.path("stream"))
        assert info["status"] == "completed", info

    report, step_ns, _ = moved(host("saved", realtime=REAL_NS + 60000 * MS),
                               meanwhile=save)
    assert within(report, step_ns), (report, step_ns)
    assert report["elapsed-from"] == "channel", report


def alike(name, ahead_ms, **keys):
    """To a host with the identity of the first, switched on with it: what
    became of the TSC, by the truth and by the report."""
    there = fakehost.declare("alike-" + name, "newest",
                             **dict({"max_error_ns": 50 * MS}, **keys))
    here = fakehost.declare("alike-%s-%d" % (name, ahead_ms), there,
                            tsc_khz=fakehost.KHZ,
                            tsc_start=10 ** 15 + ahead_ms * fakehost.KHZ,
                            **({"khz": fakehost.KHZ + 3} if "machine" in keys
                               else {}))
    with start(fakehost.side(there)) as source:
        source.wait_up()
        destination, uri = incoming(fakehost.side(here))
        with destination:
            assert go(source, uri)["status"] == "completed", \
                destination.stderr()
            arrive(destination)
            report = measure.own_report(destination)
            step_ns = stepped_ns(source, destination, here, there)
            note("%s: stepped %.0f ns: %s" % (here, step_ns, report))
            return report, step_ns


def test_alike():
    """A fleet whose machines all have one identity, and a clone with its boot
    id: messages tell two TSCs from one."""
    for name, keys in (
            ("fleet", {"machine": "03000200-0400-0500-0006-000700080009"}),
            ("clone", {"boot_id": "09286af3-4695-1f52-0509-c5702db7625e"})):
        for ahead_ms in 40, -2:
            report, step_ns = alike(name, ahead_ms, **keys)
            assert not report["same-host"] and "kexec-ppt" not in report
            assert "round-trip-ns" in report, report
            assert within(report, step_ns), (report, step_ns)
            assert abs(step_ns) < MS, (report, step_ns)


def late(back, delay_s):
    """A line on which one way takes longer."""
    def watch(is_back, data):
        if is_back == back:
            time.sleep(delay_s)
        yield data
    return watch


def test_asymmetric():
    """However much longer one way takes, the truth stays within the bound."""
    for number, (back, delay_s) in enumerate(((False, 0.001), (True, 0.001),
                                              (False, 0.02), (True, 0.02))):
        name = host("late-%d" % number, realtime=REAL_NS + 1000 * MS)
        report, step_ns, _ = moved(name, watch=late(back, delay_s))
        assert within(report, step_ns), (report, step_ns)
        assert report["round-trip-ns"] >= delay_s * 10 ** 9, report


def test_off():
    """Without it a guest goes as before there was any, from and to both."""
    found = []
    for there, here in (("off", "on"), ("on", "off")):
        with start(fakehost.side("newest",
                                 **{"x-exchange": there})) as source:
            source.wait_up()
            destination, uri = incoming(fakehost.side(
                "newest-amd", **{"x-exchange": here}))
            with destination, Relay(uri) as relay:
                assert go(source, relay.uri)["status"] == "completed"
                arrive(destination)
                found.append(measure.own_report(destination))
    assert "round-trip-ns" not in found[0], found
    assert "round-trip-ns" in found[1], found


def sent(vcpus, **kvmclock):
    """What the source of such a guest sends."""
    parts, side = [], patched()
    side = side._replace(kvmclock=dict(side.kvmclock, **kvmclock))

    def watch(back, data):
        if not back:
            parts.append(data)
        yield data

    with start(side, vcpus=vcpus) as source:
        source.wait_up()
        destination, uri = incoming(side, vcpus)
        with destination, Relay(uri, watch) as relay:
            assert go(source, relay.uri)["status"] == "completed"
            arrive(destination)
    return b"".join(parts)


def test_growth():
    """It sends less than 1 KiB: messages, table, rate and what was meant.

    QEMU's description of these is another 740 bytes."""
    for vcpus in 1, 4:
        without, with_it = sent(vcpus, **{"x-exchange": "off"}), sent(vcpus)
        messages = with_it.count(stages.PING) - without.count(stages.PING)
        added = messages * PING_BYTES + stream.devices_size(with_it) \
            - stream.devices_size(without)
        described = [len(data) - stream.description_start(data)
                     for data in (without, with_it)]
        note("%d vCPUs: %d bytes, and %d of description" % (
            vcpus, added, described[1] - described[0]))
        assert messages == MAX_EXCHANGES and TABLE in with_it
        assert 0 < added < GROWTH_BYTES, added


def ours(data):
    """What a stream has of this feature, by QEMU's description."""
    return {name for name in stream.names(stream.describe(data))
            if re.search("kvmclock.*(offer|guest_clock)", str(name))}


def test_former():
    """x-exchange=off sends what was sent before there was any, and no more."""
    with gzip.open(os.path.join(FOLDER, FORMER)) as file:
        former = ours(file.read())
    assert ours(sent(1, **{"x-exchange": "off"})) == former
    assert ours(sent(1)) > former


def lying(change):
    """A line on which the source's table is changed; and what was changed."""
    found = []

    def watch(is_back, data):
        at = -1 if is_back else data.find(TABLE)
        if at >= 0:
            at += len(TABLE) + VERSION_BYTES
            count = int.from_bytes(data[at:at + 4], "big")
            end = at + 4 + MAX_EXCHANGES * EXCHANGE_BYTES
            data = data[:at] + change(data[at:end]) + data[end:]
            found.append(count)
        yield data
    return watch, found


def test_nonsense():
    """A table that can't be true proves nothing: the clocks decide."""
    for number, change in enumerate((
            lambda table: table[:4] + bytes(len(table) - 4),
            lambda table: table[:4] + b"\xff" * (len(table) - 4),
            lambda table: table[:4] + table[:3:-1],
            lambda table: table[:4] + b"\x7f" + table[5:])):
        watch, found = lying(change)
        report, step_ns, words = moved(
            host("nonsense-%d" % number, realtime=REAL_NS + 500), watch=watch)
        assert found == [MAX_EXCHANGES], found
        assert report["elapsed-from"] == "tai", report
        assert "round-trip-ns" not in report, report
        assert abs(step_ns - 500) <= 50, step_ns
        assert not sentences(words), words


def test_too_many():
    """More than there can be is corrupt, in a sentence."""
    for count in MAX_EXCHANGES + 1, 2 ** 32 - 1:
        watch, found = lying(lambda table, count=count:
                             count.to_bytes(4, "big") + table[4:])
        with start(fakehost.side("newest")) as source:
            source.wait_up()
            destination, uri = incoming(fakehost.side("newest-amd"))
            with destination, Relay(uri, watch) as relay:
                source.qmp.execute("migrate", {"uri": relay.uri})
                assert not crashed(destination.wait_exit())
                assert found and "%d exchanges" % count in \
                    destination.stderr(), destination.stderr()


def unsteady(name, like):
    """A host whose TSC runs 0.14 % slower than its kernel will have it, and
    whose real time is right: how to say so, and its side."""
    keys = {"realtime": REAL_NS, "max_error_ns": 1000}
    fakehost.declare(name, like, khz=2600000, **keys)
    return (fakehost.side(name, policy="lax"),
            lambda: fakehost.declare(name, like, khz=2603600, **keys))


def unsteady_report(there, here):
    """From one such host to the other; it starts the guest a second late."""
    with start(there[0]) as source:
        source.wait_up()
        destination, uri = incoming(here[0], extra=["-S"])
        with destination:
            there[1]()
            here[1]()
            info = go(source, uri)
            assert info["status"] == "completed", destination.stderr()
            arrive_late(destination, 1)
            return measure.own_report(destination)


def test_unstable():
    """A TSC that the kernel gave up proves nothing of time, on either host."""
    steady = fakehost.side("newest", policy="lax"), lambda: None
    for there, here in ((steady, unsteady("exchange-to", "unstable-newest")),
                        (unsteady("exchange-from", "unstable-newest"), steady)):
        report = unsteady_report(there, here)
        assert report["elapsed-from"] == "tai", report
        assert "round-trip-ns" not in report, report
        assert "clocks-wrong-ns" not in report, report


def test_file():
    """A file answers nothing."""
    report = by_file(fakehost.side("newest-amd"))
    assert "round-trip-ns" not in report, report
    assert report["elapsed-from"] == "tai", report


def test_forgotten():
    """What is saved after a cancelled migration has nothing of its messages."""
    with start(patched()) as source:
        add_disk(source)
        source.wait_up()
        with stages.ram(source):
            source.qmp.execute("migrate_cancel")
            wait_status(source, ("cancelled",))
        wait_over(source)
        monitor(source, "savevm here")
        set_parameters(source, **{"max-bandwidth": 0})
        assert go(source, "file:" + source.path("stream"))["status"] == \
            "completed"
        for name in "disk.qcow2", "stream":
            with open(source.path(name), "rb") as file:
                saved = file.read()
            assert CLOCKS in saved and TABLE not in saved, name


def test_through():
    """Of a guest that only passes through, its host's TSC tells nothing."""
    report = passed_through(fakehost.side("v6"), fakehost.side("newest-amd"))
    assert "round-trip-ns" not in report, report
