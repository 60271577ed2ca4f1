# SPDX-License-Identifier: GPL-2.0-or-later
"""What the command says of arm64 hosts, on any machine: from files"""
import json

from harness.command import FINE, INEXACT, REFUSED, output
from harness.schemas import assert_fits
from test_check import Files, check, finding, good, other
from test_matrix import matrix
from test_probe import METRIC

X86_WORDS = ("TSC", "kvmclock", "Master clock", "tsc")


def arm(name="arm-a", **changes):
    """A good arm64 host, with changes; None takes a fact out."""
    facts = {"format": "clockferry-probe", "version": 1, "min_version": 1,
             "host": name, "kernel": "6.12.48", "architecture": "arm64",
             "boot_id": "boot-" + name, "clocksource": "arch_sys_counter",
             "counter_hz": 62500000, "counter_offset": "ioctl",
             "offset": "sticks", "synchronised": True,
             "max_error_ns": "1000000", "tai_offset_s": 37}
    facts.update(changes)
    return {key: value for key, value in facts.items() if value is not None}


def probe(host, *options, status=FINE):
    return output("probe", "--from", "-", *options, input=json.dumps(host),
                  status=[status])


def test_status():
    """Same frequency go, another one or architecture refused, by any policy"""
    for policy in "auto", "strict", "lax":
        for source, destination, verdict, status in (
                (arm(), arm("b"), "go", FINE),
                (arm(), arm("b", counter_hz=1000000000), "refuse", REFUSED),
                (arm(), arm("b", counter_hz=62500001), "refuse", REFUSED),
                (arm(), other(), "refuse", REFUSED),
                (good(), arm("b"), "refuse", REFUSED)):
            found, said = check(source, destination, "--policy", policy)
            assert (found, said["verdict"]) == (status, verdict), said
            assert not said["undecided"], said
            assert_fits("check", said)


def test_sentences():
    """What is wrong, where, and what to do about it"""
    for source, destination, text, cure in (
            (arm(), arm("b", counter_hz=1000000000),
             "the guest's counter runs at 62500000 Hz and would run at "
             "1000000000 Hz, and nothing can scale it",
             "choose a destination whose counter runs at 62500000 Hz"),
            (good(), arm("b"),
             "the guest is one of x86-64 and the destination is arm64: no "
             "guest goes to another architecture",
             "choose a destination of x86-64"),
            (arm(), other(),
             "the guest is one of arm64 and the destination is x86-64: no "
             "guest goes to another architecture",
             "choose a destination of arm64")):
        _, said = check(source, destination)
        rate = finding(said, "rate")
        assert (rate["text"], rate["cure"]) == (text, cure), rate
        assert rate["verdict"] == "refuse"
        with Files(source, destination) as files:
            whole = output("check", *files, status=[REFUSED])
        assert whole.count("FAIL") == 1 and text.split(":")[0][:40] in whole


def test_foreign_is_all():
    """Of another architecture there is nothing more to say"""
    with Files(good(), arm("b")) as files:
        text = output("check", *files, status=[REFUSED])
    above, below, figures = text.split("\n\n")
    assert len([line for line in below.splitlines() if line[2] != " "]) == 1, \
        text
    assert figures == "Verdict         : refused\n", figures


def test_check_text():
    """No word of what arm64 lacks, but that it lacks it"""
    with Files(arm(), arm("b")) as files:
        text = output("check", *files, status=[FINE])
    assert "the guest's counter keeps its frequency, 62500000 Hz" in text
    assert "there is no kvmclock on arm64" in text
    assert "Expected rung" not in text and "TSC" not in text, text


def test_unknown():
    """An unknown frequency is refused for lack of facts"""
    for source, destination in ((arm(), arm("b", counter_hz=None)),
                                (arm(counter_hz=None), arm("b"))):
        status, said = check(source, destination)
        assert status == REFUSED and said["undecided"], said
        assert "probe" in finding(said, "rate-unknown")["cure"]


def test_file_of_x86():
    """A file that says x86-64 is one that says nothing"""
    silent = check(good(), other())
    assert check(good(architecture="x86-64"), other()) == silent
    assert check(good(), other(architecture="x86-64")) == silent


