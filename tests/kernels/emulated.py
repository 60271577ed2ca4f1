# SPDX-License-Identifier: GPL-2.0-or-later
"""Emulated hosts that run some commands of ours and end."""
import os
import re
import subprocess
import tempfile
from collections import namedtuple

from harness import cpio, emulator, places
from harness.tap import Missing
from harness.wait import LIMIT_S

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = ("src/cli/clockferry", "docs/examples/vmm", "tests/kvm/kvm-settle")

# What a command came to.
Done = namedtuple("Done", "status text")


def _libraries(program):
    """What the loader finds for it: {path inside: path here}."""
    said = subprocess.run(["ldd", program], capture_output=True, text=True,
                          check=True).stdout
    found = re.findall(r"(/\S+) \(0x", said)
    return {path[1:] if "ld-linux" in path else
            "lib/" + os.path.basename(path): path for path in found}


def _init(folder):
    program = os.path.join(folder, "init")
    done = subprocess.run(
        [os.environ.get("CC", "cc"), "-static", "-O2", "-Wall", "-Werror",
         os.path.join(HERE, "init.c"), "-o", program],
        capture_output=True, text=True)
    if done.returncode:
        raise Missing("lab", "this compiler can't link statically")
    return program


def _archive(folder, commands, given):
    """The initramfs of a host that runs these commands."""
    files = {"init": _init(folder)}
    for name, data in given.items():
        files[name] = os.path.join(folder, name)
        with open(files[name], "wb") as stream:
            stream.write(data)
    for program in map(places.build, PROGRAMS):
        files["bin/" + os.path.basename(program)] = program
        files.update(_libraries(program))
    files["commands"] = os.path.join(folder, "commands")
    with open(files["commands"], "w", encoding="utf-8") as stream:
        stream.write("".join(
            "%s%s\n" % ("" if command.startswith("hex ") else "/bin/", command)
            for command in commands))
    archive = cpio.Archive()
    for name in "bin", "dev", "lib", "lib64", "proc", "sys", "tmp":
        archive.directory(name)
    archive.console()
    for name, path in files.items():
        archive.file(name, os.path.realpath(path))
    path = os.path.join(folder, "initramfs")
    archive.save(path)
    return path


def _emulator(kernel, archive, console, khz):
    return [emulator.built("emulator"), "-accel", "tcg", "-machine", "pc,hpet=off",
            "-m", "256", "-nodefaults", "-display", "none", "-no-reboot",
            "-L", "/usr/share/seabios", "-L", "/usr/share/qemu",
            "-cpu", emulator.cpu(khz),
            "-kernel", emulator.built("kernel", kernel), "-initrd", archive, "-serial",
            "file:" + console, "-append",
            "console=ttyS0 quiet panic=-1 rdinit=/init tsc_early_khz=%d "
            "pmtmr=0 no_timer_check tsc=reliable" % khz]


def _read(path):
    with open(path, encoding="utf-8", errors="replace") as stream:
        return stream.read().replace("\r", "")


def run(kernel, commands, khz=emulator.KHZ, **given):
    """{command: what came of it} on a host with that kernel and, in its root
    folder, the files that it is given."""
    with tempfile.TemporaryDirectory(prefix="clockferry-kernel-") as folder:
        console = os.path.join(folder, "console")
        command = _emulator(kernel, _archive(folder, commands, given),
                            console, khz)
        try:
            ended = subprocess.run(command, stdin=subprocess.DEVNULL,
                                   capture_output=True, timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(_read(console)[-3000:]) from None
        said = _read(console)
    done = {name: Done(int(status), text) for name, text, status in re.findall(
        r"^# (?:/bin/)?((?!status ).*)\n((?:.*\n)*?)# status (\d+)$", said,
        re.M)}
    assert not ended.returncode and len(done) == len(commands), said[-3000:]
    return done
