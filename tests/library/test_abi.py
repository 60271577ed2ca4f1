# SPDX-License-Identifier: GPL-2.0-or-later
"""The interface: what is exported, declared, described, and how large."""
import ctypes
import os
import re
import shutil
import subprocess
import tempfile

from harness import places
from harness.tap import Missing

HEADERS = places.top("include/clockferry")
ALLOCATED_BY_CALLERS = ["CfHost", "CfVm", "CfRestoreOptions", "CfReport",
                        "CfGuest", "CfCheck", "CfVcpuState",
                        "CfExchanges"]


def headers():
    return sorted(name for name in os.listdir(HEADERS) if name.endswith(".h"))


def text(name):
    with open(os.path.join(HEADERS, name), encoding="utf-8") as stream:
        return stream.read()


def declared():
    """Functions that the headers promise."""
    found = []
    for name in headers():
        found += re.findall(r"^CF_API [^;(]*?\b(cf_\w+)\(", text(name), re.M)
    return sorted(found)


def test_symbols():
    """Exported is what the map names, and what the headers declare"""
    with open(places.top("src/libclockferry.map"),
              encoding="utf-8") as stream:
        mapped = re.findall(r"^    (cf_\w+);$", stream.read(), re.M)
    listing = subprocess.run(
        ["nm", "-D", "--defined-only",
         places.build("src/libclockferry.so.0")],
        capture_output=True, text=True, check=True).stdout
    exported = re.findall(r" T (\w+)@@CLOCKFERRY_0\.1$", listing, re.M)
    assert sorted(exported) == sorted(mapped) == declared(), (
        set(exported) ^ set(declared()), set(mapped) ^ set(declared()))
    assert mapped == sorted(mapped), "the map isn't sorted"
    others = [line for line in listing.splitlines()
              if "@@CLOCKFERRY" not in line and " A CLOCKFERRY" not in line]
    assert not others, others


def test_described():
    """Every function has a comment in its header, and is in the man page"""
    with open(places.top("docs/man/libclockferry.3.rst"),
              encoding="utf-8") as stream:
        page = stream.read()
    comments = "".join(text(name) for name in headers())
    for name in declared():
        assert re.search(r"^/\*\*\n \* %s - " % name, comments, re.M), name
        assert "**%s**" % name in page, "%s isn't in the man page" % name


def test_members():
    """Every member of a public structure is described"""
    seen = 0
    for name in headers():
        source = text(name)
        for match in re.finditer(r"^typedef struct (\w+) \{\n", source, re.M):
            before = source[:match.start()]
            comment = before[before.rindex("/**"):]
            body = source[match.end():source.index("\n}", match.end())]
            for member in re.findall(r"(\w+)(?:\[\w*\])?;", body):
                # a pvclock record is the kernel's to describe
                if match[1] != "CfPvclockRecord" and "(*" not in body:
                    assert "@%s:" % member in comment, (match[1], member)
                    seen += 1
    assert seen > 80, seen


def compilers():
    found = [each for each in (("gcc", "c", "c11"), ("g++", "cc", "c++11"),
                               ("clang", "c", "c11"),
                               ("clang++", "cc", "c++11"))
             if shutil.which(each[0])]
    if not found:
        raise Missing("compiler", "neither gcc nor clang is installed")
    return found


def compile_text(source, compiler, ending, *flags):
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "x." + ending)
        with open(file, "w", encoding="utf-8") as stream:
            stream.write(source)
        return subprocess.run(
            [compiler, "-Wall", "-Wextra", "-Wshadow", "-Werror",
             "-I" + places.top("include"), file, *flags],
            capture_output=True, text=True)


def glib():
    return subprocess.run(["pkg-config", "--cflags", "glib-2.0"],
                          capture_output=True, text=True,
                          check=True).stdout.split()


def test_headers():
    """Each header needs no other, in C11 and C++11, with gcc and clang"""
    for compiler, ending, standard in compilers():
        for name in headers():
            done = compile_text(
                "#include <clockferry/%s>\n#include <clockferry/%s>\n"
                % (name, name), compiler, ending, "-std=" + standard,
                "-fsyntax-only", *glib())
            assert not done.returncode, (compiler, name, done.stderr)


def test_sizes():
    """Structures that callers allocate keep their sizes in all versions"""
    compiler = compilers()[0]
    source = "#include <clockferry/clockferry.h>\n#include <stdio.h>\n" \
        "int main(void)\n{\n"
    for struct in ALLOCATED_BY_CALLERS:
        source += '    printf("%s %%zu\\n", sizeof(%s));\n' % (struct, struct)
    with tempfile.TemporaryDirectory() as folder:
        program = folder + "/sizes"
        done = compile_text(source + "    return 0;\n}\n", compiler[0], "c",
                            "-o", program, *glib())
        assert not done.returncode, done.stderr
        sizes = subprocess.run([program], capture_output=True, text=True,
                               check=True).stdout
    with open(places.top("tests/library/sizes-0"),
              encoding="utf-8") as stream:
        assert sizes == stream.read(), sizes


def test_version():
    """Headers, library and pkg-config's file are of one version"""
    with open(places.top("meson.build"), encoding="utf-8") as stream:
        version = re.search(r"version: '([\d.]+)'", stream.read())[1]
    major, minor, micro = version.split(".")
    assert "CF_VERSION_OF(%s, %s, %s)" % (major, minor, micro) in \
        text("clockferry.h"), version
    library = ctypes.CDLL(places.build("src/libclockferry.so.0"))
    assert library.cf_version() == \
        int(major) << 16 | int(minor) << 8 | int(micro)


def test_reserved():
    """Each of them has room for later versions"""
    everything = "".join(text(name) for name in headers())
    for struct in ALLOCATED_BY_CALLERS:
        body = re.search(r"typedef struct %s \{(.*?)\n\} %s;"
                         % (struct, struct), everything, re.S)[1]
        assert re.search(r"uint64_t reserved\[\d\];$", body), struct
