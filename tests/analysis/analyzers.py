# SPDX-License-Identifier: GPL-2.0-or-later
"""Has an analyzer read each C file that users get, as the build compiles it.

What it said of a file is kept in the cache, by the preprocessed text, so that
only what has changed is read again."""
import hashlib
import os
import re
import shutil
import subprocess
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor

from harness import compiled, places
from harness.tap import Missing, note, once

OURS = "src/", "libvirt-hooks/"

# None of this takes a tenth of that, on a machine that has much else to do.
LIMIT_S = 1800

Exception_ = namedtuple("Exception_", "check path why")


@once
def sources():
    """The Command of each file."""
    found = [command for path, command in
             compiled.commands(places.build(), places.TOP).items()
             if path.startswith(OURS)]
    assert found, "the build compiles none of our files"
    return found


def program(name):
    if not shutil.which(name):
        raise Missing(name, "%s isn't installed" % name)
    return name


def run(command, folder=places.TOP, **options):
    """All that it prints is its stdout."""
    return subprocess.run(command, cwd=folder, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True,
                          errors="replace", timeout=LIMIT_S, **options)


def must(command, folder=places.TOP, **options):
    """What it prints; it must end well."""
    done = run(command, folder, **options)
    assert not done.returncode, "%s: status %d\n%s" % (
        " ".join(command), done.returncode, done.stdout)
    return done.stdout


def _text(source):
    """Preprocessed, without where it stands in this machine's folders."""
    done = subprocess.run([*source.words, "-E", "-P"], cwd=source.folder,
                          capture_output=True, check=True)
    return done.stdout


def _from_top(source, text):
    """What was said, with our files' paths as they are in the tree."""
    def from_top(match):
        full = os.path.normpath(os.path.join(source.folder, match[0]))
        inside = os.path.relpath(full, places.TOP)
        return full if inside.startswith("..") else inside

    return re.sub(r"^[^\n:#]+(?=:\d+:)", from_top, text, flags=re.M)


class Analyzer:
    """One tool. command(source) is run in the source's folder; found is a
    pattern of one finding: path, line, what and check."""

    def __init__(self, tool, command, found, exceptions=(), settings=""):
        self._tool = program(tool)
        self._command = command
        self._found = re.compile(found, re.M)
        self._exceptions = exceptions
        self._version = must([tool, "--version"]) + settings

    def _key(self, source):
        sums = hashlib.sha256()
        for part in self._version, repr(self._command(source)):
            sums.update(part.replace(places.TOP, "").encode() + b"\0")
        sums.update(_text(source))
        return sums.hexdigest()[:24]

    def _findings(self, source):
        """[(path, check, what)] of one file."""
        kept = os.path.join(places.cache("analysis", self._tool),
                            self._key(source))
        if not os.path.exists(kept):
            self._keep(kept, self._read(source))
        with open(kept, errors="replace") as file:
            found = [(match["path"], match["check"], match[0])
                     for match in self._found.finditer(file.read())]
        # Others' headers are others' matter.
        return [one for one in found if not os.path.isabs(one[0])]

    def _read(self, source):
        """What the tool says. One that fails has to say what it found."""
        done = run(self._command(source), source.folder)
        assert not done.returncode or self._found.search(done.stdout), \
            "%s: %s ends with status %d\n%s" % (
                source.path, self._tool, done.returncode, done.stdout)
        return _from_top(source, done.stdout)

    @staticmethod
    def _keep(path, text):
        """At once, should somebody else read it."""
        new = "%s.%d" % (path, os.getpid())
        with open(new, "w") as file:
            file.write(text)
        os.replace(new, path)

    def check(self):
        """Nothing is found but what is excepted. What isn't found any more is
        no fault: other versions of a tool find other things."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            every = set().union(*pool.map(
                lambda source: set(self._findings(source)), sources()))
        excepted = {(e.path, e.check) for e in self._exceptions}
        for path, check in excepted - {found[:2] for found in every}:
            note("%s: this version doesn't find %s" % (path, check))
        wrong = [what for path, check, what in sorted(every)
                 if (path, check) not in excepted]
        assert not wrong, "\n".join(wrong)
