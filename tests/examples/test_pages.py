# SPDX-License-Identifier: GPL-2.0-or-later
"""Each command has a man page, and that tells of all its options."""
import os
import re

from harness import places
from harness.command import output


def commands():
    found = re.findall(r"^  (\w+) +\S", output("--help"), re.M)
    assert len(found) >= 6, found
    return found


def page(name):
    with open(places.top("docs/man", name + ".1.rst"),
              encoding="utf-8") as stream:
        return stream.read()


def section(text, title):
    found = re.search(r"^%s\n=+\n\n(.*?)(?=^\S[^\n]*\n=+\n|\Z)" % title, text,
                      re.M | re.S)
    assert found, title
    return found[1]


def options(text):
    """{long option: its short one and its value's name}."""
    found = re.findall(r"^ *(?:(-\w), )?(--[a-z-]+)(?:=(\w+))?(?:  |$)", text,
                       re.M)
    return {name: (short, value) for short, name, value in found}


def test_options():
    """The options of a page are those of --help"""
    for command in commands():
        told = options(output(command, "--help"))
        described = options(section(page("clockferry-" + command), "OPTIONS"))
        assert told and told == described, \
            (command, set(told.items()) ^ set(described.items()))


def test_statuses():
    """Each page tells what exit statuses mean, and none that isn't there"""
    meant = re.findall(r"^(\d)$", section(page("clockferry"), "EXIT STATUS"),
                       re.M)
    assert meant == list("01234"), meant
    for command in commands():
        text = section(page("clockferry-" + command), "EXIT STATUS")
        if text.startswith("As of **clockferry-"):
            continue
        told = re.findall(r"^(\d)$", text, re.M)
        assert set("012") <= set(told) <= set(meant), (command, told)


def test_listed():
    """The main page lists all commands, and there is no page for others"""
    listed = re.findall(r"\*\*clockferry-(\w+)\*\*\\\(1\)",
                        section(page("clockferry"), "COMMANDS"))
    assert sorted(listed) == sorted(commands()), (listed, commands())
    there = {name[len("clockferry-"):-len(".1.rst")]
             for name in os.listdir(places.top("docs/man"))
             if re.fullmatch(r"clockferry-\w+\.1\.rst", name)}
    assert there == set(commands()), there ^ set(commands())
