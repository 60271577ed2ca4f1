# SPDX-License-Identifier: GPL-2.0-or-later
"""Analyzers find nothing, but for exceptions that say why. The files that the
series adds to QEMU are read in suite patches, as QEMU compiles them."""
import os

from analyzers import Analyzer, Exception_, must, program, run
from harness import places
from harness.tap import Missing

# Without optimization, whose inlining confuses it.
GCC = r"^(?P<path>[^\n:]+):\d+:\d+: \w+: .*\[-W(?P<check>analyzer-[\w-]+)\]$"
GCC_EXCEPTIONS = (
    Exception_("analyzer-use-of-uninitialized-value",
               "src/cli/libvirt/calls.c",
               "it doesn't see that memcpy() reads all of dlsym()'s result"),
    Exception_("analyzer-fd-leak", "libvirt-hooks/probe-apart.c",
               "what stands for the standard streams stays open"))

TIDY = r"^(?P<path>[^\n:]+):\d+:\d+: (?:error|warning): .*\[(?P<check>[\w.,-]+)\]$"

CPPCHECK = r"^(?P<path>[^\n:]+):\d+: .* \[(?P<check>\w+)\]$"
# No finding, or one of GLib, which ends the program if there is no memory.
CPPCHECK_LEFT_OUT = ("normalCheckLevelMaxBranches", "nullPointerOutOfMemory",
                     "ctunullpointerOutOfMemory")
# Which it doesn't know.
CPPCHECK_MACROS = ('-DG_DEFINE_QUARK(name,function)=',
                   '-DG_GINT64_FORMAT="ld"', '-DG_GUINT64_FORMAT="lu"',
                   '-DCLI_VERSION="0"')
CPPCHECK_EXCEPTIONS = (
    Exception_("leakNoVarFunctionCall", "src/cli/libvirt/annotate-follow.c",
               "the hash table frees its keys"),
    Exception_("invalidPrintfArgType_uint", "src/cli/pool/matrix-svg.c",
               "of two unsigned numbers MAX() is unsigned"),
    Exception_("memleak", "src/cli/pool/pool-groups.c",
               "g_array_append_val() copies what it is given"),
    Exception_("autoVariables", "src/domain/domain.c",
               "the parser is freed before the variable goes"))


def test_gcc():
    """gcc -fanalyzer"""
    Analyzer("gcc", lambda source: [
        "gcc", *source.words[1:], "-O0", "-Wno-error", "-fanalyzer",
        "-fdiagnostics-plain-output", "-o", "/dev/null"],
        GCC, GCC_EXCEPTIONS).check()


def test_tidy():
    """clang-tidy, with the checks that .clang-tidy names and reasons"""
    with open(places.top(".clang-tidy")) as file:
        settings = file.read()
    Analyzer("clang-tidy", lambda source: [
        "clang-tidy", "--quiet", places.top(source.path), "--",
        *source.words[1:]],
        TIDY, settings=settings).check()


def test_cppcheck():
    """cppcheck"""
    Analyzer("cppcheck", lambda source: [
        "cppcheck", "--quiet", "--language=c", "--std=c11", "--library=gtk",
        "--enable=warning,performance,portability",
        "--template={file}:{line}: {message} [{id}]",
        *CPPCHECK_MACROS, *("--suppress=" + name for name in CPPCHECK_LEFT_OUT),
        "-I" + places.top("include"), "-I" + places.top("src"),
        places.top(source.path)], CPPCHECK, CPPCHECK_EXCEPTIONS).check()


def scripts():
    """Whatever sh reads, by its first lines."""
    listed = run([program("git"), "-c", "safe.directory=*", "ls-files", "-z"])
    if listed.returncode:
        raise Missing("git", "this isn't a clone, so git can't list it")
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
    must([program("shellcheck"), "--external-sources", "--format=gcc",
          *found])
