# SPDX-License-Identifier: GPL-2.0-or-later
"""What docs/modes.rst says is shown by a test is shown by one."""
import fnmatch
import os
import re

from harness.tap import note

HERE = os.path.dirname(os.path.abspath(__file__))
PAGE = os.path.join(HERE, "..", "..", "docs", "modes.rst")


def tests():
    """Names as the suite gives them."""
    found = set()
    for file in os.listdir(HERE):
        if re.fullmatch(r"test_\w+\.py", file):
            with open(os.path.join(HERE, file), encoding="utf-8") as source:
                found |= {"%s.%s" % (file[5:-3], name) for name in
                          re.findall(r"^def test_(\w+)", source.read(), re.M)}
    return found


def named():
    """What the page names; "``.x``" is of the topic named before."""
    with open(PAGE, encoding="utf-8") as page:
        words = re.findall(r"``([a-z]*\.[a-z0-9_*]+)``", page.read())
    topic = ""
    for word in words:
        topic, name = word.split(".") if word[0] != "." else (topic, word[1:])
        yield "%s.%s" % (topic, name)


def test_modes():
    """Each test that docs/modes.rst names is there."""
    topics = {name.split(".")[0] for name in tests()}
    wanted = [name for name in named() if name.split(".")[0] in topics]
    note("%d names" % len(wanted))
    assert wanted
    missing = [name for name in wanted if not fnmatch.filter(tests(), name)]
    assert not missing, missing
