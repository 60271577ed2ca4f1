# SPDX-License-Identifier: GPL-2.0-or-later
"""What a process holds, by its folder in a /proc, ours or another host's."""
import os
import re
from collections import namedtuple

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
