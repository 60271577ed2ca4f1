# SPDX-License-Identifier: GPL-2.0-or-later
"""The main promise: the guest's clocks cross a live migration unharmed."""
import statistics

from harness.check import SPREAD_NS, allowed_ns, patched, stock, tries
from harness.measure import tsc_step, worst
from harness.migrate import chain
from harness.tap import note

MEDIAN_NS = 1
STOCK_LEAST_NS = 100_000


def crossings(vcpus):
    steps = []
    for crossing in chain(patched(), vcpus, tries(20)):
        result = crossing.result
        report = crossing.report
        step, (ticks, width, how) = worst(result.steps_ns), tsc_step(result)
        note("step %d ns, bound %s ns, TSC step %s ticks (%s, +-%s), %s, "
             "residual %s ns, downtime %s ms" % (
                 step, report.get("bound-ns"), ticks, how, width,
                 report.get("rung"), report.get("residual-ns"),
                 crossing.downtime_ms))
        assert abs(step) <= allowed_ns(report), "kvmclock stepped %d ns" % step
        assert ticks == 0, "the TSC stepped %s ticks by %s" % (ticks, how)
        assert result.spread_ns <= SPREAD_NS, \
            "vCPUs' clocks are %d ns apart" % result.spread_ns
        assert result.same_slope, "the clock's rate changed"
        assert not result.tsc_warps, "the guest saw its TSC go back"
        assert result.clock_warps == 0 or step < 0, \
            "the guest saw its clock go back"
        assert report.get("same-host") is True, "report: %s" % report
        steps.append(step)
    median = statistics.median(abs(step) for step in steps)
    note("median of |step| %s ns, worst %d ns" % (median, worst(steps)))
    assert median <= MEDIAN_NS, "median of |step| is %s ns" % median


def test_one_vcpu():
    """20 patched migrations with 1 vCPU: step at most 5 ns, median 1;
    more only by as much as the guest had to wait for a CPU."""
    crossings(1)


def test_four_vcpus():
    """20 patched migrations with 4 vCPUs: the same, and all vCPUs agree."""
    crossings(4)


def test_stock():
    """5 stock migrations step the clock by more than 100 us each."""
    for crossing in chain(stock(), 1, tries(5), brackets=False):
        step = worst(crossing.result.steps_ns)
        note("step %d ns, downtime %s ms" % (step, crossing.downtime_ms))
        assert abs(step) > STOCK_LEAST_NS, \
            "stock stepped %d ns only: is this measurement right?" % step
