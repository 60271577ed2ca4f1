# SPDX-License-Identifier: GPL-2.0-or-later
"""What is done in a scenario. Each action returns the fields of its line."""
import re
import signal
import time

import truth
from crossing import (HOLD, Gone, Lab, carry, clocks, held, hop, landed,
                      measured, release, report_of, stayed, total, view)
from harness.check import sentences
from harness.guest import GuestError
from harness.migrate import (arrive, go, pause, set_capabilities,
                             set_parameters, status, wait_loaded, wait_status)
from harness.wait import LIMIT_S
from host import RAM_DISK, RAM_DISK_MB, STREAM_DISK

PAUSE_S = 0.5
SNAPSHOT_S = 3.0
PASSES = 3
DIRTY_SECONDS = 3
LONG_MS = 60000
LEAP_AHEAD_S = 20       # the guest has to be stopped by then, beside any load
DAY_NS = 86400 * 10 ** 9
BOOT_ID = "/proc/sys/kernel/random/boot_id"
PRODUCT_UUID = "/sys/class/dmi/id/product_uuid"


def cross(lab):
    guest = lab.source()
    if lab.scenario.end == "refused":
        return refused(lab, guest)
    if lab.scenario.hops == 1:
        return hop(lab, guest, lab.hosts[1])[0]
    return total(list(_hops(lab, guest)))


def _hops(lab, guest):
    """There and back: the lines, each with how far kvmclock is from the
    function that it was when the guest left first: all steps together, so
    that a hop may give it another slope."""
    before, sums = None, None
    for number in range(lab.scenario.hops):
        line, there = hop(lab, guest, lab.hosts[(number + 1) % 2])
        before = before or view(guest)
        lab.end(guest)
        guest, now = there, view(there)
        steps = truth.exact_steps_ns(before, now)
        sums = [sum(two) for two in zip(sums or [0] * len(steps), steps)]
        before = now
        yield dict(line, from_first_ns=round(float(max(sums, key=abs)), 3))


def refused(lab, source):
    host = lab.hosts[1]
    destination = lab.listening(host)
    before, sent = view(source), source.host.sent_bytes()
    info = go(source, host.uri)
    sent = source.host.sent_bytes() - sent
    destination.wait_exit(10)
    said = [words for words in sentences(destination.stderr())
            if not re.match(r"\d+@", words)]           # a trace event
    return dict(stayed(source, before, info), sent_bytes=sent, said=said)


def _failing(lab, fail):
    """The last pass doesn't come; fail() says how the migration ends."""
    source = lab.source()
    destination = lab.listening(lab.hosts[1], [HOLD])
    set_capabilities(source, "return-path")
    before, sent = view(source), source.host.sent_bytes()
    held(source, lab.hosts[1].uri)
    line = stayed(source, before, fail(source, destination))
    return dict(line, sent_bytes=source.host.sent_bytes() - sent)


def cancelled(lab):
    def cancel(source, _):
        source.qmp.execute("migrate_cancel")
        return wait_status(source, ("cancelled",))

    return _failing(lab, cancel)


def killed(lab):
    def kill(source, destination):
        destination.signal(signal.SIGKILL)
        destination.wait_exit()
        return release(source)

    return _failing(lab, kill)


def paused(lab):
    """Stopped by its user, migrated, and continued there."""
    source = lab.source()
    destination = lab.listening(lab.hosts[1])
    before, now = view(source), clocks(lab)
    pause(source)
    done = carry(source, destination, lab.hosts[1].uri)
    time.sleep(PAUSE_S)
    destination.qmp.execute("cont")
    arrive(destination)
    return dict(landed(source, destination, before, now), **done)


def snapshot(lab):
    """Through a file that is carried to the other host."""
    path = "/run/snapshot"
    source = lab.source()
    before, now = view(source), clocks(lab)
    done = carry(source, source, "file:" + path)
    saved = time.monotonic()
    lab.hosts[1].join(source.host.now_ns())
    now[lab.hosts[1]] = lab.hosts[1].realtime_error()
    lab.hosts[1].agent.write_all(path, lab.hosts[0].agent.read_all(path))
    time.sleep(max(0, saved + SNAPSHOT_S - time.monotonic()))
    destination = lab.start(lab.hosts[1], lab.scenario.destination,
                            incoming="defer")
    destination.qmp.execute("migrate-incoming", {"uri": "file:" + path})
    arrive(destination)
    line = landed(source, destination, before, now)
    for host in lab.hosts:
        host.agent.ask("remove", path)
    return dict(line, **dict(done, alive=destination.host.name))


