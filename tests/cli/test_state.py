# SPDX-License-Identifier: GPL-2.0-or-later
"""clockferry state, with real QEMUs and with rude monitors"""
import json
import re
import resource
import socket
import subprocess
import tempfile
import threading
import time

import testdriver
from harness import migrate, process
from harness.command import (FAILURE, FINE, INEXACT, USAGE, fails, output,
                             program)
from harness.monitor import Monitor, Qemu, clocks
from harness.schemas import assert_fits
from harness.wait import LIMIT_S

RESTORE = {"rung": "closed-loop", "tries": 2, "residual-ns": -1,
           "bound-ns": 3, "tsc": "copied", "rate-error-ppt": 0,
           "skew-ticks": 0, "time-bound-ns": 1204001,
           "elapsed-from": "channel", "round-trip-ns": 91370,
           "clocks-wrong-ns": 3000000, "same-host": True, "frozen": False,
           "elapsed-ns": 1843220, "duration-ns": 12804}
LOST = "kvmclock: KVM_GET_CLOCK failed: Input/output error"


def facts(text):
    """{name: value} of a text in two columns."""
    found = dict(re.findall(r"^(\S[^:\n]*?) *: (.*)$", text, re.M))
    assert len(found) == len(text.splitlines()), text
    return found


def test_prometheus():
    """The same figures for Prometheus, each with the guest's name"""
    restore = dict(RESTORE)
    del restore["skew-ticks"]
    with Monitor(clocks(restore)) as path:
        text = output("state", "--qmp", path, "-f", "prometheus")
    told = dict(re.findall(r'^clockferry_guest_(\w+)\{guest="vm-7"(?:,from='
                           r'"channel")?\} (\S+)$', text, re.M))
    assert len(told) * 3 == len(text.splitlines()), text
    assert {name: float(value) for name, value in told.items()} == {
        "carried": 1, "lost": 0, "rung": 2, "elapsed_from": 1,
        "residual_seconds": -1e-9, "kvmclock_bound_seconds": 3e-9,
        "rate_error_ratio": 0, "time_bound_seconds": 0.001204001,
        "round_trip_seconds": 9.137e-05, "clocks_wrong_seconds": 0.003,
        "elapsed_seconds": 0.00184322}, told
    with Monitor(clocks(**{"not-carried": LOST})) as path:
        text = output("state", "--qmp", path, "-f", "prometheus",
                      status=[INEXACT])
    assert 'clockferry_guest_lost{guest="vm-7"} 1\n' in text, text
    assert "rung" not in text, text
    fails(USAGE, "state", "--qmp", "x", "-f", "kubevirt", words=["kubevirt"])


def test_fresh():
    """A guest that was started here"""
    with Qemu("patched") as (guest, path):
        guest.wait_up()
        said = facts(output("state", "--qmp", path, status=[FINE]))
    assert said["Guest"] == "vm-7, running", said
    assert said["Clocks"] == "carried, policy auto, require plain", said
    assert said["Blackouts"] == "count, up to 600 s", said
    assert said["Guest TSC"] == said["Host TSC"]
    assert re.fullmatch(r"\d+ kHz", said["Host TSC"])
    assert said["Last restore"].startswith("none"), said


def test_arrived():
    """A guest that came by migration: its report, in text and JSON"""
    with Qemu("patched", incoming="defer") as (destination, path), \
            Qemu("patched") as (source, _):
        source.wait_up()
        uri = migrate.listen(destination)
        assert migrate.go(source, uri)["status"] == "completed"
        migrate.arrive(destination)
        truth = destination.qmp.execute("query-kvm-clock")["restore"]
        said = facts(output("state", "--qmp", path, status=[FINE]))
        told = json.loads(output("state", "--qmp", path, "--json"))
    restore = told["restore"]
    assert said["Last restore"].startswith(
        "%s, %d tr" % (truth["rung"], truth["tries"])), (said, truth)
    assert said["Residual"] == "%d ns" % truth["residual-ns"]
    assert said["kvmclock step"] == "up to %d ns" % truth["bound-ns"]
    assert said["TSC offsets"] == truth["tsc"] == restore["tsc"]
    assert said["Same host"] == "yes" and restore["same_host"]
    assert restore["rung"] == truth["rung"]
    assert said["TSC step"] == "up to 0 ns", said
    assert said["Time from"] == truth["elapsed-from"] == "tsc", said
    assert restore["elapsed_from"] == "tsc", restore
    for name in ("residual_ns", "bound_ns", "time_bound_ns", "elapsed_ns",
                 "duration_ns"):
        assert restore[name] == str(truth[name.replace("_", "-")]), name


