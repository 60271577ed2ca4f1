# SPDX-License-Identifier: GPL-2.0-or-later
"""Cases through the library and through QEMU."""
import library
import outcome
import qemu
from harness import fakehost
from harness.guest import GuestError


WAYS = (library.cross, qemu.cross)


def crossed(way, case):
    """Its outcome, and what was said; a failure is one, too."""
    try:
        return way(case)
    except (AssertionError, GuestError) as error:
        return {"verdict": "failed"}, str(error)


def difference(case, ways=WAYS):
    """What differs, in words; None if nothing does."""
    (by_library, said_library), (by_qemu, said_qemu) = [
        crossed(way, case) for way in ways]
    found = outcome.differences(by_library, by_qemu)
    if not found:
        return None
    lines = ["  %s: library %s, QEMU %s" % entry for entry in found]
    lines += ["  " + words for words in dict.fromkeys(
        map(fakehost.describe, (case.source, case.destination))) if words]
    return "\n".join([outcome.name(case)] + lines + [
        "  library: %s" % said_library, "  QEMU: %s" % said_qemu])


def agree(cases):
    """Both come to the same, in all of them."""
    found = [words for words in map(difference, cases) if words]
    assert not found, "%d of %d pairs differ:\n%s" % (
        len(found), len(cases), "\n".join(found))
