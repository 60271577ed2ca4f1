# SPDX-License-Identifier: GPL-2.0-or-later
"""One guest on its way between two hosts, and the line that comes of it."""
import copy
import time

import truth
from harness.guest import GuestError
from harness.migrate import arrive, go, set_capabilities, wait_status
from harness.qmp import QmpClosed
from harness.wait import LIMIT_S
from hyperv import HypervGuest
from inner import Inner
from linux import LinuxGuest
from timers import TimerGuest
from truth import Drift, View
from vmclocked import LinuxVmclockGuest, VmclockGuest

HOLD = "pause-before-switchover"
SAMPLES, SAMPLE_US = 4000, 500
GLANCES = 11
GUESTS = {"guest": Inner, "linux": LinuxGuest, "timers": TimerGuest,
          "timers-count-down": TimerGuest, "hyperv": HypervGuest,
          "hyperv-reenlightened": HypervGuest, "vmclock": VmclockGuest,
          "linux-vmclock": LinuxVmclockGuest}
LEVELS = {"patched": {"guest-clock": "on"}, "stock": {}}


class Gone:
    """A QEMU that is gone with all that ran on its host, as it was last."""

    trace = Inner.trace

    def __init__(self, guest, maps, realtime):
        self.host, self.vcpus = copy.copy(guest.host), guest.vcpus
        self._words = guest.stderr()
        self.seen = View(guest.slots(), {
            vcpu: clock._replace(host=self.host)
            for vcpu, clock in maps.items()}, realtime)

    def stderr(self):
        return self._words


class Lab:
    """Two hosts, and the guests of one scenario on them."""

    def __init__(self, scenario, hosts, wire=None, keep=None, sampling=False):
        self.scenario, self.hosts, self.sampling = scenario, hosts, sampling
        self.wire = wire
        self.guests, self._ended = [], 0
        self.track = None
        self.keep = keep or (lambda name, text: None)

    def start(self, host, properties, extra=(), **options):
        wanted = self.scenario
        kvmclock = dict(LEVELS[wanted.side])
        if wanted.side == "patched":
            kvmclock.update(properties)
        if wanted.words:
            options["words"] = wanted.words
        guest = GUESTS[wanted.guest](
            host, wanted.side, rom=wanted.guest, vcpus=wanted.vcpus,
            kvmclock=kvmclock, extra=["-cpu", wanted.cpu, *extra], **options)
        self.guests.append(guest)
        return guest

    def source(self, **options):
        environment = {}
        if self.scenario.skew:
            environment = {"LD_PRELOAD": "/lib/skew.so",
                           "CLOCKFERRY_SKEW": self.scenario.skew}
        guest = self.start(self.hosts[0], self.scenario.source,
                           environment=environment, **options)
        guest.wait_up()
        return guest

    def listening(self, host, capabilities=(), **options):
        """A QEMU that waits for the guest."""
        guest = self.start(host, self.scenario.destination, incoming="defer",
                           **options)
        set_capabilities(guest, *capabilities)
        guest.qmp.execute("migrate-incoming", {"uri": host.uri})
        return guest

    def end(self, guest):
        """It isn't needed any more: a host has no room for many."""
        self.keep("qemu-%d-on-%s.log" % (self._ended, guest.host.name),
                  guest.stderr())
        self._ended += 1
        guest.close()
        self.guests.remove(guest)

    def close(self):
        for guest in list(self.guests):
            self.end(guest)


def view(guest, realtime=None):
    """A guest as it is now."""
    running = guest.state() == "running"
    return View(guest.steady_slots() if running else guest.slots(),
                guest.scaling(), realtime)


def clocks(lab):
    """The hosts' clock errors now, before something is done."""
    return {host: host.realtime_error() for host in lab.hosts}


def stopped_ns(guest):
    """How long a guest has been stopped by now, by its QEMU's own events."""
    guest.qmp.event_names()
    total, since = 0, None
    for event in guest.qmp.events:
        stamp = event["timestamp"]
        now = (stamp["seconds"] * 10 ** 6 + stamp["microseconds"]) * 1000
        if event["event"] == "STOP":
            since = now
        elif event["event"] == "RESUME" and since is not None:
            total, since = total + now - since, None
    return total


def stayed(source, before, info):
    """The line of a guest that nothing came of; before is its View then."""
    wait_running(source)
    source.wait_beating()
    return dict(truth.stayed(before, view(source)), result=info["status"],
                alive=source.host.name, blackout_ns=stopped_ns(source))


