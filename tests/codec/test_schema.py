# SPDX-License-Identifier: GPL-2.0-or-later
"""The JSON Schemas: real output fits them, and the reader is no laxer."""
import copy
import json
import os
import subprocess

from codec import Codec
from harness import places
from harness.schemas import assert_fits, jsonschema, schema, validator
from test_golden import VERSION, WRITTEN, files

def test_schemas():
    """Each schema is a schema, and for a format that wire-format.rst lists"""
    jsonschema()
    with open(places.top("docs/wire-format.rst"), encoding="utf-8") as stream:
        document = stream.read()
    kinds = []
    for file in sorted(os.listdir(places.top("docs/schema"))):
        kinds.append(file.split(".")[0].split("-", 1)[1])
        validator(kinds[-1]).check_schema(schema(kinds[-1]))
        assert "``clockferry-%s``" % kinds[-1] in document, file
    for kind in kinds:
        for name in schema(kind)["properties"]:
            assert "``%s``" % name in document, \
                "%s of %s isn't described" % (name, kind)


def test_golden():
    """The golden files fit the schemas"""
    for kind, version, name, text in files():
        if version == VERSION:
            validator(kind, name in WRITTEN).validate(
                json.loads(text))


def run(*command):
    """What a command prints; it may end with 4, works but not exactly."""
    done = subprocess.run([places.build("src/cli/clockferry"), *command],
                          capture_output=True, text=True)
    assert done.returncode in (0, 4), done.stderr
    return done.stdout


def test_real_probe():
    """A probe of this host fits its schema, and is read again as it was"""
    jsonschema()
    places.need_kvm()
    text = run("probe", "--json")
    assert_fits("probe", json.loads(text))
    with Codec("probe") as codec:
        assert codec.ask(text) == (True, text)


def test_real_selftest():
    """A selftest's output fits its schema"""
    jsonschema()
    places.need_kvm()
    assert_fits("selftest", json.loads(
        run("selftest", "--rounds", "20", "--json")))


WRONG = [None, True, False, 0, -1, 1, 2 ** 31, 2 ** 32, 2 ** 63, 2 ** 64,
         10 ** 400, 1.5, "", "x", "0", "-1", "007", "+1", " 1", "1 ", "0x10",
         "1e3", str(2 ** 64), "9" * 400, [], ["x"], {}, {"x": 1}]


def places_in(node, path=()):
    """The paths of all members and elements of a JSON value."""
    if isinstance(node, (dict, list)):
        keys = node if isinstance(node, dict) else range(len(node))
        for key in keys:
            yield path + (key,)
            yield from places_in(node[key], path + (key,))


def changed(value, path, new):
    value = copy.deepcopy(value)
    inner = value
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return value


def test_reader_is_no_laxer():
    """What the reader takes, the schema takes"""
    taken = refused = 0
    for kind, _, name, text in files():
        check, good = validator(kind), json.loads(text)
        if name not in WRITTEN[::2]:
            continue
        with Codec(kind) as codec:
            for path in places_in(good):
                for new in WRONG:
                    value = changed(good, path, new)
                    if codec.ask(json.dumps(value))[0]:
                        assert check.is_valid(value), (path, new)
                        taken += 1
                    else:
                        refused += 1
    assert taken > 50 and refused > 1000, (taken, refused)


def test_null():
    """A member that is null is wrong for both"""
    for kind in "probe", "state", "guest":
        check = validator(kind)
        text = next(text for k, _, name, text in files()
                    if k == kind and name == "full")
        good = json.loads(text)
        with Codec(kind) as codec:
            for path in places_in(good):
                value = changed(good, path, None)
                assert not check.is_valid(value), path
                assert not codec.ask(json.dumps(value))[0], path
