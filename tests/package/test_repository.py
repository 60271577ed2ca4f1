# SPDX-License-Identifier: GPL-2.0-or-later
"""The apt repository that ./run package makes."""
import os
import shutil
import tempfile

from harness import places
from harness.debian import (META, RUNTIME, VERSIONS, Debian, packages,
                            repository, run, scratch, wanted)


def test_apt():
    """apt installs helper and hook from it, once it has its one file"""
    for version in VERSIONS:
        with Debian(version, *wanted(RUNTIME)) as debian:
            debian.add_repository(repository())
            debian.apt("install", "--no-install-recommends",
                       "clockferry-libvirt", "clockferry")
            debian.must("clockferry", "--version")


def test_host_needs_qemu():
    """clockferry-host isn't to be had without a QEMU that has the series"""
    with Debian("13", *wanted(RUNTIME)) as debian:
        debian.add_repository(repository())
        done = debian.run("apt-get", "-q", "-y", "install", META)
    assert done.returncode, done
    assert "qemu-system-x86-clockferry" in done.stdout + done.stderr, done


def signed():
    """The packages in a repository that is signed with a new key."""
    folder = tempfile.mkdtemp(dir=scratch())
    home = os.path.join(folder, "gpg")
    os.mkdir(home, 0o700)
    environment = dict(os.environ, GNUPGHOME=home)
    run("gpg", "--batch", "--passphrase", "", "--quick-generate-key",
        "tests@clockferry.example", check=True, env=environment)
    made = run(places.top("debian/repository"), os.path.join(folder, "apt"),
               "--sign", "tests@clockferry.example", *packages().values(),
               env=environment)
    run("gpgconf", "--kill", "all", env=environment)
    assert not made.returncode and "WARNING" not in made.stderr, made
    return os.path.join(folder, "apt")


def test_signed():
    """Signed, it needs no trust, and what somebody changed isn't taken"""
    folder = signed()
    for version in VERSIONS:
        with Debian(version, *wanted(RUNTIME)) as debian:
            debian.add_repository(folder)
            assert "Trusted" not in debian.read(
                "/etc/apt/sources.list.d/clockferry.sources")
            debian.apt("install", "--no-install-recommends", "clockferry")
    path = os.path.join(folder, "dists/trixie/InRelease")
    with open(path, encoding="utf-8") as stream:
        text = stream.read()
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(text.replace("Label: Clockferry", "Label: Clockfairy"))
    os.remove(os.path.join(folder, "dists/trixie/Release"))
    with Debian("13") as debian:
        debian.share(folder)
        debian.must("cp", folder + "/trixie.sources",
                    "/etc/apt/sources.list.d/clockferry.sources")
        done = debian.run("apt-get", "-q", "update")
    assert done.returncode, done


def test_one_suite():
    """A folder, or a link, named after a suite goes into that suite alone"""
    folder = tempfile.mkdtemp(dir=scratch())
    os.mkdir(os.path.join(folder, "there"))
    shutil.copy(packages()["clockferry"], os.path.join(folder, "there"))
    os.symlink("there", os.path.join(folder, "trixie"))
    apt = os.path.join(folder, "apt")
    made = run(places.top("debian/repository"), apt,
               os.path.join(folder, "trixie"))
    assert not made.returncode, made
    assert os.listdir(apt + "/pool/trixie") == [
        os.path.basename(packages()["clockferry"])]
    assert not os.listdir(apt + "/pool/bookworm")


def test_usage():
    """What can't be meant is refused in one line, before anything is built"""
    for wrong in (["--sign"], ["--debian", "14"], ["--qemu", "1.0"], ["a", "b"],
                  ["--what"]):
        done = run(places.top("run"), "package", *wrong)
        assert done.returncode == 2 and not done.stdout, (wrong, done)
        assert done.stderr.count("\n") == 1, (wrong, done)


def test_strange_contents():
    """What can't go into a repository, or be found there, is refused"""
    folder = tempfile.mkdtemp(dir=scratch())
    for wrong in (["apt", "--sign"], ["a b"], ["apt", "trixie"],
                  ["apt", "./missing.deb"]):
        done = run(places.top("debian/repository"), *wrong, cwd=folder)
        assert done.returncode and done.stderr.count("\n") == 1, (wrong, done)
        assert not os.listdir(folder), wrong
    os.rmdir(folder)


def test_somebodys_folder():
    """A folder that isn't such a repository is left alone"""
    folder = tempfile.mkdtemp(dir=scratch())
    with open(os.path.join(folder, "mine"), "w", encoding="utf-8"):
        pass
    made = run(places.top("debian/repository"), folder, *packages().values())
    assert made.returncode and os.listdir(folder) == ["mine"], made
    assert made.stderr.count("\n") == 1, made
    shutil.rmtree(folder)
