# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests that may go, and go with their clocks."""
import json

from harness import measure
from harness.libvirt import domain, facts, scene
from harness.tap import note


def hop(source, destination, *options, vcpus=1):
    """Without facts and without a hook: QEMU's own work, as virsh asks it."""
    with scene.hosts(source, destination,
                     prepare=scene.without_hook) as (a, b):
        guest = scene.start(a, scene.patched(), vcpus=vcpus)
        before = measure.view(guest)
        moved = scene.migrate(a, b, "--live", *options)
        assert moved.status == 0, moved.words
        scene.arrived(guest, before, b)


def test_12_12():
    """virsh migrate between libvirt 9.0 and 9.0: kvmclock within 10 ns"""
    hop("12", "12")


def test_12_13():
    """From 9.0 to 11.3: the same"""
    hop("12", "13")


def test_13_12():
    """And back"""
    hop("13", "12")


def test_p2p():
    """From daemon to daemon, 4 vCPUs: the same"""
    hop("12", "13", "--p2p", vcpus=4)


def test_tunnelled():
    """In libvirt's own connection: the same"""
    hop("13", "12", "--p2p", "--tunnelled")


def test_stock():
    """Stock QEMU the same way: kvmclock falls back by more than 100 us"""
    with scene.hosts("12", "12") as (a, b):
        before = measure.view(scene.start(a, scene.stock()))
        moved = scene.migrate(a, b, "--live")
        assert moved.status == 0, moved.words
        now = domain.Running(b)
        now.wait_beating()
        steps = measure.compare(before, measure.view(now)).steps_ns
        note("step %d ns" % steps[0])
        assert steps[0] < -100000, steps
        assert facts.stored(b) is None, "facts about a guest without any"


def described(guest_facts, host, before):
    """The facts are those of the host where the guest is now."""
    there = facts.of_host(host)
    for key in "host", "boot_id", "host_khz", "max_error_ns":
        assert guest_facts[key] == there[key], (key, guest_facts, there)
    for key in "promised", "policy", "require":
        assert guest_facts[key] == before[key], (key, guest_facts, before)
    khz, former = facts.khz(guest_facts), facts.khz(before)
    assert abs(khz - former) * 10 ** 9 <= former, (float(khz), float(former))
    read_ns, now_ns = (int(known["instant"]["realtime_ns"])
                       for known in (guest_facts, there))
    assert 0 < now_ns - read_ns < 60 * 10 ** 9, (guest_facts, there)


def test_three_hops():
    """Three hops over four fake hosts: the facts tell of where the guest is"""
    with scene.hosts("12 newest", "13 fast", "12 newest-amd",
                     "13 released") as hosts:
        known = facts.of_guest(hosts[0], promised=True, policy="strict",
                               require="closed-loop")
        guest = scene.start(hosts[0], scene.patched(policy="strict"),
                            metadata=facts.metadata(json.dumps(known)))
        for source, destination in zip(hosts, hosts[1:]):
            before = measure.view(guest)
            moved = scene.migrate(source, destination, "--live")
            assert moved.status == 0, moved.words
            guest = scene.arrived(guest, before, destination)
            now = facts.stored(destination)
            described(now, destination, known)
            known = now
