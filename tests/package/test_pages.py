# SPDX-License-Identifier: GPL-2.0-or-later
"""What docs/operating.rst shows, as far as it runs here."""
import re
import textwrap

from debian import run
from harness import places


def block(page, first):
    """The literal block that begins so."""
    with open(places.top("docs", page), encoding="utf-8") as stream:
        text = stream.read()
    found = re.search(r"(?<=::\n\n)((?: {4}.*\n|\n(?= {4}))*?"
                      + re.escape("    " + first) + r"(?:.*\n)(?: {4}.*\n|\n(?="
                      r" {4}))*)", text)
    assert found, first
    return textwrap.dedent(found[1])


def test_alerts():
    """What the alerts look at is what probe tells Prometheus"""
    told = run(places.build("src/cli/clockferry"), "probe", "-f", "prometheus",
               "--from", places.top("tests/codec/golden/probe-1-full.json"))
    expressions = re.findall(r"^ +expr: (.+)$",
                             block("operating.rst", "groups:"), re.M)
    names = re.findall(r"\bclockferry_\w+(?:\{.*?\})?",
                       " ".join(expressions))
    assert len(names) >= len(expressions) > 3, expressions
    for name in names:
        assert "\n" + name in told.stdout, (name, told)
