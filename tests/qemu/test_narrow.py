# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts without 128-bit integers, 32-bit x86, build a QEMU without the feature.

Compiles what the series touches as on such a host: QEMU's configuration says
that there are no such integers, and the compiler knows none."""
import os
import shlex
import subprocess
import tempfile

from harness.check import patched
from harness.tap import Missing

TOUCHED = ("migration_migration.c", "migration_setup-ack.c",
           "target_i386_guest-tsc.c", "target_i386_machine.c",
           "target_i386_kvm_kvm.c", "hw_i386_kvm_apic.c", "hw_i386_kvm_clock.c",
           "hw_i386_kvm_clock-hmp.c")
STUB = "hw/i386/kvm/clock-no-carrier.c"
NONE = ["-U__SIZEOF_INT128__", "-D__int128=this_host_has_none"]


def commands(build):
    """{object's file: compiler's arguments} of that build."""
    words = subprocess.run(["ninja", "-C", build, "-t", "commands",
                            "qemu-system-x86_64"], check=True,
                           capture_output=True, text=True).stdout
    found = {}
    for line in words.splitlines():
        for name in TOUCHED:
            if line.endswith("/" + name.replace("_", "/")) and " -c " in line:
                found[name] = shlex.split(line)
    return found


def narrow(build, folder):
    """A configuration without 128-bit integers."""
    with open(os.path.join(build, "config-host.h"), encoding="utf-8") as file:
        lines = [line for line in file if "CONFIG_INT128" not in line]
    with open(os.path.join(folder, "config-host.h"), "w",
              encoding="utf-8") as file:
        file.writelines(lines)


def compiled(build, folder, arguments):
    """What the compiler says of it there."""
    at = arguments.index("-o")
    arguments = arguments[:at] + arguments[at + 2:]
    return subprocess.run(
        arguments[:1] + ["-iquote", folder, "-I", folder] + arguments[1:]
        + NONE + ["-fsyntax-only", "-MF", os.devnull], cwd=build, check=False,
        capture_output=True, text=True)


def test_builds():
    """All files that the series touches, and the stub for the feature."""
    build = os.path.dirname(os.path.realpath(patched().binary))
    if not os.path.exists(os.path.join(build, "build.ninja")):
        raise Missing("qemu", "the patched QEMU's build isn't here")
    found = commands(build)
    assert set(found) == set(TOUCHED), set(TOUCHED) - set(found)
    clock = found["hw_i386_kvm_clock.c"]
    found["stub"] = clock[:-1] + [clock[-1].replace("hw/i386/kvm/clock.c",
                                                    STUB)]
    with tempfile.TemporaryDirectory() as folder:
        narrow(build, folder)
        for name, arguments in sorted(found.items()):
            result = compiled(build, folder, arguments)
            assert result.returncode == 0, "%s: %s" % (name, result.stderr)
