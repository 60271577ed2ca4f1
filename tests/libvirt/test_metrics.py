# SPDX-License-Identifier: GPL-2.0-or-later
"""clockferry annotate --metrics: the guests of a host, for Prometheus."""
import os
import stat
import tempfile

import follower
from harness import wait
from harness.libvirt import scene

FOLDER = "/var/lib/prometheus/node-exporter"
FILE = FOLDER + "/clockferry-guests.prom"
OPTION = ("--metrics", FILE)


def figures(host):
    """{guest: {metric: number}} of the file, which is readable for all."""
    path = host.path(FILE)
    if not os.path.exists(path):
        return {}
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o644
    found = {}
    for line in host.read(FILE).splitlines():
        if line.startswith("#"):
            continue
        name, labels, number = line.replace("{", " ").replace("} ", " ") \
            .split()
        label = labels.split(",")[0].split("=")[1].strip('"')
        found.setdefault(label, {})[
            name.removeprefix("clockferry_guest_")] = float(number)
    return found


def test_arrival():
    """A guest that starts, one that arrives, and one that is gone"""
    with scene.hosts("12", "13") as (a, b):
        for host in a, b:
            os.makedirs(host.path(FOLDER))
            follower.start(host, *OPTION)
        scene.start(a, scene.patched())
        scene.start(a, scene.patched(), "other")
        both = {"ferry": {"carried": 1, "lost": 0},
                "other": {"carried": 1, "lost": 0}}
        wait.until(lambda: figures(a) == both, "not both are in the file")
        moved = scene.migrate(a, b, "--live")
        assert moved.status == 0, moved.words
        wait.until(lambda: figures(a) == {"other": both["other"]},
                   "it is still in the file where it was")
        told = wait.until(lambda: figures(b).get("ferry", {}).get("rung")
                          and figures(b)["ferry"], "it isn't in the other")
        assert told["rung"] == 2 and told["lost"] == 0, told
        assert abs(told["residual_seconds"]) < 1e-8, told
        assert 0 < told["elapsed_seconds"] < 60, told
        b.do("destroy", "ferry")
        wait.until(lambda: not figures(b), "it is still there")


def test_no_folder():
    """Without the folder a line says so, once; and the facts are written. It
    is also told when libvirt is there again"""
    with scene.hosts("12") as (a,), tempfile.TemporaryFile() as output:
        def said():
            output.seek(0)
            return output.read().decode()

        follower.start(a, *OPTION, output=output)
        scene.start(a, scene.patched())
        wait.until(lambda: "facts written: ferry" in said(), "no facts")
        a.stop_daemon("KILL")
        wait.until(lambda: "next try in" in said(), "it didn't notice")
        a.start_daemon()
        wait.until(lambda: "connected to libvirt\n" in said(), "it isn't back")
        scene.start(a, scene.patched(), "another")
        wait.until(lambda: "facts written: another" in said(), said())
        assert said().count(FILE) == 1, said()
