# SPDX-License-Identifier: GPL-2.0-or-later
"""What is done in a scenario. Each action returns the fields of its line."""
import re
import signal
import time

import truth
from guest import GuestError
from inner import Inner
from migrate import arrive, go, set_capabilities, status, wait_status
from qmp import QmpClosed
from test_refused import RAM_BYTES, sentences
from truth import Drift, View

PAUSE_S = 1.0
SNAPSHOT_S = 3.0
SAMPLES, SAMPLE_US = 4000, 500
LEVELS = {"patched": {"guest-clock": "on"}, "stock": {}}


class Lab:
    """Two hosts, and the guests of one scenario on them."""

    def __init__(self, scenario, hosts, keep=None, sampling=False):
        self.scenario, self.hosts, self.sampling = scenario, hosts, sampling
        self.guests = []
        self.track = None
        self.keep = keep or (lambda name, text: None)

    def start(self, host, properties, **options):
        kvmclock = dict(LEVELS[self.scenario.side])
        if self.scenario.side == "patched":
            kvmclock.update(properties)
        guest = Inner(host, self.scenario.side, vcpus=self.scenario.vcpus,
                      kvmclock=kvmclock, extra=["-cpu", "host"], **options)
        self.guests.append(guest)
        return guest

    def source(self, host=None):
        environment = {}
        if self.scenario.skew:
            environment = {"LD_PRELOAD": "/lib/skew.so",
                           "CLOCKFERRY_SKEW": self.scenario.skew}
        guest = self.start(host or self.hosts[0], self.scenario.source,
                           environment=environment)
        guest.wait_up()
        return guest

    def listening(self, host, capabilities=()):
        """A QEMU that waits for the guest."""
        guest = self.start(host, self.scenario.destination, incoming="defer")
        set_capabilities(guest, *capabilities)
        guest.qmp.execute("migrate-incoming", {"uri": host.uri})
        return guest

    def close(self):
        for number, guest in enumerate(self.guests):
            self.keep("qemu-%d-on-%s.log" % (number, guest.host.name),
                       guest.stderr())
            guest.close()


def view(guest, realtime=None):
    """A guest as it is now."""
    running = guest.state() == "running"
    return View(guest.steady_slots() if running else guest.slots(),
                guest.scaling(), realtime)


def clocks(lab):
    """The hosts' clock errors now, before something is done."""
    return {host: host.realtime_error() for host in lab.hosts}


def still(guest, before, may_stop=False):
    """What is wrong with a guest that nothing should have happened to."""
    wrong = []
    if guest.state() != "running":
        return ["the source is %s" % guest.state()]
    if "STOP" in guest.qmp.event_names() and not may_stop:
        wrong.append("the source was stopped")
    guest.wait_beating()
    after = view(guest, before.realtime)
    if any(truth.clock_steps(before, after)):
        wrong.append("kvmclock stepped by %s ns"
                     % truth.clock_steps(before, after))
    if before.maps != after.maps:
        wrong.append("the TSC's offset or ratio changed")
    if any(slot.tsc_warps + slot.clock_warps for slot in after.slots):
        wrong.append("the guest saw a clock go back")
    return wrong


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
    after = view(destination, drifts[destination.host])
    # The source's memory, not what was seen before: it ran on since then.
    before = View(source.slots(), before.maps, drifts[source.host])
    line = truth.compare(before, after)
    pairs = truth.instants(source, destination, truth.last_seen(before))
    line["frozen_off_ns"] = truth.frozen_off_ns(before, after, pairs)
    line["first_run_ns"] = truth.first_run_ns(after, pairs)
    report = line["report"] = report_of(destination)
    if report:
        line["report_less_truth"], line["violated"] = truth.reported(
            report, line, pairs)
    return line


def hop(lab, source, host):
    """(line, destination): one live migration."""
    destination = lab.listening(host)
    before, now = view(source), clocks(lab)
    samplers = [guest.sample("samples", SAMPLES, SAMPLE_US)
                for guest in (source, destination)] if lab.sampling else []
    info = go(source, host.uri)
    if info["status"] != "completed":
        raise GuestError(explain(destination, info))
    arrive(destination)
    line = landed(source, destination, before, now)
    line["downtime_ms"] = info.get("downtime")
    if samplers:
        lab.track = samplers, source, destination, before
    return line, destination


