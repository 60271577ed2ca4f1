# SPDX-License-Identifier: GPL-2.0-or-later
"""The C tests under valgrind and under the sanitizers."""
import os
import subprocess

from analyzers import must, program, run
from harness import places
from harness.tap import Missing, note, once

# What limits its own address space, as the hook does, can't run so.
FLAVOURS = {"address": "address,undefined", "thread": "thread"}
CRASHED = {"ASAN_OPTIONS": "detect_leaks=1",
           "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
           "TSAN_OPTIONS": "halt_on_error=1:suppressions="
                           + places.top("tests/analysis/glib-races")}


@once
def built(flavour):
    """The folder of a build with these sanitizers, brought up to date."""
    done = run([places.top("tests/analysis/build"), flavour,
                FLAVOURS[flavour]])
    *before, last = done.stdout.splitlines()
    if done.returncode == 77:
        raise Missing("sanitizers", last)
    assert not done.returncode, done.stdout
    return last


def unit_programs(folder):
    folder = os.path.join(folder, "tests", "unit")
    found = [os.path.join(folder, name) for name in sorted(os.listdir(folder))
             if name.startswith("test-")]
    return [path for path in found if os.path.isfile(path)]


def check_all(programs, *before, **more):
    """Every one ends well, and tells of its tests."""
    number = 0
    for path in programs:
        words = must([*before, path, "--tap"],
                     env={**os.environ, **CRASHED, **more})
        own = words.count("\nok ")
        assert own, "%s has no test\n%s" % (path, words)
        number += own
    note("%d tests of %d programs" % (number, len(programs)))
    assert programs


def test_valgrind():
    """valgrind: no error, no leak"""
    check_all(unit_programs(places.build()), program("valgrind"), "--quiet",
              "--error-exitcode=9", "--leak-check=full",
              "--errors-for-leak-kinds=definite")


def test_addresses():
    """Sanitizers of addresses and of undefined behaviour"""
    check_all(unit_programs(built("address")))


def test_oracle():
    """The arithmetic under the sanitizers: the answers are exact, too"""
    emit = os.path.join(built("address"), "tests/unit/emit-clock-math")
    said = subprocess.Popen(
        [emit, "--emit", "20000", "--seed", places.seed()],
        stdout=subprocess.PIPE, env={**os.environ, **CRASHED})
    must(["python3", places.top("tests/unit/oracle.py")], stdin=said.stdout)
    said.stdout.close()
    assert said.wait() == 0, said.returncode


def test_threads():
    """ThreadSanitizer"""
    folder = built("thread")
    order = os.path.join(folder, "glib-order.so")
    flags = must(["pkg-config", "--cflags", "glib-2.0"]).split()
    must(["cc", "-O1", "-shared", "-fPIC", "-o", order,
          places.top("tests/analysis/glib-order.c"), *flags, "-ldl"])
    check_all(unit_programs(folder), LD_PRELOAD=order)


def test_threads_of_vcpus():
    """ThreadSanitizer: what runs VMs here"""
    places.need_kvm()
    must([os.path.join(built("thread"), "src/cli/clockferry"), "selftest",
          "--rounds", "20", "--vcpus", "4"], env={**os.environ, **CRASHED})
