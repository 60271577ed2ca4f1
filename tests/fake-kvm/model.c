/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The model's state: TSCs, the master clock, guests' records. */
#include <string.h>
#include "model.h"

/* In millionths of ns: the time by a TSC that is somewhat fast. */
static cf_u128 fast(const FakeHost *host, uint64_t true_ns)
{
    return (cf_u128)true_ns * (uint64_t)(1000000 + host->rate_ppm);
}

static uint32_t tsc_khz_of(const FakeHost *host)
{
    return host->tsc_khz ? host->tsc_khz : host->khz;
}

uint64_t fake_host_ticks_at(const FakeHost *host, uint64_t true_ns)
{
    return host->tsc_base_ticks +
           (uint64_t)(fast(host, true_ns) * tsc_khz_of(host) / 1000000 /
                      1000000);
}

uint64_t fake_raw_ns_at(const FakeHost *host, uint64_t true_ns)
{
    return (uint64_t)(fast(host, true_ns) * tsc_khz_of(host) / host->khz /
                      1000000);
}

uint64_t fake_host_ticks(const FakeHost *host)
{
    return fake_host_ticks_at(host, fake_true_ns());
}

uint64_t fake_realtime_ns(const FakeHost *host)
{
    return host->realtime_base_ns + fake_true_ns();
}

static struct cf_tsc_freq freq_of(const FakeVcpu *vcpu)
{
    const FakeHost *host = vcpu->vm->host;

    return (struct cf_tsc_freq) { host->khz, host->frac_bits, vcpu->ratio };
}

/* With ratio 0 the TSC stands still. */
uint64_t fake_guest_ticks_at(const FakeVcpu *vcpu, uint64_t host_ticks)
{
    const struct cf_tsc_freq freq = freq_of(vcpu);
    uint64_t ticks = vcpu->offset_ticks;

    (void)cf_tsc_host_to_guest(host_ticks, &freq, vcpu->offset_ticks, &ticks);
    return ticks;
}

uint64_t fake_guest_ticks(const FakeVcpu *vcpu)
{
    return fake_guest_ticks_at(vcpu, fake_host_ticks(vcpu->vm->host));
}

static uint64_t virtual_ticks(const FakeVcpu *vcpu, uint64_t ns)
{
    const struct cf_tsc_freq freq = { vcpu->virtual_khz, 0, 1 };
    uint64_t ticks = 0;

    (void)cf_ns_to_ticks(ns, &freq, &ticks);
    return ticks;
}

/* -- The master clock -- */

/* KVM_GET_CLOCK computes with the host's kHz, whatever the guest's scale. */
uint64_t fake_clock_ns_at(const FakeVm *vm, uint64_t true_ns)
{
    struct cf_clock_fn fn = {
        .tsc_ticks = vm->ref_ticks,
        .system_ns = vm->ref_ns + vm->clock_offset_ns,
    };
    int64_t ns;

    if (!vm->master || !cf_clock_fn_set_hz(&fn, vm->host->khz * 1000ULL) ||
        !cf_clock_fn_eval(&fn, fake_host_ticks_at(vm->host, true_ns), &ns)) {
        return fake_raw_ns_at(vm->host, true_ns) + vm->clock_offset_ns;
    }
    return (uint64_t)ns;
}

static bool rates_equal(const FakeVm *vm)
{
    uint32_t i;

    for (i = 1; i < vm->n_vcpus; i++) {
        if (vm->vcpus[i].ratio != vm->vcpus[0].ratio) {
            return false;
        }
    }
    return true;
}

/* The first vCPU of a generation isn't counted. */
static bool all_matched(const FakeVm *vm)
{
    return vm->n_matched + 1 == vm->n_vcpus;
}

static bool may_be_master(const FakeVm *vm)
{
    return vm->host->master_clock != FAKE_MASTER_CLOCK_NEVER &&
           (vm->host->unequal_offsets_allowed ? rates_equal(vm)
                                              : all_matched(vm));
}

void fake_take_reference(FakeVm *vm)
{
    vm->ref_true_ns = fake_true_ns();
    vm->ref_ns = fake_raw_ns_at(vm->host, vm->ref_true_ns);
    vm->ref_ticks = fake_host_ticks_at(vm->host, vm->ref_true_ns);
    vm->master = may_be_master(vm);
    vm->all_equal = all_matched(vm) && rates_equal(vm);
}

void fake_request_records(FakeVm *vm)
{
    uint32_t i;

    for (i = 0; i < vm->n_vcpus; i++) {
        vm->vcpus[i].record_pending = true;
    }
    fake_hv_request_page(vm);
}

