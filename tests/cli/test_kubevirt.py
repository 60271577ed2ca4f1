# SPDX-License-Identifier: GPL-2.0-or-later
"""KubeVirt's plugin: it is what its API takes, sets the machine type that
clockferry enable sets, and its node hooks refuse and report. No cluster."""
import json
import os
import pathlib
import re
import select
import subprocess
import tempfile
import threading

from cel import evaluate
from harness import binaries, places, wait
from harness.command import program
from harness.dialogue import Dialogue
from harness.schemas import jsonschema
from harness.wait import LIMIT_S
from test_check import good

PLUGIN = "docs/kubevirt-plugin.yaml"
NODE_HOOK = "docs/examples/kubevirt-node-hook"

# What kubevirt/kubevirt says at d923fdb815 (22 August 2026): the types in
# staging/src/kubevirt.io/api/plugin/v1alpha1/types.go, from which the CRD is
# made, and the policy of validatingadmissionpolicy_plugin.go. There is more
# that a plugin may have, and ours hasn't. Durations are Go's.
TEXT = {"type": "string", "minLength": 1}
COMMON = {"condition": TEXT, "failureStrategy": {"enum": ["Fail", "Ignore"]},
          "timeout": {"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"}}


def closed(needed, **properties):
    return {"type": "object", "additionalProperties": False,
            "required": list(needed), "properties": properties}


