# SPDX-License-Identifier: GPL-2.0-or-later
"""The emulator of hosts, and the kernels for them: tests/lab/build has them,
and builds what isn't there yet."""
import os
import subprocess

from harness import places
from harness.tap import Missing, once

BUILD = places.top("tests/lab/build")
CPU = "EPYC,+svm,+npt,-topoext,-nrip-save,-xsavec,+tsc-scale,+invtsc"
# Of a host when nothing depends on it.
KHZ = 2596120    # like a real host's, not round
START = 10 ** 15


@once
def built(*what):
    """The path of "emulator", or of "kernel" and its name."""
    if not os.access(BUILD, os.X_OK):
        raise Missing("lab", "tests/lab/build isn't there")
    done = subprocess.run([BUILD, *what], stdout=subprocess.PIPE, text=True,
                          check=False)
    path = done.stdout.strip().split("\n")[-1]
    if done.returncode or not os.path.exists(path):
        raise Missing("lab", "tests/lab/build %s failed" % " ".join(what))
    return path


def cpu(khz=KHZ, start=START, flags=""):
    """The -cpu argument of a host; start is its TSC's value at true time 0."""
    words = [CPU, "tsc-frequency=%d" % (khz * 1000), "x-tsc-start=%d" % start]
    return ",".join(words + ([flags] if flags else []))
