# SPDX-License-Identifier: GPL-2.0-or-later
"""How long functions of a running program take, by the kernel's uprobes.

From outside: the program knows nothing of it. A probe costs about 2 us in the
function that it times, and more in functions that begin unusually. Needs root,
and a program with symbols."""
import contextlib
import os
import re
import subprocess
import sys
import tempfile
from collections import namedtuple

Call = namedtuple("Call", "function start_us took_us")

_EVENT = re.compile(r"\s*.+-(\d+)\s+\[\d+\]\s+\S+\s+(\d+)\.(\d+): (\w+):")


class NoUprobes(Exception):
    """This kernel, or this user, has none."""


def in_own_mounts():
    """Starts this program anew where it can mount tracefs for itself alone,
    so that nothing is left behind."""
    if "CLOCKFERRY_OWN_MOUNTS" not in os.environ:
        os.environ["CLOCKFERRY_OWN_MOUNTS"] = "1"
        with contextlib.suppress(OSError):
            os.execvp("unshare", ["unshare", "--mount", sys.executable]
                      + sys.argv)


def _symbols(binary, names):
    """{name: offset in the file}"""
    listed = subprocess.run(["nm", binary], capture_output=True, text=True,
                            check=True).stdout
    found = {}
    for line in listed.splitlines():
        words = line.split()
        if len(words) == 3 and words[2] in names and words[1] in "tT":
            found[words[2]] = _file_offset(binary, int(words[0], 16))
    return found


def _file_offset(binary, address):
    segments = subprocess.run(["readelf", "-lW", binary], capture_output=True,
                              text=True, check=True).stdout
    for line in segments.splitlines():
        words = line.split()
        if words[:1] == ["LOAD"]:
            offset, start, _, size = (int(word, 16) for word in words[1:5])
            if start <= address < start + size:
                return address - start + offset
    raise NoUprobes("%s has no code at %#x" % (binary, address))


class Uprobes:
    """Use as a context manager; calls() tells what was called since clear().

    Only in processes that are started in that context, by this one."""

    def __init__(self, binary, functions):
        self._offsets = _symbols(binary, functions)
        self._binary = binary
        self._group = "clockferry_%d_%s" % (
            os.getpid(), os.path.basename(os.path.dirname(binary)))
        self._group = re.sub(r"\W", "_", self._group)
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        try:
            self._root = self._mount()
            self._define()
        except (OSError, subprocess.CalledProcessError) as error:
            self._stack.close()
            raise NoUprobes("this kernel gives no uprobes to us: %s"
                            % error) from error
        return self

    def __exit__(self, *_):
        self._stack.close()

    def _mount(self):
        folder = self._stack.enter_context(tempfile.TemporaryDirectory())
        subprocess.run(["mount", "-t", "tracefs", "none", folder], check=True,
                       capture_output=True)
        self._stack.callback(subprocess.run, ["umount", folder], check=False)
        return folder

    def _define(self):
        self._stack.callback(self._undefine)
        for name, offset in self._offsets.items():
            for kind, suffix in ("p", ""), ("r", "__return"):
                self._write("uprobe_events", "%s:%s/%s%s %s:%#x" % (
                    kind, self._group, name, suffix, self._binary, offset))
        self._instance = "instances/" + self._group
        os.mkdir(os.path.join(self._root, self._instance))
        self._write(self._instance + "/trace_clock", "mono")
        self._write(self._instance + "/options/event-fork", "1")
        self._write(self._instance + "/set_event_pid", str(os.getpid()))
        self._write("%s/events/%s/enable" % (self._instance, self._group), "1")

    def _undefine(self):
        with contextlib.suppress(OSError, AttributeError):
            self._write("%s/events/%s/enable" % (self._instance, self._group),
                        "0")
            os.rmdir(os.path.join(self._root, self._instance))
        for name in self._offsets:
            for suffix in "", "__return":
                with contextlib.suppress(OSError):
                    self._write("uprobe_events",
                                "-:%s/%s%s" % (self._group, name, suffix))

    def _write(self, name, text):
        """Appending, but not as Python does it, who would seek."""
        handle = os.open(os.path.join(self._root, name),
                         os.O_WRONLY | os.O_APPEND)
        try:
            os.write(handle, text.encode() + b"\n")
        finally:
            os.close(handle)

    def clear(self):
        with open(os.path.join(self._root, self._instance, "trace"), "w",
                  encoding="ascii"):
            pass

    def calls(self):
        """Finished calls, in the order in which they began."""
        found, open_calls = [], {}
        path = os.path.join(self._root, self._instance, "trace")
        with open(path, encoding="ascii", errors="replace") as trace:
            events = [match for match in map(_EVENT.match, trace) if match]
        for event in events:
            thread, name = int(event[1]), event[4]
            now_us = int(event[2]) * 1000000 + int(event[3])
            function = name.removesuffix("__return")
            if function == name:
                open_calls[thread, function] = now_us
            elif (thread, function) in open_calls:
                start_us = open_calls.pop((thread, function))
                found.append(Call(function, start_us, now_us - start_us))
        return sorted(found, key=lambda call: call.start_us)
