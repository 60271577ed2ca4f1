# SPDX-License-Identifier: GPL-2.0-or-later
"""Recorded migration streams: QEMU describes each at its end, in JSON."""
import contextlib
import json

VMDESCRIPTION = 0x06
SUBSECTION = 0x05
FOOTER = 0x7e
# type, id, length of the name, instance, version; footer: type, id
FOOTER_BYTES = 1 + 4
SECTION_BYTES = 1 + 4 + 1 + 4 + 4 + FOOTER_BYTES


class NoDescription(Exception):
    """The file isn't a whole migration stream."""


def make_subsection(name, content):
    """A subsection of version 1, as it stands in a stream."""
    return bytes([SUBSECTION, len(name)]) + name.encode() + \
        (1).to_bytes(4, "big") + content


def description_start(data):
    """Where the description's section begins; it fills the rest."""
    at = data.rfind(bytes([VMDESCRIPTION]))
    while at >= 0:
        if int.from_bytes(data[at + 1:at + 5], "big") == len(data) - at - 5:
            return at
        at = data.rfind(bytes([VMDESCRIPTION]), 0, at)
    raise NoDescription("no description at the stream's end")


def is_whole(data):
    """Whether a stream, of which this may be the end, is complete."""
    try:
        description_start(data)
    except NoDescription:
        return False
    return True


def describe(data):
    return json.loads(data[description_start(data) + 5:])


@contextlib.contextmanager
def edited(path):
    """The stream in that file, as bytes to be changed there."""
    with open(path, "rb") as file:
        data = bytearray(file.read())
    yield data
    with open(path, "wb") as file:
        file.write(data)


def names(description):
    """{(device, instance, path of vmsd names)} of all that was sent."""
    found = set()

    def walk(prefix, vmsd):
        path = prefix + (vmsd.get("vmsd_name", vmsd.get("name")),)
        found.add(path)
        for subsection in vmsd.get("subsections", []):
            walk(path, subsection)
        for field in vmsd.get("fields", []):
            if "struct" in field:
                walk(path + (field["name"],), field["struct"])

    for device in description["devices"]:
        walk((device["name"], device.get("instance_id")), device)
    return found


def fields(data):
    """Every field of every device: [(path, offset, size)].

    Sections stand in the order of the description; each must end in a footer
    just where its fields do, or the description lies."""
    found = []
    at = 0
    for device in describe(data)["devices"]:
        at = _after_header(data, at, device["name"], device["instance_id"])
        at = _walk(data, at, (device["name"],), device, found)
        if data[at] != FOOTER:
            raise NoDescription("%s doesn't end where it should"
                                % device["name"])
    return [(path, start, end - start) for kind, path, start, end in found
            if kind == "number"]


def parts(data):
    """Where sections, subsections and the numbers in them stand: [(kind, path,
    start, end)], kind being "section", "subsection" or "number". Unlike
    fields(), these are the members of structs one by one."""
    found = []
    at = 0
    for device in describe(data)["devices"]:
        name = device["name"]
        body = _after_header(data, at, name, device["instance_id"])
        path = ("%s.%d" % (name, device["instance_id"]),)
        at = _walk(data, body, path, device, found, True) + FOOTER_BYTES
        start = body + FOOTER_BYTES - SECTION_BYTES - len(name)
        found.append(("section", path, start, at))
    return found


def devices_size(data):
    """Bytes of all devices' sections, with their headers and footers."""
    size = at = 0
    for device in describe(data)["devices"]:
        start = _after_header(data, at, device["name"], device["instance_id"])
        at = _walk(data, start, (device["name"],), device, [])
        size += SECTION_BYTES + len(device["name"]) + at - start
    return size


def _after_header(data, at, name, instance):
    """Past {name, instance, version}; full sections only have these."""
    mark = bytes([len(name)]) + name.encode() + instance.to_bytes(4, "big")
    at = data.find(mark, at)
    if at < 0:
        raise NoDescription("no section %s" % name)
    return at + len(mark) + 4


def _walk(data, at, path, vmsd, found, into_structs=False):
    """As parts(); structs count as numbers, or it goes into them."""
    for field in _all_fields(vmsd):
        inside = path + (field["name"],)
        if into_structs and "struct" in field:
            at = _walk(data, at, inside, field["struct"], found, True)
        else:
            found.append(("number", inside, at, at + field["size"]))
            at += field["size"]
    for subsection in vmsd.get("subsections", []):
        name = subsection["vmsd_name"]
        if data[at] != SUBSECTION or \
                data[at + 2:at + 2 + len(name)] != name.encode():
            raise NoDescription("no subsection %s" % name)
        end = _walk(data, at + 2 + len(name) + 4, path + (name,), subsection,
                    found, into_structs)
        found.append(("subsection", path + (name,), at, end))
        at = end
    return at


def _all_fields(vmsd):
    """Fields, an array's elements one by one; old sections have one blob."""
    if "fields" not in vmsd:
        yield {"name": "(data)", "size": vmsd.get("size", 0)}
    for field in vmsd.get("fields", []):
        for _ in range(field.get("array_len", 1)):
            yield field


def difference(one, other, volatile=()):
    """How two streams of guests in the same state differ; [] if they don't.

    Fields of `volatile` paths may hold other values, nothing else may differ
    from the first device's section on. (Before that is RAM, of which a page
    may be sent twice.)"""
    mine, theirs = fields(one), fields(other)
    shape = [(path, size) for path, _, size in mine]
    if shape != [(path, size) for path, _, size in theirs]:
        return ["the fields differ: %s" % sorted(
            str(path) for path in names(describe(one)) ^ names(describe(other)))]
    if one[description_start(one):] != other[description_start(other):]:
        return ["the descriptions differ"]
    tail, other_tail = _blank(one, mine, volatile), _blank(other, theirs,
                                                           volatile)
    if tail == other_tail:
        return []
    return _places(tail, other_tail, mine)


def _blank(data, layout, volatile):
    """The devices' part of the stream, volatile fields zeroed."""
    data = bytearray(data)
    for path, at, size in layout:
        if path in volatile:
            data[at:at + size] = bytes(size)
    return data[layout[0][1]:]


def _places(one, other, layout):
    """Names of the differing fields, or of the field before the place."""
    start = layout[0][1]
    differing = [at + start for at, (a, b) in enumerate(zip(one, other))
                 if a != b]
    owners = []
    for place in differing:
        owner = [path for path, at, _ in layout if at <= place][-1]
        if owner not in owners:
            owners.append(owner)
    return ["differs: %s" % "/".join(owner) for owner in owners] or \
        ["%d bytes against %d" % (len(one), len(other))]
