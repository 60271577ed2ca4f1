# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the test_* functions of a suite's test_*.py files and prints TAP.

A test is a function without arguments; the first line of its docstring is its
title. It fails by raising, and is skipped by raising Missing."""
import functools
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
        self.key, self.reason = key, reason


def once(function):
    """What was had, or why it can't be had: neither is asked for again."""
    @functools.lru_cache(None)
    def tried(*arguments):
        try:
            return function(*arguments), None
        except (AssertionError, Missing) as error:
            return None, error

    @functools.wraps(function)
    def again(*arguments):
        result, error = tried(*arguments)
        if error:
            raise error
        return result
    return again


def note(text):
    """A TAP comment."""
    for line in str(text).splitlines():
        print("# " + line)


class Tap:
    """Numbers results and prints them; good until one isn't."""

    def __init__(self):
        self.number, self.good = 0, True

    def result(self, good, title, log=""):
        """log: what is shown of a failure."""
        self.number += 1
        self.good = self.good and bool(good)
        print("%sok %d - %s" % ("" if good else "not ", self.number, title))
        if not good:
            note(log)

    def skip(self, title, missing):
        self.result(True, "%s # SKIP %s" % (title, missing))

    def end(self, plan=True):
        """The exit status; prints the plan, unless it was known before."""
        if plan:
            print("1..%d" % self.number)
        return 0 if self.good else 1


def _run_one(tap, title, test):
    began = time.monotonic()
    try:
        test()
        tap.result(True, title)
    except Missing as missing:
        tap.skip(title, missing)
    except AssertionError as error:
        tap.result(False, title, str(error) or traceback.format_exc())
    except Exception:           # whatever it is, the others go on
        tap.result(False, title, traceback.format_exc())
    seconds = time.monotonic() - began
    if seconds > 1:
        note("%.1f s" % seconds)


def run(tests, after=None):
    """Runs tests, each a (title, function), and after() after each of them;
    the exit status."""
    sys.stdout.reconfigure(line_buffering=True)
    tap = Tap()
    print("1..%d" % len(tests))
    for title, test in tests:
        _run_one(tap, title, test)
        if after:
            after()
    return tap.end(plan=False)


def _discover(folder):
    """[(name, function)] of every test in the folder."""
    found = []
    for file in sorted(os.listdir(folder)):
        if re.fullmatch(r"test_\w+\.py", file):
            topic = importlib.import_module(file[:-3])
            found += [("%s.%s" % (file[5:-3], name[5:]), value)
                      for name, value in vars(topic).items()
                      if name.startswith("test_") and callable(value)]
    return found


def _title(name, test):
    return "%s: %s" % (name, (test.__doc__ or "").split("\n")[0].rstrip("."))


def main(folder, wanted, after=None):
    """Runs all tests whose name has one of the words in it, or all."""
    tests = _discover(folder)
    if "--list" in wanted:
        print("\n".join(name for name, _ in tests))
        return 0
    for word in wanted:
        if not any(word in name for name, _ in tests):
            print("suite: no test is called %s; --list names them" % word,
                  file=sys.stderr)
            return 2
    return run([(_title(name, test), test) for name, test in tests
                if not wanted or any(word in name for word in wanted)], after)
