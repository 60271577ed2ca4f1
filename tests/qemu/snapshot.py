# SPDX-License-Identifier: GPL-2.0-or-later
"""Snapshots that QEMU keeps in a disk image, and the disk for them."""
import time

DISK = "disk"


def path(guest):
    return guest.path("disk.qcow2")


def add_disk(guest):
    """A small qcow2 image, made by QEMU itself, for a guest without one."""
    nodes = guest.qmp.execute("query-named-block-nodes")
    if any(node.get("node-name") == DISK for node in nodes):
        return
    _create(guest, {"driver": "file", "filename": path(guest), "size": 0})
    guest.qmp.execute("blockdev-add", {"driver": "file",
                                       "filename": path(guest),
                                       "node-name": "file"})
    _create(guest, {"driver": "qcow2", "file": "file", "size": 1 << 20})
    guest.qmp.execute("blockdev-add", {"driver": "qcow2", "file": "file",
                                       "node-name": DISK})


def disk_of(guest):
    """That image for another guest, once this one has ended."""
    return {"driver": "qcow2", "node-name": DISK, "file": {
        "driver": "file", "filename": path(guest)}}


def _create(guest, options):
    guest.qmp.execute("blockdev-create", {"job-id": "create",
                                          "options": options})
    finish_job(guest, "create")


def finish_job(guest, name, timeout=20):
    """Until the job has ended well."""
    deadline = time.monotonic() + timeout
    while True:
        job = [job for job in guest.qmp.execute("query-jobs")
               if job["id"] == name][0]
        if job["status"] == "concluded":
            break
        assert time.monotonic() < deadline, job
        time.sleep(0.001)
    guest.qmp.execute("job-dismiss", {"id": name})
    assert "error" not in job, job["error"]


def monitor(guest, line):
    """A command of the human monitor; its answer."""
    words = guest.qmp.execute("human-monitor-command", {"command-line": line})
    assert "Error" not in words, words
    return words


def snapshot(guest, what, tag):
    """snapshot-save, -load or -delete, as QMP does them: in a job."""
    arguments = {"job-id": "snapshot", "tag": tag, "devices": [DISK]}
    if what != "delete":
        arguments["vmstate"] = DISK
    guest.qmp.execute("snapshot-" + what, arguments)
    finish_job(guest, "snapshot")
