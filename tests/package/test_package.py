# SPDX-License-Identifier: GPL-2.0-or-later
"""The packages by themselves: sound, and the same each time."""
import os
import re
import shutil

from harness import places
from harness.debian import (VERSIONS, Debian, build, field, packages, run,
                            scratch)
from harness.tap import once


def test_lintian():
    """lintian of Debian 12 and 13 finds no error and nothing to warn of"""
    for version in VERSIONS:
        with Debian(version, "lintian") as debian:
            files = [debian.put(file) for file in packages().values()]
            done = debian.run("lintian", "--allow-root", "--fail-on",
                              "error,warning", *files)
        assert not done.returncode, (version, done)


def test_version():
    """debian/changelog has the version of the tree, and what isn't released
    sorts before it by its commit's time"""
    with open(places.top("meson.build"), encoding="utf-8") as stream:
        version = re.search(r"^  version: '(.+)'", stream.read(), re.M)[1]
    for file in packages().values():
        assert re.fullmatch(re.escape(version) + r"(~\d{14}\.\w{7})?",
                            field(file, "Version")), file


@once
def copy_without_git():
    """The tree as a release has it."""
    copy = os.path.join(scratch(), "copy")
    shutil.copytree(places.TOP, copy, symlinks=True,
                    ignore=shutil.ignore_patterns(".git", "__pycache__"))
    return copy


def test_same_bytes():
    """Built anew from a copy elsewhere that isn't a clone, each is the same"""
    when = run("git", "-c", "safe.directory=*", "-C", places.TOP, "log", "-1",
               "--format=%ct").stdout.strip()
    when = when or os.stat(places.top("debian/changelog")).st_mtime
    again = build(copy_without_git(), "again", DEB_BUILD_OPTIONS="nocheck",
                  SOURCE_DATE_EPOCH=str(int(when)))
    for name, file in packages().items():
        with open(file, "rb") as one, open(again[name], "rb") as other:
            assert one.read() == other.read(), name


def test_compilers_13():
    """Debian 13's gcc and clang build the tree without a warning, too"""
    with open(places.top("debian/control"), encoding="utf-8") as stream:
        wanted = re.findall(r"^ ([\w.+-]+)", stream.read().split("\n\n")[0], re.M)
    with Debian("13", "build-essential", "clang", *wanted) as debian:
        shutil.copytree(copy_without_git(), debian.path("/clockferry"), symlinks=True)
        for compiler in "gcc", "clang":
            build_in = "/build-" + compiler
            debian.must("env", "CC=" + compiler, "meson", "setup", build_in, "/clockferry")
            debian.must("ninja", "-C", build_in)
