# SPDX-License-Identifier: GPL-2.0-or-later
"""Debians to be used up: each is a layer in memory over a root folder of the
cache. And the packages that are installed there."""
import atexit
import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile

from harness import places, wait
from harness.tap import Missing, once

SUITES = {"12": "bookworm", "13": "trixie"}
VERSIONS = tuple(SUITES)
RUNTIME = ("clockferry", "clockferry-libvirt", "libclockferry0")
NAMES = RUNTIME + ("libclockferry-dev",)
# It is empty, and needs a QEMU of ours, which most tests do without.
META = "clockferry-host"
# What a program is built with that isn't the library's to ask for.
COMPILER = ("gcc", "libc6-dev", "pkg-config")
PLAIN = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
         "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}


# In namespaces of its own: what is mounted or started goes with it.
APART = ("unshare", "--mount", "--pid", "--fork", "--kill-child",
         "--mount-proc")


def go_apart():
    """For a suite that begins."""
    if os.getuid() == 0 and "CLOCKFERRY_APART" not in os.environ:
        os.environ["CLOCKFERRY_APART"] = "yes"
        os.execvp(APART[0], [*APART, sys.executable, *sys.argv])


def run(*command, **settings):
    return subprocess.run(command, capture_output=True, text=True, **settings)


@functools.lru_cache(None)
def scratch():
    """A folder in memory."""
    if os.getuid() != 0:
        raise Missing("package", "only root can install packages")
    folder = tempfile.mkdtemp()
    run("mount", "-t", "tmpfs", "tmpfs", folder, check=True)
    atexit.register(os.rmdir, folder)
    atexit.register(run, "umount", "--recursive", "--lazy", folder)
    return folder


def why_of(*command, **more):
    """Output of one of our scripts; its last words if it fails."""
    why = os.path.join(scratch(), "why")
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True,
        env=dict(os.environ, CLOCKFERRY_WHY_FILE=why, **more))
    if not done.returncode:
        return done.stdout.strip(), None
    with open(why, encoding="utf-8") as stream:
        return None, stream.read().strip()


@once
def base(version, *packages):
    """A root folder in the cache: not to be written to."""
    root, why = why_of(places.top("tests/harness/debian-root"), version, *packages)
    if why:
        raise Missing("package", why)
    return root


def build(tree, name, *options, **more):
    """{name: file} of the packages of a tree."""
    base("12")
    folder, why = why_of(os.path.join(tree, "debian/build-packages"), *options,
                         os.path.join(scratch(), name), **more)
    if why and "can't be built" not in why:
        raise Missing("package", why)
    assert not why, why
    files = [file for file in os.listdir(folder)
             if file.endswith(".deb") and "dbgsym" not in file]
    found = {file.split("_")[0]: os.path.join(folder, file) for file in files}
    assert sorted(found) == sorted(NAMES + (META,)), sorted(found)
    return found


@once
def packages():
    """{name: file} of this tree's packages."""
    return build(places.TOP, "packages")


def repository():
    """The folder with them as an apt repository."""
    return os.path.join(os.path.dirname(packages()[META]), "apt")


def field(file, name):
    return run("dpkg-deb", "--field", file, name, check=True).stdout.strip()


def depends(file):
    """The names of what a package depends on, of alternatives the first."""
    return {re.match(r"[\w.+-]+", one)[0]
            for one in field(file, "Depends").split(", ") if one}


def wanted(names):
    """What must be there for these packages, by name: as few root folders as
    can be, so all of ours that run, or all."""
    devel = "libclockferry-dev" in names
    found = set()
    for name in NAMES if devel else RUNTIME:
        found |= depends(packages()[name])
    return sorted(found - set(NAMES)) + list(COMPILER if devel else ())


class Debian:
    """One that may be written to."""

    def __init__(self, version, *extra):
        lower = base(version, *extra)
        self.version = version
        self._folder = tempfile.mkdtemp(dir=scratch())
        layers = {name: os.path.join(self._folder, name)
                  for name in ("upper", "work", "root")}
        for layer in layers.values():
            os.mkdir(layer)
        self.root = layers["root"]
        run("mount", "-t", "overlay", "overlay", self.root, "-o",
            "lowerdir=%s,upperdir=%s,workdir=%s"
            % (lower, layers["upper"], layers["work"]), check=True)
        run("mount", "-t", "proc", "proc", self.path("proc"), check=True)

    def __enter__(self):
        return self

    def __exit__(self, *why):
        # A hook that has answered may still be putting its VM away.
        wait.until(lambda: not run("umount", "--recursive",
                                   self.root).returncode,
                   "something still runs in %s" % self.root)
        shutil.rmtree(self._folder)

    def path(self, name):
        return os.path.join(self.root, name.lstrip("/"))

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as stream:
            return stream.read()

    def run(self, *command, **settings):
        return run("chroot", self.root, *command, env=PLAIN, **settings)

    def must(self, *command, **settings):
        """The same, and it must succeed; gives its output."""
        done = self.run(*command, **settings)
        assert not done.returncode, (self.version, command, done.stdout,
                                     done.stderr)
        return done.stdout

    def put(self, file):
        """Copies it in; gives its path there."""
        shutil.copy(file, self.path("/tmp"))
        return "/tmp/" + os.path.basename(file)

    def install(self, *names):
        """As dpkg does it: what they depend on must be there."""
        return self.must("dpkg", "--install",
                         *[self.put(packages()[name]) for name in names])

    def give_kvm(self):
        """The host's /dev/kvm; skips what comes then if there is none."""
        places.need_kvm()
        with open(self.path("/dev/kvm"), "wb"):
            pass
        run("mount", "--bind", "/dev/kvm", self.path("/dev/kvm"), check=True)

    def share(self, folder):
        """One of the host's folders, under the same path."""
        os.makedirs(self.path(folder), exist_ok=True)
        run("mount", "--bind", folder, self.path(folder), check=True)

    def add_repository(self, folder):
        """As the documents say: one file of it, and apt looks there."""
        self.share(folder)
        self.must("cp", "%s/%s.sources" % (folder, SUITES[self.version]),
                  "/etc/apt/sources.list.d/clockferry.sources")
        self.must("apt-get", "-q", "update")

    def apt(self, *arguments):
        return self.must("apt-get", "-q", "-y", "-o", "Acquire::Retries=3",
                         *arguments)

    def files(self):
        """{path: what it is} of all that is there, but what dpkg notes."""
        found = {}
        for folder, folders, files in os.walk(self.root):
            if folder == self.path("/proc"):
                folders.clear()
                continue
            for name in folders + files:
                path = os.path.join(folder, name)
                found[path[len(self.root):]] = os.lstat(path).st_mode
        return {path: mode for path, mode in found.items() if not re.match(
            r"/(tmp|var/log|var/lib/dpkg|var/cache/ldconfig)/|/proc", path)}


def installed(version, *names):
    """A Debian with packages of ours, and else only what they ask for."""
    debian = Debian(version, *wanted(names))
    try:
        debian.install(*names)
    except BaseException:
        debian.__exit__()
        raise
    return debian
