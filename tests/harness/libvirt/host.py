# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts on this machine, each with a Debian and a libvirtd of its own.

A host is a set of namespaces with a root folder of its own (init makes it).
All see one shared folder, the build and the QEMUs where they are here, and
this machine's /dev/kvm, which a fake host's model may answer for."""
import contextlib
import functools
import os
import shutil
import signal
import subprocess
import tempfile
import uuid

from harness import fakehost, places, wait
from harness.tap import Missing, once
from harness.wait import LIMIT_S

KEY = "libvirt"
HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGES = {
    "12": ["libvirt-daemon", "libvirt-daemon-driver-qemu", "libvirt-clients",
           "libglib2.0-0", "libjson-c5", "libxml2", "libfdt1", "libslirp0",
           "zlib1g", "strace"],
}
PACKAGES["13"] = [package.replace("libglib2.0-0", "libglib2.0-0t64")
                  for package in PACKAGES["12"]]
DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "kvm")
FIRMWARE = ("/usr/share/seabios", "/usr/share/qemu", "/usr/lib/ipxe/qemu")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# How much a process holds then doesn't hang on how many threads it took to do
# its work.
MALLOC = ("MALLOC_ARENA_MAX=1", "MALLOC_TRIM_THRESHOLD_=0")
CAPABILITIES = "/var/cache/libvirt/qemu/capabilities"
DAEMON_PID = "/run/libvirtd.pid"
COMMAND = "src/cli/clockferry"
HOOK = "libvirt-hooks/clockferry-libvirt-hook"
HOOK_THERE = "/usr/bin/" + os.path.basename(HOOK)
HOOK_LINK = "/etc/libvirt/hooks/qemu.d/50-clockferry"

# As init does it.
TRY_OVERLAY = """
mount -t tmpfs clockferry /mnt
cd /mnt
mkdir lower upper work root
mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work clockferry root
"""
DAEMON = """
unix_sock_dir = "{folder}"
auth_unix_rw = "none"
auth_unix_ro = "none"
host_uuid = "{uuid}"
log_outputs = "3:file:/var/log/libvirt/libvirtd.log"
"""
# Everything off that needs more of a system than there is.
DRIVER = """
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = []
cgroup_controllers = []
seccomp_sandbox = 0
stdio_handler = "file"
max_core = 0
"""


@once
def debian(version):
    """The root folder of a Debian with libvirt."""
    maker = places.top("tests/harness/debian-root")
    with tempfile.NamedTemporaryFile("r", prefix="clockferry-why-") as why:
        made = subprocess.run(
            [maker, version, *PACKAGES[version]],
            stdout=subprocess.PIPE, text=True, check=False,
            env=dict(os.environ, CLOCKFERRY_WHY_FILE=why.name))
        if made.returncode:
            raise Missing(KEY, why.read().strip() or maker + " failed")
    return made.stdout.strip()


@functools.lru_cache(None)
def need_namespaces():
    if os.geteuid() != 0:
        raise Missing(KEY, "only root can make hosts")
    tried = subprocess.run(
        ["unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "sh",
         "-ec", TRY_OVERLAY], stderr=subprocess.PIPE, text=True, check=False)
    if tried.returncode:
        raise Missing(KEY, "no namespaces with an overlay here: %s"
                      % tried.stderr.strip())


def _programs():
    return [places.build(COMMAND), os.environ["CLOCKFERRY_QEMU_STOCK"],
            os.environ["CLOCKFERRY_QEMU_PATCHED"]]


@functools.lru_cache(None)
def capabilities_cache(version):
    """What that libvirt found out about the QEMUs, which takes it seconds."""
    return places.cache("libvirt", version)


def children(pid):
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as pids:
            return [int(child) for child in pids.read().split()]
    except OSError:
        return []


def end(process):
    """What nsenter started, so that nsenter ends, too. Else that would be left
    to a process that may not bury it, and so many a host couldn't end."""
    for pid in children(process.pid) or [process.pid]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


