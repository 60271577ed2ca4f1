# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds and runs a target, and says what came of it."""
import collections
import os
import re
import subprocess
import time

from harness import places
from harness.tap import Missing, once
from targets import TARGETS, corpus

# One input takes microseconds; on a machine that is busy, not a minute.
CASE_LIMIT_S = 60
MEMORY_LIMIT_MIB = 2048

# executions; covered: edges of the code; features: and their combinations;
# seconds; finding: the file with the input that fails, or None; log
Outcome = collections.namedtuple(
    "Outcome", "executions covered features seconds finding log")

STATUS = re.compile(r"#(\d+)\t.*cov: (\d+) ft: (\d+)")


# What is missing, by how the build ends.
MISSING = {77: "fuzz", 78: "qemu"}


@once
def build(*what):
    """The folder with the programs; what: ones that are built by themselves."""
    done = subprocess.run([places.top("tests/fuzz/build"), *what],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False)
    if done.returncode in MISSING:
        raise Missing(MISSING[done.returncode],
                      done.stderr.strip().split("\n")[-1]
                      .replace("clockferry: ", ""))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def program(name):
    alone = [name] if TARGETS[name].alone else []
    return os.path.join(build(*alone), "fuzz-" + name)


def _environment():
    return dict(os.environ, UBSAN_OPTIONS="print_stacktrace=1")


def _write_seeds(name, folder):
    """What other suites have, as files; and the words in it."""
    from seeds import words
    os.makedirs(os.path.join(folder, "seeds"), exist_ok=True)
    cases = TARGETS[name].seeds()
    for number, case in enumerate(cases):
        with open(os.path.join(folder, "seeds", "%03d" % number), "wb") as file:
            file.write(case)
    with open(os.path.join(folder, "words"), "w", encoding="ascii") as file:
        file.write(words(cases))


def _dictionary(folder):
    """libFuzzer takes no empty one."""
    path = os.path.join(folder, "words")
    return ["-dict=" + path] if os.path.getsize(path) else []


def command(name, folder, *options):
    """libFuzzer, in a folder of its own: what it learns goes to "corpus"."""
    _write_seeds(name, folder)
    os.makedirs(os.path.join(folder, "corpus"), exist_ok=True)
    corpora = [os.path.join(folder, "corpus"), os.path.join(folder, "seeds")]
    if os.path.isdir(corpus(name)):
        corpora.append(corpus(name))
    return [program(name), "-max_len=%d" % TARGETS[name].max_len,
            "-timeout=%d" % CASE_LIMIT_S,
            "-rss_limit_mb=%d" % MEMORY_LIMIT_MIB, "-detect_leaks=1",
            "-print_final_stats=1", "-print_funcs=0",
            "-artifact_prefix=%s/" % folder,
            *_dictionary(folder), *options, *corpora]


def run(name, folder, *options, watch=None):
    """One run; watch(executions, covered, seconds) is called now and then."""
    began = time.monotonic()
    log, last = collections.deque(maxlen=60), (0, 0, 0)
    executions, finding = 0, None
    with subprocess.Popen(command(name, folder, *options), text=True,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          errors="replace", env=_environment()) as process:
        for line in process.stderr:
            status = STATUS.match(line)
            if status:
                last = tuple(int(number) for number in status.groups())
                executions = max(executions, last[0])
                if watch:
                    watch(executions, last[1], time.monotonic() - began)
                continue
            log.append(line.rstrip("\n"))
            if line.startswith("stat::number_of_executed_units:"):
                executions = int(line.split()[1])
            written = re.search(r"Test unit written to (\S+)", line)
            if written:
                finding = written.group(1)
    text = "\n".join(log)
    if process.returncode and not finding:
        finding = "no input (status %d)" % process.returncode
    return Outcome(executions, last[1], last[2], time.monotonic() - began,
                   finding, text)


def merge(name, folder, target):
    """Writes cases to a folder that reach as much of the code as all known."""
    program_path, *rest = command(name, folder)
    corpora = [part for part in rest if not part.startswith("-")]
    subprocess.run([program_path, "-max_len=%d" % TARGETS[name].max_len,
                    "-set_cover_merge=1", "-use_counters=0", target,
                    *corpora], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def replay(name, files):
    """Runs single cases; what a target says if one fails, else None."""
    done = subprocess.run([program(name), "-timeout=%d" % CASE_LIMIT_S,
                           *files], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, check=False,
                          errors="replace", env=_environment())
    return done.stderr if done.returncode else None
