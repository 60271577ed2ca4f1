# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/operating.rst, chapter by chapter, word by word. Each test goes on
where the one before it ended."""
import contextlib
import functools
import json
import re

import hops
import guests
import pool
from harness import debian, guide
from harness.tap import note

EXACT_OR_NOT = (0, 4)   # a host with an older kernel isn't exact
REFUSED = 3
GUESTS = {"vm-7": guests.RomDomain, "vm-8": guests.LinuxDomain,
          "vm-9": guests.RomDomain}
TOLERANCE = "/sys/module/kvm/parameters/tsc_tolerance_ppm"
UNLOAD = "modprobe -r kvm_amd && modprobe -r kvm && "
AGAIN = UNLOAD + "modprobe kvm_amd"
WITHOUT_SCALING = UNLOAD + "modprobe kvm_amd tsc_scaling=0"
OTHER = {"host-a": "host-b", "host-b": "host-a"}

followed = set()


@functools.lru_cache(None)
def hosts():
    return pool.Pool()


def follow(chapter, steps):
    done = guide.follow(hosts(), steps, guide.commands(chapter))
    assert done == set(steps), "not on the page: %s" % (set(steps) - done)
    followed.add(chapter)


def on_all(command, good=(0,)):
    for name in hosts():
        hosts().must(name, command, good)


# -- Look at the hosts first --

def test_look():
    """Look at the hosts first"""
    on_all("sed 's|^URIs: .*|URIs: file:%s/apt|' %s/apt/$(. /etc/os-release; "
           "echo $VERSION_CODENAME).sources "
           ">/etc/apt/sources.list.d/clockferry.sources && "
           "apt-get -q update && apt-get -q -y install clockferry"
           % (pool.REPOSITORY, pool.REPOSITORY))
    on_all("rm /etc/apt/sources.list.d/clockferry.sources")
    follow("Look at the hosts first", {
        "clockferry probe": probe,
        "clockferry probe --json": probe_all,
        "clockferry matrix": look_for_spoilers,
        "echo 0": scale_all,
        "echo \"options": scale_all_at_boot,
    })


def probe(_, command):
    on_all(command, EXACT_OR_NOT)


def facts(name, wanted):
    hosts().must(name, "clockferry probe --json --output=%s.json" % wanted,
                 EXACT_OR_NOT + (REFUSED,))
    return hosts()[name].read("/root/%s.json" % wanted)


def probe_all(there, command):
    """host-c is host-b without scaling."""
    there.must("host-a", command, EXACT_OR_NOT)
    there.must("host-b", WITHOUT_SCALING)
    known = {"host-a": facts("host-a", "host-a"),
             "host-c": facts("host-b", "host-c")}
    there.must("host-b", AGAIN)
    known["host-b"] = facts("host-b", "host-b")
    scaling = {name: json.loads(text)["scaling"]
               for name, text in known.items()}
    assert scaling == {"host-a": "works", "host-b": "works",
                       "host-c": "none"}, scaling
    for name, text in known.items():
        for other in there:
            there[other].write("/root/%s.json" % name, text)


def look_for_spoilers(there, command):
    told = there.must("host-a", command, EXACT_OR_NOT + (REFUSED,))
    note(told)
    assert "host-a: its guests are refused on host-c: " in told, told


def scale_all(_, command):
    on_all(command)


def scale_all_at_boot(_, command):
    """As at the next boot: the module is loaded anew."""
    on_all(command)
    on_all(AGAIN)
    for name in hosts():
        assert hosts().must(name, "cat " + TOLERANCE) == "0\n"


# -- Install --

def test_install():
    """Install; a guest of Debian's QEMU runs on, and moves to ours"""
    old = start("host-b", "vm-9")
    follow("Install", {"cp apt/": add_repository, "apt update": by_apt,
                       "apt install": by_apt, "kill -HUP": tell_libvirtd,
                       "echo": allow_on_12})
    for name in hosts():
        said = hosts().must(name, "qemu-system-x86_64 --version")
        assert "+clockferry" in said, said
    assert "(deleted)" in hosts().must("host-b", "readlink /proc/%d/exe"
                                       % old.pid)
    hosts().must("host-b", hops.MOVE % ("vm-9", "host-a"))
    wait_alive("host-a", "vm-9")
    hosts().must("host-a", "virsh destroy vm-9 && virsh undefine vm-9")


def add_repository(there, command):
    """From where it is, and with the address that it has there."""
    for name in there:
        file = debian.SUITES[pool.VERSIONS[name]] + ".sources"
        there.must(name, "cd %s && %s && sed -i 's|^URIs: .*|URIs: "
                   "file:%s/apt|' /etc/apt/sources.list.d/clockferry.sources"
                   % (pool.REPOSITORY, command.replace("trixie.sources", file),
                      pool.REPOSITORY))


def by_apt(_, command):
    on_all(command.replace("apt ", "DEBIAN_FRONTEND=noninteractive apt-get -q "
                           "-y "))


def tell_libvirtd(_, command):
    on_all("virsh list")                # libvirtd is started by who asks it
    on_all(command)
    on_all("virsh list")


