# SPDX-License-Identifier: GPL-2.0-or-later
"""Command and library for arm64: cross-built, in the repository, installed."""
import os
import re
import struct
import tempfile

from harness import places
from harness.debian import (META, NAMES, SUITES, Debian, depends, field, run,
                            scratch, why_of)
from harness.tap import Missing, once

# The hook isn't: nothing carries clocks there that it could refuse.
ARM64 = tuple(name for name in NAMES if name != "clockferry-libvirt")
AARCH64 = 183       # e_machine


@once
def folder():
    """With packages for both architectures, and a repository of them."""
    made, why = why_of(places.top("debian/build-packages"), "--arm64",
                       os.path.join(scratch(), "arm64"),
                       DEB_BUILD_OPTIONS="nocheck")
    if why and "can't be built" not in why:
        raise Missing("package", why)
    assert not why, why
    return made


def packages(architecture):
    """{name: file}"""
    return {file.split("_")[0]: os.path.join(folder(), file)
            for file in os.listdir(folder())
            if file.endswith("_%s.deb" % architecture)
            and "dbgsym" not in file}


def machines(file):
    """{program or library of a package: which machine it is for}"""
    found = {}
    with tempfile.TemporaryDirectory(dir=scratch()) as unpacked:
        run("dpkg-deb", "--extract", file, unpacked, check=True)
        for place, _, files in os.walk(unpacked):
            for name in files:
                path = os.path.join(place, name)
                if os.path.islink(path):
                    continue
                with open(path, "rb") as stream:
                    head = stream.read(20)
                if head[:4] == b"\x7fELF":
                    found[name] = struct.unpack("<H", head[18:20])[0]
    return found


def test_built():
    """Of the same version as amd64's, and for arm64 in fact"""
    assert sorted(packages("arm64")) == sorted(ARM64), packages("arm64")
    assert sorted(packages("amd64")) == sorted(NAMES), packages("amd64")
    found = {}
    for name, file in packages("arm64").items():
        assert field(file, "Architecture") == "arm64", file
        for same in ("Version", "Depends"):
            assert field(file, same) == field(packages("amd64")[name], same), \
                (name, same)
        found.update(machines(file))
    assert set(found.values()) == {AARCH64} and "clockferry" in found and \
        any(name.startswith("libclockferry.so") for name in found), found


def test_index():
    """Each architecture finds its own packages in the repository"""
    for suite in SUITES.values():
        for architecture, names in ("amd64", NAMES), ("arm64", ARM64):
            path = os.path.join(folder(), "apt/dists", suite, "main",
                                "binary-" + architecture, "Packages")
            with open(path, encoding="utf-8") as stream:
                listed = set(re.findall(
                    r"^Package: (\S+)\nArchitecture: (\S+)$", stream.read(),
                    re.M))
            listed = {one for one in listed if "dbgsym" not in one[0]}
            assert listed == {(name, architecture) for name in names} | \
                {(META, "all")}, (path, listed)


def test_installed():
    """apt installs them where what they need is arm64's, too"""
    wanted = set().union(*(depends(packages("arm64")[name])
                           for name in ("clockferry", "libclockferry0")))
    with Debian("12", *sorted(name + ":arm64" for name in wanted
                              if name not in NAMES)) as debian:
        debian.add_repository(os.path.join(folder(), "apt"))
        debian.apt("install", "--no-install-recommends", "clockferry:arm64")
        said = debian.must("dpkg-query", "--show", "--showformat",
                           "${Package} ${Architecture} ${db:Status-Status}\n",
                           "clockferry", "libclockferry0")
    assert said == "clockferry arm64 installed\n" \
        "libclockferry0 arm64 installed\n", said


def test_lintian():
    """lintian finds no error and nothing to warn of"""
    with Debian("13", "lintian") as debian:
        files = [debian.put(file) for file in packages("arm64").values()]
        done = debian.run("lintian", "--allow-root", "--fail-on",
                          "error,warning", *files)
    assert not done.returncode, done
