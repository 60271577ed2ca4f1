/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a vCPU's TSC really does: frequency and offset, checked. */
#include "calls.h"

int cf_read_guest_tsc(const CfKvmOps *ops, int vcpu_fd,
                      struct cf_tsc_reading *ret_reading)
{
    struct cf_tsc_reading best = { .before_ticks = 1 };
    int try;

    for (try = 0; try < CF_READINGS; try++) {
        struct cf_tsc_reading reading = { .before_ticks = ops->read_tsc() };
        const int rc = ops->get_msr(vcpu_fd, CF_MSR_TSC, &reading.guest_ticks);

        if (rc < 0) {
            return rc;
        }
        reading.after_ticks = ops->read_tsc();
        cf_tsc_reading_keep(&best, &reading);
    }
    *ret_reading = best;
    return 0;
}

/* @fixed: the offset in @tsc is known to the tick, and stays. */
static CfFreqOrigin read_freq(const CfKvmOps *ops, const CfHost *host,
                              int vcpu_fd, bool fixed, struct cf_tsc *tsc)
{
    struct cf_tsc_reading reading;
    uint64_t ratio, frac_bits;
    bool read;
    uint32_t khz;

    if (ops->get_tsc_scale(vcpu_fd, &ratio, &frac_bits) == 0 && ratio &&
        frac_bits <= CF_FRAC_BITS_MAX) {
        tsc->freq = (struct cf_tsc_freq) {
            host->host_khz, (uint32_t)frac_bits, ratio,
        };
        return CF_FREQ_ATTRIBUTE;
    }
    if (!cf_has_tsc_control(host)) {
        /* KVM_GET_TSC_KHZ may tell a frequency that the host refused. */
        tsc->freq = cf_tsc_unscaled(host->host_khz, host->frac_bits);
        return CF_FREQ_UNSCALED;
    }
    read = fixed && cf_read_guest_tsc(ops, vcpu_fd, &reading) == 0;
    if (ops->get_tsc_khz(vcpu_fd, &khz) < 0 ||
        !cf_tsc_derive(khz, host->host_khz, host->frac_bits,
                       cf_tolerance_ppm(host), read ? &reading : NULL, tsc)) {
        return CF_FREQ_UNKNOWN;
    }
    return tsc->seen && read == fixed ? CF_FREQ_DERIVED : CF_FREQ_ASSUMED;
}

void cf_read_vcpu_tsc(const CfKvmOps *ops, const CfHost *host, int vcpu_fd,
                      CfVcpuState *ret_vcpu, uint64_t *ret_error_ticks)
{
    CfVcpuState vcpu = { 0 };
    struct cf_tsc_reading reading;
    struct cf_tsc tsc = { 0 };

    if (ops->get_tsc_offset(vcpu_fd, &tsc.offset_ticks) == 0) {
        vcpu.offset_origin = CF_OFFSET_ATTRIBUTE;
    }
    vcpu.freq_origin = read_freq(ops, host, vcpu_fd,
                                 vcpu.offset_origin &&
                                 host->offset != CF_OFFSET_REWINDS, &tsc);
    if (vcpu.offset_origin == CF_OFFSET_UNKNOWN &&
        vcpu.freq_origin != CF_FREQ_UNKNOWN &&
        cf_read_guest_tsc(ops, vcpu_fd, &reading) == 0 &&
        cf_tsc_measure(&reading, &tsc)) {
        vcpu.offset_origin = CF_OFFSET_MEASURED;
    }
    vcpu.freq = tsc.freq;
    vcpu.offset_ticks = tsc.offset_ticks;
    *ret_vcpu = vcpu;
    *ret_error_ticks = tsc.error_ticks;
}

int cf_write_tsc_offset(const CfKvmOps *ops, int vcpu_fd,
                        const struct cf_tsc *tsc, uint64_t offset_ticks)
{
    uint64_t guest_ticks;

    if (!tsc->error_ticks) {
        return ops->set_tsc_offset(vcpu_fd, offset_ticks);
    }
    /* Before 5.16. Writes within a second of each other are taken by KVM as
     * one, so the vCPUs stay in step. */
    if (!cf_tsc_host_to_guest(ops->read_tsc(), &tsc->freq, offset_ticks,
                              &guest_ticks)) {
        return -ERANGE;
    }
    return ops->set_msr(vcpu_fd, CF_MSR_TSC, guest_ticks);
}