def _another(lab, name, move, **changes):
    """move(lab), but for these changes of the scenario."""
    other = Lab(lab.scenario._replace(**changes), lab.hosts, lab.wire,
                lambda log, text: lab.keep("%s-%s" % (name, log), text))
    try:
        return move(other)
    finally:
        other.close()


def compared(lab):
    """The same by stock, and without the exchange; then the line."""
    def move(lab):
        return hop(lab, lab.source(), lab.hosts[1])[0]

    return dict(stock=_another(lab, "stock", move, side="stock"),
                off=_another(lab, "off", move, source={"x-exchange": "off"}),
                **move(lab))


def dirtied_bytes_s(guest):
    """How fast a guest writes to pages that it didn't write to lately, in the
    best of some seconds: a busy machine doesn't let it run in each."""
    return max(_dirtied_bytes_s(guest) for _ in range(DIRTY_SECONDS))


def _dirtied_bytes_s(guest):
    """In one second."""
    guest.qmp.execute("calc-dirty-rate", {"calc-time": 1,
                                          "mode": "dirty-bitmap"})
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        said = guest.qmp.execute("query-dirty-rate")
        if said["status"] == "measured":
            return said["dirty-rate"] << 20
        time.sleep(0.1)
    raise GuestError("its dirty rate can't be had")


def wait_passes(guest):
    """Until all that is dirty has been sent so often, and the most is dirty
    again; what query-migrate says then."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        info = status(guest)
        ram = info.get("ram", {})
        if ram.get("dirty-sync-count", 0) > PASSES:
            return {"remaining_bytes": ram["remaining"],
                    "line_bytes_s": round(ram["mbps"] / 8 * 10 ** 6),
                    "dirtied_bytes_s": ram["dirty-pages-rate"]
                    * ram["page-size"]}
        time.sleep(0.1)
    raise GuestError("so many passes take too long: %s" % info)


def flooded(lab):
    """Its RAM is dirtied faster than the line takes it, until its user allows
    it a longer blackout."""
    def move(lab):
        seen = {}

        def drive(source, uri):
            source.qmp.execute("migrate", {"uri": uri})
            seen.update(wait_passes(source))
            set_parameters(source, **{"downtime-limit": LONG_MS})
            return wait_status(source)

        source = lab.source()
        rate = dirtied_bytes_s(source)
        line, _ = hop(lab, source, lab.hosts[1], drive)
        return dict(line, flood=dict(seen, alone_bytes_s=rate))

    return dict(stock=_another(lab, "stock", move, side="stock"), **move(lab))


def same_host(lab):
    """To another QEMU on the same host."""
    return hop(lab, lab.source(), lab.hosts[0])[0]


def _to_copy(lab, path):
    """To a host that has the source's word in this file, as a clone has."""
    here, there = (host.agent for host in lab.hosts)
    there.ask("put", "/run/copy", 0, data=here.read(path, 0))
    there.ask("bind", "/run/copy", path)
    try:
        return hop(lab, lab.source(), lab.hosts[1])[0]
    finally:
        there.ask("bind", "-", path)


def cloned(lab):
    """To a host with the source's boot id."""
    return _to_copy(lab, BOOT_ID)


def _booted_anew(lab, boot):
    """Saved by cpr-reboot, its memory on a disk, while the host boots anew."""
    host, stream = lab.hosts[0], "/run/stream"
    ram = ["-object", "memory-backend-file,id=ram,size=%dM,share=on,"
           "mem-path=%s" % (RAM_DISK_MB, RAM_DISK),
           "-machine", "memory-backend=ram"]
    source = lab.source(extra=ram)
    before, now = view(source), host.realtime_error()
    _keep_memory(source)
    done = carry(source, source, "file:" + stream)
    size = host.agent.number("copy", stream, STREAM_DISK, RAM_DISK_MB << 20)
    gone = Gone(source, before.maps, truth.Drift(now, host.realtime_error()))
    source.qmp.execute("quit")
    source.wait_exit()
    lab.end(source)
    boot(host)
    now = host.realtime_error()
    host.agent.ask("copy", STREAM_DISK, stream, size)
    destination = lab.start(host, lab.scenario.destination, incoming="defer",
                            extra=ram)
    _keep_memory(destination)
    destination.qmp.execute("migrate-incoming", {"uri": "file:" + stream})
    arrive(destination)
    host.agent.ask("remove", stream)
    line = measured(gone, destination, gone.seen,
                    truth.Drift(now, host.realtime_error()))
    return dict(line, **done)


def _keep_memory(guest):
    set_parameters(guest, mode="cpr-reboot")
    set_capabilities(guest, "x-ignore-shared")


