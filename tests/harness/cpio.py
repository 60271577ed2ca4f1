# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the initramfs of a kernel."""
import os
import tempfile


class Archive:
    """A cpio archive in the "newc" form, as the kernel takes it."""

    def __init__(self):
        self._parts = []
        self._inode = 0

    def _entry(self, name, mode, data=b"", device=(0, 0)):
        self._inode += 1
        fields = (self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device,
                  len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields)
        head += name.encode() + b"\0"
        self._parts += [head, bytes(-len(head) % 4), data,
                        bytes(-len(data) % 4)]

    def directory(self, name):
        self._entry(name, 0o40755)

    def file(self, name, path):
        with open(path, "rb") as content:
            self._entry(name, 0o100755, content.read())

    def console(self):
        self._entry("dev/console", 0o20600, device=(5, 1))

    def save(self, path):
        self._entry("TRAILER!!!", 0)
        with tempfile.NamedTemporaryFile(dir=os.path.dirname(path),
                                         delete=False) as new:
            new.write(b"".join(self._parts))
        os.replace(new.name, path)