def test_probe_text():
    """Facts and checks of an arm64 host, and nothing of x86's"""
    text = probe(arm())
    for line in ("Host            : arm-a, Linux 6.12.48",
                 "Architecture    : arm64", "Counter         : 62500000 Hz",
                 "Counter offset  : sticks, by KVM_ARM_SET_COUNTER_OFFSET",
                 "Clocksource     : arch_sys_counter",
                 "Real time       : synchronised, error up to 1 ms",
                 "TAI - UTC       : 37 s"):
        assert line + "\n" in text, (line, text)
    assert "WARN" not in text and "FAIL" not in text, text
    assert not any(word in text for word in X86_WORDS), text


def test_probe_verdict():
    """4 if guests can't come exactly; WARN or FAIL says why"""
    for changes, level, words in (
            ({"counter_offset": "register"}, "WARN",
             "can't be set itself"),
            ({"counter_offset": "none", "offset": "ignored"}, "FAIL",
             "can't be given an offset"),
            ({"counter_offset": None, "offset": None}, "FAIL",
             "nobody has tried"),
            ({"synchronised": False}, "WARN", "isn't synchronised")):
        text = probe(arm(**changes), status=INEXACT)
        assert any(level in line and words in line
                   for line in " ".join(text.split("\n        ")).splitlines()
                   ), (words, text)
    assert "a guest itself" in probe(arm(is_guest=True))


def test_probe_formats():
    """JSON again as it was; metrics, features, and no labels of KubeVirt's"""
    facts = arm(is_guest=True, leap="none", duration_ns="17")
    said = json.loads(probe(facts, "--json"))
    assert said == facts
    assert_fits("probe", said)
    metrics = probe(facts, "-f", "prometheus")
    for line in metrics.splitlines():
        assert line[0] == "#" or METRIC.fullmatch(line), line
    assert "clockferry_counter_hertz 62500000\n" in metrics
    assert 'architecture="arm64"' in metrics
    assert "tsc_hertz" not in metrics and "best_rung" not in metrics, metrics
    features = probe(facts, "-f", "nfd").splitlines()
    assert "clockferry.counter-hz=62500000" in features
    assert "clockferry.counter-offset=sticks" in features
    assert "clockferry.takes-guests=true" in features
    assert not any("tsc" in line for line in features), features
    assert probe(facts, "-f", "kubevirt") == ""


def mixed():
    return [arm("a1"), arm("a2"), arm("b", counter_hz=1000000000),
            good(host="x1", boot_id="x1"), good(host="x2", boot_id="x2")]


def test_matrix():
    """Groups by architecture and frequency; spoilers say which it is"""
    said = matrix(mixed(), "--pairs")
    assert_fits("matrix", said)
    assert said["groups"] == [["a1", "a2"], ["x1", "x2"]], said["groups"]
    assert said["rows"] == [".+---", "+.---", "--.--", "---.+", "---+."], \
        said["rows"]
    texts = " ".join(each["text"] for each in said["spoilers"])
    assert "would run at 1000000000 Hz" in texts, texts
    assert "is one of arm64 and the destination is x86-64" in texts, texts
    assert said["common_frequency"]["exact_hosts"] == 2
    assert said["common_frequency"]["other_hosts"] == ["a1", "a2", "b"]


def test_matrix_forms():
    """Text, page and picture of a mixed pool, and of one without TSCs"""
    with Files(*mixed()) as files:
        assert "Best common TSC frequency: 2500000 kHz" in \
            output("matrix", *files, status=[REFUSED])
        page = output("matrix", "--html", *files, status=[REFUSED])
        assert "arm64, 62500000 Hz" in page and "2500000 kHz" in page
    with Files(*mixed()[:3]) as files:
        text = output("matrix", *files, status=[REFUSED])
        assert "TSC" not in text, text
        page = output("matrix", "--html", *files, status=[REFUSED])
        assert "TSC" not in page, page
    with Files(arm("a", counter_hz=2), arm("b", counter_hz=1)) as files:
        page = output("matrix", "--html", *files, status=[REFUSED])
        assert "counters or architectures differ" in page, page
