# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever a destination says, and whenever, the source's guest runs on."""
import struct
import time

from harness.binaries import start
from harness.check import Untouched, patched, patched_off, tries
from harness.migrate import go, set_capabilities, wait_over, wait_running
from harness.tap import note
from talker import Talker

SHUT, PONG = 1, 2               # types of messages on the return path
PAGE = struct.pack(">QI", 0, 4096)      # address, bytes


def message(kind, data):
    return struct.pack(">HH", kind, len(data)) + data


def name(text):
    return bytes([len(text)]) + text.encode()


UNTIMELY = {
    "REQ_PAGES_ID": message(3, PAGE + name("pc.ram")),
    "REQ_PAGES": message(4, PAGE),
    "RECV_BITMAP": message(5, name("pc.ram")),
    "RESUME_ACK": message(6, struct.pack(">I", 1)),
}


def said(source, words):
    with Talker(source.path("talker"), words) as talker:
        info = go(source, talker.uri)
    assert info["status"] == "failed", info
    wait_running(source)
    wait_over(source)
    return info["error-desc"]


def untimely(side, *capabilities):
    """Each of them ends the migration with a sentence that names it."""
    with start(side) as source:
        source.wait_up()
        set_capabilities(source, *capabilities)
        untouched = Untouched(source)
        for _ in range(tries(10)):
            for kind, words in UNTIMELY.items():
                why = said(source, words)
                assert "'%s'" % kind in why, why
                if side.kvmclock:
                    untouched.assert_still(may_stop=bool(capabilities))
        note(why)


def test_untimely():
    """Pages asked for at set-up, before RAM has its state: refused."""
    untimely(patched())


def test_untimely_return_path():
    """The same with the capability return-path."""
    untimely(patched(), "return-path")


def test_untimely_off():
    """The same with the feature off: stock QEMU may crash of it."""
    untimely(patched_off(), "return-path")


def test_nonsense():
    """No message at all, half of one, one too long: the source runs on."""
    with start(patched()) as source:
        source.wait_up()
        untouched = Untouched(source)
        for words in (bytes(64), b"\xff" * 64, message(PONG, bytes(8)),
                      struct.pack(">HH", 3, 600) + bytes(600),
                      message(SHUT, struct.pack(">I", 1))):
            said(source, words)
            untouched.assert_still()


def test_unasked():
    """A PONG that nobody asked for is none, whichever number it bears."""
    with start(patched()) as source:
        source.wait_up()
        untouched = Untouched(source)
        for number in 0, 5, 0xff, 0x100, 0x107, 0x108, 2 ** 32 - 1:
            words = message(PONG, struct.pack(">I", number)) * 100
            with Talker(source.path("talker"), words) as talker:
                source.qmp.execute("migrate", {"uri": talker.uri})
                time.sleep(0.3)
                source.qmp.execute("migrate_cancel")
                wait_over(source)
            untouched.assert_still()
