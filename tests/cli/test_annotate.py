# SPDX-License-Identifier: GPL-2.0-or-later
"""clockferry annotate, with libvirt's test driver"""
import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import threading
import time
from xml.sax.saxutils import escape

from harness import places, process, wait
from harness.command import FAILURE, FINE, USAGE, fails, output, program, run
from harness.schemas import assert_fits
from harness.tap import Missing
from harness.wait import LIMIT_S
from testdriver import NOWHERE, OFF, Driver, domain

TIMER = "<clock offset='utc'><timer name='tsc' frequency='%d'/></clock>"
METADATA = "<metadata><c:facts xmlns:c='urn:clockferry:facts:1'>%s" \
    "</c:facts></metadata>"
NOT_CARRIED = "skipped (it isn't on, and no frequency is promised)"


def outcomes(*arguments, status=FINE):
    """{name: outcome}"""
    done = run("annotate", "--json", *arguments)
    assert done.returncode == status, done
    return {guest["name"]: guest["outcome"]
            for guest in json.loads(done.stdout)["guests"]}


def facts(**changes):
    """What is to be written about a plain guest of this host."""
    host = json.loads(output("probe", "--json"))
    known = {name: host[name] for name in
             ("host", "boot_id", "host_khz", "instant", "tai_offset_s",
              "leap") if name in host}
    if host.get("synchronised"):
        known["max_error_ns"] = host["max_error_ns"]
    known.update({"format": "clockferry-guest", "version": 1,
                  "min_version": 1, "ratio": "1", "frac_bits": 0,
                  "promised": False, "policy": "auto", "require": "plain"})
    known.update(changes)
    return METADATA % escape(json.dumps(
        {name: value for name, value in known.items() if value is not None}))


def test_named():
    """A guest that is named gets its facts, once"""
    with Driver(domain("vm-7")) as uri:
        assert output("annotate", "-c", uri, "vm-7", "vm-7") == \
            "vm-7: facts written\nvm-7: facts unchanged\n"


def test_all():
    """--all: only guests that have something to lose, and only running ones"""
    with Driver(domain("plain"), domain("promised", TIMER % 2000000000),
                domain("off", TIMER % 2000000000, state=OFF)) as uri:
        assert outcomes("-c", uri, "--all") == {"plain": "skipped",
                                                "promised": "written"}
        assert "plain: %s\n" % NOT_CARRIED in output("annotate", "-c", uri,
                                                     "--all")


def test_unchanged():
    """Facts that are true aren't written again; those that aren't are"""
    places.need_kvm()
    with Driver(domain("vm", facts())) as uri:
        assert outcomes("-c", uri, "--all") == {"vm": "unchanged"}
    for change in ({"host": "other"}, {"boot_id": None},
                   {"host_khz": 1000000}, {"instant": None},
                   {"tai_offset_s": 5}, {"leap": "insert"}, {"ratio": None},
                   {"promised": True}, {"policy": "strict"},
                   {"require": "exact"}, {"min_version": 2}):
        with Driver(domain("vm", facts(**change))) as uri:
            assert outcomes("-c", uri, "vm") == {"vm": "written"}, change


def test_old_instant():
    """An instant proves the host however old it is"""
    places.need_kvm()
    old = {"host_ticks": "5", "realtime_ns": "1800000000000000000"}
    with Driver(domain("vm", facts(instant=old))) as uri:
        assert outcomes("-c", uri, "vm") == {"vm": "unchanged"}


def test_broken_facts():
    """Facts that can't be read are written anew"""
    for text in "", "{", "nonsense", "x" * 100000:
        with Driver(domain("vm", METADATA % text)) as uri:
            assert outcomes("-c", uri, "vm") == {"vm": "written"}, text[:9]


def test_unusable_facts():
    """Facts that nobody here can use are cured by --all, too"""
    places.need_kvm()
    for text in "nonsense", facts(min_version=99):
        text = text if text.startswith("<") else METADATA % text
        with Driver(domain("vm", text)) as uri:
            assert outcomes("-c", uri, "--all") == {"vm": "written"}, text


