#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes a build.ninja for the target "sections": all objects of a QEMU that
is built, but those that read the stream built anew by clang with its
sanitizers, and libFuzzer's main function instead of QEMU's.

Usage: objects.py TOP BUILD_OF_QEMU FOLDER"""
import json
import os
import re
import shlex
import sys

# The series' own code sees a modelled host; QEMU's sees what it always does.
OURS = ("hw/i386/kvm/clock", "target/i386/guest-tsc.c", "migration/setup-ack.c")
QEMUS = ("migration/qemu-file.c", "migration/vmstate.c",
         "migration/vmstate-types.c")
# loader.c includes it.
REPLACED = {"migration/savevm.c": "loader.c"}
DROPPED = ("system/main.c",)

HARNESS = ("sections.c", "sections/edits.c", "sections/machine.c",
           "sections/plausible.c")
MODEL = ("tests/fuzz/sections/modelled.c", "tests/fake-kvm/hosts.c",
         "tests/fake-kvm/model.c", "tests/fake-kvm/model-calls.c",
         "tests/fake-kvm/model-hyperv.c")

# Without -fwrapv, which lets integers overflow.
CHECKED = ("-g -O1 -fno-omit-frame-pointer -fno-sanitize-recover=all "
           "-fsanitize=fuzzer-no-link,address,undefined "
           # QEMU calls functions by pointers of another type.
           "-fno-sanitize=function -w")

RULES = """
rule compile
  command = clang -MD -MF $out.d $flags -c $in -o $out
  depfile = $out.d
  deps = gcc
rule link
  command = clang -fsanitize=fuzzer,address,undefined -rtlib=compiler-rt $
      -Wl,--wrap=error_vprintf -o $out @$out.rsp $libraries
  rspfile = $out.rsp
  rspfile_content = $in
"""


def flags_of(command):
    """What decides on the meaning of a file; the rest is gcc's."""
    words, kept = shlex.split(command), []
    for number, word in enumerate(words):
        if word in ("-isystem", "-iquote"):
            kept += [word, words[number + 1]]
        elif re.match(r"-(I|D|m|std=|isystem.|fno-strict-aliasing|fno-common|"
                      r"fPIE)", word):
            kept.append(word)
    return kept


def is_ours(name):
    return name.startswith(OURS) and name.endswith(".c")


class Build:
    """The lines of build.ninja."""

    def __init__(self, top, qemu, folder):
        self._top, self._qemu = top, qemu
        self._here = os.path.join(top, "tests/fuzz")
        self._folder = folder
        self._lines = [RULES]
        self.objects = []
        with open(os.path.join(qemu, "compile_commands.json"),
                  encoding="utf-8") as file:
            self._commands = {
                self._name(one["file"]): one for one in json.load(file)
                if not one["output"].startswith(("tests/", "qga/"))}

    @staticmethod
    def _name(path):
        return re.sub(r"^.*?\.\./src/", "", path)

    def compile(self, source, flags):
        """Its name tells nothing of where QEMU is: that changes."""
        made = os.path.join(self._folder,
                            "_".join(source.split("/")[-2:]) + ".o")
        self._lines.append("build %s: compile %s\n  flags = %s" % (
            made, source, " ".join(shlex.quote(flag).replace("$", "$$")
                                   for flag in flags)))
        self.objects.append(made)

    def flags(self, name):
        """Of one of QEMU's files, from another folder than QEMU's own."""
        kept = []
        for flag in flags_of(self._commands[name]["command"]):
            match = re.match(r"(-I|-isystem)(?=[^/])(.+)", flag)
            if match:
                flag = match[1] + os.path.join(self._qemu, match[2])
            elif kept and kept[-1] in ("-isystem", "-iquote"):
                flag = os.path.join(self._qemu, flag)
            kept.append(flag)
        return kept + CHECKED.split()

    def take_objects(self):
        """Those of QEMU, without what is built here; the libraries."""
        text = open(os.path.join(self._qemu, "build.ninja"),
                    encoding="utf-8").read()
        rule = re.search(r"^build qemu-system-x86_64: \S+ (.*?)(?: \| .*)?\n"
                         r"((?: .*\n)*)", text, re.M)
        replaced = {one["output"] for name, one in self._commands.items()
                    if is_ours(name) or name in QEMUS + DROPPED
                    or name in REPLACED}
        self.objects += [os.path.join(self._qemu, each)
                         for each in rule[1].split() if each.endswith(".o")
                         and each not in replaced]
        libraries = re.search(r"LINK_ARGS = (.*)", rule[2])[1].split()
        return " ".join(os.path.join(self._qemu, word)
                        if word.endswith(".a") else word
                        for word in libraries if not word.startswith("@"))

    def compile_qemu(self):
        with_host = ["-include", os.path.join(self._here, "sections/host.h")]
        for name in sorted(self._commands):
            source = os.path.join(self._qemu, "../src", name)
            if is_ours(name):
                self.compile(source, self.flags(name) + with_host)
            elif name in QEMUS:
                self.compile(source, self.flags(name))
            elif name in REPLACED:
                self.compile(os.path.join(self._here, "sections",
                                          REPLACED[name]), self.flags(name))

    def compile_harness(self):
        here = ["-I" + os.path.join(self._top, each)
                for each in ("include", "tests/fuzz", "tests/fake-kvm", "src")]
        hosts = os.path.join(self._top, "tests/fake-kvm/hosts")
        glib = [flag for flag in self.flags("migration/vmstate.c")
                if "glib" in flag]
        for name in HARNESS:
            self.compile(os.path.join(self._here, name),
                         self.flags("hw/i386/kvm/clock-stream.c") + here +
                         ['-DFAKE_HOSTS="%s"' % hosts])
        for name in MODEL:
            self.compile(os.path.join(self._top, name), here + glib +
                         ["-D_GNU_SOURCE"] + CHECKED.split())

    def write(self):
        self.compile_qemu()
        self.compile_harness()
        libraries = self.take_objects()
        self._lines.append("build %s: link %s\n  libraries = %s\n" % (
            os.path.join(self._folder, "fuzz-sections"),
            " ".join(self.objects), libraries))
        with open(os.path.join(self._folder, "build.ninja"), "w",
                  encoding="utf-8") as file:
            file.write("\n".join(self._lines))


if __name__ == "__main__":
    os.makedirs(sys.argv[3], exist_ok=True)
    Build(*map(os.path.abspath, sys.argv[1:])).write()
