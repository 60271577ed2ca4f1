# SPDX-License-Identifier: GPL-2.0-or-later
"""clockferry annotate --follow on a host, as its unit starts it."""
import functools
import subprocess

from harness import wait
from harness.libvirt.host import end


def start(host, *options, output=subprocess.DEVNULL):
    """Its process id there. It ends with the host."""
    process = host.begin("clockferry", "annotate", "--all", "--follow",
                         "--connect", "qemu:///system", *options,
                         stdin=subprocess.DEVNULL, stdout=output,
                         stderr=output)
    host.at_close(functools.partial(end, process))
    return wait.until(lambda: host.find_process("annotate"), "no follower")
