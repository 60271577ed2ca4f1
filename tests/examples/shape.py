# SPDX-License-Identifier: GPL-2.0-or-later
"""The shape of an output: what stays when numbers and names differ.

In a document "..." stands for what was left out: within a line for any text,
as a line for any lines."""
import itertools
import re

RUNGS = "exact|reanchored|closed-loop|realtime|plain"
TSC = "unchanged|copied|computed|unverified|not-set"

RULES = [
    (r"(Host *: )\S+, Linux \S+", r"\1NAME, Linux 0"),
    # a bar of a histogram, with its range and its count
    (r" *(?:to )?-?\d+(?: to -?\d+| on)? #* *\d+", "BAR"),
    (r"[-+±]*\d+(?:\.\d+)* ?(?:ns|us|ms|s)\b", "TIME"),
    (r"(?<![\w-])([-+±x]*)\d[\d.,]*", "0"),
    (r"\b(?:%s)\b" % RUNGS, "RUNG"),
    (r"RUNG 0(?:, RUNG 0)+", "RUNG 0"),
    (r"\b(?:%s)\b" % TSC, "TSC"),
    (r" {2,}", " "),
]


def of_line(line):
    line = line.rstrip()
    for pattern, word in RULES:
        line = re.sub(pattern, word, line)
    return line


def of_lines(lines):
    """Alike neighbours are one: how many there are is a number, too."""
    return [line for line, _ in itertools.groupby(map(of_line, lines))]


def _pattern(line):
    if line.strip() == "...":
        return r"(?:.*\n)*?"
    return re.escape(line).replace(r"\.\.\.", ".*") + r"\n"


def assert_alike(shown, printed):
    """The document shows what is printed."""
    pattern = "".join(map(_pattern, of_lines(shown)))
    text = "".join(line + "\n" for line in of_lines(printed))
    assert re.fullmatch(pattern, text), \
        "the page shows\n%s\nbut printed was\n%s" % (
            "\n".join(of_lines(shown)), text)
