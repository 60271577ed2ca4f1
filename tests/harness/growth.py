# SPDX-License-Identifier: GPL-2.0-or-later
"""How much the feature adds to a migration stream, and how much it may."""
from harness import binaries, guest, stream
from harness.migrate import go

STREAM_BYTES, STREAM_BYTES_PER_VCPU = 512, 64


def idle_guest(side, vcpus):
    """Many busy vCPUs would only wait for each other."""
    source = binaries.start(side, vcpus=vcpus, extra=["-S"])
    source.calm()
    source.qmp.execute("cont")
    source.wait_up(60)
    return source


def recorded(side, vcpus):
    """The stream of a guest that has run."""
    with idle_guest(side, vcpus) as source:
        path = source.path("stream")
        info = go(source, "file:" + path)
        if info["status"] != "completed":
            raise guest.GuestError("saving %s" % info)
        with open(path, "rb") as file:
            return file.read()


def growth(off, on, vcpus):
    """Bytes that the feature adds to a stream: of state, of description."""
    without, with_it = recorded(off, vcpus), recorded(on, vcpus)

    def description(data):
        return len(data) - stream.description_start(data)

    return (stream.devices_size(with_it) - stream.devices_size(without),
            description(with_it) - description(without))
