# SPDX-License-Identifier: GPL-2.0-or-later
"""probe's facts are the emulated machine's, and a guest that runs there sees
what they say; check's verdicts are the table's."""
import functools
import itertools
import json
import os
import tempfile

from arm64 import Host, command, run
from harness.tap import note

# Kernels before and after KVM_ARM_SET_COUNTER_OFFSET, a CPU whose kernel runs
# in EL2 (max) and one whose doesn't, a frequency that isn't whole kHz.
HOSTS = {
    "new": Host("max", 62500000, "13"),
    "new-too": Host("cortex-a72", 62500000, "13"),
    "fast": Host("cortex-a72", 1000000000, "13"),
    "odd": Host("cortex-a72", 33333333, "13"),
    "old": Host("max", 62500000, "12"),
    "old-too": Host("cortex-a72", 62500000, "12"),
}
HOW = {"12": "register", "13": "ioctl"}

PROBE = "clockferry probe --json"
TEXT = "clockferry probe"
FACTS = "counter-facts "
AGAIN = "clockferry  probe  --json"     # another name of the same


@functools.lru_cache(None)
def on(name):
    """All of that, run on one host."""
    host = HOSTS[name]
    return run(host, (PROBE, TEXT, FACTS + "none", FACTS + HOW[host.debian],
                      AGAIN))


def probed(name, which=PROBE):
    done = on(name)[which]
    # Nothing keeps such a host's time.
    assert done.status == 4, done
    return json.loads(done.text[done.text.index("{"):])


def test_probe():
    """The counter's frequency is the machine's, and offsets read back"""
    for name, host in HOSTS.items():
        facts = probed(name)
        assert facts["architecture"] == "arm64", facts
        assert facts["counter_hz"] == host.hz, (name, facts)
        assert facts["counter_offset"] == HOW[host.debian], (name, facts)
        assert facts["offset"] == "sticks", (name, facts)
        assert facts["clocksource"] == "arch_sys_counter", facts
        assert facts["is_guest"] and not facts["synchronised"], facts
        assert not {"host_khz", "scaling", "best_rung"} & set(facts), facts
        note("%s: Linux %s, %d Hz, by %s" % (
            name, facts["kernel"], facts["counter_hz"],
            facts["counter_offset"]))


def test_instants():
    """Between two probes the counter advanced as real time did"""
    for name, host in HOSTS.items():
        ticks, ns = (int(probed(name, AGAIN)["instant"][member]) -
                     int(probed(name)["instant"][member])
                     for member in ("host_ticks", "realtime_ns"))
        off_ns = ticks * 10 ** 9 / host.hz - ns
        note("%s: %.0f ns in %d ns" % (name, off_ns, ns))
        # read within a call of each other, and no faster than that
        assert ns > 0 and abs(off_ns) < 10 ** 6 + ns / 1000, (name, off_ns)


def test_text():
    """People are told the same"""
    for name, host in HOSTS.items():
        text = on(name)[TEXT].text
        assert "Counter         : %d Hz\n" % host.hz in text, text
        assert ("the offset of a guest's counter can be set exactly" in text) \
            == (host.debian == "13"), text
        assert "this host is a guest itself" in text, text


def told(text):
    """({name: numbers}, [(host before, guest, host after)])"""
    named, readings = {}, []
    for line in text.splitlines():
        words = line.split()
        if words[0].isdigit():
            readings.append(tuple(map(int, words)))
        else:
            named[words[0]] = tuple(map(int, words[1:]))
    assert len(readings) == 5, text
    return named, readings


def limits(readings):
    """Of host - guest, by all readings: (least, most), modulo 2^64 near 0."""
    def signed(value):
        return (value + 2 ** 63) % 2 ** 64 - 2 ** 63

    return (max(signed(before - guest) for before, guest, _ in readings),
            min(signed(after - guest) for _, guest, after in readings))


def test_guest():
    """A running guest's counter has that frequency and that offset"""
    for name, host in HOSTS.items():
        for how in "none", HOW[host.debian]:
            done = on(name)[FACTS + how]
            assert done.status == 0, (name, done)
            named, readings = told(done.text)
            assert named["hz"] == (host.hz,), (name, named)
            least, most = limits(readings)
            assert least <= most, (name, readings)
            if how == "none":
                # it began at 0 when the VM was made
                assert all(guest < host.hz * 60 for _, guest, _ in readings)
                continue
            written = [value - 2 ** 64 for value in named["written"]]
            note("%s: written %s, seen %d to %d" % (name, written, least,
                                                     most))
            assert written[0] <= most and least <= written[1], (name, named)


def expected(source, destination, policy):
    """By the table in docs/design.rst, of hosts whose clocks nothing keeps."""
    if HOSTS[source].hz != HOSTS[destination].hz:
        return "refuse"
    return "refuse" if policy == "strict" else "report"


def test_check():
    """Verdicts between all of them, and what the rate alone is worth"""
    with tempfile.TemporaryDirectory() as folder:
        files = {name: os.path.join(folder, name) for name in HOSTS}
        for name, path in files.items():
            with open(path, "w", encoding="utf-8") as stream:
                json.dump(probed(name), stream)
        for source, destination in itertools.permutations(HOSTS, 2):
            for policy in "strict", "auto", "lax":
                _, text = command("check", files[source], files[destination],
                                  "--json", "--policy", policy)
                said = json.loads(text)
                assert said["verdict"] == expected(source, destination,
                                                   policy), said
                kinds = {each["kind"]: each["verdict"]
                         for each in said["findings"]}
                equal = HOSTS[source].hz == HOSTS[destination].hz
                assert kinds["rate"] == ("go" if equal else "refuse"), said
                assert ("offset-measured" in kinds) == \
                    (HOSTS[destination].debian == "12"), said
        _, text = command("matrix", *files.values(), "--json")
        rows = json.loads(text)["rows"]
        assert rows == ["".join(
            "." if a == b else "-" if HOSTS[a].hz != HOSTS[b].hz else "~"
            for b in HOSTS) for a in HOSTS], rows


def test_no_el2():
    """A kernel that wasn't started in EL2 has no KVM, and it says why"""
    done = run(HOSTS["new-too"]._replace(el2=False), (TEXT,))[TEXT]
    assert done.status == 1, done
    assert "can't use KVM through /dev/kvm" in done.text and \
        "started in EL2" in done.text, done
