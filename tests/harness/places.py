# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the suites find things, and what they may have to do without."""
import fcntl
import functools
import importlib
import os
import random
import sys

from harness.tap import Missing, diagnose

TOP = os.environ.get("CLOCKFERRY_TOP") or os.path.abspath(
    os.path.join(os.path.dirname(__file__), "..", ".."))


def build(*path):
    """A file in the build folder."""
    folder = os.environ.get("CLOCKFERRY_BUILD")
    assert folder, "CLOCKFERRY_BUILD must name the folder that meson built in"
    return os.path.join(folder, *path)


def top(*path):
    """A file in the source tree."""
    return os.path.join(TOP, *path)


def module(name, package):
    """A Python module, also if only the system's own Python has it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        pass
    sys.path.append("/usr/lib/python3/dist-packages")
    try:
        return importlib.import_module(name)
    except ImportError:
        raise Missing(name, "%s isn't installed" % package) from None


@functools.lru_cache(None)
def kvm_works():
    """By asking for the version of its API: a mere file may stand there."""
    try:
        with open("/dev/kvm", "rb+", 0) as device:
            return fcntl.ioctl(device, 0xAE00) == 12
    except OSError:
        return False


def need_kvm():
    if not kvm_works():
        raise Missing("kvm", "/dev/kvm can't be used")


@functools.lru_cache(None)
def chance():
    """Random numbers; CLOCKFERRY_SEED=N repeats them."""
    seed = os.environ.get("CLOCKFERRY_SEED") or str(random.randrange(2 ** 32))
    diagnose("CLOCKFERRY_SEED=%s" % seed)
    return random.Random(seed)
