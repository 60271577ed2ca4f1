# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/operating.rst, followed from its first command to its last."""
import os
import re

from fleet import fleet
from harness import guide
from harness.guide import PAGE, shaped, text

EXACT_OR_NOT = (0, 4)   # how good this machine is isn't the question here
REFUSED = 3


def probe_all(hosts, command):
    """Each host's facts, on all of them."""
    for name in hosts:
        hosts.must(name, command.replace("host-a", name), EXACT_OR_NOT)
        facts = hosts[name].read("/root/%s.json" % name)
        for other in hosts:
            hosts[other].write("/root/%s.json" % name, facts)


def look_for_spoilers(hosts, command):
    told = hosts.must("host-a", command, (REFUSED,))
    assert "Not like the largest group:\n  c: " in told, told


def tell_libvirtd(hosts, command):
    hosts.must("host-b", command)
    hosts.must("host-b", "virsh list")


def install(hosts, _):
    """In place of what the hosts had of the build; but the QEMU stays that."""
    hosts.put_packages()
    for name in hosts:
        hosts.must(name, "rm /usr/bin/clockferry*")
        hosts.must(name, "apt-get -y -q install ./libclockferry0_*.deb "
                   "./clockferry_*.deb ./clockferry-libvirt_*.deb")
    hosts.define("host-a", "vm-7")


def annotate(hosts, command):
    told = hosts.must("host-a", command)
    assert told.startswith("vm-7: skipped ("), told


def start_anew(hosts):
    """With the clocks carried, as annotate then sees."""
    hosts.must("host-a", "virsh destroy vm-7 && virsh start vm-7")
    told = hosts.must("host-a", "clockferry annotate --all")
    assert told == "vm-7: facts written\n", told


def enable(hosts, command):
    told = hosts.must("host-a", command)
    assert '+    <qemu:arg value="kvmclock.guest-clock=on"/>' in told, told
    start_anew(hosts)


def enable_by_type(hosts, command):
    """Then nothing on QEMU's command line does it."""
    told = hosts.must("host-a", command)
    assert '-    <qemu:arg value="kvmclock.guest-clock=on"/>' in told, told
    assert '-clockferry">hvm</type>' in told, told
    start_anew(hosts)


def check(hosts, command):
    told = hosts.must("host-a", command, EXACT_OR_NOT)
    assert "Guest vm-7, according to its QEMU\n" in told, told


def state(hosts, command):
    """And QEMU's log has the line that the page shows."""
    told = hosts.must("host-a", command, EXACT_OR_NOT)
    assert "Last restore    : none" not in told, told
    log = hosts["host-b"].read("/var/log/libvirt/qemu/vm-7.log")
    assert re.search(guide.restored_line(), log), log


def drain(hosts, command):
    hosts.define("host-a", "vm-8")
    hosts.must("host-a", command)
    assert hosts.where("vm-8") == hosts.where("vm-7") == "host-b"


def export(hosts, command):
    folder = os.path.dirname(command.split()[-1])
    hosts.must("host-a", "mkdir -p " + folder)
    hosts.must("host-a", command, EXACT_OR_NOT)
    assert hosts.must("host-a", "ls " + folder) == "clockferry.prom\n"


def events(hosts, command):
    """One comes with the guest. It isn't told when virsh listens, so the guest
    moves until it did."""
    move = "virsh migrate --live --persistent --undefinesource vm-7 " \
        "qemu+ssh://%s/system"
    with hosts.start("host-a", "timeout 30 " + command.replace(
            "--loop ", "")) as listener:
        while listener.poll() is None:
            hosts.must("host-b", move % "host-a")
            hosts.must("host-a", move % "host-b")
        told = listener.stdout.read()
    assert "event KVM_CLOCK_RESTORED" in told and "vm-7" in told, told


def here(hosts, command):
    hosts.must(hosts.where("vm-7"), command)


def turn_off(hosts, command):
    """And on again, for what follows."""
    here(hosts, command)
    here(hosts, command.replace("false", "true"))


