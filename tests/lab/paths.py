# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the emulator, the kernels and the initramfs are; builds what isn't."""
import functools
import os
import subprocess
from collections import namedtuple

import binaries
import initramfs

BUILD = os.path.join(initramfs.HERE, "build")
CPU = "EPYC,+svm,+npt,-topoext,-nrip-save,-xsavec,+tsc-scale,+invtsc"


class Paths(namedtuple("Paths", "emulator kernels initramfs")):
    @staticmethod
    def cpu(khz, start, flags):
        """The -cpu argument of a host."""
        words = [CPU, "tsc-frequency=%d" % (khz * 1000),
                 "x-tsc-start=%d" % start]
        return ",".join(words + ([flags] if flags else []))


@functools.lru_cache(None)
def _built(*what):
    """The path that tests/lab/build prints."""
    if not os.access(BUILD, os.X_OK):
        raise binaries.Missing("lab", "tests/lab/build isn't there")
    done = subprocess.run([BUILD, *what], stdout=subprocess.PIPE, text=True,
                          check=False)
    path = done.stdout.strip().split("\n")[-1]
    if done.returncode or not os.path.exists(path):
        raise binaries.Missing("lab", "tests/lab/build %s failed"
                               % " ".join(what))
    return path


def _qemus():
    """Both inner QEMUs."""
    return {name: binaries._binary("CLOCKFERRY_QEMU_" + name.upper())
            for name in ("patched", "stock")}


def find(kernels):
    """Everything that hosts with these kernels need; Missing("lab") if it
    can't be had."""
    try:
        files = initramfs.contents(_qemus(), binaries.rom(),
                                   _built("kernel", "released"))
    except binaries.Missing as missing:
        raise binaries.Missing("lab", str(missing)) from missing
    return Paths(_built("emulator"),
                 {name: _built("kernel", name) for name in kernels},
                 initramfs.build(files))
