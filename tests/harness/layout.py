# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the test guest publishes: the numbers of tests/guest/layout.h."""
import os
import re

HEADER_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                           "..", "guest", "layout.h")


def numbers(path):
    """{name: number} of a header's #defines, without CF_."""
    with open(path, encoding="utf-8") as header:
        pairs = re.findall(r"^#define\s+(CF_\w+)\s+(0x[0-9a-fA-F]+|\d+)\b",
                           header.read(), re.M)
    return {name[3:]: int(value, 0) for name, value in pairs}


_values = numbers(HEADER_FILE)
globals().update(_values)
MAGIC = (_values["MAGIC_LO"] | _values["MAGIC_HI"] << 32).to_bytes(8, "little")
