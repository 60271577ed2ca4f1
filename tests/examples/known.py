# SPDX-License-Identifier: GPL-2.0-or-later
"""Every example of the documents, and how it is run.

One that stands in a page and not here fails, and so does one that stands here
and in no page any more."""
import libvirtd
import surroundings
from surroundings import Run

SELFTEST = (0, 4)       # how exact a busy host is isn't the question here
PROBE = (0, 4)          # this host may well be a poor one
DEMO = (0, 1)           # the same

KNOWN = {
    # README.md
    "./run demo": Run(surroundings.demo, status=DEMO),
    "-global kvmclock.guest-clock=on": Run(surroundings.qemu_option),
    "-global kvmclock.policy=auto": Run(surroundings.qemu_option),
    "-global kvmclock.require=plain": Run(surroundings.qemu_option),
    "-global kvmclock.blackout=count": Run(surroundings.qemu_option),
    "-global kvmclock.blackout-limit=600": Run(surroundings.qemu_option),
    "ninja -C BUILD && BUILD/src/cli/clockferry probe":
        Run(surroundings.from_build, status=PROBE),

    # docs/man
    "clockferry probe": Run(host="released"),
    "clockferry probe --json --output=host-a.json":
        Run(status=PROBE, needs="kvm", writes={"host-a.json": "probe"}),
    "clockferry probe --from=host-b.json": Run(),
    "clockferry probe -f prometheus -o "
    "/var/lib/node_exporter/clockferry.prom":
        Run(status=PROBE, needs="kvm", writes={"clockferry.prom": None},
            replace={"/var/lib/node_exporter/": ""}),
    "kubectl label node host-a $(clockferry probe -f kubevirt)":
        Run(surroundings.kubectl),
    "clockferry probe -f nfd -o "
    "/etc/kubernetes/node-feature-discovery/features.d/clockferry":
        Run(status=PROBE, needs="kvm", writes={"clockferry": None},
            replace={"/etc/kubernetes/node-feature-discovery/features.d/": ""}),
    "clockferry check host-a.json host-b.json": Run(status=4),
    "clockferry check --tsc-khz=2400000 --json host-a.json host-b.json":
        Run(prints="check"),
    "clockferry matrix host-a.json host-b.json host-c.json host-d.json":
        Run(status=3),
    "clockferry matrix --promised --html -o pool.html "
    "host-a.json host-b.json": Run(status=4, writes={"pool.html": None}),
    "clockferry measure host-b": Run(surroundings.ssh),
    "clockferry measure --via='ssh host-b sudo clockferry measure --answer' "
    "host-b": Run(surroundings.ssh),
    "clockferry selftest --rounds=50": Run(status=SELFTEST, needs="kvm"),
    "clockferry selftest --rounds=100000 --vcpus=4":
        Run(status=SELFTEST, needs="kvm", replace={"100000": "20"}),
    "clockferry state --qmp=/run/vm-7/qmp": Run(surroundings.state),
    "clockferry state --watch --qmp=/run/vm-7/qmp":
        Run(surroundings.watch),
    "clockferry state --watch --json --qmp=/run/vm-7/qmp >>vm-7.json":
        Run(surroundings.recorded, writes={"vm-7.json": "guest"}),
    "clockferry arrivals vm-7-a.json vm-7-b.json": Run(surroundings.utc),
    "clockferry arrivals --svg -o vm-7.svg vm-7-a.json vm-7-b.json":
        Run(writes={"vm-7.svg": None}),
    "clockferry state --json --qmp=/run/vm-7/qmp | "
    "clockferry check - host-b.json":
        Run(surroundings.state, status=(0, 3, 4)),
    "clockferry check --connect=qemu+ssh://host-a/system "
    "--desturi=qemu+ssh://host-b/system vm-7":
        Run(libvirtd.between, status=(0, 3, 4)),
    "clockferry state --watch --connect=qemu:///system vm-7":
        Run(libvirtd.watch),
    "clockferry enable vm-7": Run(libvirtd.enable_asked),
    "clockferry enable --yes --policy=strict --connect=qemu+ssh://host-a/system "
    "vm-7": Run(libvirtd.enable),
    "clockferry enable --yes --machine vm-7": Run(libvirtd.enable),
    "clockferry disable vm-7": Run(libvirtd.disable_asked),
    "clockferry annotate vm-7": Run(libvirtd.on_host),
    "clockferry diff before.json after.json":
        Run(surroundings.two_captures),
    "#include <clockferry/clockferry.h>": Run(surroundings.source),
    "cc vmm.c -o vmm $(pkg-config --cflags --libs clockferry)":
        Run(surroundings.compiler),
    "mkfifo back": Run(),
    "vmm source before.json back | vmm destination after.json back":
        Run(surroundings.vmm, needs="kvm"),

    # The guides
    "clockferry matrix --promised host-a.json host-b.json host-c.json":
        Run(status=4),
    "clockferry annotate --all --connect=qemu:///system":
        Run(libvirtd.on_host),
    "clockferry enable --yes --connect=qemu:///system vm-7":
        Run(libvirtd.enable),
    "clockferry enable --yes --machine --connect=qemu:///system vm-7":
        Run(libvirtd.enable),
    "clockferry enable --yes --policy=lax --connect=qemu:///system vm-7":
        Run(libvirtd.enable),
    "clockferry disable --yes --connect=qemu:///system vm-7":
        Run(libvirtd.on_host),
    "clockferry check --connect=qemu:///system vm-7 host-b.json":
        Run(libvirtd.on_host, status=(0, 3, 4)),
    "clockferry state --connect=qemu+ssh://host-b/system vm-7":
        Run(libvirtd.after_migration, status=(0, 4)),
    "virsh migrate --live --persistent --undefinesource vm-7 "
    "qemu+ssh://host-b/system": Run(libvirtd.migrate),
    "for guest in $(virsh list --name); do virsh migrate --live --persistent "
    "--undefinesource \"$guest\" qemu+ssh://host-b/system; done":
        Run(libvirtd.migrate),
    "virsh qemu-monitor-command vm-7 --pretty "
    "'{\"execute\": \"query-kvm-clock\"}'": Run(libvirtd.on_host),
    "virsh qemu-monitor-command vm-7 '{\"execute\": \"qom-set\", "
    "\"arguments\": {\"path\": \"/machine/kvmclock\", \"property\": "
    "\"guest-clock\", \"value\": false}}'": Run(libvirtd.on_host),
    "virsh metadata vm-7 urn:clockferry:facts:1 --remove --live":
        Run(libvirtd.on_host),
    "clockferry probe -f prometheus -o "
    "/var/lib/prometheus/node-exporter/clockferry.prom":
        Run(status=PROBE, needs="kvm", writes={"clockferry.prom": None},
            replace={"/var/lib/prometheus/node-exporter/": ""}),
    "clockferry probe --format=kubevirt": Run(status=PROBE, needs="kvm"),
    "clockferry probe --format=nfd --output="
    "/etc/kubernetes/node-feature-discovery/features.d/clockferry":
        Run(status=PROBE, needs="kvm", writes={"clockferry": None},
            replace={"/etc/kubernetes/node-feature-discovery/features.d/": ""}),
}

# What can't be run here, and why.
NOT_RUN = {
    "./run check": "it is what runs this test",
    "cp apt/trixie.sources /etc/apt/sources.list.d/clockferry.sources":
        "suite qemu-package does, where it harms nobody",
    "apt update": "the same",
    "apt install clockferry-host": "the same",
    "./run lab": "suite lab does the same, and takes its time",
    "virsh qemu-monitor-event --loop --event KVM_CLOCK_RESTORED":
        "it waits for ever; suite qemu waits for that event",
    "# systemctl enable --now clockferry-annotate":
        "no host of the tests has systemd",
}
