# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the suites find things, and what they may have to do without."""
import fcntl
import functools
import importlib
import os
import random
import sys

from harness.tap import Missing, note

KVM_CREATE_VM = 0xAE01
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


def cache(*path):
    """A folder in the cache, made if it isn't there."""
    base = os.environ.get("CLOCKFERRY_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"),
        "clockferry")
    folder = os.path.join(base, *path)
    os.makedirs(folder, exist_ok=True)
    return folder


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
def kvm_problem():
    """Why KVM can't be used here, or None. Only making a VM tells."""
    try:
        kvm = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        return "/dev/kvm can't be opened: %s" % error.strerror
    try:
        os.close(fcntl.ioctl(kvm, KVM_CREATE_VM, 0))
    except OSError as error:
        return "/dev/kvm makes no VM: %s" % error.strerror
    finally:
        os.close(kvm)
    return None


def need_kvm():
    if kvm_problem():
        raise Missing("kvm", kvm_problem())


def counting():
    """Whether what runs counts that, for ./run coverage."""
    return bool(os.environ.get("CLOCKFERRY_COVERAGE"))


def need_own_files_only():
    """A build for coverage opens files that the program itself doesn't."""
    if counting():
        raise Missing("coverage", "this build writes what it counted")


@functools.lru_cache(None)
def seed():
    """What all random numbers come from; CLOCKFERRY_SEED=N repeats them."""
    number = os.environ.get("CLOCKFERRY_SEED") or str(random.randrange(2 ** 32))
    note("CLOCKFERRY_SEED=%s" % number)
    return number


@functools.lru_cache(None)
def chance():
    return random.Random(seed())
