# SPDX-License-Identifier: GPL-2.0-or-later
"""One emulated machine with a Debian: a host of the lab, but for what it
boots."""
import subprocess
import time
from collections import namedtuple

from harness import emulator
from host import Host, HostError

MEMORY_MB = 2560
COMMAND_LIMIT_S = 600
ENVIRONMENT = {"HOME": "/root", "LC_ALL": "C.UTF-8",
               "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
                       "/sbin:/bin"}
Paths = namedtuple("Paths", "emulator")


class Machine(Host):
    """Use as a context manager. `name` is the host's; `volume` a file system
    that it finds on its second disk."""

    BOOT_LIMIT_S = 900      # beside any load

    def __init__(self, name, spec, image, folder, link, volume=None,
                 keep=False):
        self.image, self._volume, self._keep = image, volume, keep
        self._outputs = 0
        super().__init__(name, spec, Paths(emulator.built("emulator")), folder,
                         link)

    def _boots(self):
        return self.image.kernel, self.image.initrd

    def _memory_mb(self):
        return MEMORY_MB

    def _drives(self):
        disks = [self.image.disk + ("" if self._keep else ",snapshot=on")]
        if self._volume:
            disks.append(self._volume + ",readonly=on")
        return [word for one in disks for word in (
            "-drive", "if=virtio,format=raw,file=" + one)]

    def _command_line(self, khz):
        return ("root=/dev/vda rw console=ttyS0 loglevel=4 net.ifnames=0 "
                "systemd.hostname=%s tsc_early_khz=%d pmtmr=0 tsc=reliable "
                "no_timer_check %s" % (self.name, khz, self.spec.arguments))

    def _set_up(self):
        """Once all of its services have started."""
        self.run("systemctl is-system-running --wait", self.BOOT_LIMIT_S)
        super()._set_up()

    def shut_down(self):
        self.agent.spawn("/dev/null", ["/usr/bin/systemctl", "poweroff"])
        self._proc.wait(self.BOOT_LIMIT_S)

    def begin(self, command):
        """Starts a shell's command line: (pid, file of its output)."""
        self._outputs += 1
        out = "/run/lab-output.%d" % self._outputs
        pid = self.agent.spawn(out, ["/bin/sh", "-c", "exec 2>%s.err\n%s" % (
            out, command)], ENVIRONMENT)
        return pid, out

    def finish(self, pid, limit_s=COMMAND_LIMIT_S):
        """Its exit status."""
        deadline = time.monotonic() + limit_s
        while True:
            status = self.agent.wait(pid, 1)
            if status is not None:
                return status
            if time.monotonic() > deadline:
                raise HostError("%s: a command doesn't end" % self.name)

    def run(self, command, limit_s=COMMAND_LIMIT_S):
        pid, out = self.begin("cd /root\n" + command)
        status = self.finish(pid, limit_s)
        return subprocess.CompletedProcess(
            command, status, self.read(out), self.read(out + ".err"))

    def read(self, path):
        return self.agent.read_all(path).decode("utf-8", "replace")

    def write(self, path, text):
        self.agent.ask("remove", path)
        self.agent.write_all(path, text.encode())
