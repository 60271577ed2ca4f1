# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the command, and says what must hold of every run."""
import fcntl
import os
import pty
import struct
import subprocess
import termios

from harness import places
from harness.wait import LIMIT_S

FINE, FAILURE, USAGE, REFUSED, INEXACT = range(5)


def program():
    return places.build("src/cli/clockferry")


def run(*arguments, **options):
    """One run, with its output as text."""
    return subprocess.run([program(), *map(str, arguments)],
                          capture_output=True, text=True, timeout=LIMIT_S,
                          **options)


def output(*arguments, status=(FINE, INEXACT), **options):
    """What a run prints that ends well."""
    done = run(*arguments, **options)
    assert done.returncode in status, (done.returncode, done.stderr)
    assert not done.stderr, done.stderr
    return done.stdout


def fails(status, *arguments, words=(), **options):
    """It ends with that status, one sentence, and prints nothing else."""
    done = run(*arguments, **options)
    assert done.returncode == status, (done.returncode, done.stderr)
    assert not done.stdout, done.stdout
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("clockferry: "), lines[0]
    assert lines[0].isprintable(), repr(lines[0])
    for word in words:
        assert word in lines[0], lines[0]
    return lines[0]


def on_terminal(*arguments, columns=80, **variables):
    """What a terminal gets, in bytes."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ,
                struct.pack("HHHH", 25, columns, 0, 0))
    done = subprocess.run([program(), *map(str, arguments)], stdout=theirs,
                          stderr=subprocess.PIPE, timeout=LIMIT_S,
                          env=dict(os.environ, **variables))
    os.close(theirs)
    text = b""
    try:
        while True:
            text += os.read(ours, 65536)
    except OSError:             # all was read, and nobody writes any more
        os.close(ours)
    assert not done.stderr, done.stderr
    return text


def leftovers(folder, *allowed):
    """Nothing stays behind in the folder but these files."""
    found = set(os.listdir(folder)) - set(allowed)
    assert not found, "left behind: %s" % sorted(found)
