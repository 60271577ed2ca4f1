# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the emulator, the kernels and the initramfs are; builds what isn't."""
from collections import namedtuple

import initramfs
from harness import binaries
from harness.emulator import built
from harness.tap import Missing

Paths = namedtuple("Paths", "emulator kernels initramfs")


def _qemus():
    """Both inner QEMUs."""
    return {name: binaries.binary("CLOCKFERRY_QEMU_" + name.upper())
            for name in ("patched", "stock")}


def find(kernels, vmclock=False):
    """Everything that hosts with these kernels need; Missing("lab") if it
    can't be had. `vmclock`: a guest with another kernel, too."""
    try:
        more = initramfs.vmclock_guest(built("guest")) if vmclock else {}
        files = initramfs.contents(_qemus(), binaries.rom(),
                                   built("kernel", "released"), more)
    except Missing as missing:
        raise Missing("lab", str(missing)) from missing
    return Paths(built("emulator"),
                 {name: built("kernel", name) for name in kernels},
                 initramfs.build(files))
