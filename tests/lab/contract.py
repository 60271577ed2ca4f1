#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs contract.c and contract-hyperv.c on emulated hosts of every kind and
reports as TAP.

Usage: contract.py [released|v6|newest...]"""
import os
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(1, os.path.dirname(HERE))

import initramfs
from harness import cpio, emulator
from harness.guest import exit_on_signal
from harness.tap import Missing, Tap
from harness.wait import LIMIT_S

KERNELS = ("released", "v6", "newest")
# What is said to the test, CPU flags, HPET, the kernel's words.
KINDS = {
    "": ("", "off", "tsc=reliable"),
    "no-scaling": (",-tsc-scale", "off", "tsc=reliable"),
    "no-master-clock": ("", "on", "tsc=unstable"),
}
# Which program on which kinds of host.
PROGRAMS = {"contract": tuple(KINDS),
            "contract-hyperv": ("", "no-master-clock")}


def archive(name):
    """An initramfs that is the test program."""
    program = initramfs.compiled(name, "-static", "-Wno-unused-function")
    path = os.path.join(initramfs.cache(), "%s-%s.cpio"
                        % (name, initramfs.digest(program)))
    if not os.path.exists(path):
        new = cpio.Archive()
        new.directory("dev")
        new.console()
        new.file("init", program)
        new.save(path)
    return path


def start(program, kernel, kind, console):
    flags, hpet, words = KINDS[kind]
    line = ("console=ttyS0 quiet panic=-1 rdinit=/init tsc_early_khz=%d "
            "pmtmr=0 no_timer_check %s -- %s %d %s"
            % (emulator.KHZ, words, kernel, emulator.KHZ, kind))
    return subprocess.Popen(
        [emulator.built("emulator"), "-accel", "tcg",
         "-machine", "pc,hpet=" + hpet, "-m", "128", "-nodefaults",
         "-display", "none", "-no-reboot",
         "-L", "/usr/share/seabios", "-L", "/usr/share/qemu",
         "-cpu", emulator.cpu() + flags,
         "-kernel", emulator.built("kernel", kernel),
         "-initrd", archive(program),
         "-append", line, "-serial", "file:" + console],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True)


def finish(proc):
    """None, or why it didn't end well."""
    try:
        errors = proc.communicate(timeout=LIMIT_S)[1]
    except subprocess.TimeoutExpired:
        proc.kill()
        proc.communicate()
        return "it doesn't end within %d s" % LIMIT_S
    return None if proc.returncode == 0 else errors.strip()[-300:]


def pass_on(tap, text, what):
    """One host's results, as its console has them, numbered anew."""
    plan = re.search(r"^1\.\.(\d+)\s*$", text, re.M)
    results = re.findall(r"^(not )?ok \d+ - (.*?)\s*$", text, re.M)
    for bad, name in results:
        tap.result(not bad, "%s: %s" % (what, name))
    whole = bool(plan) and int(plan[1]) == len(results)
    tap.result(whole, what + ": the program ran to its end",
               "\n".join(text.splitlines()[-20:]))


def test(program, kernel, folder, tap):
    console = os.path.join(folder, program + kernel)
    procs = {}
    try:
        for kind in PROGRAMS[program]:
            procs[kind] = start(program, kernel, kind, console + kind)
        for kind, proc in procs.items():
            why = finish(proc)
            what = " ".join(filter(None, (program, kernel, kind)))
            with open(console + kind, encoding="utf-8",
                      errors="replace") as log:
                pass_on(tap, log.read(), what)
            if why:
                tap.result(False, "%s: %s" % (what, why))
    finally:
        for proc in procs.values():
            proc.kill()


def main():
    tap = Tap()
    exit_on_signal()
    with tempfile.TemporaryDirectory(prefix="clockferry-contract-") as folder:
        for kernel in sys.argv[1:] or KERNELS:
            for program in PROGRAMS:
                try:
                    test(program, kernel, folder, tap)
                except Missing as missing:
                    tap.skip("%s %s" % (program, kernel), missing)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
