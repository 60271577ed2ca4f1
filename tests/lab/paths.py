# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the emulator, the kernels and the initramfs are; builds what isn't."""
from collections import namedtuple

import initramfs
from harness import binaries
from harness.emulator import built
from harness.tap import Missing

Paths = namedtuple("Paths", "emulator kernels initramfs")


def _qemus(*names):
    """Inner QEMUs."""
    return {name: binaries.binary("CLOCKFERRY_QEMU_" + name.upper())
            for name in names}


def _files(vmclock):
    more = initramfs.vmclock_guest(built("guest")) if vmclock else {}
    return initramfs.contents(_qemus("patched", "stock"), binaries.rom(),
                              built("kernel", "released"), more)


def _few_files():
    return initramfs.contents(_qemus("patched"), binaries.rom(), None)


def find(kernels, emulators=("qemu",), vmclock=False):
    """Everything that hosts with these kernels need; Missing("lab") if it
    can't be had. `vmclock`: a guest with another kernel, too. Bochs takes long
    to boot much."""
    qemu = "qemu" in emulators
    if "bochs" in emulators:
        built("bochs")
    try:
        files = _files(vmclock) if qemu else _few_files()
    except Missing as missing:
        raise Missing("lab", str(missing)) from missing
    return Paths(built("emulator") if qemu else None,
                 {name: built("kernel", name) for name in kernels},
                 initramfs.build(files))
