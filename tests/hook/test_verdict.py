# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may come to which host: the policy table, on models of hosts."""
import json
import os
import subprocess
from fractions import Fraction

from harness import fakehost, places, strace
from harness.fakehost import KHZ
from harness.tap import note
from hook import (GO, REFUSE, REPORT, arguments, domain, element, environment,
                  facts, facts_in, refused, run, sentence, taken)

POLICIES = "strict", "auto", "lax"
PROMISED, PLAIN = {"promised": True}, {"promised": False}
RUNG = {"require": "closed-loop"}

# The host, the guest, and the verdict by strict, auto and lax: the rows of
# the table in docs/design.rst that a hook can meet. Then what is said.
TABLE = [
    ("newest", PROMISED, (GO, GO, GO), ""),
    ("fast", PROMISED, (GO, GO, GO), ""),
    ("2-khz", PROMISED, (REFUSE, REPORT, REPORT),
     "2596120 kHz and would run at 2596122 kHz: 770 ppb faster, 66.6 ms a "
     "day (set kvm.tsc_tolerance_ppm to 0"),
    ("2-khz-exact", PROMISED, (GO, GO, GO), ""),
    ("100-ppm", PROMISED, (REFUSE, REFUSE, REPORT), "100 ppm faster, 8.65 s a day"),
    ("100-ppm", PLAIN, (REFUSE, REPORT, REPORT), "100 ppm faster, 8.65 s a day"),
    ("unscaled-1000-ppm", PLAIN, (REFUSE, REFUSE, REPORT), "would run at "
     "2598716 kHz: 0.1 % faster, 1 min 26 s a day (choose a destination that "
     "can scale TSCs, or whose own TSC runs at 2596120 kHz)"),
    ("unscaled-fast", PROMISED, (REFUSE, REFUSE, REPORT), "3000000 kHz"),
    ("unscaled-slow", PLAIN, (REFUSE, REFUSE, REPORT), "2000000 kHz"),
    ("newest", {"ratio": None, "frac_bits": None},
     (REFUSE, REFUSE, REPORT), "the frequency of the guest's TSC is unknown "
     "(write its facts on the host where it runs: clockferry "
     "annotate 'vm1')"),
    ("ignoring", PLAIN, (REFUSE, REFUSE, REPORT), "ignores TSC offsets, so "
     "the guest's TSC would jump (choose"),
    ("unstable", PROMISED, (REFUSE, REFUSE, REPORT), "TSC is unstable"),
    ("unstable", PLAIN, (REFUSE, REPORT, REPORT), "TSC is unstable"),
    ("hpet", RUNG, (REFUSE, REFUSE, REFUSE), "no better than by rung "
     "'plain', and 'closed-loop' is required (make the TSC the destination's "
     "clocksource, or require less)"),
    ("hpet", PLAIN, (REFUSE, REPORT, REPORT), (
        "by policy strict 'closed-loop' is required (make the TSC the "
        "destination's clocksource, or choose a policy that isn't strict)",
        *["by rung 'plain', which isn't exact to the nanosecond (make the TSC "
          "the destination's clocksource)"] * 2)),
]


def check_row(host, guest, policy, verdict, words):
    xml = domain(element(facts(policy=policy, **guest)))
    if verdict == REFUSE:
        return refused(xml, "guest 'vm1' can't come to host '", words,
                       host=host)
    if verdict == REPORT:
        return taken(xml, "guest 'vm1' may come to host '", words, host=host)
    return taken(xml, host=host)


def test_table():
    """Each row of the policy table, by each policy"""
    for host, guest, verdicts, words in TABLE:
        said = [words] * 3 if isinstance(words, str) else words
        for policy, verdict, each in zip(POLICIES, verdicts, said):
            try:
                check_row(host, guest, policy, verdict, each)
            except AssertionError as wrong:
                raise AssertionError("%s, %s, %s: %s" % (host, guest, policy,
                                                         wrong)) from None


def test_agrees():
    """clockferry check says the same of the same facts"""
    clockferry = places.build("src/cli/clockferry")
    status = {0: GO, 4: REPORT, 3: REFUSE}
    path = os.path.join(fakehost.folder(), "guest.json")
    for host, guest, verdicts, _ in TABLE:
        probe = probe_of(host, path + ".probe")
        for policy, verdict in zip(POLICIES, verdicts):
            with open(path, "w", encoding="utf-8") as file:
                json.dump(facts(policy=policy, **guest), file)
            done = subprocess.run([clockferry, "check", path, path + ".probe"],
                                  capture_output=True, text=True)
            assert status[done.returncode] == verdict, (host, policy, probe,
                                                        done)


def probe_of(host, path=None):
    """What the command finds out on that host."""
    places.need_kvm()
    done = subprocess.run([places.build("src/cli/clockferry"), "probe",
                           "--json"], env=environment(host),
                          capture_output=True, text=True)
    assert done.returncode in (0, 4), done
    if path:
        with open(path, "w", encoding="utf-8") as file:
            file.write(done.stdout)
    return json.loads(done.stdout)