def allow_on_12(there, command):
    there.must("host-a", command)


# -- Roll out over a fleet --

def start(name, guest, kind=guests.ROM):
    hosts()[name].write("/root/%s.xml" % guest, guests.xml(guest, kind))
    hosts().must(name, "virsh define %s.xml && virsh start %s"
                 % (guest, guest))
    return wait_alive(name, guest)


def wait_alive(name, guest):
    found = GUESTS[guest](hosts()[name], guest)
    found.wait_alive()
    return found


def start_anew(name, guest):
    hosts().must(name, "virsh destroy %s && virsh start %s" % (guest, guest))
    wait_alive(name, guest)


def test_roll_out():
    """Roll out over a fleet"""
    start("host-a", "vm-7")
    follow("Roll out over a fleet", {
        "systemctl enable": lambda _, command: on_all(command),
        "clockferry annotate": annotate,
        "clockferry enable --yes --connect": enable,
        "clockferry enable --yes --machine": enable_by_type,
        "clockferry check": check,
        "virsh migrate": migrate,
        "clockferry state": state,
        "for guest in": drain,
    })


def annotate(there, command):
    told = there.must("host-a", command)
    assert told.startswith("vm-7: skipped ("), told


def enable(there, command):
    told = there.must("host-a", command)
    assert '+    <qemu:arg value="kvmclock.guest-clock=on"/>' in told, told
    start_anew("host-a", "vm-7")


def enable_by_type(there, command):
    told = there.must("host-a", command)
    assert '-clockferry">hvm</type>' in told, told
    start_anew("host-a", "vm-7")


def check(there, command):
    told = there.must("host-a", command, EXACT_OR_NOT)
    assert "Guest vm-7, according to its QEMU\n" in told, told


def migrate(there, command):
    """And its clocks are what they were, by nothing that we wrote."""
    hops.cross(there, GUESTS["vm-7"], "vm-7", "host-a", "host-b", command)


def state(there, command):
    told = there.must("host-a", command, EXACT_OR_NOT)
    note(told)
    assert "Last restore    : none" not in told, told
    log = there["host-b"].read("/var/log/libvirt/qemu/vm-7.log")
    assert re.search(guide.restored_line().replace("tsc\\)", "\\w+\\)"),
                     log), log[-2000:]


def drain(there, command):
    """The Linux guest, with SeaBIOS, disk, network card and VNC, goes, too."""
    start("host-a", "vm-8", guests.LINUX)
    there.must("host-a", "clockferry enable --yes --machine vm-8")
    start_anew("host-a", "vm-8")
    hops.cross(there, GUESTS["vm-8"], "vm-8", "host-a", "host-b", command)
    assert there.where("vm-7") == "host-b"


# -- Refusals, in the words that their user reads --

@contextlib.contextmanager
def unscaled(name):
    """A host that no longer scales; it has no guests."""
    hosts().must(name, WITHOUT_SCALING)
    yield
    hosts().must(name, AGAIN)


def refused(guest, source):
    """What virsh says; the guest stays, and nothing happens to its clocks."""
    destination = OTHER[source]
    with hops.untouched(hosts()[source], GUESTS[guest], guest):
        done = hosts().run(source, "virsh migrate --live %s "
                           "qemu+ssh://%s/system" % (guest, destination))
    assert done.returncode and hosts().where(guest) == source, done
    note(done.stderr.strip())
    return done.stderr.strip()


def test_refused_by_hook():
    """A host that doesn't scale refuses by its hook; virsh shows the reason"""
    with unscaled("host-a"):
        line = refused("vm-8", start_vm8_on("host-b"))
    shaped = guide.shaped("Hook script execution").replace("vm\\-7", "vm\\-8")
    assert re.fullmatch(shaped, line), line


def start_vm8_on(name):
    """So that its frequency is that host's."""
    start_anew(name, "vm-8")
    hosts().must(name, "clockferry annotate vm-8")
    return name


def test_refused_by_qemu():
    """Without the hook QEMU refuses; its log has the reason"""
    link = "/etc/libvirt/hooks/qemu.d/50-clockferry"
    log = "/var/log/libvirt/qemu/vm-8.log"
    hosts().must("host-a", "mv %s /root && systemctl reload libvirtd" % link)
    with unscaled("host-a"):
        line = refused("vm-8", "host-b")
    hosts().must("host-a", "mv /root/50-clockferry %s && systemctl reload "
                 "libvirtd" % link)
    assert re.match(guide.shaped("operation failed"), line, re.S), line
    said = hosts()["host-a"].read(log)
    assert re.search("kvmclock: refusing the guest .policy auto.: its TSC runs "
                     "at 3100000 kHz and would run at 2500000 kHz", said), said


