# SPDX-License-Identifier: GPL-2.0-or-later
"""What the lab tries on hosts with Intel's processors.

Only data, as in scenarios.py. Their time has nothing to do with that of others,
so a guest goes to another host through a file."""
import scenarios
from host import Spec
from scenarios import APART, RELEASED, Bounds, Scenario

MHZ = 1000
A = Spec(khz=200 * MHZ, emulator="bochs")
B = A._replace(khz=160 * MHZ)
# VMX, but no TSC scaling.
OLD = "corei7_haswell_4770"
AMD = scenarios.A._replace(khz=160 * MHZ)
COMMON = "kvm64"
SAME = Bounds(tsc_ns=0, elapsed="same")


def _filed(name, about, a, b, bounds=Bounds(), **more):
    return Scenario(name, about, a, b, action="snapshot", bounds=bounds, **more)


SCENARIOS = [
    Scenario("intel-same-host", "two QEMUs on one host, by a socket", A, None,
             action="same-host", bounds=SAME),
    Scenario("intel-same-host-released", "the same, a released kernel",
             A._replace(kernel="released"), None, action="same-host",
             bounds=RELEASED._replace(tsc_ns=0, elapsed="same")),
    # -- through a file --
    _filed("intel-equal", "to a host like it", A, A),
    _filed("intel-slower", "200 to 160 MHz", A, B),
    _filed("intel-faster", "160 to 200 MHz", B, A),
    _filed("intel-2-khz", "2 kHz apart, within KVM's tolerance: unscaled", A,
           A._replace(khz=A.khz + 2), APART),
    _filed("intel-100-khz", "100 kHz apart, beyond it", A,
           A._replace(khz=A.khz + 100)),
    _filed("intel-unscaled", "to a processor that doesn't scale TSCs, same "
           "frequency", A, A._replace(cpu=OLD)),
    _filed("intel-released", "200 to 160 MHz, released kernels",
           A._replace(kernel="released"), B._replace(kernel="released"),
           RELEASED._replace(step_ns=0, plus_bound=True)),
    # -- between the vendors, whose processors have little in common --
    _filed("intel-to-amd", "200 MHz to an AMD host of 160 MHz", A, AMD,
           cpu=COMMON),
    _filed("intel-from-amd", "from there to 200 MHz", AMD, A, cpu=COMMON),
]

CHECK = ("intel-same-host", "intel-slower")