def test_failures():
    """One that can't be annotated doesn't keep the others from it"""
    with Driver(domain("vm"), domain("off", state=OFF)) as uri:
        done = run("annotate", "-c", uri, "none", "off", "vm")
        assert done.returncode == FAILURE, done
        assert done.stdout == "vm: facts written\n", done
        first, second = done.stderr.splitlines()
        assert "none" in first and "off isn't running" in second, done
        assert outcomes("-c", uri, "none", "vm", status=FAILURE) == {
            "none": "failed", "vm": "written"}
    fails(FAILURE, "annotate", "-c", NOWHERE, "--all",
          words=["can't connect"])
    fails(USAGE, "annotate", words=["--all"])
    fails(USAGE, "annotate", "--all", "x", words=["--all"])
    fails(USAGE, "annotate", "--all", "--follow", "--json",
          words=["--follow"])
    fails(USAGE, "annotate", "--all", "--metrics=x", words=["--follow"])


def test_schema():
    """The JSON fits its schema"""
    with Driver(domain("vm")) as uri:
        done = run("annotate", "--json", "-c", uri, "vm", "none")
    assert_fits("annotate", json.loads(done.stdout))


class Follower:
    """annotate --follow, with both outputs in one."""

    def __init__(self, *arguments, env=None):
        self._process = subprocess.Popen(
            [program(), "annotate", "--follow", *arguments], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env)
        self._limit = threading.Timer(LIMIT_S, self._process.kill)

    def __enter__(self):
        self._limit.start()
        return self

    def __exit__(self, *why):
        self._limit.cancel()
        process.end(self._process)
        self._process.communicate()

    def line(self):
        return self._process.stdout.readline()

    def sleeps(self):
        """All its threads do."""
        return all(re.search(r"^State:\s+S", status.read_text(), re.M)
                   for status in pathlib.Path("/proc").glob(
                       "%d/task/*/status" % self._process.pid))


def test_follow():
    """--follow begins with the guests that run, and sleeps then"""
    with Driver(domain("vm"), domain("other")) as uri, \
            Follower("-c", uri, "vm") as follower:
        assert follower.line() == "facts written: vm\n"
        wait.until(follower.sleeps, "it never sleeps")
        looks = []
        while len(looks) < 100:
            time.sleep(0.01)
            looks.append(follower.sleeps())
        assert looks.count(True) > 90, "a busy loop"


def test_follow_waits():
    """--follow tries to connect again, less and less often"""
    with Follower("-c", NOWHERE, "--all") as follower:
        waits = [int(re.search(r"next try in (\d+) s$", follower.line())[1])
                 for _ in range(3)]
    assert waits == [1, 2, 4], waits


def test_follow_ends():
    """--follow ends when nobody can be told any more"""
    with Driver(domain("vm")) as uri, \
            open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [program(), "annotate", "--follow", "-c", uri, "vm"],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=LIMIT_S)
    assert done.returncode == FAILURE and "No space left" in done.stderr, done


def test_unit():
    """systemd takes the service, and finds it well locked in"""
    if not shutil.which("systemd-analyze"):
        raise Missing("systemd", "systemd-analyze isn't installed")
    unit = places.build("src/cli/clockferry-annotate.service")
    with tempfile.TemporaryDirectory() as folder, \
            open(unit, encoding="utf-8") as file:
        copy = folder + "/clockferry-annotate.service"
        text = re.sub(r"(?<=ExecStart=)\S+", program(), file.read())
        with open(copy, "w", encoding="utf-8") as stream:
            stream.write(text)
        subprocess.run(["systemd-analyze", "verify", "--man=no", copy],
                       check=True)
        rating = subprocess.run(
            ["systemd-analyze", "security", "--offline=yes", copy],
            stdout=subprocess.PIPE, text=True, check=True).stdout
        assert re.search(r"^WatchdogSec=180$", text, re.M)
        assert re.search(r"^SyslogLevelPrefix=no$", text, re.M)
        # root without a capability could still ask systemd for all of them
        assert re.search(r"^CapabilityBoundingSet=$", text, re.M)
        assert re.search(r"^InaccessiblePaths=-/run/dbus -/run/systemd/private$",
                         text, re.M)
    exposure = re.search(r"exposure level for \S+: ([\d.]+)", rating)
    assert float(exposure[1]) < 2, exposure[0]
