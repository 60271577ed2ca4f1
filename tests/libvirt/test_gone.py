# SPDX-License-Identifier: GPL-2.0-or-later
"""Nothing of a host stays: no process, no mount, no file."""
import os
import signal
import subprocess
import sys
import tempfile

from harness import places, wait
from harness.libvirt import scene
from harness.wait import LIMIT_S

SUITE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "suite")
# This one is on its way for a minute.
LONG = "many.hops"
SHORT = "unfit.managedsave"


def sees(pid, folder):
    """Has that process something of the folder mounted, as hosts have?"""
    try:
        with open("/proc/%s/mountinfo" % pid) as mounts:
            return folder in mounts.read()
    except OSError:
        return False


def processes(folder):
    """Those of the hosts whose files are in that folder."""
    return [pid for pid in filter(str.isdigit, os.listdir("/proc"))
            if sees(pid, folder)]


def assert_gone(folder, files=True):
    wait.until(lambda: not processes(folder), "left: %s" % processes(folder))
    assert not sees("self", folder), "mounted: %s" % folder
    assert not files or not os.listdir(folder), os.listdir(folder)


def start(folder, test):
    # What runs in a shell's background ignores SIGINT, and so would it.
    return subprocess.Popen(
        ["env", "--default-signal=INT", sys.executable, SUITE, test],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=dict(os.environ, TMPDIR=folder, CLOCKFERRY_PERCENT="100"))


def interrupted(number, files=True):
    with tempfile.TemporaryDirectory(prefix="clockferry-gone-") as folder:
        suite = start(folder, LONG)
        try:
            # Two daemons, two followers, a guest, and their first processes.
            wait.until(lambda: len(processes(folder)) >= 7 or suite.poll(),
                       "no hosts")
            assert suite.poll() is None, "it ended with %d" % suite.returncode
            suite.send_signal(number)
            suite.wait(timeout=LIMIT_S)
            assert suite.returncode, "it ended well"
            assert_gone(folder, files)
        finally:
            suite.kill()
            suite.wait()


def test_success():
    """After a test that went well"""
    scene.need("12", "13")
    with tempfile.TemporaryDirectory(prefix="clockferry-gone-") as folder:
        suite = start(folder, SHORT)
        wait.until(lambda: processes(folder) or suite.poll(), "no host")
        assert suite.wait(timeout=LIMIT_S) == 0
        assert_gone(folder)


def test_failure():
    """After one that failed"""
    try:
        with scene.hosts("12") as (a,):
            folder = os.path.dirname(a.folder)
            scene.start(a, scene.patched())
            assert processes(folder), "its processes can't be told"
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert not os.path.exists(folder)
    assert not processes(folder)


# Runs there until somebody ends it, with a suite that buries nobody.
TIMES_OUT = """
import subprocess, sys
sys.path.insert(0, {tests!r})
from harness.libvirt import scene
from harness.wait import LIMIT_S
with scene.hosts("12") as (a,):
    try:
        a.run("sleep", "1000", timeout=1)
    except subprocess.TimeoutExpired:
        pass
"""


def test_first_process():
    """After a time-out, in a container whose first process is the suite"""
    scene.need("12")
    subprocess.run(
        ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc",
         sys.executable, "-c", TIMES_OUT.format(tests=places.top("tests"))],
        check=True, timeout=LIMIT_S, stdout=subprocess.DEVNULL)


def test_sigint():
    """After SIGINT"""
    scene.need("12", "13")
    interrupted(signal.SIGINT)


def test_sigterm():
    """After SIGTERM"""
    scene.need("12", "13")
    interrupted(signal.SIGTERM)


def test_sigkill():
    """After SIGKILL there are but files"""
    scene.need("12", "13")
    interrupted(signal.SIGKILL, files=False)
