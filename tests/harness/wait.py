# SPDX-License-Identifier: GPL-2.0-or-later
"""Waits for something to become true."""
import time

# For what will be true at once: whoever waits so long hangs. It must hold
# beside any load, so no test finds out by it how quick something is.
LIMIT_S = 120


def until(true, complaint):
    """Returns what true() says as soon as that is anything."""
    deadline = time.monotonic() + LIMIT_S
    while True:
        found = true()
        if found:
            return found
        assert time.monotonic() < deadline, complaint
        time.sleep(0.005)
