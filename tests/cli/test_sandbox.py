# SPDX-License-Identifier: GPL-2.0-or-later
"""A KVM that may be used only in part: in a sandbox, or beside a hypervisor"""
import errno
import json
import os
import tempfile

import sandbox
from harness import places
from harness.command import FAILURE, FINE, INEXACT, fails, output, run

# What the facts about a host depend on.
NEEDED = {"KVM_GET_API_VERSION", "KVM_CREATE_VM", "KVM_CREATE_VCPU",
          "KVM_CHECK_EXTENSION", "KVM_GET_TSC_KHZ", "KVM_GET_MSRS",
          "KVM_GET_CLOCK", "KVM_SET_CLOCK", "KVM_GET_DEVICE_ATTR",
          "KVM_SET_DEVICE_ATTR"}
SELFTEST = ["selftest", "--rounds", "2", "--vcpus", "2"]


def test_probe():
    """What a sandbox forbids doesn't look like a host that can't do it"""
    places.need_kvm()
    free = json.loads(output("probe", "--json"))
    for name in sandbox.IOCTLS:
        inside = {"preexec_fn": sandbox.forbid(name)}
        if name in NEEDED:
            sentence = fails(FAILURE, "probe", **inside)
            assert "Operation not permitted" in sentence, sentence
            assert "sandbox" in sentence or name in sentence, sentence
            continue
        said = json.loads(output("probe", "--json", **inside))
        for fact in "scaling", "offset", "master_clock", "set_realtime":
            if free["scaling"] == "none" or name != "KVM_SET_TSC_KHZ":
                assert said[fact] == free[fact], (name, fact, said)


def test_new_calls():
    """Where only the newest calls are forbidden, that is what is said"""
    places.need_kvm()
    text = output("probe", preexec_fn=sandbox.forbid("KVM_GET_CLOCK_GUEST"))
    line = next(line for line in text.splitlines()
                if "KVM_SET_CLOCK_GUEST" in line)
    assert "a sandbox forbids" in line, line


def test_selftest():
    """A selftest works without the call, or names it in a sentence"""
    places.need_kvm()
    named = set()
    for name in sandbox.IOCTLS:
        done = run(*SELFTEST, preexec_fn=sandbox.forbid(name))
        if done.returncode in (FINE, INEXACT):
            assert done.stdout and not done.stderr, (name, done)
            continue
        sentence = fails(FAILURE, *SELFTEST, preexec_fn=sandbox.forbid(name))
        if name in sentence:
            named.add(name)
    assert {"KVM_RUN", "KVM_SET_CPUID2", "KVM_GET_SUPPORTED_CPUID",
            "KVM_SET_USER_MEMORY_REGION", "KVM_SET_IDENTITY_MAP_ADDR",
            "KVM_SET_TSS_ADDR", "KVM_CREATE_IRQCHIP",
            "KVM_GET_VCPU_MMAP_SIZE"} <= named, named


def test_written_again():
    """A service writes its own file anew, without the call that sets owners"""
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            output("probe", "--from", places.top("tests/examples/host-a.json"),
                   "-f", "prometheus", "-o", folder + "/a.prom",
                   preexec_fn=sandbox.forbid("fchown"))
        assert os.listdir(folder) == ["a.prom"]


def test_busy():
    """Another hypervisor holds the processor"""
    places.need_kvm()
    fails(FAILURE, "probe", words=["another hypervisor", "stop it"],
          preexec_fn=sandbox.forbid("KVM_CREATE_VM", errno.EBUSY))
