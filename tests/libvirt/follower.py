# SPDX-License-Identifier: GPL-2.0-or-later
"""clockferry annotate --follow on a host, as its unit starts it."""
import subprocess

import wait


def start(host):
    """Its process id there. It ends with the host."""
    process = subprocess.Popen(
        host.command("clockferry", "annotate", "--all", "--follow",
                     "--connect", "qemu:///system"),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)
    host.at_close(process.wait)
    host.at_close(process.kill)
    return wait.until(lambda: host.find_process("annotate"), "no follower")