def test_days():
    """Days are days, not so many ms"""
    with Monitor(clocks({**RESTORE, "elapsed-ns": 3 * 86400 * 10 ** 9,
                         "same-host": False})) as path:
        said = facts(output("state", "--qmp", path))
    assert said["Blackout"] == "3 days", said


def test_freezes():
    """A guest whose clocks stand during blackouts"""
    with Monitor(clocks(blackout="freeze")) as path:
        said = facts(output("state", "--qmp", path))
    assert said["Blackouts"] == "freeze the clocks", said


def test_kexec():
    """The same host after a kexec: by how much kvmclock's rate changed"""
    answers = clocks({**RESTORE, "kexec-ppt": -1200000})
    with Monitor(answers) as path:
        said = facts(output("state", "--qmp", path))
    with Monitor(answers) as path:
        told = json.loads(output("state", "--qmp", path, "--json"))
    assert said["Same host"].startswith("yes, after a kexec") and \
        "1.2 ppm" in said["Same host"], said
    assert told["restore"]["kexec_ppt"] == "-1200000", told
    assert_fits("guest", told)


def test_check_takes_it():
    """What --json writes check takes, with the guest's own wishes"""
    with Qemu("patched", kvmclock={"policy": "strict"}) as (guest, path), \
            tempfile.TemporaryDirectory() as folder:
        guest.wait_up()
        output("state", "--qmp", path, "--json", "-o", folder + "/guest")
        output("probe", "--json", "-o", folder + "/host")
        said = json.loads(output("check", folder + "/guest", folder + "/host",
                                 "--json", status=[FINE]))
        with open(folder + "/guest", encoding="utf-8") as stream:
            guest_facts = json.load(stream)
    assert said["policy"] == "strict" and said["same_host"], said
    assert guest_facts["name"] == "vm-7" and guest_facts["enabled"]


def test_schema():
    """The JSON fits its schema"""
    for told in clocks(), clocks(RESTORE), clocks(enabled=False), \
            clocks(**{"not-carried": LOST}):
        with Monitor(told) as path:
            assert_fits("guest", json.loads(
                output("state", "--qmp", path, "--json")))


def test_off():
    """A QEMU with the feature off: exit status 4, and how to turn it on"""
    with Qemu("patched", kvmclock={"guest-clock": "off"}) as (_, path):
        said = facts(output("state", "--qmp", path, status=[INEXACT]))
    assert "guest-clock=on" in said["Clocks"], said


def test_stock():
    """A QEMU without the series: one sentence"""
    with Qemu("stock") as (_, path):
        fails(FAILURE, "state", "--qmp", path, words=["query-kvm-clock",
                                                      "lacks"])


def test_status():
    """Exit status 4 if the clocks didn't arrive as they were"""
    for status, changes in (
            (FINE, {}), (FINE, {"rung": "exact"}), (FINE, {"tsc": "computed"}),
            (INEXACT, {"rung": "realtime"}), (INEXACT, {"rung": "plain"}),
            (INEXACT, {"tsc": "not-set"}), (INEXACT, {"tsc": "unverified"}),
            (FINE, {"rate-error-ppt": 1000}),
            (INEXACT, {"rate-error-ppt": -1001}),
            (INEXACT, {"rate-error-ppt": None})):
        restore = {name: value for name, value in {**RESTORE,
                                                   **changes}.items()
                   if value is not None}
        with Monitor(clocks(restore)) as path:
            output("state", "--qmp", path, status=[status])


def test_required():
    """And if QEMU did worse than the guest requires"""
    for status, require in (INEXACT, "exact"), (FINE, "closed-loop"):
        with Monitor(clocks(RESTORE, require=require)) as path:
            output("state", "--qmp", path, status=[status])


def test_not_carried():
    """Clocks that weren't carried: why, until they are again"""
    told = {"not-carried": LOST}
    for restore, last in (None, "none"), (RESTORE, "closed-loop, 2 tries"):
        with Monitor(clocks(restore, **told)) as path:
            said = facts(output("state", "--qmp", path, status=[INEXACT]))
        with Monitor(clocks(restore, **told)) as path:
            member = json.loads(output("state", "--qmp", path, "--json",
                                       status=[INEXACT]))["not_carried"]
        assert said["Not carried"] == member == LOST, said
        assert said["Last restore"].startswith(last), said
    with Monitor(clocks(RESTORE)) as path:
        said = facts(output("state", "--qmp", path, status=[FINE]))
    assert "Not carried" not in said, said


