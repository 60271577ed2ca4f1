# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns a file into a C array: embed.py INPUT OUTPUT NAME"""
import sys

source, target, name = sys.argv[1:]
with open(source, "rb") as stream:
    data = stream.read()
with open(target, "w", encoding="ascii") as stream:
    stream.write("#include <stddef.h>\n"
                 f"extern const unsigned char {name}[];\n"
                 f"extern const size_t {name}_size;\n"
                 f"const size_t {name}_size = {len(data)};\n"
                 f"const unsigned char {name}[] = {{\n")
    for start in range(0, len(data), 16):
        row = data[start:start + 16]
        stream.write("    " + " ".join(f"{byte}," for byte in row) + "\n")
    stream.write("};\n")
