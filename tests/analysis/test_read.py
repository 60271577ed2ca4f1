# SPDX-License-Identifier: GPL-2.0-or-later
"""Analyzers find nothing, but for exceptions that say why. The files that the
series adds to QEMU are read in suite patches, as QEMU compiles them."""
import os
import subprocess

from analyzers import Analyzer, Exception_, program, said
from harness import places

# gcc 12's analyzer; without optimization, whose inlining confuses it.
GCC = r"^(?P<path>[^\s:]+):\d+:\d+: \w+: .*\[-W(?P<check>analyzer-[\w-]+)\]$"
GCC_EXCEPTIONS = (
    Exception_("analyzer-use-of-uninitialized-value",
               "src/cli/libvirt/calls.c",
               "it doesn't see that memcpy() reads all of dlsym()'s result"),)

TIDY = r"^(?P<path>[^\s:]+):\d+:\d+: (?:error|warning): .*\[(?P<check>[\w.,-]+)\]$"

CPPCHECK = r"^(?P<path>[^\s:]+):\d+: .* \[(?P<check>\w+)\]$"
CPPCHECK_EXCEPTIONS = (
    Exception_("memleak", "src/cli/pool/pool-groups.c",
               "g_array_append_val() copies what it is given"),
    Exception_("autoVariables", "src/domain/domain.c",
               "the parser is freed before the variable goes"))


def test_gcc():
    """gcc -fanalyzer"""
    Analyzer("gcc", lambda source: [
        "gcc", *source.words, "-O0", "-Wno-error", "-fanalyzer",
        "-fdiagnostics-plain-output", "-c", "-o", "/dev/null"],
        GCC, GCC_EXCEPTIONS).check()


def test_tidy():
    """clang-tidy, with the checks that .clang-tidy names and reasons"""
    with open(places.top(".clang-tidy")) as file:
        settings = file.read()
    Analyzer("clang-tidy", lambda source: [
        "clang-tidy", "--quiet", places.top(source.path), "--", *source.words],
        TIDY, settings=settings).check()


def test_cppcheck():
    """cppcheck"""
    Analyzer("cppcheck", lambda source: [
        "cppcheck", "--quiet", "--language=c", "--std=c11", "--library=gtk",
        "--enable=warning,performance,portability",
        "--template={file}:{line}: {message} [{id}]",
        # which it doesn't know
        "-DG_DEFINE_QUARK(name,function)=",
        "-I" + places.top("include"), "-I" + places.top("src"),
        places.top(source.path)], CPPCHECK, CPPCHECK_EXCEPTIONS).check()


def scripts():
    """Whatever sh reads, by its first lines."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=places.TOP,
                            capture_output=True, text=True)
    for path in filter(None, listed.stdout.split("\0")):
        full = places.top(path)
        if os.path.isfile(full):
            with open(full, errors="replace") as file:
                head = file.read(200)
            if head.startswith(("#!/bin/sh", "#!/bin/bash")) \
                    or "# shellcheck shell=" in head:
                yield path


def test_shellcheck():
    """shellcheck"""
    found = sorted(scripts())
    assert len(found) > 20, found
    words = said([program("shellcheck"), "--external-sources",
                  "--format=gcc", *found], places.TOP)
    assert not words, words
