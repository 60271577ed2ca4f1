# SPDX-License-Identifier: GPL-2.0-or-later
"""Emulated arm64 hosts that run some commands of ours and end. TCG emulates
EL2, so that the host's kernel has KVM."""
import os
import re
import subprocess
import tempfile
from collections import namedtuple

from harness import inside, places
from harness.tap import Missing, once

BUILD = places.top("tests/arm64/build")
PROGRAMS = ("src/cli/clockferry", "tests/arm64-hosts/counter-facts")
PREFIX = "aarch64-linux-gnu"

# A host: its CPU, the counter's frequency, the Debian whose kernel it has, and
# whether its CPU has EL2.
Host = namedtuple("Host", "cpu hz debian el2", defaults=(True,))


@once
def built(*what):
    """What tests/arm64/build prints: a folder, or a kernel."""
    done = subprocess.run([BUILD, *what], capture_output=True, text=True,
                          check=False)
    if done.returncode == 77:
        raise Missing("arm64", done.stderr.strip().split("\n")[-1])
    assert not done.returncode, done.stderr
    return done.stdout.strip()


def _needed(file):
    said = subprocess.run([PREFIX + "-readelf", "-d", file],
                          capture_output=True, text=True, check=True).stdout
    return re.findall(r"\(NEEDED\).*\[(.*)\]", said)


def _libraries(program, found):
    """Adds what a program needs: {path inside: path here}. There is no loader
    of arm64's here that could be asked."""
    folders = [os.path.join(built(), "src")] + \
        [os.path.join(built("sysroot"), folder)
         for folder in ("lib/" + PREFIX, "usr/lib/" + PREFIX)]
    for name in _needed(program):
        if "lib/" + name not in found:
            path = next(path for path in (os.path.join(folder, name)
                                          for folder in folders)
                        if os.path.exists(path))
            found["lib/" + name] = path
            _libraries(path, found)
    return found


def _files():
    files = {}
    for program in PROGRAMS:
        path = os.path.join(built(), program)
        files["bin/" + os.path.basename(program)] = path
        _libraries(path, files)
    return files


def _emulator(host, archive, console):
    return ["qemu-system-aarch64", "-accel", "tcg", "-machine",
            "virt,gic-version=3,virtualization=" +
            ("on" if host.el2 else "off"),
            "-cpu", "%s,cntfrq=%d" % (host.cpu, host.hz), "-m", "512",
            "-nodefaults", "-display", "none", "-no-reboot",
            "-kernel", built("kernel", host.debian), "-initrd", archive,
            "-serial", "file:" + console, "-append",
            "console=ttyAMA0 quiet panic=-1 rdinit=/init"]


def run(host, commands):
    """{command: what came of it} on such a host."""
    compiler = [PREFIX + "-gcc", "--sysroot=" + built("sysroot")]
    with tempfile.TemporaryDirectory(prefix="clockferry-arm64-") as folder:
        console = os.path.join(folder, "console")
        archive = inside.archive(folder, commands, _files(), compiler,
                                 "arm64")
        return inside.run(_emulator(host, archive, console), console, commands)


def command(*arguments):
    """(exit status, output) of the command, run by qemu-user."""
    done = subprocess.run(
        ["qemu-aarch64", "-L", built("sysroot"),
         os.path.join(built(), PROGRAMS[0]), *arguments],
        capture_output=True, text=True)
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout
