# SPDX-License-Identifier: GPL-2.0-or-later
"""Waits for something to become true."""
import time


def until(true, complaint, timeout=20):
    """Returns what true() says as soon as that is anything."""
    deadline = time.monotonic() + timeout
    while True:
        found = true()
        if found:
            return found
        assert time.monotonic() < deadline, complaint
        time.sleep(0.005)
