# SPDX-License-Identifier: GPL-2.0-or-later
"""A test program as a partner in a dialogue; its side is dialogue.h."""
import os
import subprocess

from harness.wait import LIMIT_S


class Dialogue:
    """Asks it: (True, text) or (False, sentence)."""

    def __init__(self, program, *words):
        self._name = os.path.basename(program)
        self._program = subprocess.Popen(
            [program, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self._program.stdin.close()
        self._program.wait(LIMIT_S)
        self._program.stdout.close()

    def ask(self, text):
        if isinstance(text, str):
            text = text.encode()
        self._program.stdin.write(b"%d\n%s" % (len(text), text))
        self._program.stdin.flush()
        word, _, rest = self._program.stdout.readline().partition(b" ")
        if word == b"ok":
            return True, self._program.stdout.read(int(rest)).decode()
        assert word == b"error", "%s died of %r" % (self._name, text[:2000])
        sentence = rest.decode().rstrip("\n")
        assert sentence.isprintable(), "not one plain line: %r" % sentence
        return False, sentence
