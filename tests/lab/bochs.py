# SPDX-License-Identifier: GPL-2.0-or-later
"""One host with an Intel processor: Debian's Bochs, which emulates VMX and its
TSC scaling.

In it one instruction takes one tick of the TSC, and everything else goes by
that: its time is TSC / frequency, exactly, and has nothing to do with this
machine's. It passes only while somebody waits for an answer (printer.py), so a
run is the same each time."""
import contextlib
import os
import pty
import shutil
import subprocess
import threading

from agent import Agent
from harness.wait import LIMIT_S
from host import Host, die_with_parent
from initramfs import compiled
from printer import Printer

MEMORY_MB = 512
MS = 10 ** 6
CLOCK_STEPS = 5
MODEL = "corei7_skylake_x"
TIME0 = 1700000000

CONFIG = """\
config_interface: textconfig
display_library: term
cpu: model={model}, count=1, ips={ips}, reset_on_triple_fault=0, ignore_bad_msrs=1
memory: guest={memory_mb}, host={memory_mb}
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/vgabios/vgabios.bin
ata0-master: type=cdrom, path={iso}, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev={console}
com2: enabled=1, mode=socket-client, dev=127.0.0.1:{port}
parport1: enabled=1, file={printer}
clock: sync=none, time0={time0}
log: {log}
error: action=ignore
info: action=report
panic: action=fatal
sound: driver=dummy
speaker: enabled=0
"""
MENU = """\
DEFAULT linux
PROMPT 0
LABEL linux
KERNEL /KERNEL
INITRD /INITRD
APPEND {line}
"""
BOOT_FILES = {"ISOLINUX.BIN": "/usr/lib/ISOLINUX/isolinux.bin",
              "LDLINUX.C32": "/usr/lib/syslinux/modules/bios/ldlinux.c32"}


def make_iso(folder, name, kernel, initramfs, line):
    """What the host boots; its path."""
    root = os.path.join(folder, "iso-" + name)
    os.mkdir(root)
    for file, path in dict(BOOT_FILES, KERNEL=kernel,
                           INITRD=initramfs).items():
        shutil.copy(path, os.path.join(root, file))
    with open(os.path.join(root, "ISOLINUX.CFG"), "w",
              encoding="ascii") as menu:
        menu.write(MENU.format(line=line))
    path = root + ".iso"
    subprocess.run(["genisoimage", "-quiet", "-o", path, "-b", "ISOLINUX.BIN",
                    "-c", "BOOT.CAT", "-no-emul-boot", "-boot-load-size", "4",
                    "-boot-info-table", root], check=True,
                   capture_output=True)
    shutil.rmtree(root)
    return path


class BochsHost(Host):
    """Its true time is the lab's to choose: see join()."""

    BOOT_LIMIT_S = 3 * LIMIT_S

    def _begin(self, paths, link):
        self._screen, screen = pty.openpty()
        threading.Thread(target=self._drain, daemon=True).start()
        printer = os.path.join(self._folder, "printer-" + self.name)
        self._sock = Printer(printer)
        self._proc = subprocess.Popen(
            self._bochs(printer), stdin=screen, stdout=screen, stderr=screen,
            env=dict(os.environ, TERM="vt100", LD_PRELOAD=compiled(
                "unseeded", "-shared", "-fPIC")), preexec_fn=die_with_parent)
        os.close(screen)
        self._sock.attach(self._proc.pid, LIMIT_S)
        self.agent = Agent(self._sock, self._why_gone)

    def _drain(self):
        """Nobody looks at its screen, which mustn't stop it."""
        with contextlib.suppress(OSError):
            while os.read(self._screen, 4096):
                pass

    def _write(self, name, text):
        path = os.path.join(self._folder, "%s-%s" % (name, self.name))
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return path

    def _bochs(self, printer):
        spec = self.spec
        config = CONFIG.format(
            model=spec.cpu or MODEL, ips=spec.khz * 1000,
            memory_mb=MEMORY_MB, console=self.console, printer=printer,
            port=self._sock.port, time0=TIME0, log=self._emulator_log,
            iso=make_iso(self._folder, self.name, *self._boots(),
                         self._command_line(spec.khz)))
        # Debian's has a debugger, which wants to be told to begin.
        return ["bochs-bin", "-q", "-f", self._write("bochsrc", config),
                "-rc", self._write("begin", "c\n")]

    def _command_line(self, khz):
        """By its HPET the kernel would measure the TSC anew, 6 ppm off."""
        return super()._command_line(khz) + " hpet=disable AGENT_PRINTS=1"

    def _set_up(self):
        self.agent.ask("net", "lo", "127.0.0.1")
        self._address = "127.0.0.1"
        self._wait_clocksource()

    def close(self):
        super().close()
        os.close(self._screen)

    @property
    def changed(self):
        """It isn't booted anew only because it is later there."""
        return False

    def join(self, true_ns):
        """Let it be so late there now. It stands still while nobody asks it, so
        that is ours to say; whole milliseconds, and so whole ticks."""
        tsc = self.agent.clocks(1)[0][0]
        self.start = tsc - -(-true_ns // MS) * self.khz
        self.set_clock()

    def set_clock(self):
        """As there, but each step counts: how quick this machine is must not."""
        self.agent.ask("tai", self.spec.tai)
        for _ in range(CLOCK_STEPS):
            wrong = self.spec.clock_ns - self.realtime_error(100).ns
            self.agent.ask("step", round(wrong))
        self.agent.ask("claim", self.spec.claim_us)
