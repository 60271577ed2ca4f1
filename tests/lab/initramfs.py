# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds the hosts' initramfs: the agent, the QEMUs with their libraries, the
test guest, and what a Linux guest needs. No root needed."""
import hashlib
import os
import re
import secrets
import subprocess
import time

from harness import places
from harness.cpio import Archive
from harness.tap import Missing

HERE = os.path.dirname(os.path.abspath(__file__))

# Where Debian keeps what QEMU needs to start a Linux guest.
FIRMWARE = ("/usr/share/seabios", "/usr/share/qemu")
KEEP_S = 3 * 86400
ROMS = ("bios-256k.bin", "linuxboot_dma.bin", "kvmvapic.bin")
# The timer guest's two forms, and how they are built.
TIMER_ROMS = {"timers": (), "timers-count-down": ("-DCOUNT_DOWN",)}
DIRECTORIES = ("bin", "dev", "firmware", "lib", "lib64", "proc", "run", "sys",
               "tmp")


def cache():
    return places.cache("lab", "images")


def forget_old():
    """What wasn't used for a while: each image is as big as the QEMUs."""
    for name in os.listdir(cache()):
        path = os.path.join(cache(), name)
        if os.path.isfile(path) and \
                time.time() - os.path.getmtime(path) > KEEP_S:
            os.unlink(path)


def digest(*paths):
    """Changes when any of the files does."""
    total = hashlib.sha256()
    for path in paths:
        total.update(path.encode() + b"\0")
        with open(path, "rb") as content:
            for block in iter(lambda: content.read(1 << 20), b""):
                total.update(block)
    return total.hexdigest()[:12]


def _run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Missing("lab", "%s failed: %s" % (
            os.path.basename(command[0]), done.stderr.strip()[-300:]))
    return done.stdout


def _beside(path):
    """A name that nobody else uses, for what becomes that file. Suites in
    namespaces may have the same process number."""
    return "%s.%s" % (path, secrets.token_hex(4))


def compiled(name, *flags):
    """The path of a small C program from this folder, built if it must be."""
    source = os.path.join(HERE, name + ".c")
    headers = [os.path.join(HERE, file) for file in sorted(os.listdir(HERE))
               if file.endswith(".h")]
    path = os.path.join(cache(), "%s-%s" % (name, digest(source, *headers)))
    if not os.path.exists(path):
        new = _beside(path)
        _run(os.environ.get("CC", "cc"), "-O2", "-Wall", "-s", *flags,
             "-o", new, source)
        os.replace(new, path)
    return path


def stripped(binary):
    path = os.path.join(cache(), "qemu-" + digest(binary))
    if not os.path.exists(path):
        new = _beside(path)
        _run("strip", "-o", new, binary)
        os.replace(new, path)
    return path


def libraries(binary):
    """The shared libraries, the program interpreter among them."""
    return sorted(set(re.findall(r"(/\S+)", "\n".join(
        line for line in _run("ldd", binary).splitlines() if "/" in line))))


def firmware(name):
    for folder in FIRMWARE:
        path = os.path.join(folder, name)
        if os.path.exists(path):
            return path
    return None


def linux_guest(modules=()):
    """The Linux guest's initramfs: one program, and modules that it loads."""
    init = compiled("linuxguest", "-static", "-pthread")
    path = os.path.join(cache(), "linuxguest-%s.cpio" % digest(init, *modules))
    if not os.path.exists(path):
        archive = Archive()
        for name in "dev", "modules", "proc", "sys":
            archive.directory(name)
        archive.console()
        archive.file("init", init)
        for module in modules:
            archive.file("modules/" + os.path.basename(module), module)
        archive.save(path)
    return path


def vmclock_guest(folder):
    """{path inside: file} of the Linux guest with vmclock; `folder` is what
    "build guest" made."""
    modules = sorted(os.path.join(folder, name) for name in os.listdir(folder)
                     if name.endswith(".ko"))
    return {"vmclock.bzImage": os.path.join(folder, "vmlinuz"),
            "vmclock.cpio": linux_guest(modules)}


def timer_rom(*flags):
    """The path of a timer guest's ROM, built if it must be."""
    guest = os.path.join(HERE, "..", "guest")
    source, script = os.path.join(HERE, "timers.S"), guest + "/guest.ld"
    path = os.path.join(cache(), "timers-%s.rom" % hashlib.sha256(repr(
        (flags, digest(source, script, guest + "/layout.h",
                       os.path.join(HERE, "timers.h")))).encode()
        ).hexdigest()[:12])
    if not os.path.exists(path):
        new = _beside(path)
        _run(os.environ.get("CC", "cc"), "-m32", "-nostdlib", "-static",
             "-I" + guest, "-Wl,-T," + script, "-Wl,--oformat=binary",
             "-Wl,--build-id=none", *flags, "-o", new, source)
        os.replace(new, path)
    return path


def contents(qemus, rom, kernel, extra=()):
    """{path inside: file} of a host's initramfs; qemus is {name: binary}."""
    files = {"init": compiled("agent", "-static"), "guest.rom": rom}
    for name, binary in qemus.items():
        files["bin/qemu-" + name] = stripped(binary)
        for library in libraries(binary):
            files[library.lstrip("/")] = os.path.realpath(library)
    for name, flags in TIMER_ROMS.items():
        files[name + ".rom"] = timer_rom(*flags)
    files["lib/skew.so"] = compiled("skew", "-shared", "-fPIC")
    if kernel:
        files["guest.bzImage"] = kernel
        files["guest.cpio"] = linux_guest()
        for name in ROMS:
            if firmware(name):
                files["firmware/" + name] = firmware(name)
    files.update(extra)
    return files


def build(files):
    """The path of the archive with these files."""
    path = os.path.join(cache(), "host-%s.cpio" % hashlib.sha256(repr(
        sorted((name, digest(os.path.realpath(file)))
               for name, file in files.items())).encode()).hexdigest()[:12])
    if not os.path.exists(path):
        archive = Archive()
        made = set()
        for name in DIRECTORIES:
            archive.directory(name)
            made.add(name)
        archive.console()
        for name, file in sorted(files.items()):
            parents = name.split("/")[:-1]
            for depth in range(1, len(parents) + 1):
                parent = "/".join(parents[:depth])
                if parent not in made:
                    made.add(parent)
                    archive.directory(parent)
            archive.file(name, file)
        archive.save(path)
        forget_old()
    os.utime(path)
    return path
