# SPDX-License-Identifier: GPL-2.0-or-later
"""The ioctls of a QEMU while something happens, by strace."""
import contextlib
import re
import shutil
import subprocess
from collections import Counter

from harness.tap import Missing

# How often these come is chance: the guest runs, or dirties memory.
CHANCE = {"KVM_RUN", "KVM_IRQ_LINE", "KVM_IRQ_LINE_STATUS", "KVM_SIGNAL_MSI",
          "KVM_GET_DIRTY_LOG", "KVM_CLEAR_DIRTY_LOG"}


@contextlib.contextmanager
def counted(guest):
    """Yields a Counter, which is filled when the block ends."""
    found = Counter()
    with listed(guest) as calls:
        yield found
    found.update(call for call in calls if call not in CHANCE)


@contextlib.contextmanager
def listed(guest):
    """Yields a list of the names, which is filled when the block ends."""
    found = []
    path = guest.path("strace")
    with _attached(guest, path):
        yield found
    with open(path, encoding="utf-8", errors="replace") as log:
        for line in log:
            call = re.search(r"ioctl\(\d+, (KVM_\w+|_IOC\([^)]*\))", line)
            if call:
                found.append(call[1])


@contextlib.contextmanager
def _attached(guest, path):
    if not shutil.which("strace"):
        raise Missing("strace", "strace isn't installed")
    tracer = subprocess.Popen(
        ["strace", "-f", "-e", "trace=ioctl", "-e", "signal=none", "-o", path,
         "-p", str(guest.pid)], stderr=subprocess.PIPE, text=True)
    try:
        said = tracer.stderr.readline()
        if "attached" not in said:
            raise Missing("strace", "strace can't attach: %s" % said.strip())
        yield
    finally:
        tracer.terminate()
        tracer.communicate()
