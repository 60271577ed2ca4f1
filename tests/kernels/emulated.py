# SPDX-License-Identifier: GPL-2.0-or-later
"""Emulated hosts that run some commands of ours and end."""
import os
import re
import subprocess
import tempfile

from harness import emulator, inside, places

PROGRAMS = ("src/cli/clockferry", "docs/examples/vmm", "tests/kvm/kvm-settle")


def _libraries(program):
    """What the loader finds for it: {path inside: path here}."""
    said = subprocess.run(["ldd", program], capture_output=True, text=True,
                          check=True).stdout
    found = re.findall(r"(/\S+) \(0x", said)
    return {path[1:] if "ld-linux" in path else
            "lib/" + os.path.basename(path): path for path in found}


def _files(folder, given):
    """{path inside: path here} of all that the host has."""
    files = {}
    for name, data in given.items():
        files[name] = os.path.join(folder, name)
        with open(files[name], "wb") as stream:
            stream.write(data)
    for program in map(places.build, PROGRAMS):
        files["bin/" + os.path.basename(program)] = program
        files.update(_libraries(program))
    return files


def _emulator(kernel, archive, console, khz):
    return [emulator.built("emulator"), "-accel", "tcg", "-machine", "pc,hpet=off",
            "-m", "256", "-nodefaults", "-display", "none", "-no-reboot",
            "-L", "/usr/share/seabios", "-L", "/usr/share/qemu",
            "-cpu", emulator.cpu(khz),
            "-kernel", emulator.built("kernel", kernel), "-initrd", archive, "-serial",
            "file:" + console, "-append",
            "console=ttyS0 quiet panic=-1 rdinit=/init tsc_early_khz=%d "
            "pmtmr=0 no_timer_check tsc=reliable" % khz]


def run(kernel, commands, khz=emulator.KHZ, **given):
    """{command: what came of it} on a host with that kernel and, in its root
    folder, the files that it is given."""
    with tempfile.TemporaryDirectory(prefix="clockferry-kernel-") as folder:
        console = os.path.join(folder, "console")
        archive = inside.archive(folder, commands, _files(folder, given),
                                 [os.environ.get("CC", "cc")], "lab")
        return inside.run(_emulator(kernel, archive, console, khz), console,
                          commands)
