# SPDX-License-Identifier: GPL-2.0-or-later
"""What a process holds, by its folder in a /proc, ours or another host's; and
its end."""
import os
import re
import subprocess
from collections import namedtuple

from harness import places

# Longer than one that still can takes to write what it counted.
LAST_WORDS_S = 5

Held = namedtuple("Held", "rss_kb fds threads")


def folder(pid):
    return "/proc/%d" % pid


def rss_kb(path):
    with open(path + "/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))


def fds(path):
    return len(os.listdir(path + "/fd"))


def held(path):
    return Held(rss_kb(path), fds(path), len(os.listdir(path + "/task")))


def end(process):
    """Kills it; one that counts what it runs may write that first."""
    if places.counting():
        process.terminate()
        try:
            process.wait(LAST_WORDS_S)
        except subprocess.TimeoutExpired:
            pass
    process.kill()
    process.wait()
