# SPDX-License-Identifier: GPL-2.0-or-later
"""A libvirt or a guest's QEMU that never answers, or goes away: a sentence in
the end, and the other guests don't suffer."""
import functools
import os
import re
import socket
import subprocess
import tempfile
import threading
import time
import uuid

import testdriver
from harness import places, wait
from harness.command import FAILURE, fails, program, run
from harness.wait import LIMIT_S
from test_annotate import TIMER, Follower
from testdriver import Driver, domain

PROMISED = TIMER % 2000000000


class Libvirt:
    """A socket where a libvirt should be: how it treats whoever connects."""

    def __init__(self, treat):
        testdriver.need()
        self._treat = treat
        self._folder = tempfile.TemporaryDirectory()
        self._path = self._folder.name + "/socket"
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(self._path)
        self._server.listen(20)
        self._clients = []

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return "qemu+unix:///system?socket=" + self._path

    def __exit__(self, *why):
        self._server.close()
        self._folder.cleanup()

    def _serve(self):
        try:
            while True:
                client, _ = self._server.accept()
                self._clients.append(client)
                self._treat(client)
        except OSError:
            pass


def commands(uri):
    return (["check", "--connect", uri, "vm", "--desturi", uri],
            ["state", "--connect", uri, "vm"], ["annotate", "-c", uri, "vm"],
            ["enable", "--yes", "-c", uri, "vm"])


def library():
    return places.build("tests/cli/stuck-qemu.so")


@functools.lru_cache(None)
def instead():
    """A folder where that library has libvirt's name. It isn't in the build:
    meson test would let every test load it."""
    folder = tempfile.TemporaryDirectory()
    os.symlink(library(), folder.name + "/libvirt-qemu.so.0")
    return folder


def stuck():
    """As the environment for guests whose QEMUs don't answer."""
    return dict(os.environ, LD_LIBRARY_PATH=instead().name)


def test_goes_away():
    """A libvirt that hangs up at once: no death by SIGPIPE"""
    with Libvirt(socket.socket.close) as uri:
        for arguments in commands(uri):
            fails(FAILURE, *arguments, words=["can't connect"])
        with Follower("-c", uri, "--all") as follower:
            for _ in range(2):
                assert "next try in" in follower.line()


def test_silent():
    """A libvirt that accepts and is silent: half a minute"""
    with Libvirt(lambda client: None) as uri:
        began = time.monotonic()
        running = [subprocess.Popen(
            [program(), *arguments], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
            for arguments in (*commands(uri),
                              ["annotate", "-c", uri, "--all", "--follow"])]
        for process in running[:-1]:
            out, err = process.communicate(timeout=LIMIT_S)
            assert process.returncode == FAILURE and not out, out
            assert "doesn't answer within 30 s" in err and \
                err.count("\n") == 1, err
        assert "next try in 1 s" in running[-1].stderr.readline()
        running[-1].kill()
        running[-1].communicate()
        assert time.monotonic() - began > 25


def test_stuck_qemu():
    """A QEMU that never answers stops only its own guest's facts"""
    with Driver(domain("stuck", PROMISED), domain("vm", PROMISED)) as uri:
        running = [subprocess.Popen(
            [program(), *arguments], stdout=subprocess.PIPE, text=True,
            stderr=subprocess.PIPE, env=stuck())
            for arguments in (["annotate", "-c", uri, "--all"],
                              ["state", "-c", uri, "stuck"])]
        for process, wanted in zip(running, ("vm: facts written\n", "")):
            out, err = process.communicate(timeout=LIMIT_S)
            assert process.returncode == FAILURE and out == wanted, (out, err)
            assert "QEMU of stuck doesn't answer" in err and \
                err.count("\n") == 1, err


def test_many_stuck_qemus():
    """Nor do seven; a guest that couldn't be asked isn't said to be stuck"""
    places.need_kvm()
    names = ["stuck-%d" % i for i in range(9)]
    names[7:7] = ["vm", "stuck-0"]
    names.append("other")
    guests = [domain(name, PROMISED + "<uuid>%s</uuid>" % uuid.uuid4())
              for name in dict.fromkeys(names)]
    with Driver(*guests) as uri:
        done = subprocess.run(
            [program(), "annotate", "-c", uri, *names], text=True,
            capture_output=True, timeout=LIMIT_S,
            env=dict(stuck(), LD_PRELOAD=library()))
    assert done.stdout == "vm: facts written\n", done
    names.remove("vm")
    assert [line.split(" (")[0].split(": can't")[0]
            for line in done.stderr.splitlines()] == [
        "clockferry: the QEMU of " + name + (
            " doesn't answer libvirt" if name.startswith("stuck") and
            name != "stuck-8" else " wasn't asked") for name in names], done
    assert done.stderr.count("too many calls to libvirt") == 2, done


def test_follow_stuck_qemu():
    """--follow, too; and it shows systemd that it lives"""
    with tempfile.TemporaryDirectory() as folder, \
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd, \
            Driver(domain("stuck", PROMISED), domain("vm", PROMISED)) as uri:
        systemd.bind(folder + "/notify")
        systemd.settimeout(LIMIT_S)
        with Follower("-c", uri, "--all", env=dict(
                stuck(), NOTIFY_SOCKET=folder + "/notify")) as follower:
            lines = {follower.line(), follower.line()}
            assert "facts written: vm\n" in lines, lines
            assert any("stuck doesn't answer" in line for line in lines)
            assert systemd.recv(99) == b"WATCHDOG=1"


def series(uri, *names):
    """The guests in the metrics, once each of these was annotated."""
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/guests.prom"
        with Follower("-c", uri, "--all", "--metrics=" + path,
                      env=stuck()) as follower:
            for _ in names:
                assert "facts written" in follower.line()
            wait.until(lambda: os.path.exists(path), "there are no metrics")
        with open(path, encoding="utf-8") as stream:
            return re.findall(r'^clockferry_guest_carried{guest="(.*)"} ',
                              stream.read(), re.M)


def test_lying_qemu():
    """A QEMU that says that it is another guest's isn't believed: in metrics,
    where two of one name are none, nor elsewhere"""
    names = ["liar-\u202e", "liar-\u200b", "liar--" + "\u00e4" * 128, "vm"]
    with Driver(*(domain(name, PROMISED + "<uuid>%s</uuid>" % uuid.uuid4())
                  for name in names)) as uri:
        names[2] = names[2][:-4]        # whole characters that fit
        assert series(uri, *names) == sorted(names)
        done = run("state", "-c", uri, "--format=prometheus", "liar-\u202e",
                   env=stuck())
        assert 'carried{guest="liar-?"} 1\n' in done.stdout, done
