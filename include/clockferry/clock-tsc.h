/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is known about one vCPU's TSC: its frequency and offset, from what KVM
 * tells and from readings, and what a host does with an offset.
 *
 * Pure, header-only and shared with the QEMU series, like clock-plan.h.
 */
#ifndef CLOCKFERRY_CLOCK_TSC_H
#define CLOCKFERRY_CLOCK_TSC_H

#include "clock-math.h"
#include "clock-policy.h"

/* kvm.tsc_tolerance_ppm where nobody changed it. */
#define CF_TOLERANCE_PPM 250

/*
 * Minutes: farther than any offset that is wanted from the one there is, and
 * than any doubt about when a TSC was read.
 */
#define CF_FAR_TICKS (1ULL << 40)

/* How often to read what an interrupt may disturb; the narrowest counts. */
#define CF_READINGS 5

/**
 * struct cf_tsc - the TSC of one vCPU
 * @known: all of it is
 * @seen: @freq is what was seen, not only what KVM was asked for
 * @freq: effective frequency; all 0 when unknown
 * @offset_ticks: guest TSC - scaled host TSC, modulo 2^64
 * @error_ticks: @offset_ticks is right to within this; 0: to the tick
 */
struct cf_tsc {
    bool known;
    bool seen;
    struct cf_tsc_freq freq;
    uint64_t offset_ticks;
    uint64_t error_ticks;
};

/* cf_tsc_at - the guest TSC at a host TSC; false if it isn't known */
static inline bool cf_tsc_at(const struct cf_tsc *tsc, uint64_t host_ticks,
                             uint64_t *ret_guest_ticks)
{
    return tsc->known && cf_tsc_host_to_guest(host_ticks, &tsc->freq,
                                              tsc->offset_ticks,
                                              ret_guest_ticks);
}

/* struct cf_tsc_reading - a guest TSC between two readings of the host's */
struct cf_tsc_reading {
    uint64_t before_ticks;
    uint64_t guest_ticks;
    uint64_t after_ticks;
};

/*
 * cf_tsc_reading_keep - keep the narrower of two readings in @best; a width
 * of -1 is wider than all. In the other one there was an interrupt.
 */
static inline void cf_tsc_reading_keep(struct cf_tsc_reading *best,
                                       const struct cf_tsc_reading *reading)
{
    if (reading->after_ticks - reading->before_ticks <
        best->after_ticks - best->before_ticks) {
        *best = *reading;
    }
}

/**
 * cf_tsc_measure - write the offset that a reading shows, with its error
 *
 * By @tsc's frequency. For kernels before 5.16, which don't tell it. False if
 * the frequency is invalid.
 */
static inline bool cf_tsc_measure(const struct cf_tsc_reading *reading,
                                  struct cf_tsc *tsc)
{
    uint64_t low_ticks, high_ticks;

    if (!cf_tsc_host_to_guest(reading->before_ticks, &tsc->freq, 0,
                              &low_ticks) ||
        !cf_tsc_host_to_guest(reading->after_ticks, &tsc->freq, 0,
                              &high_ticks)) {
        return false;
    }
    tsc->error_ticks = (high_ticks - low_ticks) / 2 + 1;
    tsc->offset_ticks = reading->guest_ticks - low_ticks + 1 -
                        tsc->error_ticks;
    return true;
}

/*
 * cf_tsc_reading_fits - could the TSC be what was read, with this frequency
 * and offset?
 */
static inline bool cf_tsc_reading_fits(const struct cf_tsc_reading *reading,
                                       const struct cf_tsc_freq *freq,
                                       uint64_t offset_ticks)
{
    uint64_t low_ticks, high_ticks;

    /* As differences, for the TSC may wrap in between. */
    return cf_tsc_host_to_guest(reading->before_ticks, freq, offset_ticks,
                                &low_ticks) &&
           cf_tsc_host_to_guest(reading->after_ticks, freq, offset_ticks,
                                &high_ticks) &&
           reading->guest_ticks - low_ticks <= high_ticks - low_ticks;
}

/**
 * cf_tsc_is_at - is the offset this one, as far as it is known?
 * @slack_ns: how much farther off a measured one may be
 */
static inline bool cf_tsc_is_at(const struct cf_tsc *tsc,
                                uint64_t offset_ticks, uint64_t slack_ns)
{
    uint64_t slack_ticks = tsc->error_ticks;

    if (slack_ticks) {
        slack_ticks += tsc->freq.host_khz * slack_ns / 1000000;
    }
    return cf_magnitude((int64_t)(tsc->offset_ticks - offset_ticks)) <=
           slack_ticks;
}

/**
 * cf_tsc_merge - give a captured offset the boot vCPU's if it may be that
 * @host: what this host does with an offset
 *
 * Before 5.16 KVM had one offset for all vCPUs whose TSCs were written within
 * a second; only the measurements differ, by no more than their errors. TSCs
 * that differ by more were meant to. On a host with an unstable TSC an offset
 * only says when its vCPU ran last.
 */
static inline void cf_tsc_merge(struct cf_tsc *tsc, const struct cf_tsc *boot,
                                enum cf_offset host)
{
    const bool measured = tsc->error_ticks && boot->error_ticks;
    struct cf_tsc both = *tsc;

    both.error_ticks += boot->error_ticks;
    if (tsc->known && boot->known && tsc->freq.ratio == boot->freq.ratio &&
        (host == CF_OFFSET_REWINDS ||
         (measured && cf_tsc_is_at(&both, boot->offset_ticks, 0)))) {
        tsc->offset_ticks = boot->offset_ticks;
    }
}