SCHEMA = closed(
    ("apiVersion", "kind", "metadata", "spec"),
    apiVersion={"const": "plugin.kubevirt.io/v1alpha1"},
    kind={"const": "Plugin"},
    # The CRD's scope is the cluster: no namespace.
    metadata=closed(["name"], name={"type": "string",
                                    "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}),
    spec=closed(
        [], condition=TEXT, failureStrategy=COMMON["failureStrategy"],
        domainHooks={"type": "array", "items": {
            **closed([], **COMMON, cel=closed(["expression"], expression=TEXT),
                     sidecar=closed(["socketPath"], socketPath=TEXT)),
            "oneOf": [{"required": ["cel"]}, {"required": ["sidecar"]}]}},
        nodeHooks={"type": "array", "items": closed(
            ["socket", "permittedHooks"], **COMMON, socket=TEXT,
            permittedHooks={"type": "array", "minItems": 1, "items": {"enum": [
                "PreVMStart", "PostVMStart", "PreVMStop", "PostVMStop",
                "PreMigrationSource", "PreMigrationTarget",
                "PostMigrationTarget"]}})}))

# Of the types of libvirtxml (MIT), by which KubeVirt names a domain's parts in
# CEL: those that lead to the machine.
LIBVIRTXML = {"Domain": {"OS"}, "DomainOS": {"Type"},
              "DomainOSType": {"Arch", "Machine", "Type"}}
LABELS = {"clockferry": "carried"}
DOMAIN = ("<domain type='kvm'><name>vm</name><os><type arch='x86_64' "
          "machine='%s'>hvm</type></os></domain>")


def plugin():
    with open(places.top(PLUGIN), encoding="utf-8") as stream:
        return places.module("yaml", "python3-yaml").safe_load(stream)


def machine_of(machine, labels):
    """The type that a VM with this one gets."""
    scope = {"vmi": {"Labels": labels},
             "domainSpec": {"OS": {"Type": {"Machine": machine}}}}
    for hook in plugin()["spec"]["domainHooks"]:
        if evaluate(hook["condition"], **scope):
            made = evaluate(hook["cel"]["expression"], LIBVIRTXML, **scope)
            # Nothing else of the domain changes.
            assert list(made) == ["OS"] and list(made["OS"]) == ["Type"]
            assert list(made["OS"]["Type"]) == ["Machine"], made
            return made["OS"]["Type"]["Machine"]
    return machine


def test_schema():
    """KubeVirt's API takes the plugin"""
    validator = jsonschema().Draft202012Validator(SCHEMA)
    validator.check_schema(SCHEMA)
    validator.validate(plugin())
    for spoil in (lambda spec: spec["domainHooks"][0].pop("cel"),
                  lambda spec: spec["nodeHooks"][0].pop("socket"),
                  lambda spec: spec["nodeHooks"][0].update(timeout="soon")):
        spoiled = plugin()
        spoil(spoiled["spec"])
        assert not validator.is_valid(spoiled)


def test_strategies():
    """What may not hold a migration up doesn't; what refuses does"""
    for hook in plugin()["spec"]["nodeHooks"]:
        refuses = hook["permittedHooks"] == ["PreMigrationTarget"]
        assert (hook["failureStrategy"] == "Fail") == refuses, hook
    assert "condition" not in plugin()["spec"]      # see there


def test_machine():
    """A VM with the label gets the type that clockferry enable gives it"""
    with Dialogue(places.build("tests/hook/domain-tool"), "machine") as tool:
        for machine in "pc-q35-10.0", "pc-i440fx-10.0", "pc-q35-10.2", \
                "pc-q35-10.0-clockferry":
            fine, changed = tool.ask(DOMAIN % machine)
            assert fine, changed
            assert re.search(r'machine="(.*?)"', changed)[1] == \
                machine_of(machine, LABELS)
    for labels in {}, {"clockferry": "off"}, {"app": "carried"}:
        assert machine_of("pc-q35-10.0", labels) == "pc-q35-10.0"


def test_alias():
    """KubeVirt's default becomes a type that our QEMU has"""
    help_text = subprocess.run([binaries.patched().binary, "-machine", "help"],
                               capture_output=True, text=True).stdout
    assert machine_of("q35", LABELS) in help_text.split()


def test_node_conditions():
    """The node hooks see the same VMs, by JSON's names; a VM without any label
    has no such member, and an error would keep it from migrating"""
    for hook in plugin()["spec"]["nodeHooks"]:
        for metadata in {"labels": LABELS}, {"labels": {}}, {}, \
                {"labels": {"clockferry": "off"}}:
            assert evaluate(hook["condition"], vmi={"metadata": metadata}) \
                == (metadata.get("labels") == LABELS)


POD = "0a1b2c3d-0000-4000-8000-00000000000a"
CGROUP = "0::/kubepods.slice/kubepods-pod%s.slice/cri-containerd-1.scope\n"


class Node:
    """The node hook at its socket, on a node with these facts."""

    COMMAND = """#!/bin/sh
    case $1 in
    probe) cat "$NODE/host" ;;
    check) if [ -e "$NODE/broken" ]; then exit 1; fi; exec %s "$@" ;;
    *) if [ -e "$NODE/hangs" ]; then exec sleep 1000; fi; echo "$@" ;;
    esac
    """

    def __init__(self, **changes):
        self._grpc = places.module("grpc", "python3-grpcio")
        self._folder = tempfile.TemporaryDirectory()
        self.folder = self._folder.name
        with open(self.folder + "/host", "w", encoding="utf-8") as stream:
            json.dump(good(**changes), stream)
        with open(self.folder + "/clockferry", "w",
                  encoding="utf-8") as stream:
            stream.write(self.COMMAND % program())
        os.chmod(self.folder + "/clockferry", 0o755)
        self.process(7, CGROUP % POD.replace("-", "_"))
        self._server = subprocess.Popen(
            ["/usr/bin/python3", places.top(NODE_HOOK),
             self.folder + "/socket"],
            stdout=subprocess.PIPE, text=True,
            env={**os.environ, "NODE": self.folder, "PROC": self.folder,
                 "PATH": self.folder + ":" + os.environ["PATH"]})
        wait.until(lambda: os.path.exists(self.folder + "/socket"),
                   "it doesn't listen")

    def process(self, number, cgroup):
        """One that has the words of the guest's QEMU, in this cgroup."""
        folder = "%s/%d" % (self.folder, number)
        os.mkdir(folder)
        with open(folder + "/cmdline", "wb") as stream:
            stream.write(b"qemu-kvm\0-name\0guest=ns_vm,debug-threads=on\0")
        with open(folder + "/cgroup", "w", encoding="utf-8") as stream:
            stream.write(cgroup)

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self._server.kill()
        self._server.communicate()
        self._folder.cleanup()

    def asked(self):
        """What all its threads have running."""
        threads = pathlib.Path("/proc/%d/task" % self._server.pid)
        return [child for thread in threads.glob("*/children")
                for child in thread.read_text().split()]

    def send(self, request):
        """What it prints, and None or (status, its sentence)."""
        failed = self.call(request)
        assert select.select([self._server.stdout], [], [], LIMIT_S)[0], \
            "it prints nothing: %s" % (failed,)
        return self._server.stdout.readline(), failed

    def call(self, request):
        with self._grpc.insecure_channel("unix:%s/socket"
                                         % self.folder) as channel:
            call = channel.unary_unary("/kubevirt.hooks.plugins.v1alpha1."
                                       "NodeHookService/ExecuteNodeHook")
            try:
                # The socket is there a moment before somebody listens.
                assert call(request, timeout=LIMIT_S,
                            wait_for_ready=True) == b""
                return None
            except self._grpc.RpcError as error:
                return error.code().name, error.details()

    def ask(self, point, **status):
        return self.send(self.request(point, **status))

    @staticmethod
    def request(point, **status):
        vmi = {"metadata": {"namespace": "ns", "name": "vm",
                            "annotations": {"long": "x" * 300}},
               "status": {"activePods": {POD: "node-b"}, **status}}
        return (field(1, point.encode()) +
                field(2, json.dumps(vmi).encode()) +
                field(3, field(1, b"node-b")))


def field(number, value):
    """Of a protobuf message."""
    size, length = b"", len(value)
    while length > 0x7f:
        size, length = size + bytes([length & 0x7f | 0x80]), length >> 7
    return bytes([number << 3 | 2]) + size + bytes([length]) + value


def hints(khz):
    return {"topologyHints": {"tscFrequency": khz * 1000}}


def test_target():
    """Before the migration: a node that can't give a VM its frequency refuses
    it, with the sentence of clockferry check; others take it"""
    with Node(scaling="none") as node:
        said, failed = node.ask("PreMigrationTarget", **hints(2000000))
        assert failed[0] == "FAILED_PRECONDITION", failed
        assert "ns_vm can't come here: the guest's TSC runs at 2000000 kHz" \
            in failed[1] and "choose a destination" in failed[1], failed
        assert "refused" in said, said
        assert node.ask("PreMigrationTarget", **hints(2500000))[1] is None
        assert node.ask("PreMigrationTarget")[1] is None
    with Node() as node:
        assert node.ask("PreMigrationTarget", **hints(2000000))[1] is None


def test_source_and_report():
    """It annotates before and reports afterwards, in the pod of the guest"""
    with Node() as node:
        uri = "qemu+unix:///session?socket=%s/7/root/var/run/libvirt/" \
            "virtqemud-sock" % node.folder
        for point, command in (("PreMigrationSource", "annotate"),
                               ("PostMigrationTarget", "state")):
            said, failed = node.ask(point)
            assert failed is None, failed
            assert said == "%s ns_vm: %s --connect %s -- ns_vm\n" % (
                point, command, uri), said


def test_other_pods():
    """Anybody's process may look like the guest's QEMU: only one in a pod of
    the VM is"""
    other = POD.replace("0a1b", "0a1c")
    with Node() as node:
        for number, cgroup in enumerate((
                "0::/\n", CGROUP % other, "0::/user.slice/%s.scope\n" % POD,
                "0::/kubepods/pod%s-x\n" % POD,
                CGROUP % (POD + "0"))):
            node.process(number, cgroup)
        # The one of them that is found first mustn't decide.
        assert "/7/root/" in node.ask("PreMigrationSource")[0]
        os.rename(node.folder + "/7", node.folder + "/seven")
        assert "no pod of the VM" in node.ask("PreMigrationSource")[1][1]
        for number, cgroup in enumerate((
                "12:pids:/kubepods/burstable/pod%s/1f\n1:x:/\n" % POD,
                "0::/../../kubepods-besteffort-pod%s.slice/crio-1.scope\n"
                % POD.replace("-", "_"),
                "3:cpu:/kubepods/pod%s\n" % POD), 10):
            node.process(number, cgroup)
            said, failed = node.ask("PreMigrationSource")
            assert "/%d/root/" % number in said and not failed, (said, failed)
            os.rename("%s/%d" % (node.folder, number), node.folder + "/gone-%d"
                      % number)


def test_hanging_guests():
    """Guests whose libvirts don't answer hold no other VM up"""
    with Node() as node:
        open(node.folder + "/hangs", "w").close()
        asking = [threading.Thread(
            target=node.call, args=[node.request("PostMigrationTarget")])
            for _ in range(20)]
        for thread in asking:
            thread.start()
        wait.until(lambda: len(node.asked()) == 20, "they don't get through")
        assert node.call(node.request("PreMigrationTarget",
                                      **hints(2500000))) is None
        assert len(node.asked()) == 20, "they didn't hang"
        for thread in asking:
            thread.join()


def test_trouble():
    """What it can't do KubeVirt hears, and it goes on"""
    with Node() as node:
        for request in b"", b"\xff" * 1000000, field(1, b"x"), \
                b"\x0a\xff\x01", \
                field(1, b"PreVMStart") + field(2, b"{}"), \
                field(1, b"PreMigrationTarget") + field(2, b"[]"):
            assert node.send(request)[1][0] == "INTERNAL", request
        os.rename(node.folder + "/7", node.folder + "/seven")
        assert "no pod" in node.ask("PreMigrationSource")[1][1]
        open(node.folder + "/broken", "w").close()
        assert node.ask("PreMigrationTarget", **hints(2000000))[1][0] == \
            "INTERNAL"
        os.rename(node.folder + "/host", node.folder + "/nothing")
        assert node.ask("PreMigrationTarget")[1][0] == "FAILED_PRECONDITION"
