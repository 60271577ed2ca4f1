# SPDX-License-Identifier: GPL-2.0-or-later
"""Each target finds nothing, in so many executions."""
import os
import tempfile
import zlib

import fuzz
import fuzzer
from harness import places
from harness.tap import note
from targets import TARGETS, found


def _seed(name):
    return 1 + zlib.crc32(("%s %s" % (places.seed(), name)).encode()) % 2 ** 31


def _replay(name):
    said = fuzzer.replay(name, found(name)) if found(name) else None
    assert not said, "a case that was found before fails again:\n" + said


def _fuzz(name, runs):
    with tempfile.TemporaryDirectory() as folder:
        outcome = fuzzer.run(name, folder, "-runs=%d" % runs,
                             "-seed=%d" % _seed(name))
        assert not outcome.finding, \
            "%s\n./run fuzz %s 60 keeps such an input" % (outcome.log, name)
    assert outcome.executions >= runs, \
        "%d executions of %d" % (outcome.executions, runs)
    note("%s: %d executions, %d edges, %.0f s" % (
        name, outcome.executions, outcome.covered, outcome.seconds))


def _test(name, runs):
    def test():
        _replay(name)
        _fuzz(name, runs)
    test.__doc__ = "%d executions find nothing" % runs
    return test


for _name, _target in TARGETS.items():
    globals()["test_" + _name.replace("-", "_")] = _test(_name, _target.runs)


def test_merge():
    """Only what may be cases is replaced: no folder with folders in it"""
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(os.path.join(folder, "pictures"))
        assert fuzz.merge("policy", folder) == 2
        assert os.listdir(folder) == ["pictures"]
