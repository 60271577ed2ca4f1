# SPDX-License-Identifier: GPL-2.0-or-later
"""What the library asks of the kernel: what its man page says, and no more."""
import re
import shutil
import subprocess

from harness import places
from harness.tap import Missing

MARK = re.compile(r'write\(-1, "(\w+)"')
# What the C library does to have memory, and to ask the time where that isn't
# a system call.
ANYBODYS = {"brk", "mmap", "munmap", "mprotect", "madvise", "futex"}


def strace(*arguments, options=()):
    """A run, and what strace wrote of it."""
    places.need_kvm()
    if not shutil.which("strace"):
        raise Missing("strace", "strace isn't installed")
    return subprocess.run(
        ["strace", "-f", *options, places.build("tests/library/habits"),
         *arguments], capture_output=True, text=True, timeout=60)


def calls(*arguments):
    """The names of each function's system calls and ioctls."""
    done = strace(*arguments)
    assert not done.returncode, done
    found, function = {}, "none"
    for line in done.stderr.splitlines():
        line = re.sub(r"^\[pid +\d+\] ", "", line)
        if MARK.match(line):
            function = MARK.match(line)[1]
            continue
        name = re.match(r"(\w+)\((?:[^,]*, (KVM_\w+))?", line)
        if name and name[1] not in ANYBODYS:
            found.setdefault(function, set()).add(name[2] or name[1])
    return found


def documented(function):
    """The names in the man page's paragraph about a function."""
    with open(places.top("docs/man/libclockferry.3.rst"),
              encoding="utf-8") as stream:
        section = stream.read().split("\nSYSTEM CALLS\n")[1]
    names = set()
    for heads, text in re.findall(r"^(\*\*.+)\n((?:    .+\n)+)", section,
                                  re.M):
        if "**%s**" % function in heads:
            names.update(re.findall(r"\*(\w+)\*", text))
    if "KVM_CREATE_VM" in names:
        names |= documented("cf_restore")
    return names


def test_documented():
    """No system call, and no thread, but those in libclockferry(3)"""
    for arguments in (), ("tai",):
        found = calls(*arguments)
        for function in ("cf_host_probe", "cf_capture", "cf_restore",
                         "cf_settle_vcpu"):
            assert found[function], found
            more = found[function] - documented(function)
            assert not more, (function, more)
        assert "cf_exchange_send" not in found, found


def test_tai():
    """A TAI offset that is handed in isn't asked for"""
    asked = "adjtimex", "clock_adjtime"
    for function in "cf_capture", "cf_restore":
        assert set(asked) & calls()[function]
        assert not set(asked) & calls("tai")[function]


def test_interrupted():
    """A signal may interrupt each ioctl of a probe, which makes it again"""
    for number in range(1, 100):
        done = strace("probe", options=(
            "-e", "trace=ioctl",
            "-e", "inject=ioctl:error=EINTR:when=%d" % number))
        assert not done.returncode, (number, done)
        if "(INJECTED)" not in done.stderr:
            break
    assert 20 < number < 99, number
