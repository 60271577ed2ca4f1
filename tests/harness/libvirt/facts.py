# SPDX-License-Identifier: GPL-2.0-or-later
"""The facts about a guest, in its domain's metadata."""
import json
from fractions import Fraction
from xml.etree import ElementTree
from xml.sax.saxutils import escape

NAMESPACE = "urn:clockferry:facts:1"
KEY = "clockferry"


def element(text):
    return '<clockferry:facts xmlns:clockferry="%s">%s</clockferry:facts>' % (
        NAMESPACE, escape(text))


def metadata(text):
    """For a domain's XML; text is JSON, or what shall pass for it."""
    return "<metadata>%s</metadata>" % element(text)


def of_host(host):
    """What probe says of a host: enough for a guest that runs there."""
    done = host.run("clockferry", "probe", "--json")
    assert done.returncode in (0, 4), done.stderr
    return json.loads(done.stdout)


def of_guest(host, **more):
    """For domain.xml(metadata=...): facts as somebody wrote them down."""
    probed = of_host(host)
    known = {key: probed[key] for key in
             ("host", "boot_id", "host_khz", "instant", "max_error_ns",
              "tai_offset_s", "leap") if key in probed}
    frac_bits = probed.get("frac_bits", 48)
    return dict({"format": "clockferry-guest", "version": 1, "min_version": 1,
                 "ratio": str(1 << frac_bits), "frac_bits": frac_bits},
                **dict(known, **more))


def stored(host, name="ferry"):
    """What libvirt has in the domain's metadata; None if there is nothing."""
    done = host.virsh("metadata", name, NAMESPACE, "--live")
    if done.returncode or not done.stdout.strip():
        return None
    return json.loads(ElementTree.fromstring(done.stdout).text)


def store(host, known, name="ferry"):
    """As annotate does it: while the guest runs, and only for that long."""
    store_text(host, json.dumps(known), name)


def store_text(host, text, name="ferry"):
    """Through virsh's standard input, as an argument has its limits."""
    quoted = escape(text, {"'": "&apos;"})
    done = host.virsh(input="metadata '%s' %s --key %s --live --set "
                            "'<facts>%s</facts>'\n" %
                            (name, NAMESPACE, KEY, quoted))
    assert "Metadata modified" in done.stdout, done.stderr


def khz(known):
    """The guest TSC's effective frequency, exactly."""
    return Fraction(known["host_khz"] * int(known["ratio"]),
                    1 << known["frac_bits"])
