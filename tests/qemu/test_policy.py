# SPDX-License-Identifier: GPL-2.0-or-later
"""Each policy against each kind of destination, as the documented table."""
from harness import binaries, measure
from harness.binaries import start
from harness.check import Untouched, crashed, patched, sentences
from harness.migrate import go, incoming, wait_loaded
from harness.tap import note

GO, WARN, REFUSE = "goes", "goes with a warning", "is refused"

# destination, {policy: outcome}. The pretended host frequency is the true one
# and so many ppm more, and can't be scaled.
TABLE = [
    ("same host", {}, {"strict": GO, "auto": GO, "lax": GO}),
    ("other host", {"x-pretend-other-host": "on"},
     {"strict": GO, "auto": GO, "lax": GO}),
    ("within 1 ppm", {"ppm": 0.5},
     {"strict": REFUSE, "auto": GO, "lax": GO}),
    ("within 250 ppm", {"ppm": 100},
     {"strict": REFUSE, "auto": GO, "lax": GO}),
    ("beyond 250 ppm", {"ppm": 1000},
     {"strict": REFUSE, "auto": REFUSE, "lax": WARN}),
]

# A host that ignores TSC offsets, as the KVM in some VMs does, can take no
# guest from another host; and a host of another frequency is another host.
IGNORED = {"strict": REFUSE, "auto": REFUSE, "lax": WARN}


def expected():
    if binaries.keeps_tsc_offsets():
        return TABLE
    note("this host ignores TSC offsets")
    return TABLE[:1] + [(name, properties, IGNORED)
                        for name, properties, _ in TABLE[1:]]


def pretend(guest, properties):
    """The destination's properties, ppm turned into a frequency."""
    properties = dict(properties)
    ppm = properties.pop("ppm", 0)
    if ppm:
        khz = round(measure.host_khz(guest) * (1 + ppm / 1e6))
        properties["x-pretend-tsc-khz"] = str(khz)
    return properties


def outcome(policy, properties):
    """What happens, and what the destination says."""
    with start(patched(), kvmclock={"policy": policy}) as source:
        source.wait_up()
        untouched = Untouched(source)
        options = dict(pretend(source, properties), policy=policy)
        destination, uri = incoming(patched(), kvmclock=options)
        with destination:
            info = go(source, uri)
            if info["status"] == "failed":
                ended = destination.wait_exit()
                assert not crashed(ended), destination.stderr()
                untouched.assert_still()
                return REFUSE, destination.stderr()
            assert wait_loaded(destination), destination.stderr()
            destination.wait_beating()
            words = destination.stderr()
            return (WARN if sentences(words) else GO), words


def rows(policy):
    wrong = []
    for name, properties, wanted in expected():
        found, words = outcome(policy, properties)
        note("%s, %s: %s" % (policy, name, found))
        if found != wanted[policy]:
            wrong.append("%s, %s: %s instead of %s: %s" % (
                policy, name, found, wanted[policy], words))
    assert not wrong, "\n".join(wrong)


def test_strict():
    """policy=strict refuses whatever isn't exact."""
    rows("strict")


def test_auto():
    """policy=auto refuses what would harm a guest."""
    rows("auto")


def test_lax():
    """policy=lax refuses nothing, and warns."""
    rows("lax")