def policy(hosts, command):
    here(hosts, command)
    refused_by_hook(hosts)


def refused_by_hook(hosts):
    """In the words of the page, and the guest stays."""
    name = hosts.where("vm-7")
    said = hosts.run(name, "virsh migrate --live vm-7 "
                     "qemu+ssh://host-c/system")
    line = said.stderr.strip()
    assert said.returncode and line.count("\n") == 0, said
    assert re.fullmatch(shaped("Hook script execution"), line), line
    assert hosts.where("vm-7") == name


def refused_by_qemu(hosts, command):
    """The same without the hook."""
    hosts.must("host-c", command)
    name = hosts.where("vm-7")
    said = hosts.run(name, "virsh migrate --live vm-7 "
                     "qemu+ssh://host-c/system")
    assert said.returncode and hosts.where("vm-7") == name, said
    log = hosts["host-c"].read("/var/log/libvirt/qemu/vm-7.log")
    assert "kvmclock: refusing the guest (policy auto): " in log, log


def purge(hosts, command):
    for name in hosts:
        hosts.must(name, command.replace("apt ", "apt-get -y -q "))
        assert hosts.run(name, "clockferry --version").returncode == 127
    assert hosts.where("vm-7")


def without_systemd(_, __):
    """There is none on these hosts; tests/cli runs what the unit runs, and
    tests/hosts has one."""


def on_this_machine(_, __):
    """Would change this machine's own KVM."""


def by_apt(_, __):
    """tests/qemu-package does, on hosts that have nothing yet."""


STEPS = {
    "clockferry probe": lambda hosts, command:
        hosts.must("host-a", command, EXACT_OR_NOT),
    "clockferry probe --json": probe_all,
    "clockferry matrix": look_for_spoilers,
    "echo": on_this_machine,
    "cp apt/": by_apt,
    "apt update": by_apt,
    "apt install": install,
    "kill -HUP": tell_libvirtd,
    "systemctl enable": without_systemd,
    "clockferry annotate": annotate,
    "clockferry enable --yes --connect": enable,
    "clockferry enable --yes --machine": enable_by_type,
    "clockferry check": check,
    "virsh migrate": lambda hosts, command: hosts.must("host-a", command),
    "clockferry state": state,
    "for guest in": drain,
    "clockferry probe -f prometheus": export,
    "virsh qemu-monitor-event": events,
    "virsh qemu-monitor-command": here,
    "virsh qemu-monitor-command vm-7 '": turn_off,
    "clockferry enable --yes --policy=lax": policy,
    "clockferry disable": here,
    "systemctl disable": without_systemd,
    "virsh metadata": here,
    "rm /etc/libvirt/hooks": refused_by_qemu,
    "apt-mark manual": by_apt,
    "apt purge": purge,
}


def test_commands():
    """Each command of the page runs, in its order, on hosts with the packages
    """
    with fleet() as hosts:
        done = guide.follow(hosts, STEPS, guide.commands())
    assert done == set(STEPS), "not on the page: %s" % (set(STEPS) - done)


def literals(*paths):
    """All texts in C sources, with one space where one goes on."""
    whole = "".join(text(path) for path in paths)
    return re.sub(r'"\s*\n\s*(?:\? |: )?"', "", whole)


def test_sentences():
    """The refusals that the page explains are those that can be"""
    rows = re.findall(r"^   \* - (.+(?:\n {7}.+)*)\n     - .+", text(PAGE),
                      re.M)
    sentences = [" ".join(row.split()) for row in rows
                 if not row.startswith(("``", "Package", "The sentence", "a "))]
    said = literals("src/check/check-text.c", "libvirt-hooks/last-words.c",
                    "libvirt-hooks/probe-apart.c", "src/domain/facts.c",
                    "src/kvm/probe.c")
    assert len(sentences) > 7, sentences
    for sentence in sentences:
        for part in re.split(r" ?'?…'?,? ?", sentence):
            assert part in said, (sentence, part)
