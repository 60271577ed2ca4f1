# SPDX-License-Identifier: GPL-2.0-or-later
"""Where library and QEMU are known to differ still."""
import os

from harness.tap import Missing


def differs_still(what):
    """Skips a test that fails today, unless CLOCKFERRY_PARITY is set."""
    if not os.environ.get("CLOCKFERRY_PARITY"):
        raise Missing("parity", "%s; CLOCKFERRY_PARITY=30 shows how" % what)