def test_saved():
    """Saved and started again, where AppArmor lets QEMU see that it's one host
    """
    name = hosts().where("vm-7")
    was = GUESTS["vm-7"](hosts()[name], "vm-7").view(None)
    hosts().must(name, "virsh managedsave vm-7 && virsh start vm-7")
    now = wait_alive(name, "vm-7")
    report = now.qmp.execute("query-kvm-clock")["restore"]
    assert report["same-host"] and report["tsc"] == "copied", report
    moved = hops.assert_same(was, now, hops.STEP_NS)
    note("kvmclock stepped by %d ns" % moved["kvmclock_step_ns"])


def assert_confined(name, domain):
    """QEMU has the rights that libvirt leaves it by default, and no more."""
    words = hosts().must(
        name, "pid=$(cat /run/libvirt/qemu/%s.pid) && tr '\\0' ' ' "
        "</proc/$pid/cmdline && cat /proc/$pid/status /proc/$pid/attr/current"
        % domain)
    assert "-sandbox on,obsolete=deny,elevateprivileges=deny" in words, words
    for right in r"Seccomp:\s+2", r"Uid:\s+[1-9]", r"CapEff:\s+0+$", \
            r"libvirt-\S+ \(enforce\)":
        assert re.search(right, words, re.M), (right, words)


def test_hops():
    """Back and forth: kvmclock is where it was before each hop, though QEMU is
    confined by seccomp and AppArmor and has no capability"""
    here = hosts().where("vm-7")
    for _ in range(2):
        hops.cross(hosts(), GUESTS["vm-7"], "vm-7", here, OTHER[here],
                       hops.MOVE % ("vm-7", OTHER[here]))
        here = OTHER[here]
        assert_confined(here, "vm-7")


# -- What to watch, How to read a refusal, Go back --

def here(there, command):
    there.must(there.where("vm-7"), command)


def test_watch():
    """What to watch"""
    follow("What to watch", {
        "clockferry probe -f prometheus": export,
        "virsh qemu-monitor-event": events,
        "virsh qemu-monitor-command": here,
    })


def export(_, command):
    """Debian's node exporter gives what both commands wrote."""
    on_all(command, EXACT_OR_NOT)
    told = hosts().must(
        hosts().where("vm-7"), "bash -c 'exec 3<>/dev/tcp/127.0.0.1/9100; "
        "printf \"GET /metrics HTTP/1.0\\r\\n\\r\\n\" >&3; cat <&3'")
    for name in "clockferry_probe_time_seconds ", \
            'clockferry_guest_kvmclock_bound_seconds{guest="vm-7"':
        assert name in told, (name, re.findall("^clockferry.*", told, re.M),
                              service_says(hosts().where("vm-7")))


def service_says(name):
    return hosts().run(name, "journalctl --no-pager -u clockferry-annotate; "
                       "ls -la /var/lib/prometheus/node-exporter").stdout


def events(there, command):
    """One comes with the guest, to who listens before it arrives."""
    name = there.where("vm-8")
    pid, out = there[name].begin("exec " + command)
    there.must(name, hops.MOVE % ("vm-8", OTHER[name]))
    there.must(OTHER[name], hops.MOVE % ("vm-8", name))
    wait_alive(name, "vm-8")
    there.must(name, "kill -INT %d" % pid)
    there[name].finish(pid)
    told = there[name].read(out)
    assert re.search("event KVM_CLOCK_RESTORED at .*'vm-8'", told), told


def test_read():
    """How to read a refusal"""
    follow("How to read a refusal", {
        "clockferry enable --yes --policy=lax": here,
        "virsh qemu-monitor-command vm-7 '": here,
    })


# Its refusals are wanted, and the machines' clocks aren't set before each move.
HOOK_SAYS = "guest 'vm-8' can't come to host|guest 'vm-[78]' may come to " \
            "host '.*', but: .* the hosts' clocks aren't both known"


def assert_quiet(name):
    denied = hosts().must(name, "journalctl -b -k | grep DENIED", (0, 1))
    assert not denied, denied
    said = hosts().must(name, "journalctl -b -p warning | grep -i "
                        "clockferry | grep -v kernel:", (0, 1))
    left = [line for line in said.splitlines()
            if not re.search(HOOK_SAYS, line)]
    assert not left, left


def test_quiet():
    """Neither AppArmor nor the journal has anything to say about us"""
    for name in hosts():
        assert_quiet(name)
        active = hosts().must(name, "systemctl is-active "
                              "clockferry-annotate.service", (0, 3))
        assert active == "active\n", active


def test_back():
    """Go back"""
    follow("Go back", {
        "clockferry disable": here,
        "systemctl disable": lambda _, command: on_all(command),
        "virsh metadata": here,
        "rm /etc/libvirt/hooks": lambda _, command: on_all(command),
        "apt-mark manual": lambda _, command: on_all(command),
        "apt purge": purge,
    })


def purge(_, command):
    by_apt(_, command)
    for name in hosts():
        assert hosts().run(name, "clockferry --version").returncode == 127
        assert_quiet(name)
    for guest in "vm-7", "vm-8":
        wait_alive(hosts().where(guest), guest)


def test_all():
    """No command of the page was left out"""
    left = len(guide.commands()) - sum(len(guide.commands(chapter))
                                       for chapter in followed)
    assert not left, "%d commands are in other chapters" % left