def hertz(guest):
    return Fraction(guest["host_khz"] * 1000 * int(guest["ratio"]),
                    1 << guest["frac_bits"])


def ppb(guest, wanted_hz):
    return abs(hertz(guest) / wanted_hz - 1) * 10 ** 9


def check_described(guest, probe):
    """These facts are of that host, at about the same time."""
    if not probe["synchronised"]:
        del probe["max_error_ns"]
    for name in ("host", "boot_id", "host_khz", "max_error_ns",
                 "tai_offset_s", "leap"):
        assert guest.get(name) == probe.get(name), (name, guest, probe)
    ticks, ns = (int(probe["instant"][name]) - int(guest["instant"][name])
                 for name in ("host_ticks", "realtime_ns"))
    assert abs(ticks * 10 ** 6 - ns * guest["host_khz"]) \
        < 10 ** 7 * guest["host_khz"], (ticks, ns)


def test_rewritten():
    """The facts tell of this host then, and of the guest what they told"""
    guest = facts(policy="lax", require="realtime", promised=False)
    for host in "newest", "newest-amd", "fast", "fast-amd", "slow", \
            "2-khz-exact", "unscaled", "released":
        after = facts_in(taken(domain(element(guest)), host=host))
        check_described(after, probe_of(host))
        assert ppb(after, KHZ * 1000) <= 1, (host, after)
        for name in "promised", "policy", "require":
            assert after[name] == guest[name], (name, after)


def test_effective():
    """They tell the frequency that the guest gets, not the one it had"""
    xml = domain(element(facts(policy="lax")))
    for host, khz in ("2-khz", 2596122), ("100-ppm", 2596380), \
            ("unscaled-fast", 3000000), ("unscaled-slow", 2000000):
        after = facts_in(taken(xml, "%d kHz" % khz, host=host))
        assert hertz(after) == khz * 1000, (host, after)
        # there it fits then, and nowhere else
        again = taken(domain(element(after)), host=host)
        assert hertz(facts_in(again)) == khz * 1000


def test_hops():
    """A guest that goes round and round keeps its frequency"""
    xml = domain(element(facts(policy="strict")))
    hosts = ("newest", "fast", "newest-amd", "slow", "fast-amd", "released")
    for number in range(30):
        xml = taken(xml, host=hosts[number % len(hosts)])
        assert ppb(facts_in(xml), KHZ * 1000) <= 1, (number, xml)
    assert facts_in(xml)["policy"] == "strict"


def test_same_host():
    """A host that ignores TSC offsets takes back only its own guests"""
    there = facts(**{name: value for name, value in
                     facts_in(taken(domain(element(facts(policy="lax"))),
                                    "ignores", host="ignoring")).items()
                     if name not in ("policy",)})
    xml = domain(element(there))
    taken(xml, host="ignoring", operation="restore")
    # who migrates comes from elsewhere, unless QEMU itself proves it
    refused(xml, "can't come to host", "ignores TSC offsets", host="ignoring")
    taken(domain(element(there), settings=["guest-clock=on"]),
          host="ignoring")
    # after a reboot, when only the boot id tells
    rebooted = domain(element(dict(there, boot_id="another")))
    refused(rebooted, "can't be restored on host", "ignores TSC offsets",
            host="ignoring", operation="restore")
    # on a clone, which the boot id doesn't tell
    cloned = dict(there, instant=dict(there["instant"], host_ticks="1"))
    refused(domain(element(cloned)), "ignores TSC offsets", host="ignoring",
            operation="restore")


def test_saved_time():
    """Time stands still for a saved guest: nobody's clock matters to it"""
    strict = domain(element(facts(policy="strict", max_error_ns=None)))
    refused(strict, "can't come to host", host="newest")
    taken(strict, host="newest", operation="restore")


def test_here():
    """On this machine's own KVM: its own facts fit it, others' may not"""
    xml = taken_here(domain(element(facts(policy="lax"))))
    for policy in POLICIES:
        mine = dict(facts_in(xml), policy=policy)
        after = facts_in(taken(domain(element(mine)), operation="restore"))
        assert hertz(after) == hertz(mine)
    check_described(after, probe_of(None))
    far = facts(host_khz=KHZ * 7 // 2, policy="strict")
    refused(domain(element(far)), "%d kHz" % (KHZ * 7 // 2))


def taken_here(xml):
    """Taken, whatever this machine's KVM is not good at."""
    status, out, err = run(xml)
    assert status == 0, err
    if err:
        sentence(err)
    return out.decode()


def test_speed():
    """A verdict takes some hundred system calls, and waits for nobody"""
    places.need_kvm()
    for policy in "auto", "lax":
        done, found = strace.calls(
            arguments(), env=environment(),
            input=domain(element(facts(policy=policy))).encode())
        note("%s: %d ioctls of %d system calls" % (
            policy, found["ioctl"], found.total()))
        assert done.returncode in (0, 1), done
        strace.assert_prompt(found, ioctls=100, others=1000)
