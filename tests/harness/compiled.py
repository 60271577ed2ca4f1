# SPDX-License-Identifier: GPL-2.0-or-later
"""How a build compiles its files, for who reads them in its place."""
import json
import os
import shlex
from collections import namedtuple

# Options that say what is to be written, with their arguments.
OUTPUTS = {"-o": 2, "-MD": 1, "-MQ": 2, "-MF": 2}

# words: the compiler and its arguments, from this folder; nothing is written.
Command = namedtuple("Command", "path folder words")


def _command(entry):
    words = shlex.split(entry["command"])
    if os.path.basename(words[0]) == "ccache":
        del words[0]
    for option, count in OUTPUTS.items():
        if option in words:
            at = words.index(option)
            del words[at:at + count]
    path = os.path.normpath(os.path.join(entry["directory"], entry["file"]))
    return Command(path, entry["directory"], words)


def commands(build, top):
    """{path from the folder top: Command}; the first of a file's counts."""
    with open(os.path.join(build, "compile_commands.json"),
              encoding="utf-8") as file:
        every = [_command(entry) for entry in json.load(file)]
    found = {}
    for command in every:
        path = os.path.relpath(command.path, top)
        found.setdefault(path, command._replace(path=path))
    return found
