# SPDX-License-Identifier: GPL-2.0-or-later
"""Lines and branches of files that were run or not, and the reasons why not."""
import os


class File:
    """What was counted of one file, from all objects that it is part of."""

    def __init__(self, path):
        self.path = path
        self.lines = {}         # number: it was run
        self.branches = {}      # number: for each branch, it was taken

    def add(self, line):
        """An entry of gcovr's."""
        number = line["line_number"]
        if line.get("gcovr/noncode"):
            return
        self.lines[number] = self.lines.get(number, False) or line["count"] > 0
        taken = [each["count"] > 0 for each in line["branches"]]
        before = self.branches.get(number, [])
        length = max(len(taken), len(before))
        self.branches[number] = [
            any(each[i:i + 1] == [True] for each in (taken, before))
            for i in range(length)]

    def gaps(self):
        """[(first, last)] of lines not run with no line between that is."""
        found, begin, last = [], None, None
        for number in sorted(self.lines):
            if self.lines[number]:
                if begin:
                    found.append((begin, last))
                begin = None
            else:
                begin, last = begin or number, number
        return found + ([(begin, last)] if begin else [])

    def count(self, gap):
        first, last = gap
        return sum(first <= number <= last for number in self.lines)

    def untaken(self):
        """Lines that are run, of which a branch is never taken."""
        return [number for number, taken in sorted(self.branches.items())
                if self.lines[number] and not all(taken)]


def files(report, shown):
    """A File for each of the report's, whose path is shown(gcovr's)."""
    found = {}
    for entry in report["files"]:
        path = shown(entry["file"])
        file = found.setdefault(path, File(path))
        for line in entry["lines"]:
            file.add(line)
    return [found[path] for path in sorted(found) if found[path].lines]


def total(some):
    """Lines, those that are run, branches, those that are taken."""
    lines = [ran for file in some for ran in file.lines.values()]
    branches = [each for file in some for taken in file.branches.values()
                for each in taken]
    return len(lines), sum(lines), len(branches), sum(branches)


def figures(some):
    lines, ran, branches, taken = total(some)
    return {"lines": lines, "lines_run": ran, "branches": branches,
            "branches_taken": taken}


def spelled(gap):
    first, last = gap
    return "%d" % first if first == last else "%d-%d" % (first, last)


class Reasons:
    """Of a file in which a line has a path; those under it, further in, a text
    of that file's; those under that, still further in, the reason."""

    def __init__(self, path, top):
        self.top = top
        self.all = {}           # (path, text): reason
        with open(path, encoding="utf-8") as stream:
            self._read(line.rstrip() for line in stream)

    def _read(self, lines):
        path = text = None
        for line in lines:
            depth = (len(line) - len(line.lstrip())) // 4
            if not line or line.startswith("#"):
                continue
            if depth == 0:
                path = line
            elif depth == 1:
                text = line.strip()
            else:
                before = self.all.get((path, text))
                self.all[path, text] = (before + " " if before else "") \
                    + line.strip()

    def _source(self, path):
        with open(os.path.join(self.top, path), encoding="utf-8") as source:
            return source.read().splitlines()

    def of(self, file, gap):
        """Why these lines aren't run, or None. Not by what else is in them: if
        much isn't run, it has other reasons."""
        first = gap[0]
        before = max((line for line in file.lines if line < first),
                     default=first)
        for (path, text), reason in self.all.items():
            if path == file.path and any(
                    text in line
                    for line in self._source(path)[before - 1:first]):
                return reason
        return None

    def stale(self):
        """Sentences about reasons for what isn't there any more."""
        for path, text in self.all:
            if not os.path.exists(os.path.join(self.top, path)):
                yield "reasons: there is no file %s" % path
            elif not any(text in line for line in self._source(path)):
                yield "reasons: %s has no line with: %s" % (path, text)
