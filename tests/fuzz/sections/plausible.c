/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bounds of docs/reliability.rst ("What is plausible"), in arithmetic of
 * their own. */
#include "qemu/osdep.h"
#include <math.h>
#include "cpu.h"
#include "sections/plausible.h"

#define SECOND_NS 1000000000LL
#define HOUR_NS (3600 * SECOND_NS)

static const X86GuestTSC *guest_tsc(unsigned int vcpu)
{
    CPUState *cpu = first_cpu;

    while (vcpu--) {
        cpu = CPU_NEXT(cpu);
    }
    return &cpu_env(cpu)->guest_tsc;
}

static double hz(uint32_t host_khz, uint32_t frac_bits, uint64_t ratio)
{
    return (double)host_khz * 1000 * (double)ratio /
           (double)(1ULL << frac_bits);
}

static double vcpu_hz(const KVMClockCarried *c, int i)
{
    const X86GuestTSC *tsc = guest_tsc(i);

    return hz(c->host_khz, tsc->frac_bits, tsc->ratio);
}

static void must_be_plausible_fn(const KVMClockCarried *c)
{
    const X86GuestTSC *tsc = guest_tsc(0);
    const __int128 ticks = ((__int128)c->anchor.instant.host_ticks *
                            tsc->ratio >> tsc->frac_bits);
    const int64_t age_ticks = (int64_t)((uint64_t)ticks + tsc->offset -
                                        c->fn.tsc_ticks);
    const long double slope = ldexpl(c->fn.mul, c->fn.shift - 32);
    const long double age_ns = age_ticks * slope;
    const long double off_ns = (int64_t)(c->fn.system_ns -
                                         c->anchor.clock_ns) + age_ns;

    MUST(c->fn.mul && c->fn.shift >= -31 && c->fn.shift <= 31, "mul %u, shift "
         "%d", c->fn.mul, c->fn.shift);
    MUST(fabsl(slope * vcpu_hz(c, 0) / SECOND_NS - 1) < 0.00101L,
         "kvmclock's slope is %Lf", slope * vcpu_hz(c, 0) / SECOND_NS);
    MUST(fabsl(off_ns) <= SECOND_NS + fabsl(age_ns) / 999 + 2,
         "kvmclock is %Lf s off", off_ns / SECOND_NS);
}

static void must_be_plausible(const KVMClockCarried *c)
{
    const struct cf_instant *instant = &c->anchor.instant;

    MUST(!(c->flags & ~15), "flags %x", c->flags);
    MUST(c->anchor.clock_ns <= INT64_MAX, "clock %" PRIu64,
         c->anchor.clock_ns);
    MUST(c->anchor.slack_ns <= HOUR_NS, "slack %" PRIu64, c->anchor.slack_ns);
    MUST(instant->realtime_ns && instant->realtime_ns <= INT64_MAX,
         "real time %" PRIu64, instant->realtime_ns);
    MUST(instant->tai_offset_s >= -1000 && instant->tai_offset_s <= 1000,
         "%d leap seconds", instant->tai_offset_s);
    MUST(llabs(c->rate.ppt) <= 500000000 && c->rate.doubt_ppt >= 0 &&
         c->rate.doubt_ppt <= 1000000000, "rate %" PRId64 " to within %"
         PRId64, c->rate.ppt, c->rate.doubt_ppt);
    MUST(c->host_khz, "no frequency");
}

void must_be_plausible_arrival(const KVMClockCarrier *c,
                               unsigned int n_vcpus)
{
    const KVMClockCarried *carried = &c->carried;
    const KVMClockOffer *offer = &c->offer;
    unsigned int i;

    must_be_plausible(carried);
    MUST(carried->ahead_ns >= -4 && carried->ahead_ns <= 4, "ahead");
    MUST(carried->utc.error_ns == UINT64_MAX || carried->utc.ns <= INT64_MAX,
         "UTC %" PRIu64, carried->utc.ns);
    MUST(carried->n_exchanges <= 8, "%u exchanges", carried->n_exchanges);
    for (i = 0; i < n_vcpus; i++) {
        const X86GuestTSC *tsc = guest_tsc(i);

        MUST(!tsc->valid || (tsc->ratio && tsc->frac_bits <= 63), "ratio");
        MUST(!tsc->valid || !guest_tsc(0)->valid ||
             fabs(vcpu_hz(carried, i) / vcpu_hz(carried, 0) - 1) < 1.01e-9,
             "vCPU %u has another frequency", i);
    }
    if (!guest_tsc(0)->valid) {
        return;
    }
    if (carried->flags & KVMCLOCK_STATE_FN) {
        must_be_plausible_fn(carried);
    }
    MUST(!c->offered || fabs(vcpu_hz(carried, 0) / hz(
                                 offer->freq.host_khz, offer->freq.frac_bits,
                                 offer->freq.ratio) - 1) < 1.01e-9,
         "not the frequency that was offered");
}

void must_be_plausible_offer(const KVMClockCarrier *c)
{
    const KVMClockOffer *offer = &c->offer;

    MUST(offer->freq.host_khz && offer->freq.ratio &&
         offer->freq.frac_bits <= 63, "frequency");
    MUST(offer->policy < KVM_CLOCK_POLICY__MAX &&
         offer->require < KVM_CLOCK_RUNG__MAX, "policy %u, require %u",
         offer->policy, offer->require);
    MUST(offer->tells_time == c->tells_time, "only one has vmclock");
    MUST(!(offer->from.flags & ~15), "flags %x", offer->from.flags);
}
