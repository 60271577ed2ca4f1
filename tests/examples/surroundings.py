# SPDX-License-Identifier: GPL-2.0-or-later
"""What the examples take for granted: files, programs, guests, hosts."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import namedtuple

from harness import binaries, fakehost, places, wait
from harness.monitor import Qemu
from harness.tap import Missing

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = {"clockferry": "src/cli/clockferry", "vmm": "docs/examples/vmm"}


def Run(how=None, **options):
    """How an example is run.

    how: a function of the example's Place that runs it; else a shell does
    status: what it may end with
    needs: what must be there, "kvm"
    host: the fake host that it runs on
    replace: what is written differently, so that it is quick
    writes: files, with the format of those in JSON
    prints: the format of the JSON on its output"""
    known = {"how": how or Place.shell, "status": 0, "needs": None,
             "host": None, "replace": {}, "writes": {}, "prints": None}
    assert not set(options) - set(known), options
    return namedtuple("Run", known)(**dict(known, **options))


class Place:
    """A folder with the files that examples name, programs on the path."""

    def __init__(self, run):
        self.run = run
        self._folder = tempfile.TemporaryDirectory()
        self.folder = self._folder.name
        for name in os.listdir(HERE):
            if name.endswith(".json"):
                shutil.copy(os.path.join(HERE, name), self.folder)
        shutil.copy(places.top("docs/examples/vmm.c"), self.folder)
        self._add_programs()

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self._folder.cleanup()

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def add_program(self, name, script):
        os.makedirs(self.path("bin"), exist_ok=True)
        with open(self.path("bin", name), "w", encoding="utf-8") as stream:
            stream.write("#!/bin/sh\n" + script)
        os.chmod(self.path("bin", name), 0o755)

    def _add_programs(self):
        host = fake_host(self.run.host)
        for name, built in PROGRAMS.items():
            self.add_program(name, '%sexec %s "$@"\n'
                             % (host, places.build(built)))

    def start(self, command, **variables):
        path = self.path("bin") + os.pathsep + os.environ["PATH"]
        return subprocess.Popen(
            ["sh", "-c", command], cwd=self.folder, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(os.environ, PATH=path, **variables))

    def shell(self, command, **variables):
        """Its exit status and output; it must not complain."""
        for words, others in self.run.replace.items():
            command = command.replace(words, others)
        started = self.start(command, **variables)
        text, complaint = started.communicate(timeout=120)
        assert not complaint, complaint
        return started.returncode, text


def fake_host(name):
    if not name:
        return ""
    places.need_kvm()
    return "LD_PRELOAD=%s " % fakehost.preload(name)


# -- The examples that need more than a shell --

def demo(place, _):
    """The migrations of ./run demo, once it has built what it needs."""
    places.need_kvm()
    for side in "STOCK", "PATCHED":
        binaries.binary("CLOCKFERRY_QEMU_" + side)
    return place.shell("%s %s --rounds 2"
                       % (sys.executable, places.top("tests/show/demo.py")))


def qemu_option(_, option):
    """The patched QEMU starts with it."""
    name, value = option.split("kvmclock.")[1].split("=")
    with Qemu("patched", kvmclock={name: value}):
        return 0, ""


def from_build(place, command):
    places.need_kvm()
    return place.shell(command.replace("BUILD", places.build()))


def kubectl(place, command):
    """KubeVirt's labels, as kubectl would get them."""
    places.need_kvm()
    place.add_program("kubectl", 'printf "%s\\n" "$@"\n')
    status, text = place.shell(command)
    words = text.splitlines()
    assert words[:3] == ["label", "node", "host-a"] and len(words) == 6, text
    for label in words[3:]:
        assert re.fullmatch(r"[a-z.-]+\.kubevirt\.io/[a-z0-9-]{1,63}="
                            r"(\d+|true|false)", label), label
    return status, ""


def ssh(place, command):
    """To a host that is this one."""
    places.need_kvm()
    place.add_program("ssh", '[ "$1" != -- ] || shift\nshift\nexec "$@"\n')
    place.add_program("sudo", 'exec "$@"\n')
    return place.shell(command)


def state(place, command):
    with Qemu("patched") as (guest, path):
        guest.wait_up()
        return place.shell(command.replace("/run/vm-7/qmp", path))


def watched(watching, do, steps):
    """What a command tells of steps that begin when it says something."""
    text = watching.stdout.readline()
    for step in steps:
        do(step)
    text += watching.stdout.read()
    complaint = watching.stderr.read()
    assert not complaint, complaint
    for word in "was stopped", "runs again", "QEMU is gone":
        assert word in text, text
    return watching.wait(60), text


def watch(place, command):
    """What it tells while its guest is stopped, runs again and ends."""
    with Qemu("patched") as (guest, path):
        guest.wait_up()
        watching = place.start(command.replace("/run/vm-7/qmp", path))
        return watched(watching, guest.qmp.execute, ["stop", "cont", "quit"])


def recorded(place, command):
    """What it records of a guest that ends."""
    with Qemu("patched") as (guest, path):
        guest.wait_up()
        watching = place.start(command.replace("/run/vm-7/qmp", path))
        wait.until(lambda: os.path.exists(place.path("vm-7.json")) and
                   os.path.getsize(place.path("vm-7.json")),
                   "it records nothing")
        guest.qmp.execute("quit")
        text, complaint = watching.communicate(timeout=60)
    assert not complaint, complaint
    return watching.returncode, text


def utc(place, command):
    """Where it prints the clock here."""
    return place.shell(command, TZ="UTC")


def vmm(place, command):
    places.need_kvm()
    os.mkfifo(place.path("back"))
    return place.shell(command)


def two_captures(place, command):
    places.need_kvm()
    place.shell("vmm source before.json | vmm destination after.json")
    return place.shell(command)


def need_compiler():
    if not shutil.which("cc"):
        raise Missing("compiler", "there is no cc")


def source(place, text):
    """A piece of C that compiles."""
    need_compiler()
    with open(place.path("piece.c"), "w", encoding="utf-8") as stream:
        stream.write(text + "\n")
    return compiler(place, "cc -c $(pkg-config --cflags clockferry) piece.c")


def compiler(place, command):
    need_compiler()
    return place.shell(command,
                       PKG_CONFIG_PATH=places.build("meson-uninstalled"))