def total(lines):
    """Several hops as one: what adds up is added up."""
    if len(lines) == 1:
        return lines[0]
    whole = dict(lines[-1], hops=lines)
    for name in ("kvmclock_step_ns", "tsc_error_ns", "realtime_error_ns",
                 "realtime_width_ns", "blackout_ns", "downtime_ms"):
        whole[name] = round(sum(line[name] for line in lines), 1)
    if "violated" in whole:
        whole["violated"] = sum((line["violated"] for line in lines), [])
    return whole


def cross(lab):
    scenario, guest, lines = lab.scenario, lab.source(), []
    if scenario.end == "refused":
        return refused(lab, guest)
    for number in range(scenario.hops):
        line, guest = hop(lab, guest, lab.hosts[(number + 1) % 2])
        lines.append(line)
    return dict(total(lines), result="completed", alive=guest.host.name)


def refused(lab, source):
    host = lab.hosts[1]
    destination = lab.listening(host)
    before = view(source)
    source.qmp.event_names()
    source.qmp.events.clear()
    info = go(source, host.uri)
    destination.wait_exit(10)
    sent = status(source).get("ram", {}).get("transferred", 0)
    wrong = still(source, before)
    if sent >= RAM_BYTES:
        wrong.append("%d bytes of RAM were sent" % sent)
    said = [words for words in sentences(destination.stderr())
            if not re.match(r"\d+@", words)]           # a trace event
    if not said:
        wrong.append("the destination gives no reason")
    return {"result": info["status"], "alive": source.host.name,
            "violated": wrong, "said": said}


def held(lab):
    """(source, destination, its View): stopped before the last pass."""
    source = lab.source()
    destination = lab.listening(lab.hosts[1], ["pause-before-switchover"])
    set_capabilities(source, "pause-before-switchover", "return-path")
    before = view(source)
    source.qmp.execute("migrate", {"uri": lab.hosts[1].uri})
    wait_status(source, ("pre-switchover",))
    return source, destination, before


def wait_running(guest, timeout=10):
    deadline = time.monotonic() + timeout
    while guest.state() != "running":
        if time.monotonic() > deadline:
            raise GuestError("the guest doesn't run again")


def cancelled(lab):
    source, _, before = held(lab)
    source.qmp.execute("migrate_cancel")
    info = wait_status(source, ("cancelled",))
    wait_running(source)
    return {"result": info["status"], "alive": source.host.name,
            "violated": still(source, before, may_stop=True)}


def killed(lab):
    source, destination, before = held(lab)
    destination.signal(signal.SIGKILL)
    destination.wait_exit()
    source.qmp.execute("migrate-continue", {"state": "pre-switchover"})
    info = wait_status(source)
    wait_running(source)
    return {"result": info["status"], "alive": source.host.name,
            "violated": still(source, before, may_stop=True)}


def paused(lab):
    """Stopped by its user, migrated, and continued there."""
    source = lab.source()
    destination = lab.listening(lab.hosts[1])
    before, now = view(source), clocks(lab)
    source.qmp.execute("stop")
    time.sleep(PAUSE_S / 2)
    info = go(source, lab.hosts[1].uri)
    if info["status"] != "completed":
        raise GuestError(explain(destination, info))
    time.sleep(PAUSE_S / 2)
    destination.qmp.execute("cont")
    arrive(destination)
    line = landed(source, destination, before, now)
    return dict(line, result="completed", alive=destination.host.name,
                downtime_ms=info.get("downtime"))


def snapshot(lab):
    """Through a file that is carried to the other host."""
    path = "/run/snapshot"
    source = lab.source()
    before, now = view(source), clocks(lab)
    info = go(source, "file:" + path)
    if info["status"] != "completed":
        raise GuestError(explain(source, info))
    saved = time.monotonic()
    lab.hosts[1].agent.write_all(path, lab.hosts[0].agent.read_all(path))
    time.sleep(max(0, saved + SNAPSHOT_S - time.monotonic()))
    destination = lab.start(lab.hosts[1], lab.scenario.destination,
                            incoming="defer")
    destination.qmp.execute("migrate-incoming", {"uri": "file:" + path})
    arrive(destination)
    line = landed(source, destination, before, now)
    for host in lab.hosts:
        host.agent.ask("remove", path)
    return dict(line, result="completed", alive=destination.host.name,
                downtime_ms=info.get("downtime"))


ACTIONS = {"cross": cross, "cancelled": cancelled, "killed": killed,
           "paused": paused, "snapshot": snapshot}