void fake_consume_update(FakeVcpu *vcpu)
{
    if (vcpu->update_pending) {
        vcpu->update_pending = false;
        fake_take_reference(vcpu->vm);
        fake_request_records(vcpu->vm);
    }
}

/* -- Writes of the TSC -- */

static void request_update(FakeVcpu *vcpu, bool new_generation)
{
    FakeVm *vm = vcpu->vm;
    const bool equality_matters = vm->host->unequal_offsets_allowed;

    if ((vm->master && new_generation) || vm->master != may_be_master(vm) ||
        (equality_matters &&
         vm->all_equal != (all_matched(vm) && rates_equal(vm)))) {
        vcpu->update_pending = true;
    }
}

/* Where offsets are ignored, KVM keeps its books all the same. */
static void book_write(FakeVcpu *vcpu, const FakeTscWrite *write, bool matched)
{
    FakeVm *vm = vcpu->vm;

    vm->last = *write;
    vcpu->last_ticks = write->ticks;
    if (vm->host->offset != CF_OFFSET_IGNORED) {
        vcpu->offset_ticks = write->offset_ticks;
    }
    if (!matched) {
        vm->generation++;
        vm->first = *write;
        vm->n_matched = 0;
    } else if (vcpu->generation != vm->generation) {
        vm->n_matched++;
    }
    vcpu->generation = vm->generation;
    vcpu->baseline = vm->first;
    request_update(vcpu, !matched);
}

static uint64_t scaled_ticks(const FakeVcpu *vcpu, uint64_t true_ns)
{
    return fake_guest_ticks_at(vcpu, fake_host_ticks_at(vcpu->vm->host,
                                                        true_ns)) -
           vcpu->offset_ticks;
}

void fake_write_offset(FakeVcpu *vcpu, uint64_t offset_ticks)
{
    const FakeTscWrite *last = &vcpu->vm->last;
    const uint64_t now_ns = fake_true_ns();
    const FakeTscWrite write = {
        .ticks = scaled_ticks(vcpu, now_ns) + offset_ticks,
        .ns = now_ns,
        .offset_ticks = offset_ticks,
        .khz = vcpu->virtual_khz,
    };

    book_write(vcpu, &write, last->khz == write.khz &&
                             last->offset_ticks == offset_ticks);
}

/* KVM takes a value within a second of the last one, or 0, for the same. */
static bool means_the_last(const FakeVcpu *vcpu, uint64_t ticks,
                           uint64_t now_ns)
{
    const FakeTscWrite *last = &vcpu->vm->last;
    const uint64_t second_ticks = vcpu->virtual_khz * 1000ULL;
    const uint64_t expected_ticks =
        last->ticks + virtual_ticks(vcpu, now_ns - last->ns);

    return last->khz == vcpu->virtual_khz &&
           (!ticks || ticks - expected_ticks + second_ticks <
                      2 * second_ticks);
}

void fake_write_tsc(FakeVcpu *vcpu, uint64_t ticks)
{
    const FakeVm *vm = vcpu->vm;
    const uint64_t now_ns = fake_true_ns();
    const bool matched = means_the_last(vcpu, ticks, now_ns);
    FakeTscWrite write = {
        .ticks = ticks,
        .ns = now_ns,
        .offset_ticks = ticks - scaled_ticks(vcpu, now_ns),
        .khz = vcpu->virtual_khz,
    };

    if (matched && vm->host->offset == CF_OFFSET_REWINDS) {
        write.offset_ticks += virtual_ticks(vcpu, now_ns - vm->last.ns);
    } else if (matched) {
        write.offset_ticks = vm->first.offset_ticks;
    }
    book_write(vcpu, &write, matched);
}

/* -- VMs and vCPUs, and how they run -- */

void fake_vm_create(FakeVm *vm, FakeHost *host)
{
    memset(vm, 0, sizeof(*vm));
    vm->host = host;
    vm->default_khz = host->told_khz ? host->told_khz : host->khz;
    vm->clock_offset_ns = 0 - fake_raw_ns_at(host, fake_true_ns());
    if (host->master_clock == FAKE_MASTER_CLOCK_EARLY) {
        fake_take_reference(vm);
    }
}

/* The kernel starts a TSC at 0, or where the others' are. */
FakeVcpu *fake_vcpu_create(FakeVm *vm)
{
    FakeVcpu *vcpu = &vm->vcpus[vm->n_vcpus];

    g_assert_cmpuint(vm->n_vcpus, <, FAKE_MAX_VCPUS);
    memset(vcpu, 0, sizeof(*vcpu));
    vcpu->vm = vm;
    (void)fake_take_khz(vcpu, vm->default_khz);
    vm->n_vcpus++;
    fake_write_tsc(vcpu, 0);
    vcpu->record_pending = true;
    return vcpu;
}

