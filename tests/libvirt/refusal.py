# SPDX-License-Identifier: GPL-2.0-or-later
"""What must hold when a guest isn't let in."""
import os
import re

from harness import check

QEMU_LOGS = "/var/log/libvirt/qemu"


def sentence(words):
    """Ours: one line, without control characters, and nothing after it."""
    found = re.search(r"clockferry: ([^\n]*)\Z", words)
    assert found and words.count("clockferry: ") == 1, words
    assert found.group(1).isprintable(), repr(words)
    return found.group(1)


def tells(words, *parts):
    """Our sentence has these parts in it."""
    said = sentence(words)
    for part in parts:
        assert part in said, "%r isn't in: %s" % (part, said)


def qemu_was_started(host, name="ferry"):
    """libvirt opens the log before it starts QEMU."""
    return os.path.exists(host.path("%s/%s.log" % (QEMU_LOGS, name)))


def nothing_came(host):
    """No QEMU was started there, and libvirt knows of no guest."""
    assert not qemu_was_started(host), "a QEMU was started on " + host.name
    names = host.do("list", "--all", "--name").split()
    assert not names, "%s has guests: %s" % (host.name, names)


class Unharmed(check.Untouched):
    """A guest that stays: it runs, publishes, and libvirt knows it runs."""

    def __init__(self, running):
        super().__init__(running)
        self._running = running

    def assert_still(self, may_stop=False):
        super().assert_still(may_stop)
        running = self._running
        state = running.host.do("domstate", running.name).strip()
        assert state == "running", "libvirt says the guest is %s" % state
        info = running.host.do("domjobinfo", running.name)
        assert "None" in info, "libvirt still has a job: %s" % info
