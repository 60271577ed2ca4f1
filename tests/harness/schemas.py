# SPDX-License-Identifier: GPL-2.0-or-later
"""The JSON Schemas of docs/schema, and whether something fits them."""
import functools
import json

from harness import places


def jsonschema():
    return places.module("jsonschema", "python3-jsonschema")


def schema(kind):
    with open(places.top("docs/schema/clockferry-%s.schema.json" % kind),
              encoding="utf-8") as stream:
        return json.load(stream)


def strict(node):
    """The schema without leave for members that it doesn't name."""
    if isinstance(node, list):
        return [strict(each) for each in node]
    if not isinstance(node, dict):
        return node
    node = {name: strict(each) for name, each in node.items()}
    if "properties" in node and "additionalProperties" not in node:
        node["additionalProperties"] = False
    return node


@functools.lru_cache(None)
def validator(kind, exactly=False):
    checked = strict(schema(kind)) if exactly else schema(kind)
    return jsonschema().Draft202012Validator(checked)


def assert_fits(kind, said):
    """It fits the schema, and has no member that isn't described there."""
    validator(kind, exactly=True).validate(said)
