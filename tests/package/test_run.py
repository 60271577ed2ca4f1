# SPDX-License-Identifier: GPL-2.0-or-later
"""What is installed works, in Debian 12 and 13."""
import json
import os
import re

from harness import places
from harness.debian import VERSIONS, field, installed, packages


def of_tree(name):
    """A package's version, without what tells commits apart."""
    return field(packages()[name], "Version").split("~")[0]


def test_command():
    """clockferry tells its version and its commands"""
    for version in VERSIONS:
        with installed(version, "libclockferry0", "clockferry") as debian:
            said = debian.must("clockferry", "--version")
            assert said == "clockferry %s\n" % of_tree("clockferry"), said
            commands = debian.must("clockferry", "--help")
            for name in ("probe", "check", "matrix", "state", "diff"):
                assert re.search(r"^  %s\b" % name, commands, re.M), commands


def test_no_kvm():
    """Without /dev/kvm probe says so in a sentence"""
    for version in VERSIONS:
        with installed(version, "libclockferry0", "clockferry") as debian:
            done = debian.run("clockferry", "probe")
    assert done.returncode == 1 and not done.stdout, done
    assert re.fullmatch(r"clockferry: .*/dev/kvm.*\n", done.stderr), done


def test_probe_and_check():
    """probe finds this host's KVM, and check takes what it wrote"""
    for version in VERSIONS:
        with installed(version, "libclockferry0", "clockferry") as debian:
            debian.give_kvm()
            done = debian.run("clockferry", "probe", "--json")
            assert done.returncode in (0, 4) and not done.stderr, done
            with open(debian.path("/tmp/a.json"), "w",
                      encoding="utf-8") as stream:
                stream.write(done.stdout)
            facts = json.loads(done.stdout)
            assert facts["format"] == "clockferry-probe", facts
            facts["host_khz"] *= 2
            facts["scaling"] = "none"
            facts["host"] = "Bürorechner"
            with open(debian.path("/tmp/b.json"), "w",
                      encoding="utf-8") as stream:
                json.dump(facts, stream, ensure_ascii=False)
            same = debian.run("clockferry", "check", "/tmp/a.json",
                              "/tmp/a.json")
            other = debian.run("clockferry", "check", "/tmp/a.json",
                               "/tmp/b.json")
        assert same.returncode in (0, 4), same
        assert other.returncode == 3 and "FAIL" in other.stdout, other
        assert "Bürorechner" in other.stdout, other


def test_pages():
    """All man pages and the documents are there"""
    sources = {name[:-4] for name in os.listdir(places.top("docs/man"))
               if name.endswith(".rst")}
    names = ("libclockferry0", "clockferry", "libclockferry-dev",
             "clockferry-libvirt")
    with installed("12", *names) as debian:
        files = debian.must("dpkg", "--listfiles", *names).split("\n")
        shell = debian.run("bash", "-c", ". /usr/share/bash-completion/"
                           "completions/clockferry && complete -p clockferry")
    pages = {os.path.basename(file)[:-3] for file in files
             if "/man/" in file and file.endswith(".gz")}
    assert pages == sources, pages ^ sources
    there = "/usr/share/doc/clockferry/"
    for document in "operating.rst", "design.rst":
        assert [file for file in files if
                file.startswith(there + document)], (document, files)
    # Programs read these, so they aren't compressed.
    for document in "monitoring/clockferry-rules.yml", \
            "monitoring/clockferry-dashboard.json", "kubevirt-plugin.yaml", \
            "examples/kubevirt-node-hook":
        assert there + document in files, (document, files)
    assert not shell.returncode, shell
    assert "/usr/share/zsh/vendor-completions/_clockferry" in files, files


def test_program():
    """The example is built with pkg-config, and migrates its guest"""
    for version in VERSIONS:
        with installed(version, "libclockferry0", "clockferry",
                       "libclockferry-dev") as debian:
            assert debian.must("pkg-config", "--modversion", "clockferry") \
                == of_tree("libclockferry-dev") + "\n"
            debian.must("sh", "-c", "cc -Wall -Werror -o /tmp/vmm /usr/share/"
                        "doc/libclockferry-dev/examples/vmm.c "
                        "$(pkg-config --cflags --libs clockferry)")
            debian.give_kvm()
            move = debian.must("sh", "-c", "cd /tmp && ./vmm source before | "
                               "./vmm destination after")
            assert "went round 10000 times" in move, move
            debian.must("clockferry", "diff", "/tmp/before", "/tmp/after")