def test_unknown():
    """What QEMU doesn't tell is unknown, not zero"""
    restore = {name: RESTORE[name] for name in ("rung", "tries", "tsc")}
    with Monitor({"query-kvm-clock": {"enabled": True,
                                      "restore": restore}}) as path:
        said = facts(output("state", "--qmp", path))
    for name in ("Host TSC", "Guest TSC", "Residual", "kvmclock step",
                 "vCPU skew", "Rate error", "TSC step"):
        assert said[name] == "unknown", (name, said)


def test_scaled():
    """A scaled guest: the ratio is derived, for check"""
    with Monitor(clocks()) as path:
        told = json.loads(output("state", "--qmp", path, "--json"))
    if "ratio" in told:         # else this processor's vendor isn't known
        bits = told["frac_bits"]
        assert int(told["ratio"]) == (2000000 << bits) // 2500000, told


def test_invtsc():
    """A guest with invtsc was promised its frequency"""
    told = {**clocks(), "query-cpus-fast": [{"qom-path": "/machine/cpu"}],
            "qom-get": True}
    with Monitor(told) as path:
        assert json.loads(output("state", "--qmp", path,
                                 "--json"))["promised"] is True
    with Monitor(clocks()) as path:
        assert json.loads(output("state", "--qmp", path,
                                 "--json"))["promised"] is False


STAMP = r"^20\d\d-\d\d-\d\d \d\d:\d\d:\d\d "


class Watch:
    """state --watch: its lines, one after the other."""

    def __init__(self, path):
        self._process = subprocess.Popen(
            [program(), "state", "--watch", "--qmp", path],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *why):
        process.end(self._process)
        self._process.communicate()

    def until(self, pattern):
        """Lines up to the one that matches."""
        seen = []
        limit = threading.Timer(LIMIT_S, self._process.kill)
        limit.start()
        for line in self._process.stdout:
            seen.append(line)
            if re.search(pattern, line):
                limit.cancel()
                return line
        raise AssertionError("never said %r: %s, %s" % (
            pattern, "".join(seen), self._process.stderr.read()))

    def status(self):
        return self._process.wait(LIMIT_S)


def test_watch():
    """--watch tells of stops, of the restore on arrival, and of the end"""
    with Qemu("patched", incoming="defer") as (destination, path), \
            Qemu("patched") as (source, source_path):
        source.wait_up()
        uri = migrate.listen(destination)
        with Watch(path) as there, Watch(source_path) as here:
            there.until("^Last restore")
            here.until("^Last restore")
            assert migrate.go(source, uri)["status"] == "completed"
            migrate.arrive(destination)
            here.until(STAMP + "the guest was stopped")
            line = there.until(STAMP + "restored: ")
            assert re.search("closed-loop|exact", line) and \
                "residual" in line, line
            destination.qmp.execute("stop")
            there.until("the guest was stopped")
            destination.qmp.execute("cont")
            there.until("the guest runs again")
            destination.close()
            there.until("QEMU is gone")
            assert there.status() == FINE


def test_early_events():
    """Nothing is missed that happens while --watch still asks"""
    events = [{"event": "KVM_CLOCK_RESTORED", "data": RESTORE,
               "timestamp": {"seconds": 1, "microseconds": 0}},
              {"event": "KVM_CLOCK_RESTORED", "data": {"rung": "best"}},
              {"event": "KVM_CLOCK_NOT_CARRIED", "data": {"reason": LOST}},
              {"event": "KVM_CLOCK_NOT_CARRIED", "data": 1},
              {"event": "STOP"}]
    told = {**clocks(), "query-cpus-fast": [{"qom-path": "/machine/cpu"}],
            "qom-get": False}
    with Monitor(told, events=events) as path, Watch(path) as watch:
        watch.until(r"^(1970-01-01|1969-12-31) \d\d:\d\d:01 "
                    "restored: closed-loop, 2 tries, "
                    r"residual -1 ns, TSC copied, rate error 0$")
        assert "restored: QEMU's words can't" in watch.until("restored: ")
        assert "carried: %s\n" % LOST in watch.until("not carried: ")
        assert "carried: QEMU's words can't" in watch.until("not carried: ")
        watch.until("the guest was stopped")


