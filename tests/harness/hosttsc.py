# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's TSC, and KVM's own word on a guest's offset against it."""
import ctypes
import functools
import mmap
import os
import subprocess
import time

from harness.wait import LIMIT_S

#            rdtsc      shl $32,%rdx           or %rdx,%rax       ret
_CODE = b"\x0f\x31" + b"\x48\xc1\xe2\x20" + b"\x48\x09\xd0" + b"\xc3"

_page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE
                  | mmap.PROT_EXEC)
_page.write(_CODE)
rdtsc = ctypes.CFUNCTYPE(ctypes.c_uint64)(
    ctypes.addressof(ctypes.c_char.from_buffer(_page)))

DEBUGFS = "/sys/kernel/debug"

# Where debugfs isn't mounted, this mounts it for the length of one command in
# a mount namespace of its own: nothing is left behind.
_SCRIPT = """
mountpoint -q {0} || mount -t debugfs none {0} || exit 1
cd {0}/kvm || exit 1
for f in {1}-*/vcpu*/tsc-offset {1}-*/vcpu*/tsc-scaling-ratio; do
    test -e "$f" && echo "$f $(cat "$f")"
done
true
"""


def kvm_scaling(pid):
    """{vcpu id: (offset, ratio or None)} from KVM's debugfs; {} without it."""
    if os.geteuid() != 0:
        return {}
    try:
        run = subprocess.run(
            ["unshare", "--mount", "sh", "-c", _SCRIPT.format(DEBUGFS, pid)],
            capture_output=True, text=True, timeout=LIMIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    values = {}
    for line in run.stdout.splitlines():
        path, _, value = line.partition(" ")
        _, vcpu, name = path.split("/")
        if value:       # none of a scratch VM that has just gone
            values.setdefault(int(vcpu[4:]), {})[name] = int(value)
    return {vcpu: (found["tsc-offset"], found.get("tsc-scaling-ratio"))
            for vcpu, found in values.items() if "tsc-offset" in found}


# Narrow enough: some 15 us. More pings would narrow it further.
ENOUGH_TICKS = 40000
SPIN_TICKS = 1 << 20
GIVE_UP_TICKS = 1 << 33


def bracket_offset(guest, index=0, pings=40):
    """(low, high) bounds of guest TSC - host TSC of an unscaled guest, or None.

    The guest reads its TSC after it saw the ping and before we see the pong,
    so each round trip bounds the offset on both sides."""
    low = high = None
    number = guest.pong(index)
    for turn in range(pings):
        number = (number + 1) & 0xffffffff
        sent = rdtsc()
        guest.ping(number)
        if not _wait_pong(guest, index, number, sent, spin=turn % 2):
            break
        slot = guest.glance(index)
        now = rdtsc()
        if slot is None or slot.pong != number:
            continue
        high = slot.tsc - sent if high is None else min(high, slot.tsc - sent)
        low = slot.tsc - now if low is None else max(low, slot.tsc - now)
        if high - low < ENOUGH_TICKS:
            break
    return None if low is None else (low, high)


def _wait_pong(guest, index, number, sent, spin):
    """Spinning is precise if the guest has a CPU of its own; giving way is if
    it shares this one. So the caller takes turns."""
    while guest.pong(index) != number:
        waited = rdtsc() - sent
        if waited > GIVE_UP_TICKS:
            return False
        if not spin or waited > SPIN_TICKS:
            time.sleep(0.00002)
    return True


def _realtime_now(tries=100):
    """(TSC before, CLOCK_REALTIME in ns, TSC after), as narrow as it gets."""
    best = None
    for _ in range(tries):
        before = rdtsc()
        now_ns = time.clock_gettime_ns(time.CLOCK_REALTIME)
        after = rdtsc()
        if best is None or after - before < best[2] - best[0]:
            best = before, now_ns, after
    return best


@functools.lru_cache(None)
def _ticks_per_ns():
    """To some ppm."""
    first, then_ns, _ = _realtime_now()
    time.sleep(0.5)
    last, now_ns, _ = _realtime_now()
    return (last - first) / (now_ns - then_ns)


def realtime_at(tsc):
    """(low, high) bounds of this machine's CLOCK_REALTIME at a TSC of a moment
    ago, in ns."""
    before, now_ns, after = _realtime_now()
    return tuple(now_ns + round((tsc - edge) / _ticks_per_ns())
                 for edge in (after, before))
