# SPDX-License-Identifier: GPL-2.0-or-later
"""The fuzz targets: what each begins with, and how much ./run check does."""
import collections
import os
import re

from harness import places
import seeds

# runs: how many executions ./run check asks for, some seven seconds' worth;
# max_len: of an input, in bytes; alone: it is built by itself, with QEMU
Target = collections.namedtuple("Target", "runs max_len seeds alone",
                                defaults=(False,))

TARGETS = {
    "json-host": Target(200000, 4096, seeds.texts("probe-")),
    "json-guest": Target(150000, 4096,
                         seeds.texts("guest-", "probe-", "state-")),
    "json-state": Target(150000, 4096, seeds.states),
    "check": Target(100000, 8192, seeds.checks),
    "domain": Target(60000, 8192, seeds.domains),
    "hook": Target(80000, 8192, seeds.arrivals),
    "qmp": Target(40000, 8192, seeds.monitors),
    "policy": Target(2000000, 64, seeds.none),
    "plan": Target(1000000, 256, seeds.none),
    "clocks": Target(2000000, 96, seeds.none),
    "ladder": Target(250000, 512, seeds.none),
    "math": Target(3000000, 48, seeds.none),
    "causal": Target(600000, 768, seeds.none),
    "sections": Target(10000, 512, seeds.none, alone=True),
}


def about(name):
    """What a target is about: the first sentence of its file."""
    with open(places.top("tests/fuzz", name + ".c"), encoding="utf-8") as file:
        comments = re.findall(r"/\*(.*?)\*/", file.read(), re.S)
    text = " ".join(re.sub(r"\n \*", "\n", comments[1]).split())
    return re.split(r"(?<=[.:?]) ", text + " ")[0].rstrip(".:")


def corpus(name):
    """The cases that are kept in the tree, as a folder that may be missing."""
    return places.top("tests/fuzz/corpus", name)


def found(name):
    """Cases that once failed: their files."""
    folder = places.top("tests/fuzz/found", name)
    if not os.path.isdir(folder):
        return []
    return sorted(os.path.join(folder, file) for file in os.listdir(folder))
