# SPDX-License-Identifier: GPL-2.0-or-later
"""The pvclock record as a function of guest TSC, in exact integers."""
import struct
from collections import namedtuple
from fractions import Fraction

MASK64 = (1 << 64) - 1
_FORMAT = "<IIQQIbBBB"


class Record(namedtuple("Record", "version tsc_timestamp system_time mul "
                                  "shift flags")):
    """What KVM writes into guest memory for one vCPU."""

    @classmethod
    def parse(cls, data):
        version, _, tsc, time, mul, shift, flags, _, _ = struct.unpack(
            _FORMAT, data[:32])
        return cls(version, tsc, time, mul, shift, flags)

    @property
    def whole(self):
        """False while KVM writes it, and before it ever did."""
        return self.version % 2 == 0 and self.mul != 0

    @property
    def function(self):
        """The fields that decide the clock."""
        return self.tsc_timestamp, self.system_time, self.mul, self.shift

    def at(self, tsc):
        """kvmclock in ns at a guest TSC, as a guest computes it."""
        delta = (tsc - self.tsc_timestamp) & MASK64
        if self.shift < 0:
            delta >>= -self.shift
        else:
            delta = (delta << self.shift) & MASK64
        return (self.system_time + (delta * self.mul >> 32)) & MASK64

    def exactly_at(self, tsc):
        """The same without rounding, as a fraction, from its TSC on."""
        ticks = (tsc - self.tsc_timestamp) & MASK64
        return self.system_time + \
            ticks * self.mul * Fraction(2) ** (self.shift - 32)

    def ticks_to_ns(self, ticks):
        """A length of time; the sign is kept."""
        shifted = ticks * 2.0 ** self.shift
        return shifted * self.mul / 2 ** 32

    def ns_to_ticks(self, ns):
        return int(ns / self.ticks_to_ns(1))


def signed64(value):
    """A difference modulo 2^64 as a signed number."""
    value &= MASK64
    return value - (1 << 64) if value >> 63 else value


def step_ns(source, destination, tsc):
    """Destination's clock minus source's at the same guest TSC."""
    return signed64(destination.at(tsc) - source.at(tsc))


def exact_step_ns(source, destination):
    """The same without rounding, from where on the later one counts."""
    tsc = max(source.tsc_timestamp, destination.tsc_timestamp)
    return destination.exactly_at(tsc) - source.exactly_at(tsc)


def spread_ns(records):
    """How far apart the clocks of several vCPUs are at one guest TSC."""
    tsc = max(record.tsc_timestamp for record in records)
    first = records[0]
    steps = [step_ns(first, record, tsc) for record in records]
    return max(steps) - min(steps)
