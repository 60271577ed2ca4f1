# SPDX-License-Identifier: GPL-2.0-or-later
"""The system calls of a program: how many, no machine is too busy for that."""
import collections
import re
import shutil
import subprocess
import tempfile

from harness import places
from harness.tap import Missing
from harness.wait import LIMIT_S

# Who makes one of these waits for somebody.
WAITS = {"nanosleep", "clock_nanosleep", "pause", "select", "pselect6", "poll",
         "ppoll", "epoll_wait", "epoll_pwait", "sched_yield"}


def calls(command, **options):
    """(how it ended, {system call: how often}), with all its processes."""
    if not shutil.which("strace"):
        raise Missing("strace", "strace isn't installed")
    with tempfile.NamedTemporaryFile("r") as log:
        done = subprocess.run(
            ["strace", "-f", "-o", log.name, *command], capture_output=True,
            timeout=LIMIT_S, **options)
        found = re.findall(r"^\d+ +(\w+)\(", log.read(), re.M)
    if not found:
        raise Missing("strace", done.stderr[-200:])
    return done, collections.Counter(found)


def assert_prompt(found, ioctls, others):
    """It waits for nobody, and makes no more calls than these."""
    places.need_own_files_only()
    made = sum(found.values()) - found["ioctl"]
    assert not WAITS & set(found), found
    assert found["ioctl"] <= ioctls and made <= others, found
