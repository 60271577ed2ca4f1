# SPDX-License-Identifier: GPL-2.0-or-later
"""The reader and writer of the formats, as a partner in a dialogue."""
import os
import subprocess

import places
from tap import Missing

SOURCES = ["check.c", "clock-guest.c", "codec.c", "codec-guest.c",
           "codec-probe.c", "codec-state.c", "error.c", "host.c", "json.c",
           "kvm.c", "names.c", "probe.c", "report.c", "scratch.c", "state.c",
           "vcpu-tsc.c"]


class Codec:
    """Asks codec-tool: again(text) is (True, text) or (False, sentence)."""

    def __init__(self, kind, program=None):
        self._tool = subprocess.Popen(
            [program or places.build("tests/codec/codec-tool"), kind],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self._tool.stdin.close()
        self._tool.wait(10)
        self._tool.stdout.close()

    def again(self, text):
        if isinstance(text, str):
            text = text.encode()
        self._tool.stdin.write(b"%d\n%s" % (len(text), text))
        self._tool.stdin.flush()
        word, _, rest = self._tool.stdout.readline().partition(b" ")
        if word == b"ok":
            return True, self._tool.stdout.read(int(rest)).decode()
        assert word == b"error", "codec-tool died of %r" % text[:2000]
        sentence = rest.decode().rstrip("\n")
        assert sentence.isprintable(), "not one plain line: %r" % sentence
        return False, sentence


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
                    "-I" + places.top("include"),
                    *[places.top("src", name) for name in SOURCES], *flags)
    assert not done.returncode, done.stderr
    return program
