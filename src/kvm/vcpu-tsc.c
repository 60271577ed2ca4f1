/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a vCPU's TSC really does: frequency and offset, checked. */
#include "calls.h"

int cf_read_guest_tsc(const CfKvmOps *ops, int vcpu_fd,
                      CfTscReading *ret_reading)
{
    uint64_t narrowest_ticks = UINT64_MAX;
    int try;

    for (try = 0; try < 4; try++) {
        CfTscReading reading;
        uint64_t width_ticks;
        int rc;

        reading.before_ticks = ops->read_tsc();
        rc = ops->get_msr(vcpu_fd, CF_MSR_TSC, &reading.guest_ticks);
        if (rc < 0) {
            return rc;
        }
        reading.after_ticks = ops->read_tsc();
        width_ticks = reading.after_ticks - reading.before_ticks;
        if (width_ticks < narrowest_ticks) {
            narrowest_ticks = width_ticks;
            *ret_reading = reading;
        }
    }
    return narrowest_ticks == UINT64_MAX ? -EIO : 0;
}

bool cf_tsc_reading_fits(const CfTscReading *reading,
                         const struct cf_tsc_freq *freq, uint64_t offset_ticks)
{
    uint64_t low_ticks, high_ticks;

    if (!cf_tsc_host_to_guest(reading->before_ticks, freq, offset_ticks,
                              &low_ticks) ||
        !cf_tsc_host_to_guest(reading->after_ticks, freq, offset_ticks,
                              &high_ticks)) {
        return false;
    }
    /* As differences, for the TSC may wrap in between. */
    return reading->guest_ticks - low_ticks <= high_ticks - low_ticks;
}

static void set_unscaled(CfVcpuState *vcpu, CfFreqOrigin origin,
                         uint32_t host_khz, uint32_t frac_bits)
{
    vcpu->freq_origin = origin;
    vcpu->freq.host_khz = host_khz;
    vcpu->freq.frac_bits = frac_bits;
    vcpu->freq.ratio = 1ULL << frac_bits;
}

/*
 * KVM scales by the frequency that was asked for, unless that is within
 * kvm.tsc_tolerance_ppm of the host's own: then the guest runs unscaled. The
 * guest's TSC tells which.
 */
static void derive_freq(const CfKvmOps *ops, const CfHost *host, int vcpu_fd,
                        CfVcpuState *vcpu)
{
    struct cf_tsc_freq scaled = {
        .host_khz = host->host_khz,
        .frac_bits = host->frac_bits,
    };
    CfTscReading reading;
    uint32_t khz;

    if (ops->get_tsc_khz(vcpu_fd, &khz) < 0) {
        return;
    }
    if (khz == host->host_khz) {
        set_unscaled(vcpu, CF_FREQ_DERIVED, khz, host->frac_bits);
        return;
    }
    if (!cf_tsc_ratio_from_khz(khz, host->host_khz, host->frac_bits,
                               &scaled.ratio)) {
        return;
    }
    if (vcpu->offset_origin == CF_OFFSET_ATTRIBUTE &&
        cf_read_guest_tsc(ops, vcpu_fd, &reading) == 0) {
        set_unscaled(vcpu, CF_FREQ_DERIVED, host->host_khz, host->frac_bits);
        if (cf_tsc_reading_fits(&reading, &vcpu->freq, vcpu->offset_ticks)) {
            return;
        }
        vcpu->freq = scaled;
        if (cf_tsc_reading_fits(&reading, &scaled, vcpu->offset_ticks)) {
            return;
        }
    }
    vcpu->freq_origin = CF_FREQ_ASSUMED;
    vcpu->freq = scaled;
}

static void read_freq(const CfKvmOps *ops, const CfHost *host, int vcpu_fd,
                      CfVcpuState *vcpu)
{
    uint64_t ratio, frac_bits;

    if (ops->get_tsc_scale(vcpu_fd, &ratio, &frac_bits) == 0 && ratio &&
        frac_bits <= CF_FRAC_BITS_MAX) {
        vcpu->freq_origin = CF_FREQ_ATTRIBUTE;
        vcpu->freq.host_khz = host->host_khz;
        vcpu->freq.frac_bits = (uint32_t)frac_bits;
        vcpu->freq.ratio = ratio;
    } else if (cf_has_tsc_control(host)) {
        derive_freq(ops, host, vcpu_fd, vcpu);
    } else {
        /* KVM_GET_TSC_KHZ may tell a frequency that the host refused. */
        set_unscaled(vcpu, CF_FREQ_UNSCALED, host->host_khz, host->frac_bits);
    }
}

/* Kernels before 5.16: the offset is what MSR_IA32_TSC is ahead by. */
static void measure_offset(const CfKvmOps *ops, int vcpu_fd, CfVcpuState *vcpu,
                           uint64_t *ret_error_ticks)
{
    CfTscReading reading;
    uint64_t low_ticks, high_ticks;

    if (vcpu->freq_origin == CF_FREQ_UNKNOWN ||
        cf_read_guest_tsc(ops, vcpu_fd, &reading) < 0 ||
        !cf_tsc_host_to_guest(reading.before_ticks, &vcpu->freq, 0,
                              &low_ticks) ||
        !cf_tsc_host_to_guest(reading.after_ticks, &vcpu->freq, 0,
                              &high_ticks)) {
        return;
    }
    *ret_error_ticks = (high_ticks - low_ticks + 1) / 2;
    vcpu->offset_origin = CF_OFFSET_MEASURED;
    vcpu->offset_ticks = reading.guest_ticks - low_ticks -
                         (high_ticks - low_ticks) / 2;
}

void cf_read_vcpu_tsc(const CfKvmOps *ops, const CfHost *host, int vcpu_fd,
                      CfVcpuState *ret_vcpu, uint64_t *ret_error_ticks)
{
    CfVcpuState vcpu = { 0 };

    *ret_error_ticks = 0;
    if (ops->get_tsc_offset(vcpu_fd, &vcpu.offset_ticks) == 0) {
        vcpu.offset_origin = CF_OFFSET_ATTRIBUTE;
    }
    read_freq(ops, host, vcpu_fd, &vcpu);
    if (vcpu.offset_origin == CF_OFFSET_UNKNOWN) {
        measure_offset(ops, vcpu_fd, &vcpu, ret_error_ticks);
    }
    *ret_vcpu = vcpu;
}
