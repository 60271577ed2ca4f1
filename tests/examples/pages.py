# SPDX-License-Identifier: GPL-2.0-or-later
"""The examples in the documents: what is shown as typed, and what as printed.

They are in literal blocks: in Markdown four spaces deep, in reStructuredText
after "::". In a block with prompts each "$ COMMAND" is an example, with the
lines below it as its output. Without prompts each line is one in Markdown,
where options at the start of a row of a table are examples, too; and the whole
block in reStructuredText. In guides only what stands after a "$" is one: there
are also logs and files in them, and what root does to a host."""
import glob
import os
import re
import textwrap
from collections import namedtuple

from harness import places

# `shown` are the lines of output; none means that the page doesn't tell.
Example = namedtuple("Example", "page line command shown")

OPTION = re.compile(r"^\| `(-[^`]+)`", re.M)

BLOCKS = {
    ".md": re.compile(r"(?<=\n\n)((?: {4}.*\n|\n(?= {4}))+)"),
    ".rst": re.compile(r"(?<=::\n\n)((?: +.*\n|\n(?= ))+)"),
}


GUIDES = ["docs/operating.rst", "docs/kubevirt.rst"]
PROMPT = re.compile(r"^ +\$ (.*)", re.M)


def pages():
    """Paths below the top of the tree."""
    man = glob.glob(places.top("docs/man/*.rst"))
    return ["README.md", "docs/wire-format.rst"] + sorted(
        os.path.relpath(path, places.TOP) for path in man)


def _blocks(page):
    """(number of the first line, text) of each literal block and option."""
    with open(places.top(page), encoding="utf-8") as stream:
        text = stream.read()
    ending = os.path.splitext(page)[1]
    found = list(BLOCKS[ending].finditer(text))
    if ending == ".md":
        found += OPTION.finditer(text)
    for match in found:
        yield (text.count("\n", 0, match.start()) + 1,
               textwrap.dedent(match[1]).rstrip())


def _in_block(page, first, text):
    """The examples in a block."""
    prompts = text.startswith("$ ")
    if not prompts and page.endswith(".rst"):
        return [Example(page, first, text, [])]
    found = []
    for number, line in enumerate(text.splitlines(), first):
        if line.startswith("$ ") or not prompts:
            command = re.sub(r"^\$ | +# .*", "", line)
            found.append(Example(page, number, command, []))
        else:
            found[-1].shown.append(line)
    return found


def _in_guide(page):
    with open(places.top(page), encoding="utf-8") as stream:
        text = stream.read()
    return [Example(page, text.count("\n", 0, match.start()) + 1, match[1], [])
            for match in PROMPT.finditer(text)]


def examples():
    return [example for page in pages() for block in _blocks(page)
            for example in _in_block(page, *block)] + \
        [example for page in GUIDES for example in _in_guide(page)]
