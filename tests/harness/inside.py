# SPDX-License-Identifier: GPL-2.0-or-later
"""Commands of ours inside an emulated host, run by its first process
(tests/kernels/init.c): the initramfs, and what came of them."""
import os
import re
import subprocess
from collections import namedtuple

from harness import cpio, places
from harness.tap import Missing
from harness.wait import LIMIT_S

# What a command came to.
Done = namedtuple("Done", "status text")


def _init(folder, compiler, word):
    program = os.path.join(folder, "init")
    done = subprocess.run(
        [*compiler, "-static", "-O2", "-Wall", "-Werror",
         places.top("tests/kernels/init.c"), "-o", program],
        capture_output=True, text=True)
    if done.returncode:
        raise Missing(word, "this compiler can't link statically")
    return program


def archive(folder, commands, files, compiler, word):
    """The initramfs of a host that runs these commands, with these files:
    {path inside: path here}. Without a compiler it's skipped, by that word."""
    files = {"init": _init(folder, compiler, word), **files}
    files["commands"] = os.path.join(folder, "commands")
    with open(files["commands"], "w", encoding="utf-8") as stream:
        stream.write("".join(
            "%s%s\n" % ("" if command.startswith("hex ") else "/bin/", command)
            for command in commands))
    whole = cpio.Archive()
    for name in "bin", "dev", "lib", "lib64", "proc", "sys", "tmp":
        whole.directory(name)
    whole.console()
    for name, path in files.items():
        whole.file(name, os.path.realpath(path))
    path = os.path.join(folder, "initramfs")
    whole.save(path)
    return path


def _read(path):
    with open(path, encoding="utf-8", errors="replace") as stream:
        return stream.read().replace("\r", "")


def run(emulator, console, commands):
    """{command: what came of it} of a host that an emulator's command line
    starts, with its console in that file."""
    try:
        ended = subprocess.run(emulator, stdin=subprocess.DEVNULL,
                               capture_output=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        raise AssertionError(_read(console)[-3000:]) from None
    said = _read(console)
    done = {name: Done(int(status), text) for name, text, status in re.findall(
        r"^# (?:/bin/)?((?!status ).*)\n((?:.*\n)*?)# status (\d+)$", said,
        re.M)}
    assert not ended.returncode and len(done) == len(commands), \
        (ended.stderr, said[-3000:])
    return done
