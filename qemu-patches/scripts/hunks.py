# SPDX-License-Identifier: GPL-2.0-or-later
"""Says which hunks of a patch don't fit the last commit of a tree, and what is there now.

Usage: hunks.py TREE PATCH [OLD-BASE]
OLD-BASE is a commit that the patch was made for; with it, files that have moved since are found.
Where git has left files to resolve, only these are looked at."""
import difflib
import re
import subprocess
import sys
from collections import namedtuple

# `old`: lines that the hunk wants to find, from line number `start` on.
Hunk = namedtuple("Hunk", "start old")
# How many lines more than the patch knows may be in a place, and how many to show instead of its end.
MORE, INSTEAD = 12, 3
HEADER = re.compile(r"@@ -(\d+)(?:,(\d+))? \+\d+(?:,(\d+))? @@")


def git(tree, *arguments):
    """What git prints, or None if it fails."""
    done = subprocess.run(["git", "-C", tree, "-c", "safe.directory=*", *arguments], capture_output=True,
                          encoding="utf-8", errors="replace", check=False)
    return None if done.returncode else done.stdout


def read_hunk(header, lines):
    """Takes the hunk's lines off the iterator, as many as its header says."""
    start, *counts = header.groups()
    old_left, new_left = (int(count or 1) for count in counts)
    old = []
    while old_left or new_left:
        mark, text = re.fullmatch(r"([-+\\ ]?)(.*)", next(lines)).groups()
        if mark in ("-", " ", ""):
            old.append(text)
            old_left -= 1
        if mark in ("+", " ", ""):
            new_left -= 1
    return Hunk(int(start), old)


def read_patch(path):
    """{file: [Hunk]}; a new file has one hunk that wants no lines."""
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = iter(file.read().splitlines())
    files, name = {}, None
    for line in lines:
        header = HEADER.match(line)
        if line.startswith("diff --git "):
            name = line.split(" b/")[-1]
        elif header and name:
            files.setdefault(name, []).append(read_hunk(header, lines))
    return files


def moved(tree, old_base):
    """{old path: new path} of the files that moved since the old base."""
    renames = old_base and git(tree, "diff", "-M", "-l0", "--diff-filter=R", "--name-status", old_base, "HEAD")
    return dict(line.split("\t")[1:] for line in (renames or "").splitlines())


def fits(hunk, lines):
    size = len(hunk.old)
    return any(lines[at:at + size] == hunk.old for at in range(len(lines) - size + 1))


def difference(hunk, lines):
    """Line number and text of the likeliest place: - what the patch wants to find, + what is there."""
    match = difflib.SequenceMatcher(None, hunk.old, lines, autojunk=False).find_longest_match()
    first = max(0, match.b - match.a if match.size else hunk.start - 1)
    there = lines[first:first + len(hunk.old) + MORE]
    shown = [line for line in difflib.ndiff(hunk.old, there) if line[0] != "?"]
    # What is there behind the place's last line says nothing, but what is there instead of it does.
    wanted = max(number for number, line in enumerate(shown, 1) if line[0] != "+")
    return first + 1, shown[:wanted + (INSTEAD if shown[wanted - 1][0] == "-" else 0)]


def explain(name, hunks, text):
    """The lines to print about one file."""
    if not hunks[0].old:
        return ["%s: the patch adds it, and it is there already" % name] if text is not None else []
    if text is None:
        return ["%s: it isn't there any more" % name]
    lines, said = text.splitlines(), []
    for number, hunk in enumerate(hunks, 1):
        if not fits(hunk, lines):
            at, shown = difference(hunk, lines)
            said.append("%s: hunk %d of %d doesn't fit; - is what it wants, + is there from line %d on"
                        % (name, number, len(hunks), at))
            said += ["    " + line for line in shown]
    return said


def main(tree, patch, old_base=""):
    unresolved = (git(tree, "diff", "--name-only", "--diff-filter=U") or "").split()
    new_names = moved(tree, old_base)
    for name, hunks in read_patch(patch).items():
        now = new_names.get(name, name)
        if unresolved and now not in unresolved:
            continue
        if now != name:
            print("%s has become %s" % (name, now))
        print("\n".join(explain(now, hunks, git(tree, "show", "HEAD:" + now))))


if __name__ == "__main__":
    main(*sys.argv[1:])
