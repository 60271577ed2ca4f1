# SPDX-License-Identifier: GPL-2.0-or-later
"""The examples that talk to libvirt: on hosts with a libvirtd of their own,
where a guest vm-7 runs."""
import contextlib
import subprocess

from harness import places
from harness.libvirt import scene
from surroundings import watched

GUEST = "vm-7"
HERE = "qemu:///system"
HOST_A, HOST_B = "qemu+ssh://host-a/system", "qemu+ssh://host-b/system"
ANSWERED = "echo yes | script -qec '%s' /dev/null"


@contextlib.contextmanager
def hosts(*wanted, side=scene.patched):
    """The hosts; vm-7 runs on the first one."""
    places.need_kvm()
    with scene.hosts(*wanted, prepare=scene.without_hook) as made:
        scene.start(made[0], side(), GUEST, persistent=True)
        yield made


def _there(host, command):
    done = host.run("sh", "-c", "cd /root && " + command)
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def on_host(_, command):
    """Where also the facts of host-b are, and the guest's in its metadata."""
    with hosts("12") as (host,):
        with open(places.top("tests/examples/host-b.json")) as facts:
            host.write("/root/host-b.json", facts.read())
        assert _there(host, "clockferry annotate " + GUEST)[0] == 0
        return _there(host, command.replace(HOST_A, HERE))


def enable(_, command):
    """On a host whose guest doesn't have its clocks carried."""
    with hosts("12", side=scene.patched_off) as (host,):
        return _there(host, command.replace(HOST_A, HERE))


def enable_asked(place, command):
    """On a terminal, where somebody says yes."""
    return enable(place, ANSWERED % command)


def disable_asked(_, command):
    with hosts("12") as (host,):
        return _there(host, ANSWERED % command)


def between(_, command):
    with hosts("12", "12") as (host, other):
        return _there(host, command.replace(HOST_A, HERE)
                      .replace(HOST_B, other.uri))


def migrate(_, command):
    """Over a socket, for these hosts have no network between them."""
    with hosts("12", "12") as (host, other):
        there = "'%s' --migrateuri unix://%s/way" % (other.uri, other.folder)
        return _there(host, command.replace(HOST_B, there))


def after_migration(_, command):
    with hosts("12", "12") as (host, other):
        moved = scene.migrate(host, other, "--live", name=GUEST)
        assert moved.status == 0, moved.words
        return _there(host, command.replace(HOST_B, other.uri))


def watch(_, command):
    with hosts("12") as (host,):
        watching = subprocess.Popen(
            host.command("sh", "-c", command), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        return watched(watching, lambda step: host.do(step, GUEST),
                       ["suspend", "resume", "destroy"])
