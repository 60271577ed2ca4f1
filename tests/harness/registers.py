# SPDX-License-Identifier: GPL-2.0-or-later
"""Devices' registers, reached as the guest could reach them."""
import contextlib
import socket
import struct

FW_CFG_SELECTOR, FW_CFG_DATA, FW_CFG_FILES = 0x510, 0x511, 0x19
FW_CFG_ENTRY = struct.Struct(">IHH56s")


class Registers:
    """ask() sends a line of QEMU's qtest protocol, such as "inb 0x511"."""

    def __init__(self, guest):
        path = guest.path("registers")
        address = {"type": "unix", "data": {"path": path}}
        guest.qmp.execute("chardev-add", {"id": "registers", "backend": {
            "type": "socket", "data": {"addr": address, "wait": False}}})
        guest.qmp.execute("object-add", {
            "id": "registers", "qom-type": "qtest", "chardev": "registers",
            "log": "none"})
        self._files = contextlib.ExitStack()
        server = self._files.enter_context(socket.socket(socket.AF_UNIX))
        server.connect(path)
        self._file = self._files.enter_context(server.makefile("rw"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._files.close()

    def ask(self, line):
        print(line, file=self._file, flush=True)
        word, *values = self._file.readline().split()
        assert word == "OK", line
        return int(values[0], 16) if values else None

    def _read(self, size):
        return bytes(self.ask("inb %#x" % FW_CFG_DATA) for _ in range(size))

    def _select(self, key):
        self.ask("outw %#x %#x" % (FW_CFG_SELECTOR, key))

    def firmware_file(self, name):
        """What QEMU has ready under this name for the guest's firmware."""
        self._select(FW_CFG_FILES)
        for _ in range(struct.unpack(">I", self._read(4))[0]):
            size, key, _, found = FW_CFG_ENTRY.unpack(
                self._read(FW_CFG_ENTRY.size))
            if found.rstrip(b"\0").decode() == name:
                self._select(key)
                return self._read(size)
        raise KeyError(name)
