# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/monitoring in Debian's own Prometheus, over what the command writes."""
import http.server
import json
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from harness import places, wait
from harness.debian import Debian, run
from harness.monitor import Monitor, clocks

RULES = "docs/monitoring/clockferry-rules.yml"
DASHBOARD = "docs/monitoring/clockferry-dashboard.json"
HOST = "tests/codec/golden/probe-1-full.json"
# What a node exporter adds where clockferry-annotate.service has its file.
ANNOTATED = ('node_textfile_mtime_seconds{file="/var/lib/prometheus/'
             'node-exporter/clockferry-guests.prom"} 1.8e+09\n')
CONFIG = """
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [/tmp/clockferry-rules.yml]
scrape_configs:
  - job_name: node
    static_configs: [{targets: [%s]}]
"""
GOOD = {
    "rung": "closed-loop", "tries": 2, "residual-ns": -1, "bound-ns": 3,
    "tsc": "copied", "rate-error-ppt": 0, "skew-ticks": 0,
    "time-bound-ns": 20400, "elapsed-from": "channel", "round-trip-ns": 91370,
    "same-host": False, "frozen": False, "elapsed-ns": 1843220,
    "duration-ns": 12804}
POOR = {**GOOD, "rung": "realtime", "bound-ns": 4000,
        "rate-error-ppt": 2 * 10 ** 8, "time-bound-ns": 9 * 10 ** 6,
        "clocks-wrong-ns": 3 * 10 ** 6}
LOST = {"not-carried": "kvmclock: KVM_GET_CLOCK failed"}
# What one host is, and what alerts because of it and of another.
BAD_HOST = {"host_khz": 3000000, "scaling": "none", "synchronised": False,
            "offset": "ignored"}
ALERTS = {"GuestsCantComeHere", "SmallDifferencesArentScaled", "HostsDiffer",
          "GuestLostItsClocks", "GuestClockMayHaveStepped",
          "GuestTimeMayBeOff", "HostsClocksContradict",
          "GuestTscRunsAtAnotherRate"}
PENDING = {"GuestsArentAnnotated", "HostTimeIsOff"}
# They need a host that fails, or time to go by.
OTHERS = {"HostCantBeProbed", "HostIsntProbed", "RungGotWorse"}


def command(*arguments, **settings):
    done = run(places.build("src/cli/clockferry"), *arguments, **settings)
    assert done.returncode in (0, 4), done
    return done.stdout


def host(**changes):
    """A host's figures, as of now."""
    with open(places.top(HOST), encoding="utf-8") as stream:
        facts = {**json.load(stream), "tolerance_ppm": 0, "leap": "none",
                 "max_error_ns": "500000", **changes}
    text = command("probe", "-f", "prometheus", "--from", "-",
                   input=json.dumps(facts))
    return re.sub(r"(?<=\nclockferry_probe_time_seconds ).*", str(time.time()),
                  text)


def guest(name, restore=None, **changes):
    """A guest's figures, from a monitor that says this."""
    with Monitor(clocks(restore, name, **changes)) as path:
        return command("state", "--qmp", path, "-f", "prometheus")