/* Farther apart hardly a guest has the TSCs of its vCPUs by itself. */
#define CF_TSC_APART_NS CF_NS_PER_SEC

/**
 * cf_tsc_apart - are two vCPUs' TSCs so far apart that it has to be told?
 * @host_ticks: when
 * @ret_ns: how far, if so
 *
 * A guest may have them so, so they are carried.
 */
static inline bool cf_tsc_apart(const struct cf_tsc *tsc,
                                const struct cf_tsc *boot,
                                uint64_t host_ticks, uint64_t *ret_ns)
{
    uint64_t ticks, boot_ticks;
    uint32_t khz;

    return cf_tsc_at(tsc, host_ticks, &ticks) &&
           cf_tsc_at(boot, host_ticks, &boot_ticks) &&
           cf_tsc_freq_khz(&boot->freq, &khz) &&
           cf_ticks_to_ns(cf_magnitude((int64_t)(ticks - boot_ticks)), khz,
                          ret_ns) &&
           *ret_ns > CF_TSC_APART_NS;
}

/*
 * cf_freq_is_near - do two frequencies differ by no more than two roundings
 * of a ratio make of one?
 */
static inline bool cf_freq_is_near(const struct cf_tsc_freq *a,
                                   const struct cf_tsc_freq *b)
{
    int64_t ppt;

    return cf_tsc_rate_error_ppt(a, b, &ppt) && cf_rate_is_exact(ppt);
}

/* cf_tsc_unscaled - the host's own frequency; @frac_bits is at most 63 */
static inline struct cf_tsc_freq cf_tsc_unscaled(uint32_t host_khz,
                                                 uint32_t frac_bits)
{
    const struct cf_tsc_freq freq = {
        host_khz, frac_bits, 1ULL << (frac_bits & CF_FRAC_BITS_MAX),
    };

    return freq;
}

/**
 * cf_tsc_is_tolerated - does KVM leave a TSC unscaled that shall have @khz?
 * @ppm: kvm.tsc_tolerance_ppm
 *
 * As KVM decides it, roundings included.
 */
static inline bool cf_tsc_is_tolerated(uint32_t khz, uint32_t host_khz,
                                       uint32_t ppm)
{
    const uint64_t one = 1000000, tolerance = ppm < one ? ppm : one;

    return khz >= host_khz * (one - tolerance) / one &&
           khz <= host_khz * (one + tolerance) / one;
}

/**
 * cf_tsc_derive - write the frequency of a TSC whose ratio isn't told
 * @khz: what KVM_GET_TSC_KHZ says; may have been refused
 * @frac_bits: of the CPU's ratios, 32 or 48
 * @ppm: kvm.tsc_tolerance_ppm
 * @reading: of the guest's TSC; NULL if its offset isn't known to the tick
 *
 * KVM scales by the frequency that was asked for, unless that is within its
 * tolerance: the guest's TSC tells which. Before 5.16 there is no offset to
 * compare it with, nor on a host whose TSC is unstable, where it changes with
 * each call; there KVM's rule stands. False if no ratio gives @khz.
 */
static inline bool cf_tsc_derive(uint32_t khz, uint32_t host_khz,
                                 uint32_t frac_bits, uint32_t ppm,
                                 const struct cf_tsc_reading *reading,
                                 struct cf_tsc *tsc)
{
    struct cf_tsc_freq freq = cf_tsc_unscaled(host_khz, frac_bits);

    tsc->seen = true;
    tsc->freq = freq;
    if (khz == host_khz ||
        (reading ? cf_tsc_reading_fits(reading, &freq, tsc->offset_ticks)
                 : cf_tsc_is_tolerated(khz, host_khz, ppm))) {
        return true;
    }
    if (!cf_tsc_ratio_from_khz(khz, host_khz, frac_bits, &freq.ratio)) {
        return false;
    }
    tsc->freq = freq;
    tsc->seen = !reading ||
                cf_tsc_reading_fits(reading, &freq, tsc->offset_ticks);
    return true;
}

/* How long to wait between two readings that show whether a TSC runs. */
#define CF_RUNS_US 100

/*
 * cf_tsc_stands - did an unscaled TSC advance by less than the host's between
 * two readings? On a host with an unstable TSC each puts it back.
 */
static inline bool cf_tsc_stands(const struct cf_tsc_reading *first,
                                 const struct cf_tsc_reading *second)
{
    return (int64_t)(second->guest_ticks - first->guest_ticks) <
           (int64_t)(second->before_ticks - first->after_ticks);
}

/**
 * cf_offset_behaviour - what a host does with a TSC offset
 * @old: the vCPU's TSC before CF_FAR_TICKS more were written, and
 * @back: as it is read back then
 * @before_ticks, @after_ticks: the guest TSC, likewise
 *
 * By what the TSC does, for hosts say success and ignore the offset. Where the
 * offset is only measured, ask cf_tsc_stands() as well.
 */
static inline enum cf_offset cf_offset_behaviour(const struct cf_tsc *old,
                                                 const struct cf_tsc *back,
                                                 uint64_t before_ticks,
                                                 uint64_t after_ticks)
{
    if (after_ticks - before_ticks < CF_FAR_TICKS / 2) {
        return CF_OFFSET_IGNORED;
    }
    return back->error_ticks ||
           back->offset_ticks - old->offset_ticks == CF_FAR_TICKS
           ? CF_OFFSET_STICKS : CF_OFFSET_REWINDS;
}

#endif /* CLOCKFERRY_CLOCK_TSC_H */
