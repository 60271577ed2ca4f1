# SPDX-License-Identifier: GPL-2.0-or-later
"""What a test begins with: hosts, a guest that runs there, its way to another.
"""
import contextlib
import glob
import itertools
import os
import re
import shutil
import string
import tempfile
import time
from collections import namedtuple
from fractions import Fraction

from harness import check, fakehost, measure
from harness.libvirt import domain
from harness.libvirt.host import Host, debian, need_namespaces
from harness.tap import note
from harness.wait import LIMIT_S

# How virsh fared: its exit status, its words, and how long it took.
Moved = namedtuple("Moved", "status words seconds")

STEP_NS = 10
PPB = Fraction(1, 10 ** 9)
_numbers = itertools.count()


def patched(**kvmclock):
    side = check.patched()
    return side._replace(kvmclock=dict(side.kvmclock, **kvmclock))


def patched_off():
    return patched()._replace(kvmclock={})


def stock():
    return check.stock()


def need(*versions):
    """What hosts with these Debians need."""
    need_namespaces()
    patched()
    stock()
    for version in versions:
        debian(version)


def without_hook(_):
    """For hosts(prepare=...)."""


@contextlib.contextmanager
def hosts(*wanted, prepare=Host.set_hook):
    """Hosts a, b, c: "12" is one with Debian 12, and "13 newest" one whose KVM
    is the fake host newest's. prepare(host) is called before libvirtd starts,
    and usually gives it the hook."""
    need(*(what.split()[0] for what in wanted))
    shared = tempfile.mkdtemp(prefix="clockferry-libvirt-")
    made = []
    try:
        for name, what in zip(string.ascii_lowercase, wanted):
            made.append(Host(shared, name, *what.split()))
            prepare(made[-1])
            made[-1].start_daemon()
        yield made
    except BaseException:
        for host in made:
            note(_what_it_says(host))
        raise
    finally:
        for host in made:
            host.close()
        shutil.rmtree(shared)
        _forget_models()


def _forget_models():
    """Their logs have process ids in their names, which come again."""
    for log in glob.glob(os.path.join(fakehost.folder(), "*.log")):
        os.unlink(log)


def _what_it_says(host):
    try:
        said = host.read("/var/log/libvirt/libvirtd.log")
    except FileNotFoundError:
        return "host %s: no libvirtd" % host.name
    lines = [line for line in said.splitlines()
             if re.search(r"migrat|hook|qemuProcess", line, re.I)]
    return "\n".join(["host %s:" % host.name] + lines[-10:])


def start(host, side, name="ferry", persistent=False, **options):
    """A guest of this side that is up, to look at."""
    file = "/root/domain.xml"
    host.write(file, domain.xml(side, name, **options))
    if persistent:
        host.do("define", file)
        host.do("start", name)
    else:
        host.do("create", file)
    running = domain.Running(host, name, options.get("vcpus", 1))
    running.wait_up()
    if host.model:
        _have_the_record_written(running)
    return running


def _have_the_record_written(running):
    """The model writes it when a vCPU has been interrupted."""
    running.qmp.execute("stop")
    running.qmp.execute("cont")
    running.wait_beating()


def virsh(host, *command, timeout=LIMIT_S):
    began = time.monotonic()
    done = host.virsh(*command, timeout=timeout)
    return Moved(done.returncode, done.stderr.strip(),
                 time.monotonic() - began)


def migrate(source, destination, *options, name="ferry", timeout=LIMIT_S):
    """virsh migrate, as a user would do it."""
    if "--tunnelled" not in options:
        options += ("--migrateuri", "unix://%s/%d.socket" % (
            destination.folder, next(_numbers)))
    return virsh(source, "migrate", name, "--desturi", destination.uri,
                 *options, timeout=timeout)


def arrived(source, before, host):
    """The guest, of which that view was taken, runs there now, unharmed."""
    running = domain.Running(host, source.name, source.vcpus)
    running.wait_beating()
    result = measure.compare(before, measure.view(running))
    step = measure.worst(result.steps_ns)
    note("%s: step %d ns, %s" % (
        host.name, step, measure.own_report(running).get("rung")))
    if host.model:
        assert abs(step) <= STEP_NS, "kvmclock stepped %d ns" % step
        _unharmed_by_the_models(source, running)
    else:
        check.assert_unharmed(result, worst_ns=STEP_NS)
    return running


def _unharmed_by_the_models(source, running):
    """By what both fake hosts' KVMs did for the guest."""
    there = fakehost.clocks(source.model_log())
    here = fakehost.clocks(running.model_log(), which=0)
    step = fakehost.clock_step(there, here)
    assert abs(step) <= STEP_NS, "by the models: %d ns" % step
    rate = here.frequency() / there.frequency() - 1
    assert abs(rate) <= PPB, "the TSC's rate changed by %g" % rate
