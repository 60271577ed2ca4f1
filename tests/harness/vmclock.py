# SPDX-License-Identifier: GPL-2.0-or-later
"""What a vmclock page tells its guest, in exact fractions; the layout is that
of Linux's vmclock-abi.h."""
import struct
from collections import namedtuple
from fractions import Fraction

MAGIC = 0x4b4c4356
COUNTER_TSC, COUNTER_INVALID = 1, 0xff
PERIOD_MAXERROR_VALID = 1 << 4
TIME_MAXERROR_VALID, GENERATION_PRESENT, NOTIFICATION_PRESENT = \
    1 << 6, 1 << 8, 1 << 9
UNKNOWN, INITIALIZING, SYNCHRONIZED, FREERUNNING, UNRELIABLE = range(5)

_FORM = "<IIHBBIQQ2xBBHBBQQQQQQQQQ"
_NAMES = ("magic size version counter_id time_type seq marker flags status "
          "smearing tai_offset leap shift ticks period period_esterror "
          "period_error sec frac esterror_ns error_ns generation")


class Page(namedtuple("Page", _NAMES)):
    @classmethod
    def parse(cls, data):
        return cls(*struct.unpack_from(_FORM, data))

    def _passed_s(self, tsc, period):
        return Fraction((tsc - self.ticks) * period, 1 << 64 + self.shift)

    def utc_ns(self, tsc):
        """UTC at a TSC, since 1970."""
        return (self.sec + Fraction(self.frac, 1 << 64) +
                self._passed_s(tsc, self.period)) * 10 ** 9

    def bound_ns(self, tsc):
        """How far that may be off, by the page itself; None: it doesn't say."""
        if not self.flags & TIME_MAXERROR_VALID:
            return None
        return self.error_ns + abs(self._passed_s(tsc, self.period_error)) * \
            10 ** 9

    def hz(self):
        return Fraction(1 << 64 + self.shift, self.period)