def exporter(text):
    """A node exporter that says this, once as long as it lives."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Prometheus:
    """Debian's, with our rules, looking at these exporters."""

    def __init__(self, debian, *exporters):
        self._base = "127.0.0.1:%d" % free_port()
        shutil.copy(places.top(RULES), debian.path("tmp/clockferry-rules.yml"))
        with open(debian.path("tmp/prometheus.yml"), "w") as stream:
            stream.write(CONFIG % ", ".join(
                "\"127.0.0.1:%d\"" % one.server_port for one in exporters))
        self._process = subprocess.Popen(
            ["chroot", debian.root, "prometheus",
             "--config.file=/tmp/prometheus.yml",
             "--storage.tsdb.path=/tmp/data",
             "--web.listen-address=" + self._base],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()

    def ask(self, path, **query):
        """Its answer's data, or None as long as it doesn't answer."""
        try:
            with urllib.request.urlopen(
                    "http://%s/api/v1/%s?%s" % (self._base, path,
                                                urllib.parse.urlencode(query)),
                    timeout=wait.LIMIT_S) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            assert error.code == 503, (query, error.read())
            return None     # it is about to start
        except OSError:
            return None

    def alerts(self, state):
        told = self.ask("alerts") or {"alerts": []}
        return {one["labels"]["alertname"] for one in told["alerts"]
                if one["state"] == state}


def rules():
    with open(places.top(RULES), encoding="utf-8") as stream:
        groups = places.module("yaml", "python3-yaml").safe_load(stream)
    return [rule for group in groups["groups"] for rule in group["rules"]]


def expressions():
    """Of the dashboard, with its variables standing for everything."""
    with open(places.top(DASHBOARD), encoding="utf-8") as stream:
        panels = json.load(stream)["panels"]
    for panel in panels:
        for target in panel["targets"]:
            yield panel["title"], re.sub(r"\$\w+", ".*", target["expr"])


def test_rules():
    """promtool finds nothing wrong with the rules, and all are tried here"""
    with Debian("12", "prometheus") as debian:
        shutil.copy(places.top(RULES), debian.path("tmp/rules.yml"))
        done = run("chroot", debian.root, "promtool", "check", "rules",
                   "--lint=all", "--lint-fatal", "/tmp/rules.yml")
        assert not done.returncode, done
    names = [rule["alert"] for rule in rules()]
    assert sorted(names) == sorted(ALERTS | PENDING | OTHERS), names


def test_advice():
    """Each alert says where it is, and what to do"""
    for rule in rules():
        said = rule["annotations"]
        assert set(said) == {"summary", "description"}, rule
        # Others than HostsDiffer are about one host.
        assert ("$labels.instance" in said["summary"]) == \
            (rule["alert"] != "HostsDiffer"), rule
        assert rule["labels"]["severity"] in ("warning", "critical"), rule


# What Grafana's documents and its own description of a dashboard's JSON
# (kinds/dashboard/dashboard_kind.cue in grafana/grafana) say of the classic
# model, as far as ours uses it.
PANELS = {"stat", "state-timeline", "timeseries"}
SCALES = {"linear", "log", "ordinal", "symlog"}
COLUMNS = 24


def cells(panel):
    """Those of the grid that it takes."""
    at = panel["gridPos"]
    assert 0 < at["w"] <= COLUMNS - at["x"] and at["h"] > 0, panel
    return {(x, y) for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])}


def test_dashboard():
    """The dashboard is one of Grafana's classic model, which it imports"""
    with open(places.top(DASHBOARD), encoding="utf-8") as stream:
        dashboard = json.load(stream)
    assert "id" not in dashboard and 8 <= len(dashboard["uid"]) <= 40
    assert dashboard["title"] and dashboard["schemaVersion"] >= 36
    variables = {one["name"]: one for one in dashboard["templating"]["list"]}
    assert variables.pop("datasource")["type"] == "datasource"
    # Whoever imports it chooses the Prometheus.
    source = {"type": "prometheus", "uid": "${datasource}"}
    for one in variables.values():
        assert one["type"] == "query" and one["datasource"] == source, one
    panels, taken = dashboard["panels"], set()
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["type"] in PANELS and panel["title"], panel
        assert not taken & cells(panel), "%(title)s is over another" % panel
        taken |= cells(panel)
        defaults = panel["fieldConfig"]["defaults"]
        scale = defaults.get("custom", {}).get("scaleDistribution")
        assert not scale or scale["type"] in SCALES, panel
        steps = defaults.get("thresholds", {}).get("steps")
        assert not steps or steps[0]["value"] is None, panel
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"] == source
            assert set(re.findall(r"\$(\w+)", target["expr"])) <= \
                set(variables), target
        names = [target["refId"] for target in panel["targets"]]
        assert len(set(names)) == len(names), panel


def test_alerts():
    """A good host and guest alert nobody; bad ones do, each by its rule; and
    every panel of the dashboard finds its figures"""
    good = exporter(host() + guest("vm-1", GOOD) + ANNOTATED)
    bad = exporter(host(**BAD_HOST) + guest("vm-2", POOR) + ANNOTATED)
    lost = exporter(host(tolerance_ppm=250) + guest("vm-3", **LOST))
    with Debian("12", "prometheus") as debian:
        with Prometheus(debian, good) as prometheus:
            wait.until(lambda: (prometheus.ask("query", query="count_over_time"
                                               "(clockferry_best_rung[1m]) > 3")
                                or {"result": []})["result"],
                       "it has no figures")
            assert not prometheus.ask("alerts")["alerts"], \
                prometheus.ask("alerts")
        shutil.rmtree(debian.path("tmp/data"))
        with Prometheus(debian, good, bad, lost) as prometheus:
            for state, wanted in ("firing", ALERTS), ("pending", PENDING):
                for name in wanted:
                    wait.until(lambda: name in prometheus.alerts(state),
                               "%s isn't %s" % (name, state))
                assert prometheus.alerts(state) == wanted
            for title, expression in expressions():
                told = prometheus.ask("query", query=expression)
                assert told["result"], (title, expression)
    for server in good, bad, lost:
        server.shutdown()