class Host:
    """One of them. `model` is the name of a fake host, or None for this
    machine as it is."""

    def __init__(self, shared, name, version="12", model=None,
                 devices=DEVICES):
        self.name, self.version = name, version
        self.become(model)
        self.folder = os.path.join(shared, name)
        os.mkdir(self.folder)
        self._uuid = str(uuid.uuid4())
        self._ends = contextlib.ExitStack()
        self._first = self._make(shared, devices)
        self.pid = self._init_pid()
        try:
            self._need_programs()
            self._prepare()
        except BaseException:
            self.close()
            raise

    def become(self, model):
        """Whatever starts there from now on finds itself on that fake host."""
        self.model = model
        self._preload = fakehost.preload(model) if model else None

    def _make(self, shared, devices):
        paths = {shared, fakehost.folder(), places.build()}
        for variable in "CLOCKFERRY_QEMU_STOCK", "CLOCKFERRY_QEMU_PATCHED":
            folder = os.path.dirname(os.environ[variable])
            paths |= {folder, os.path.realpath(folder + "/qemu-bundle")}
        paths = {path for path in paths.union(FIRMWARE)
                 if os.path.isdir(path)}
        return subprocess.Popen(
            ["unshare", "--mount", "--uts", "--ipc", "--pid", "--fork",
             "--kill-child", os.path.join(HERE, "init"), self.name,
             debian(self.version), " ".join(devices)] + sorted(paths),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def _init_pid(self):
        """Of the first process there, as it is called here."""
        said = self._first.stdout.readline()
        assert said == "ready\n", "no host could be made"
        return children(self._first.pid)[0]

    def at_close(self, function):
        self._ends.callback(function)

    def close(self):
        """Ends whatever runs there."""
        self._ends.close()
        learnt = self.path(CAPABILITIES)
        if os.path.isdir(learnt) and os.path.exists(self.path("/dev/kvm")):
            shutil.copytree(learnt, capabilities_cache(self.version),
                            dirs_exist_ok=True)
        self._first.stdin.close()
        self._first.wait()
        self._first.stdout.close()

    def _need_programs(self):
        """What was built here may not run with that Debian's libraries."""
        for program in _programs():
            tried = self.run(program, "--version")
            if tried.returncode:
                raise Missing(KEY, "%s doesn't run on Debian %s: %s" % (
                    program, self.version, tried.stderr.strip()[:200]))

    # -- Its files and processes --

    def path(self, inside):
        """A path there, as it is called here."""
        return "/proc/%d/root%s" % (self.pid, inside)

    def process(self, pid):
        """A process's folder in /proc, by its number there."""
        return self.path("/proc/%d" % pid)

    def find_process(self, word):
        """The number there of the first one that was started with that word;
        None if there is none."""
        for pid in filter(str.isdigit, os.listdir(self.path("/proc"))):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if word in self.read("/proc/%s/cmdline" % pid).split("\0"):
                    return int(pid)
        return None

    def read(self, inside):
        with open(self.path(inside), encoding="utf-8",
                  errors="replace") as file:
            return file.read()

    def write(self, inside, text, mode=0o644):
        path = self.path(inside)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)

    def command(self, *command):
        """What to start here for it to run there."""
        preload = ["LD_PRELOAD=" + self._preload] if self._preload else []
        return ["nsenter", "--target", str(self.pid), "--mount", "--uts",
                "--ipc", "--pid", "--root", "--wd", "env", "-i",
                "PATH=" + PATH, "HOME=/root", "LC_ALL=C", *MALLOC, *preload,
                *command]

    def begin(self, *command, **options):
        """Starts it there; to be ended by end()."""
        return subprocess.Popen(self.command(*command), text=True, **options)

    def run(self, *command, timeout=LIMIT_S, input="", **options):
        process = self.begin(*command, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             **options)
        try:
            out, err = process.communicate(input, timeout)
        except BaseException:
            end(process)
            raise
        return subprocess.CompletedProcess(command, process.returncode, out,
                                           err)

    def hang(self, inside):
        """Whoever opens that file there from now on waits until it is killed:
        a file system in user space that never answers."""
        try:
            fuse = os.open("/dev/fuse", os.O_RDWR)
        except OSError as error:
            raise Missing(KEY, "/dev/fuse: %s" % error.strerror) from None
        self.at_close(functools.partial(os.close, fuse))
        mounted = self.run(
            "mount", "-i", "-t", "fuse", "-o", "fd=%d,rootmode=100000,"
            "user_id=0,group_id=0" % fuse, "hang", inside, pass_fds=[fuse])
        assert mounted.returncode == 0, mounted.stderr

    # -- libvirt --

    @property
    def uri(self):
        return "qemu+unix:///system?socket=%s/libvirt-sock" % self.folder

    def _prepare(self):
        self.write("/etc/libvirt/libvirtd.conf",
                   DAEMON.format(folder=self.folder, uuid=self._uuid))
        self.write("/etc/libvirt/qemu.conf", DRIVER)
        for folder in (os.path.dirname(HOOK_LINK), "/var/log/libvirt/qemu",
                       "/var/lib/libvirt"):
            os.makedirs(self.path(folder), exist_ok=True)
        # Its QEMU driver doesn't start without them.
        for file, line in ("group", "libvirt-qemu:x:64055:\n"), \
                ("passwd", "libvirt-qemu:x:64055:64055::/:/bin/false\n"):
            with open(self.path("/etc/" + file), "a") as users:
                users.write(line)
        shutil.copytree(capabilities_cache(self.version),
                        self.path(CAPABILITIES), dirs_exist_ok=True)
        # qemu:///system is the same daemon to who runs there.
        os.mkdir(self.path("/run/libvirt"))
        os.symlink(self.folder + "/libvirt-sock",
                   self.path("/run/libvirt/libvirt-sock"))
        for program in COMMAND, HOOK:
            os.symlink(places.build(program),
                       self.path("/usr/bin/" + os.path.basename(program)))

    def start_daemon(self):
        """It reads its configuration and looks for hooks only now."""
        started = self.run("libvirtd", "-d", "-p", DAEMON_PID)
        assert started.returncode == 0, started.stderr

    def stop_daemon(self, name="TERM"):
        process = self.process(self.daemon_pid())
        self.signal_daemon(name)
        wait.until(lambda: not os.path.exists(process), "libvirtd doesn't end")

    def signal_daemon(self, name):
        sent = self.run("sh", "-c", "kill -%s %d" % (name, self.daemon_pid()))
        assert sent.returncode == 0, sent.stderr

    def daemon_pid(self):
        return int(self.read(DAEMON_PID))

    def set_hook(self, script=None, mode=0o755):
        """The real hook, or a script instead. libvirtd must not run yet."""
        if script is None:
            os.symlink(HOOK_THERE, self.path(HOOK_LINK))
        else:
            self.write(HOOK_LINK, script, mode)

    def virsh(self, *command, **options):
        """A run of virsh that may fail."""
        return self.run("virsh", "-c", self.uri, *command, **options)

    def do(self, *command, timeout=LIMIT_S):
        """What virsh prints, which must not fail."""
        done = self.virsh(*command, timeout=timeout)
        assert done.returncode == 0, "virsh %s on %s: %s" % (
            " ".join(command), self.name, done.stderr)
        return done.stdout
