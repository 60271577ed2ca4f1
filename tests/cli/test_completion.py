# SPDX-License-Identifier: GPL-2.0-or-later
"""Completion in bash and zsh: what is offered, and that a guest's name is only
text"""
import os
import pty
import re
import select
import shutil
import subprocess
import tempfile
import time

from harness import places
from harness.command import output, program
from harness.tap import Missing
from harness.wait import LIMIT_S
from test_common import commands

GUESTS = ["vm-1", "x$(id>pwned)", "y`id>pwned`", "my guest", "it's", "a:b=c",
          'q"q', "h\u00f6st", "back\\slash"]
VIRSH = """#!/bin/sh
echo "$*" >>"$0.log"
cat "$0.guests"
"""
# What is typed, and the words that the shell makes of the completed line.
LINES = [
    ("enable v", ["enable", "vm-1"]), ("enable x", ["enable", GUESTS[1]]),
    ("enable y", ["enable", GUESTS[2]]), ("enable my", ["enable", GUESTS[3]]),
    ("enable my\\ ", ["enable", GUESTS[3]]),
    ("enable 'my", ["enable", GUESTS[3]]),
    ('enable "my', ["enable", GUESTS[3]]),
    ("enable 'x", ["enable", GUESTS[1]]), ('enable "x', ["enable", GUESTS[1]]),
    ('enable "y', ["enable", GUESTS[2]]), ("enable 'y", ["enable", GUESTS[2]]),
    ("enable it", ["enable", "it's"]), ("enable a:b", ["enable", "a:b=c"]),
    ("enable q", ["enable", 'q"q']), ("enable h", ["enable", "h\u00f6st"]),
    ("enable b", ["enable", "back\\slash"]),
    ("annotate -c x:///y vm-1 m", ["annotate", "-c", "x:///y", "vm-1",
                                   "my guest"]),
    ("state --connect=x:///y m", ["state", "--connect=x:///y", "my guest"]),
    ("check -c x:///y v", ["check", "-c", "x:///y", "vm-1"]),
    ("enable --connect=qemu:///sys", ["enable", "--connect=qemu:///system"]),
    ("enable -c qemu:///ses", ["enable", "-c", "qemu:///session"]),
    ("check --policy=st", ["check", "--policy=strict"]),
    ("check --requi", ["check", "--require"]),
    ("probe -f pro", ["probe", "-f", "prometheus"]),
    ("state -f pro", ["state", "-f", "prometheus"]),
    ("matr", ["matrix"]), ("help sel", ["help", "selftest"]),
    ("probe --from=ho", ["probe", "--from=host.json"]),
    ("check ho", ["check", "host.json"]),
]


class Shell:
    """A shell on a terminal, in a folder of its own, with a virsh that lists
    these guests."""

    def __init__(self, command, setup):
        if not shutil.which(command[0]):
            raise Missing(command[0], "%s isn't installed" % command[0])
        self._folder = tempfile.TemporaryDirectory()
        self.path = self._folder.name
        self._write("virsh", VIRSH)
        self._write("virsh.guests", "".join(g + "\n" for g in GUESTS))
        self._write("host.json", "")
        os.chmod(self.path + "/virsh", 0o755)
        self._child, self._terminal = pty.fork()
        if not self._child:
            os.chdir(self.path)
            os.execvpe(command[0], command, dict(
                os.environ, PATH=os.pathsep.join([
                    self.path, os.path.dirname(program()),
                    os.environ["PATH"]]),
                TERM="dumb", LC_ALL="C.UTF-8", PS1="> ", HOME=self.path))
        self._seen = ""
        for line in setup:
            self.type(line + "\n")
        self.type("args() { printf 'WORDS'; printf '<%s>' \"$@\"; echo '#'; }"
                  "\necho READY$((1))\n")
        self.until(r"READY1")

    def _write(self, name, text):
        with open(os.path.join(self.path, name), "w",
                  encoding="utf-8") as stream:
            stream.write(text)

    def __enter__(self):
        return self

    def __exit__(self, *why):
        os.close(self._terminal)
        os.waitpid(self._child, 0)
        self._folder.cleanup()

    def type(self, keys):
        os.write(self._terminal, keys.encode())

    def until(self, pattern):
        limit = time.monotonic() + LIMIT_S
        while not re.search(pattern, self._seen, re.S):
            assert time.monotonic() < limit, (pattern, self._seen)
            if select.select([self._terminal], [], [], 1)[0]:
                self._seen += os.read(self._terminal, 65536).decode(
                    errors="replace")
        found = re.search(pattern, self._seen, re.S)
        self._seen = ""
        return found

    def completed(self, line):
        """The words of a line after TAB, as the shell takes them."""
        self.type("clockferry " + line + "\t")
        # the line is finished when the shell takes the next keys
        self.type("\x01args \x05\n")
        words = self.until(r"WORDS<clockferry>(.*?)#\r?\n")[1]
        return re.findall(r"<(.*?)>(?=<|$)", words)

    def offered(self, line):
        """What it lists for a line that may go on in several ways."""
        self.type("clockferry " + line + "\t\t")
        self.type("\x01args \x05\n")
        return self.until(r"WORDS<clockferry>.*?#\r?\n")[0]