def explain(destination, info):
    try:
        words = destination.stderr()
    except (QmpClosed, OSError):
        words = "nothing"
    return "migration %s: %s; destination says: %s" % (
        info.get("status"), info.get("error-desc", ""), words[-600:])


def report_of(destination):
    if destination.side == "stock":
        return None
    return destination.qmp.execute("query-kvm-clock").get("restore")


def landed(source, destination, before, clocks_before):
    """The line of a guest that has arrived; before is the source's View."""
    drifts = {host: Drift(error, host.realtime_error())
              for host, error in clocks_before.items()}
    # The source's memory, not what was seen before: it ran on since then.
    before = View(source.slots(), before.maps, drifts[source.host])
    return measured(source, destination, before, drifts[destination.host])


def measured(source, destination, before, drift):
    """The same, by the source as it was last, and the drift of the clock where
    the guest is now."""
    destination.succeed(source)
    after, wobble_ns = truth.usual([
        view(destination, drift)
        for _ in range(GLANCES if destination.host.unstable else 1)])
    line = dict(truth.compare(before, after), tsc_wobble_ns=wobble_ns)
    pairs = truth.instants(source, destination, truth.last_seen(before))
    line.update(truth.went_on(before, after, pairs))
    setting = truth.last_setting(destination, after.realtime, pairs)
    if setting is not None:
        line["first_run_ns"] = round(truth.first_seen(after) - setting)
    line.update(destination.noted(source, before.maps[0]))
    line["violated"] = destination.complaints(line)
    report = line["report"] = report_of(destination)
    if report:
        line["report_less_truth"], wrong = truth.reported(report, line, pairs)
        if report["same-host"] != (source.host.tsc == destination.host.tsc):
            wrong.append("same-host is %s" % report["same-host"])
        line["violated"] += wrong
    return line


def wait_running(guest):
    deadline = time.monotonic() + LIMIT_S
    while guest.state() != "running":
        if time.monotonic() > deadline:
            raise GuestError("the guest is %s and doesn't run again"
                             % guest.state())


def held(source, uri):
    """Migrate as far as the last pass: the guest is stopped then."""
    set_capabilities(source, HOLD)
    source.qmp.execute("migrate", {"uri": uri})
    wait_status(source, ("pre-switchover",))


def release(source):
    """Let the last pass come; the last query-migrate."""
    source.qmp.execute("migrate-continue", {"state": "pre-switchover"})
    return wait_status(source)


def carry(source, destination, uri, drive=go):
    """Migrate: drive(source, uri) starts it, and returns the last
    query-migrate. What the line has of it."""
    sent, began = source.host.sent_bytes(), source.host.now_ns()
    info = drive(source, uri)
    if info["status"] != "completed":
        raise GuestError(explain(destination, info))
    return {"downtime_ms": info.get("downtime"), "result": "completed",
            "alive": destination.host.name, "began_ns": round(began),
            "sent_bytes": source.host.sent_bytes() - sent}


def seen_on_wire(lab, source, line):
    """What the line between the hosts saw, if that was a bad one."""
    if not lab.wire:
        return {}
    stop = source.event_ns("STOP")
    return {"answers_in_blackout": sum(stop <= when <= line["arrived_ns"]
                                       for when in lab.wire.back_ns),
            "answers": len(lab.wire.back_ns),
            "stalled_after_stop_ns": lab.wire.stalled_ns
            and round(lab.wire.stalled_ns - stop)}


def hop(lab, source, host, drive=go, **options):
    """(line, destination): one live migration to a guest's new QEMU."""
    if lab.wire:
        lab.wire.begin(lab.scenario.wire)
    destination = lab.listening(host, **options)
    destination.succeed(source)
    before, now = view(source), clocks(lab)
    samplers = [guest.sample("samples", SAMPLES, SAMPLE_US)
                for guest in (source, destination)] if lab.sampling else []
    done = carry(source, destination, host.uri, drive)
    arrive(destination)
    line = dict(landed(source, destination, before, now), **done)
    line.update(seen_on_wire(lab, source, line))
    if samplers:
        lab.track = samplers, source, destination, before
    return line, destination


def total(lines):
    """Several hops as one: what adds up is added up."""
    if len(lines) == 1:
        return lines[0]
    whole = dict(lines[-1], hops=lines)
    for name in ("kvmclock_step_ns", "tsc_error_ns", "realtime_error_ns",
                 "realtime_width_ns", "blackout_ns", "downtime_ms",
                 "sent_bytes"):
        whole[name] = round(sum(line[name] for line in lines), 1)
    whole["violated"] = sum((line["violated"] for line in lines), [])
    return whole