def kexec(lab):
    """Another kernel calls the TSC, which runs on, 3 kHz faster."""
    line = _booted_anew(lab, lambda host: host.kexec(host.told_khz + 3))
    report = line["report"]
    told_ppt = -3 * 10 ** 12 / lab.hosts[0].told_khz
    if abs(report.get("kexec-ppt", 0) - told_ppt) > 1:
        line["violated"].append("kexec-ppt is %s" % report.get("kexec-ppt"))
    return line


def host_reset(lab):
    """The same, but the machine is reset: it is as good as another one."""
    return _booted_anew(lab, lambda host: host.reset())


def cloned_machine(lab):
    """To a host with the source's identity."""
    return _to_copy(lab, PRODUCT_UUID)


def wait_old(guest, seconds=2):
    """KVM takes a TSC that is set to within a second of the former one for an
    attempt to synchronise it; a guest must be old enough for a reset to be
    one."""
    while guest.slot().tsc < seconds * 1000 * guest.host.spec.khz:
        time.sleep(0.1)


def reset(lab):
    """Reset when it has arrived and before it runs: it starts anew, with
    nothing of the clocks it came with. Then it goes back."""
    source = lab.source()
    wait_old(source)
    guest = lab.listening(lab.hosts[1], extra=["-S"])
    carry(source, guest, lab.hosts[1].uri)
    wait_loaded(guest)
    began = guest.host.now_ns()
    guest.reset()
    wrong = ["vCPU %d's TSC is older than its reset" % vcpu
             for vcpu, clock_map in guest.scaling().items()
             if clock_map.when(0) < began]
    if report_of(guest):
        wrong.append("query-kvm-clock reports a restore")
    line, _ = hop(lab, guest, lab.hosts[0])
    line["violated"] += wrong
    return line


def hotplug(lab):
    """A vCPU is added to the running guest, which doesn't start it; on the
    destination a reset lets it do so, and both go back."""
    count = lab.scenario.vcpus
    source = lab.source(extra=["-smp", "maxcpus=%d" % (count + 1)])
    source.qmp.execute("device_add", {"driver": "host-x86_64-cpu",
                                      "socket-id": 0, "core-id": count,
                                      "thread-id": 0})
    more = ["-smp", "cpus=%d" % (count + 1)]
    first, guest = hop(lab, source, lab.hosts[1], extra=more)
    guest.vcpus = count + 1
    guest.reset()
    second, _ = hop(lab, guest, lab.hosts[0], extra=more)
    return total([first, second])


# -- a leap second, inserted by the hosts' kernels --

def before_midnight(hosts):
    """Let a UTC day end soon. When, by CLOCK_REALTIME."""
    now = hosts[0].agent.clocks(1)[0][1]
    midnight = now - now % DAY_NS + DAY_NS
    for host in hosts:
        ahead = midnight - now - LEAP_AHEAD_S * 10 ** 9
        host.spec = host.spec._replace(clock_ns=host.spec.clock_ns + ahead)
        host.set_clock()
    return midnight


def leapt(host, midnight):
    """Is it past midnight there, and any second that it was told inserted?"""
    _, real, _, tai = host.agent.clocks(1)[0]
    return real >= midnight and round((tai - real) / 10 ** 9) == host.spec.tai


def wait_midnight(hosts, told, midnight):
    if any(host.agent.clocks(1)[0][1] >= midnight for host in hosts):
        raise GuestError("midnight came before the guest was stopped")
    for host in hosts:
        host.spec = host.spec._replace(tai=host.spec.tai + (host in told))
    deadline = time.monotonic() + 3 * LEAP_AHEAD_S
    while not all(leapt(host, midnight) for host in hosts):
        if time.monotonic() > deadline:
            raise GuestError("no leap second was inserted")
        time.sleep(0.05)


def leap(lab):
    """During the blackout the day ends, with a second more on some hosts."""
    told = [host for host in lab.hosts if host.name in lab.scenario.leap]
    source = lab.source()
    destination = lab.listening(lab.hosts[1], [HOLD])
    before = view(source)
    midnight = before_midnight(lab.hosts)
    for host in told:
        host.agent.ask("leap", 1)

    def drive(source, uri):
        held(source, uri)
        wait_midnight(lab.hosts, told, midnight)
        return release(source)

    try:
        now = clocks(lab)
        done = carry(source, destination, lab.hosts[1].uri, drive)
    finally:
        for host in told:
            host.agent.ask("leap", 0)
    arrive(destination)
    return dict(landed(source, destination, before, now), **done)


ACTIONS = {"cancelled": cancelled, "cloned": cloned,
           "cloned-machine": cloned_machine, "compared": compared,
           "cross": cross, "flooded": flooded, "host-reset": host_reset,
           "hotplug": hotplug, "kexec": kexec, "killed": killed, "leap": leap,
           "paused": paused, "reset": reset, "same-host": same_host,
           "snapshot": snapshot}