void fake_vcpu_load(FakeVcpu *vcpu)
{
    if (vcpu->was_loaded && vcpu->vm->host->offset == CF_OFFSET_REWINDS) {
        vcpu->offset_ticks = vcpu->last_ticks -
                             scaled_ticks(vcpu, fake_true_ns());
    }
    vcpu->was_loaded = true;
}

/* To where its TSC would be if it had run at the wanted kHz since. */
static void catch_up(FakeVcpu *vcpu)
{
    const uint64_t now_ns = fake_true_ns();
    const uint64_t wanted_ticks = vcpu->baseline.ticks +
        virtual_ticks(vcpu, now_ns - vcpu->baseline.ns);
    const uint64_t behind_ticks = wanted_ticks - vcpu->offset_ticks -
                                  scaled_ticks(vcpu, now_ns);

    if ((int64_t)behind_ticks > 0) {
        vcpu->offset_ticks += behind_ticks;
    }
}

/* The kernel scales its kHz and drops the fraction. */
static uint64_t record_hz(const FakeVcpu *vcpu)
{
    const FakeHost *host = vcpu->vm->host;

    return (uint64_t)(((cf_u128)host->khz * vcpu->ratio) >>
                      host->frac_bits) * 1000;
}

CfPvclockRecord fake_record(const FakeVcpu *vcpu)
{
    const FakeVm *vm = vcpu->vm;
    const uint64_t true_ns = vm->master ? vm->ref_true_ns : fake_true_ns();
    const uint64_t host_ticks = fake_host_ticks_at(vm->host, true_ns);
    struct cf_clock_fn fn = { 0 };
    const bool stable = vm->master && (vm->all_equal || vm->host->clock_guest
                                       != FAKE_CLOCK_GUEST_NEWEST);

    (void)cf_clock_fn_set_hz(&fn, record_hz(vcpu));
    return (CfPvclockRecord) {
        .version = vcpu->record.version,
        .tsc_timestamp = fake_guest_ticks_at(vcpu, host_ticks),
        .system_time = fake_raw_ns_at(vm->host, true_ns) + vm->clock_offset_ns,
        .tsc_to_system_mul = fn.mul,
        .tsc_shift = (int8_t)fn.shift,
        .flags = stable ? CF_PVCLOCK_TSC_STABLE : 0,
    };
}

#define PVCLOCK_GUEST_STOPPED 2

static void write_record(FakeVcpu *vcpu)
{
    vcpu->record = fake_record(vcpu);
    vcpu->record.version += 2;
    vcpu->record.flags |= vcpu->paused ? PVCLOCK_GUEST_STOPPED : 0;
    vcpu->paused = false;
    vcpu->record_pending = false;
}

void fake_arm_deadline(FakeVcpu *vcpu, uint64_t deadline_ticks)
{
    if (vcpu->vm->host->deadline_ticks) {
        vcpu->deadline_ticks = deadline_ticks;
        vcpu->deadline_armed_ticks = vcpu->offset_ticks;
    }
}

/* What the guest does by itself as soon as it runs. */
static void begin_guest(FakeVcpu *vcpu)
{
    const FakeHost *host = vcpu->vm->host;
    const uint64_t number = (uint64_t)(vcpu - vcpu->vm->vcpus);

    vcpu->ran = true;
    fake_hv_begin_guest(vcpu);
    if (number && host->skew_ticks) {
        fake_write_offset(vcpu, vcpu->offset_ticks +
                                number * host->skew_ticks);
        fake_consume_update(vcpu);
    }
    if (!vcpu->deadline_ticks) {
        fake_arm_deadline(vcpu, fake_guest_ticks(vcpu) +
                                host->deadline_ticks);
    }
}

bool fake_vcpu_enter(FakeVcpu *vcpu)
{
    const FakeHost *host = vcpu->vm->host;

    fake_vcpu_load(vcpu);
    fake_consume_update(vcpu);
    if (vcpu->catches_up || host->offset == CF_OFFSET_REWINDS) {
        catch_up(vcpu);
    }
    if (!vcpu->ran) {
        begin_guest(vcpu);
    }
    vcpu->running = true;
    return fake_vcpu_refresh(vcpu);
}

bool fake_vcpu_refresh(FakeVcpu *vcpu)
{
    if (!vcpu->running || !vcpu->record_pending) {
        return false;
    }
    write_record(vcpu);
    return true;
}

void fake_vcpu_leave(FakeVcpu *vcpu)
{
    vcpu->running = false;
    vcpu->last_ticks = fake_guest_ticks(vcpu);
}
