# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the test_* functions of a suite's test_*.py files and prints TAP.

A test is a function without arguments; the first line of its docstring is its
title. It fails by raising, and is skipped by raising Missing."""
import importlib
import os
import re
import sys
import time
import traceback


class Missing(Exception):
    """What a test needs isn't there: Missing("kvm", "/dev/kvm can't ...")."""

    def __init__(self, key, reason):
        super().__init__("%s: %s" % (key, reason))


def diagnose(text):
    for line in str(text).splitlines():
        print("# " + line)


def discover(folder):
    """[(name, function)] of every test in the folder."""
    found = []
    for file in sorted(os.listdir(folder)):
        if re.fullmatch(r"test_\w+\.py", file):
            topic = importlib.import_module(file[:-3])
            found += [("%s.%s" % (file[5:-3], name[5:]), value)
                      for name, value in vars(topic).items()
                      if name.startswith("test_") and callable(value)]
    return found


def run_one(number, name, test):
    """Prints one TAP line; true unless the test failed."""
    began = time.monotonic()
    title = "%s: %s" % (name, (test.__doc__ or "").split("\n")[0].rstrip("."))
    try:
        test()
        good, skip = True, ""
    except Missing as missing:
        good, skip = True, " # SKIP %s" % missing
    except AssertionError as error:
        diagnose(error if str(error) else traceback.format_exc())
        good, skip = False, ""
    except Exception:           # whatever it is, the others go on
        diagnose(traceback.format_exc())
        good, skip = False, ""
    print("%sok %d - %s%s" % ("" if good else "not ", number, title, skip))
    seconds = time.monotonic() - began
    if seconds > 1:
        diagnose("%.1f s" % seconds)
    return good


def main(folder, wanted):
    """Runs all tests whose name has one of the words in it, or all."""
    sys.dont_write_bytecode = True
    sys.path.insert(0, folder)
    sys.stdout.reconfigure(line_buffering=True)
    tests = discover(folder)
    if "--list" in wanted:
        print("\n".join(name for name, _ in tests))
        return 0
    if wanted:
        tests = [(name, test) for name, test in tests
                 if any(word in name for word in wanted)]
    if not tests:
        print("suite: no test is called %s" % ", ".join(wanted),
              file=sys.stderr)
        return 2
    print("1..%d" % len(tests))
    results = [run_one(number, name, test)
               for number, (name, test) in enumerate(tests, 1)]
    return 0 if all(results) else 1