def in_bash():
    return Shell(["bash", "--norc", "--noprofile", "-i"],
                 [". " + places.top("src/cli/clockferry.bash")])


def in_zsh():
    return Shell(["zsh", "-f", "-i"], [
        "fpath=(%s $fpath)" % places.top("src/cli"),
        "autoload -Uz compinit && compinit -u -D; bindkey -e",
        "unsetopt auto_list list_ambiguous"])


def check_lines(shell):
    for line, words in LINES:
        found = shell.completed(line)
        assert [word.rstrip() for word in found] == words, (line, found)
    assert not os.path.exists(shell.path + "/pwned"), "a name was executed"
    with open(shell.path + "/virsh.log", encoding="utf-8") as log:
        asked = set(log.read().splitlines())
    assert asked == {"-q list --name --all", "-q -c x:///y list --name"}, asked


def test_bash():
    """bash completes words, and guests' names as they are"""
    with in_bash() as shell:
        check_lines(shell)


def test_zsh():
    """zsh completes words, and guests' names as they are"""
    with in_zsh() as shell:
        check_lines(shell)


def test_listed():
    """Listing the guests executes nothing, in either shell"""
    for start in in_bash, in_zsh:
        with start() as shell:
            shell.offered("enable ")
            shell.offered("annotate x")
            assert not os.path.exists(shell.path + "/pwned"), start


def completed(*words):
    """What bash offers after these words."""
    if not shutil.which("bash"):
        raise Missing("bash", "bash isn't installed")
    script = '. "$0" && COMP_LINE="$*" && COMP_POINT=${#COMP_LINE} && ' \
        '{ _clockferry; printf "%s\\n" "${COMPREPLY[@]}"; }'
    path = os.path.dirname(program()) + os.pathsep + os.environ["PATH"]
    done = subprocess.run(
        ["bash", "--norc", "-c", script,
         places.top("src/cli/clockferry.bash"), "clockferry", *words],
        capture_output=True, text=True, env=dict(os.environ, PATH=path))
    assert not done.returncode, done.stderr
    return set(done.stdout.split())


def test_offers():
    """Commands, options and the words that they take, for each command"""
    assert completed("") == {*commands(), "help", "--help", "--version"}
    assert completed("ma") == {"matrix"}
    assert completed("help", "") == set(commands())
    for command in commands():
        options = set(re.findall(r"^ .*?(--[a-z-]+).*  ", output(
            command, "--help"), re.M))
        assert "--help" in options
        assert completed(command, "--") == options, command
    assert completed("check", "--pol") == {"--policy"}
    assert completed("check", "--policy=") == {"auto", "strict", "lax"}
    assert completed("probe", "-f", "") == \
        {"text", "json", "prometheus", "kubevirt", "nfd"}
    assert completed("matrix", "--require", "c") == {"closed-loop"}
    assert completed("check", "--tsc-khz", "") == set()
    assert completed("matrix", "x.json", "y") == set()
