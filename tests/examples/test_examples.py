# SPDX-License-Identifier: GPL-2.0-or-later
"""A test for each example of the documents: it runs, and shows what it did."""
import json
import os

import pages
import shape
from harness import places
from harness.schemas import assert_fits
from known import KNOWN, NOT_RUN
from surroundings import Place

def assert_written(place, files):
    for name, kind in files.items():
        with open(place.path(name), encoding="utf-8") as stream:
            text = stream.read()
        assert text.endswith("\n"), "%s isn't whole" % name
        if kind:
            assert_fits(kind, json.loads(text))


def assert_printed(example, run, text):
    if run.prints:
        assert_fits(run.prints, json.loads(text))
    if example.shown:
        shape.assert_alike(example.shown, text.splitlines())


def statuses(run):
    return run.status if isinstance(run.status, tuple) else (run.status,)


def run_example(example):
    assert example.command in KNOWN, \
        "tests/examples/known.py doesn't know this example: %s" \
        % example.command
    run = KNOWN[example.command]
    if run.needs == "kvm":
        places.need_kvm()
    with Place(run) as place:
        status, text = run.how(place, example.command)
        assert status in statuses(run), (status, text)
        assert_written(place, run.writes)
    assert_printed(example, run, text)


def make_test(example):
    def test():
        run_example(example)

    test.__doc__ = "%s:%d: %s" % (example.page, example.line,
                                  example.command.replace("\n", "; "))
    return test


EXAMPLES = pages.examples()
for each in EXAMPLES:
    if each.command not in NOT_RUN:
        topic = os.path.basename(each.page).split(".")[0]
        globals()["test_%s_%d" % (topic, each.line)] = make_test(each)


def test_known():
    """What is known stands in a page, and nothing is known twice"""
    found = {example.command for example in EXAMPLES}
    assert len(found) > 20, found
    stale = (set(KNOWN) | set(NOT_RUN)) - found
    assert not stale, "in no page any more: %s" % sorted(stale)
    assert not set(KNOWN) & set(NOT_RUN)
    for line in sorted(NOT_RUN):
        print("# not run: %s (%s)" % (line, NOT_RUN[line]))