def test_rude_monitors():
    """What isn't QEMU's monitor: one sentence, and never a hang"""
    for raw, words in (
            (b"SSH-2.0-OpenSSH\r\n", "isn't QEMU's monitor"),
            (b"{}\n", "no QMP greeting"), (b"[1]\n", "isn't QEMU's monitor"),
            (b"\xff\xfe\n", "isn't QEMU's monitor"),
            (b'{"QMP": 1}\n{"what": "?"}\n{"return": {}}\nx\n', ""),
            (b"\n", "isn't QEMU's monitor"),
            (b"x" * (5 << 20), "a line without end"),
            (b'{"QMP": ' * 9999 + b"\n", "isn't QEMU's monitor")):
        with Monitor(raw=raw) as path:
            fails(FAILURE, "state", "--qmp", path, words=[words])
    for answer in ({}, {"enabled": 1}, {"enabled": True, "policy": "brave"},
                   {"enabled": True, "restore": {"rung": "best"}},
                   {"enabled": True, "restore": {**RESTORE,
                                                 "bound-ns": 2 ** 64 - 1}},
                   {"enabled": True, "restore": {**RESTORE,
                                                 "residual-ns": 10 ** 23}},
                   {"enabled": True, "restore": {**RESTORE,
                                                 "residual-ns": -10 ** 23}},
                   {"enabled": True, "host-tsc-khz": -1},
                   {"enabled": True, "blackout-limit": 2 ** 70},
                   ValueError("evil\033[2J\nwords")):
        with Monitor({"query-kvm-clock": answer}) as path:
            fails(FAILURE, "state", "--qmp", path)


def test_silent():
    """A monitor that somebody else is in: a sentence after five seconds"""
    with Monitor(silent=True) as path:
        fails(FAILURE, "state", "--qmp", path, words=["another -qmp"])


def bit_by_bit(piece):
    def chatter(client):
        while True:
            client.sendall(piece)
            time.sleep(0.5)
    return chatter


def test_chatter():
    """Something comes all the time, but no answer: five seconds, no memory"""
    def little():
        resource.setrlimit(resource.RLIMIT_AS, (256 << 20, 256 << 20))

    event = json.dumps({"event": "X", "data": {"a": "x" * 1000}}) + "\n"

    def flood(client):
        while True:
            client.sendall(event.encode() * 100)

    for chatter in bit_by_bit(b" "), bit_by_bit(b'{"event": "X"}\n'), flood:
        with Monitor(chatter=chatter) as path:
            fails(FAILURE, "state", "--qmp", path, words=["doesn't answer"],
                  preexec_fn=little)


def test_no_monitor():
    """No socket, a file, a socket without QEMU, a path that is too long"""
    with tempfile.TemporaryDirectory() as folder:
        with open(folder + "/file", "w", encoding="utf-8"):
            pass
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(folder + "/dead")
        for name in "none", "file", "dead":
            fails(FAILURE, "state", "--qmp", folder + "/" + name, words=[name])
        fails(FAILURE, "state", "--qmp", folder + "/" + "x" * 200,
              words=["too long"])
    fails(USAGE, "state", words=["--qmp"])
    for wrong in ["-o", "y"], ["-f", "prometheus"]:
        fails(USAGE, "state", "--qmp", "x", "--watch", *wrong,
              words=["--watch"])


def test_libvirt():
    """--connect: a hypervisor without a monitor, no domain, no libvirt"""
    with testdriver.Driver(testdriver.domain("vm-7")) as uri:
        fails(FAILURE, "state", "--connect", uri, "vm-7",
              words=["vm-7", "not supported"])
        fails(FAILURE, "state", "--watch", "--connect", uri, "vm-7",
              words=["vm-7"])
        fails(FAILURE, "state", "--connect", uri, "none", words=["none"])
    fails(FAILURE, "state", "--connect", testdriver.NOWHERE, "vm-7",
          words=["can't connect"])
    fails(USAGE, "state", "--connect", uri, words=["DOMAIN"])
    fails(USAGE, "state", "--qmp", "x", "vm-7", words=["--connect"])
    fails(USAGE, "state", "--qmp", "x", "--connect", uri, "vm-7",
          words=["--qmp"])
