# SPDX-License-Identifier: GPL-2.0-or-later
"""What gets installed, and that it serves others."""
import os
import re
import shutil
import subprocess
import tempfile

from harness import places
from harness.tap import Missing


def meson():
    cache = os.environ.get("CLOCKFERRY_CACHE") or \
        os.path.expanduser("~/.cache/clockferry")
    for name in os.path.join(cache, "meson/bin/meson"), "meson":
        if shutil.which(name):
            return name
    raise Missing("meson", "meson isn't installed")


def version():
    with open(places.top("meson.build"), encoding="utf-8") as stream:
        return re.search(r"^  version: '(.+)'", stream.read(), re.M)[1]


class Installed:
    """All of it in a folder."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory()
        self.root = self._folder.name
        done = subprocess.run(
            [meson(), "install", "--no-rebuild", "--destdir", self.root,
             "-C", places.build()], capture_output=True, text=True)
        assert not done.returncode, done.stdout + done.stderr

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self._folder.cleanup()

    def files(self):
        found = []
        for folder, _, names in os.walk(self.root):
            found += [os.path.relpath(os.path.join(folder, name), self.root)
                      for name in names]
        return sorted(found)

    def find(self, ending):
        found = [file for file in self.files() if file.endswith(ending)]
        assert len(found) == 1, (ending, found)
        return os.path.join(self.root, found[0])

    def environment(self):
        library = os.path.dirname(self.find("libclockferry.so.0.1.0"))
        packages = os.path.dirname(self.find("clockferry.pc"))
        return dict(os.environ, LD_LIBRARY_PATH=library,
                    PKG_CONFIG_PATH=packages,
                    PKG_CONFIG_SYSROOT_DIR=self.root,
                    PKG_CONFIG_ALLOW_SYSTEM_LIBS="1",
                    PKG_CONFIG_ALLOW_SYSTEM_CFLAGS="1")


def test_files():
    """The command, the library, its headers, pages, completion, schemas"""
    with Installed() as installed:
        files = installed.files()
    for pattern in (r"bin/clockferry", r"lib.*/libclockferry\.so\.0",
                    r"lib.*/libclockferry\.so", r"lib.*/pkgconfig/"
                    r"clockferry\.pc", r"include/clockferry/clockferry\.h",
                    r"share/clockferry/schema/clockferry-probe\.schema\.json",
                    r"share/bash-completion/completions/clockferry",
                    r"share/zsh/site-functions/_clockferry"):
        assert [file for file in files if re.search(pattern + "$", file)], \
            (pattern, files)
    if shutil.which("rst2man") or shutil.which("rst2man.py"):
        pages = {os.path.basename(file) for file in files if "/man/" in file}
        sources = {name[:-4] for name in os.listdir(places.top("docs/man"))
                   if name.endswith(".rst")}
        assert pages == sources, pages ^ sources


def test_command():
    """The installed command finds the installed library"""
    with Installed() as installed:
        done = subprocess.run(
            [installed.find("bin/clockferry"), "--version"],
            capture_output=True, text=True, env=installed.environment())
    assert re.fullmatch(r"clockferry \d+\.\d+\.\d+\n", done.stdout), done


def test_program():
    """A program is built by pkg-config alone, with the example's source"""
    if not shutil.which("cc"):
        raise Missing("compiler", "there is no cc")
    with Installed() as installed:
        environment = installed.environment()
        flags = subprocess.run(
            ["pkg-config", "--cflags", "--libs", "clockferry"],
            capture_output=True, text=True, env=environment)
        assert not flags.returncode, flags.stderr
        # glib's own paths are the system's, not ours
        words = [word.replace(installed.root, "") if "glib" in word else word
                 for word in flags.stdout.split()]
        program = installed.root + "/vmm"
        done = subprocess.run(
            ["cc", "-Werror", "-Wall", places.top("docs/examples/vmm.c"),
             "-o", program, *words], capture_output=True, text=True)
        assert not done.returncode, done.stderr
        places.need_kvm()
        move = subprocess.run(
            "cd %s && ./vmm source before | ./vmm destination after"
            % installed.root, shell=True, capture_output=True, text=True,
            env=environment)
    assert "went round 10000 times" in move.stdout, move


def test_dist():
    """A release tarball builds by itself"""
    if not os.path.isdir(places.top(".git")) or not shutil.which("git"):
        raise Missing("git", "this isn't a git tree")
    with tempfile.TemporaryDirectory() as folder:
        def run(*command, cwd=folder):
            done = subprocess.run(command, cwd=cwd, capture_output=True,
                                  text=True)
            assert not done.returncode, (command, done.stdout[-2000:],
                                         done.stderr[-2000:])
            return done.stdout

        run("git", "clone", "-q", "-c", "safe.directory=*", places.TOP,
            folder + "/tree")
        run(meson(), "setup", folder + "/b", folder + "/tree")
        run(meson(), "dist", "--no-tests", "--formats", "gztar", "-C",
            folder + "/b")
        name = "clockferry-" + version()
        run("tar", "xzf", "%s/b/meson-dist/%s.tar.gz" % (folder, name))
        run(meson(), "setup", folder + "/c", os.path.join(folder, name))
        run("ninja", "-j2", "-C", folder + "/c", "src/cli/clockferry")
        assert version() in run(folder + "/c/src/cli/clockferry", "--version")
