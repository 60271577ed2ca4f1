# SPDX-License-Identifier: GPL-2.0-or-later
"""The reader and writer of the formats, as a partner in a dialogue."""
import glob
import os
import subprocess

from harness import places
from harness.dialogue import Dialogue
from harness.tap import Missing

LIBRARY = ("text", "kvm", "kvm/x86_64", "carry", "check")


class Codec(Dialogue):
    """ask(text) reads it as one of the formats, and writes it again."""

    def __init__(self, kind, program=None):
        super().__init__(program or places.build("tests/codec/codec-tool"),
                         kind)


def _compile(source, program, *more):
    return subprocess.run(
        [os.environ.get("CC", "cc"), "-std=gnu11", "-D_GNU_SOURCE", "-g",
         "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
         source, "-o", program, *more], capture_output=True, text=True)


def sanitized(folder):
    """codec-tool with sanitizers, in that folder."""
    empty = os.path.join(folder, "empty.c")
    program = os.path.join(folder, "codec-tool")
    with open(empty, "w") as stream:
        stream.write("int main(void) { return 0; }\n")
    if _compile(empty, program).returncode:
        raise Missing("sanitizers", "this compiler can't link them here")
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "glib-2.0", "json-c"],
        capture_output=True, text=True, check=True).stdout.split()
    done = _compile(places.top("tests/codec/codec-tool.c"), program,
                    "-I" + places.top("include"), "-I" + places.top("src"),
                    *[source for folder in LIBRARY
                      for source in glob.glob(places.top("src", folder,
                                                         "*.c"))], *flags)
    assert not done.returncode, done.stderr
    return program
