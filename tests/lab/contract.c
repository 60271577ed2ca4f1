/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests the kernel's clock calls by themselves, as the only program of an
 * emulated host. Usage: contract released|v6|newest KHZ [no-scaling]
 * [no-master-clock]; it writes TAP. Of the tested code it shares nothing,
 * not even arithmetic. contract-kvm.h has what it needs of KVM.
 */
#include "contract-kvm.h"

enum { RELEASED, V6, NEWEST };

static int variant;
static bool scaling = true, master_clock = true;
static uint32_t khz;

/* What the kernel says where there is no master clock. */
static int no_clock_errno(void)
{
    return variant == NEWEST ? ENODATA : EINVAL;
}

/* A fresh VM whose master clock is on, if it can be. */
static struct vm active_vm(int vcpus)
{
    struct vm vm = new_vm(vcpus);

    set_clock(&vm, 1000000000);
    return vm;
}

/* -- KVM_VCPU_TSC_SCALE and KVM_VCPU_TSC_OFFSET -- */

static void test_scale_attribute(void)
{
    struct vm vm = new_vm(1);
    const bool has = variant != RELEASED && scaling;
    struct scale scale = { 0 };

    check_errno(attr(&vm, 0, KVM_HAS_DEVICE_ATTR, TSC_SCALE, &scale),
                has ? 0 : ENXIO, "HAS TSC_SCALE");
    check_errno(attr(&vm, 0, KVM_GET_DEVICE_ATTR, TSC_SCALE, &scale),
                has ? 0 : ENXIO, "GET TSC_SCALE");
    check_errno(attr(&vm, 0, KVM_SET_DEVICE_ATTR, TSC_SCALE, &scale),
                has ? EINVAL : ENXIO, "SET TSC_SCALE");
    check_errno(attr(&vm, 0, KVM_GET_DEVICE_ATTR, TSC_SCALE, NULL),
                has ? EFAULT : ENXIO, "GET TSC_SCALE into nowhere");
    if (has) {
        check(scale.frac_bits == 32 && scale.ratio == UNSCALED,
              "an unscaled vCPU: ratio %" PRIx64 ", %" PRIu64 " bits",
              scale.ratio, scale.frac_bits);
    }
    end_vm(&vm);
}

/* The ratio that the kernel computes, and the TSC that it leads to. */
static void check_scaled(uint32_t guest_khz, uint64_t want_ratio)
{
    struct vm vm = new_vm(1);
    struct scale scale = { want_ratio, 32 };

    check_errno(set_khz(&vm, 0, guest_khz), 0, "KVM_SET_TSC_KHZ");
    if (variant != RELEASED) {
        attr(&vm, 0, KVM_GET_DEVICE_ATTR, TSC_SCALE, &scale);
    }
    set_offset(&vm, 0, 12345);
    check(scale.ratio == want_ratio, "%u kHz on %u kHz: ratio %" PRIx64
          ", wanted %" PRIx64, guest_khz, khz, scale.ratio, want_ratio);
    check(tsc_is(&vm, 0, want_ratio, 12345),
          "%u kHz: guest TSC is host TSC x ratio + offset", guest_khz);
    end_vm(&vm);
}

static void test_scaling(void)
{
    if (!scaling) {
        return;
    }
    check_scaled(khz / 2 * 3, ratio_of(khz / 2 * 3, khz));
    check_scaled(khz / 5 * 4, ratio_of(khz / 5 * 4, khz));
    check_scaled(khz + 1000, ratio_of(khz + 1000, khz));
    /* Within the tolerance of 250 ppm nothing is scaled. */
    check_scaled(khz + 2, UNSCALED);
    check_scaled(khz - 2, UNSCALED);
}

static void test_without_scaling(void)
{
    struct vm vm = new_vm(1);

    if (!scaling) {
        check_errno(set_khz(&vm, 0, khz - 1000), EINVAL,
                    "a slower TSC without scaling");
        check(get_khz(&vm, 0) == khz - 1000,
              "KVM_GET_TSC_KHZ gives what was refused");
        check_errno(set_khz(&vm, 0, khz + 1000), 0,
                    "a faster TSC without scaling (catching up)");
    }
    end_vm(&vm);
}

static void test_offset(void)
{
    static const uint64_t offsets[] = {
        0, 1, 1000000000000000, (uint64_t)-1000000000000, UINT64_MAX,
    };
    struct vm vm = new_vm(1);

    for (size_t i = 0; i < sizeof(offsets) / sizeof(*offsets); i++) {
        check_errno(set_offset(&vm, 0, offsets[i]), 0, "SET TSC_OFFSET");
        /* On a host with an unstable TSC every later call rewinds it. */
        check((get_offset(&vm, 0) == offsets[i]) == master_clock,
              "offset %" PRIx64 " %s", offsets[i],
              master_clock ? "sticks" : "is rewound");
        check(!master_clock || tsc_is(&vm, 0, UNSCALED, offsets[i]),
              "offset %" PRIx64 " is in the guest's TSC", offsets[i]);
    }
    check_errno(attr(&vm, 0, KVM_SET_DEVICE_ATTR, TSC_OFFSET, NULL), EFAULT,
                "an offset from nowhere");
    check_errno(attr(&vm, 0, KVM_HAS_DEVICE_ATTR, 2, NULL), ENXIO,
                "an unknown attribute");
    end_vm(&vm);
}

/* -- KVM_GET_CLOCK_GUEST and KVM_SET_CLOCK_GUEST -- */

static void test_presence(void)
{
    struct vm vm = active_vm(1);
    struct record record = { 0 };
    const int cap = ioctl(vm.fd, KVM_CHECK_EXTENSION, CAP_CLOCK_GUEST);

    check(cap == (variant == NEWEST), "the capability says %d", cap);
    check_errno(fails(ioctl(vm.vcpu[0], _IO(KVMIO, 0xdf))), EINVAL,
                "a vCPU ioctl that nobody knows");
    if (variant == RELEASED) {
        check_errno(get(&vm, 0, &record), EINVAL, "GET on a released kernel");
        check_errno(set(&vm, 0, &record), EINVAL, "SET on a released kernel");
    }
    end_vm(&vm);
}

static void test_no_master_clock(void)
{
    struct vm vm = active_vm(1);
    struct record record = record_for(khz * 1000ULL);

    check(get_clock(&vm).flags == 0, "no master clock: GET_CLOCK's flags");
    if (variant != RELEASED) {
        check_errno(get(&vm, 0, &record), no_clock_errno(),
                    "GET without master clock");
        check_errno(set(&vm, 0, &record), no_clock_errno(),
                    "SET without master clock");
    }
    end_vm(&vm);
}

/* When the master clock turns on. */
static void test_activation(void)
{
    struct vm empty = new_vm(0), vm = new_vm(1);
    struct record record;

    check(get_clock(&empty).flags == (variant == NEWEST ? CLOCK_ALL : 0),
          "GET_CLOCK's flags before there is a vCPU");
    check(get_clock(&vm).flags == (variant == NEWEST ? CLOCK_ALL : 0),
          "GET_CLOCK's flags before the first run");
    if (variant != RELEASED) {
        check_errno(get(&vm, 0, &record), 0, "GET before the first run");
        check(get_clock(&vm).flags == CLOCK_ALL, "and the flags after it");
        end_vm(&vm);
        vm = new_vm(1);
        record = record_for(khz * 1000ULL);
        check_errno(set(&vm, 0, &record), 0, "SET before the first run");
        check(get_clock(&vm).flags == CLOCK_ALL, "and the flags after it");
    }
    end_vm(&vm);
    vm = active_vm(1);
    check(get_clock(&vm).flags == CLOCK_ALL, "KVM_SET_CLOCK activates it");
    end_vm(&vm);
    end_vm(&empty);
}

static void test_get(void)
{
    struct vm vm = active_vm(1);
    struct record record, again;
    struct kvm_clock_data clock;
    double hz;

    set_offset(&vm, 0, 987654321);
    check_errno(get(&vm, 0, &record), 0, "GET");
    hz = hz_of(&record);
    clock = get_clock(&vm);
    check(!record.pad0 && !record.pad[0] && !record.pad[1] &&
          !(record.version & 1), "padding is 0 and the version even");
    check(record.flags == STABLE, "the stable flag is set: %x", record.flags);
    check(hz > khz * 1000.0 - 3 && hz < khz * 1000.0 + 3,
          "the record's frequency is %.1f Hz", hz);
    check(near(value(&record, clock.host_tsc + 987654321), clock.clock, 1),
          "GET and GET_CLOCK agree to %" PRId64 " ns",
          value(&record, clock.host_tsc + 987654321) - (int64_t)clock.clock);
    get(&vm, 0, &again);
    check(again.tsc_timestamp == record.tsc_timestamp,
          "a second GET has the same reference");
    check_errno(get(&vm, 0, NULL), EFAULT, "GET into nowhere");
    check_errno(set(&vm, 0, NULL), EFAULT, "SET from nowhere");
    end_vm(&vm);
}

/* The worst of many, and how the errors add up. */
static void check_round_trips(struct vm *vm, const char *name)
{
    struct record first, before, after;
    double worst = 0, sum;

    get(vm, 0, &first);
    for (int i = 0; i < 100; i++) {
        get(vm, 0, &before);
        if (set(vm, 0, &before) || get(vm, 0, &after)) {
            check(false, "%s: round trip %d fails", name, i);
            return;
        }
        worst = larger(worst, apart(&before, &after));
    }
    sum = apart(&first, &after);
    check(worst <= 0 && worst > -rounding(&first), "%s: a round trip moves the clock by at "
          "most %.3f ns", name, worst);
    check(sum <= 0 && sum > -100 * rounding(&first),
          "%s: 100 of them move it by %.3f ns", name, sum);
}

static void test_round_trip(void)
{
    struct vm vm = active_vm(1);

    check_round_trips(&vm, "unscaled");
    if (scaling) {
        set_khz(&vm, 0, khz / 2 * 3);
        check_round_trips(&vm, "1.5 times as fast");
        set_khz(&vm, 0, khz / 5 * 4);
        check_round_trips(&vm, "0.8 times as fast");
    }
    set_offset(&vm, 0, 1000000000000000000);
    check_round_trips(&vm, "offset 10^18");
    end_vm(&vm);
}

/* SET moves the clock, of all vCPUs, and nothing else. */
static void test_set(void)
{
    const uint64_t step_ns = 12345678901;
    struct vm vm = active_vm(2);
    struct record before, wanted, after, other;
    struct kvm_clock_data clock;

    get(&vm, 1, &other);
    get(&vm, 0, &before);
    wanted = before;
    wanted.system_time += step_ns;
    check_errno(set(&vm, 0, &wanted), 0, "SET of a later time");
    get(&vm, 0, &after);
    check(fabs(apart(&wanted, &after)) < rounding(&after),
          "it is that time, within %.3f ns", apart(&wanted, &after));
    get(&vm, 1, &other);
    check(apart(&after, &other) == 0, "it is for the other vCPU, too");
    clock = get_clock(&vm);
    check(near(value(&other, clock.host_tsc), clock.clock, 1),
          "and for KVM_GET_CLOCK");
    check(get_offset(&vm, 0) == 0, "the TSC stays");

    wanted = before;
    wanted.version = 0xffffffff;
    wanted.flags = 0xff;
    check_errno(set(&vm, 0, &wanted), 0, "version and flags are ignored");
    get(&vm, 0, &after);
    check(!(after.version & 1) && after.flags == STABLE,
          "and don't come back");
    check(fabs(apart(&before, &after)) < rounding(&after),
          "SET moves a clock backwards, too, within %.3f ns",
          apart(&before, &after));
    end_vm(&vm);
}

/* A refused record changes nothing. */
static void refused(struct vm *vm, struct record record, int want,
                    const char *name)
{
    const double rounding_ns = 2, raw_clock_rate = 1e-7;
    struct record before, after;
    double age_ns;

    get(vm, 0, &before);
    record.system_time += 5000000000;
    check_errno(set(vm, 0, &record), want, name);
    get(vm, 0, &after);
    /* It may take a new reference all the same: that rounds, and the kernel's
     * raw clock has parted from the TSC a little since the former one. */
    age_ns = fabs((double)after.system_time - (double)before.system_time);
    check(same_slope(&before, &after) &&
          fabs(apart(&before, &after)) < rounding_ns + raw_clock_rate * age_ns,
          "%s: the clock stays, within %.3f ns", name,
          apart(&before, &after));
}

static void test_bad_records(void)
{
    struct vm vm = active_vm(1);
    struct record good, bad;

    get(&vm, 0, &good);
#define REFUSED(FIELD, VALUE, WANT) do { \
        bad = good; \
        bad.FIELD = VALUE; \
        refused(&vm, bad, WANT, #FIELD " = " #VALUE); \
    } while (0)
    REFUSED(pad0, 1, EINVAL);
    REFUSED(pad0, 0x80000000, EINVAL);
    REFUSED(pad[0], 1, EINVAL);
    REFUSED(pad[1], 0x80, EINVAL);
    REFUSED(tsc_to_system_mul, 0, EINVAL);
    REFUSED(tsc_shift, 32, EINVAL);
    REFUSED(tsc_shift, -32, EINVAL);
    REFUSED(tsc_shift, 127, EINVAL);
    REFUSED(tsc_shift, -128, EINVAL);
    REFUSED(tsc_shift, 31, ERANGE);
    REFUSED(tsc_shift, -31, ERANGE);
    REFUSED(tsc_shift, good.tsc_shift + 1, ERANGE);
    REFUSED(tsc_shift, good.tsc_shift - 1, ERANGE);
    REFUSED(tsc_to_system_mul, 1, ERANGE);
    REFUSED(tsc_to_system_mul, UINT32_MAX, ERANGE);
    REFUSED(tsc_timestamp, UINT64_MAX, EINVAL);
    REFUSED(tsc_timestamp, __rdtsc() + khz * 10000ULL, EINVAL);
#undef REFUSED
    bad = good;
    bad.tsc_timestamp = __rdtsc();
    check_errno(set(&vm, 0, &bad), 0, "a timestamp just below the TSC");
    end_vm(&vm);
}

/* A record of this frequency, against the frequency of the vCPU. */
static void gate(struct vm *vm, uint64_t hz, int want, const char *name)
{
    struct record before, after, record = record_for(hz);

    get(vm, 0, &before);
    check_errno(set(vm, 0, &record), want, name);
    get(vm, 0, &after);
    check(same_slope(&before, &after), "%s: the slope stays that of the "
          "vCPU", name);
}

static void test_gate(void)
{
    const uint64_t hz = khz * 1000ULL;
    struct vm vm = active_vm(1);

    gate(&vm, hz, 0, "the vCPU's frequency");
    gate(&vm, hz + 990, 0, "990 Hz more");
    gate(&vm, hz - 990, 0, "990 Hz less");
    gate(&vm, hz + 1010, ERANGE, "1010 Hz more");
    gate(&vm, hz - 1010, ERANGE, "1010 Hz less");
    gate(&vm, hz * 2, ERANGE, "twice the frequency");
    gate(&vm, hz / 3, ERANGE, "a third of it");
    gate(&vm, 4000, ERANGE, "4 kHz");
    gate(&vm, 1000000000000, ERANGE, "1 THz");

    /* What was asked for plays no part until it is scaled. */
    set_khz(&vm, 0, khz + 2);
    gate(&vm, hz, 0, "2 kHz apart: the host's frequency");
    gate(&vm, hz + 2000, ERANGE, "2 kHz apart: the requested frequency");
    if (scaling) {
        set_khz(&vm, 0, khz / 2 * 3);
        gate(&vm, khz / 2 * 3000ULL, 0, "scaled: the guest's frequency");
        gate(&vm, khz / 2 * 3000ULL + 990, 0, "scaled: 990 Hz more");
        gate(&vm, khz / 2 * 3000ULL - 990, 0, "scaled: 990 Hz less");
        gate(&vm, khz / 2 * 3000ULL + 1010, ERANGE, "scaled: 1010 Hz more");
        gate(&vm, khz / 2 * 3000ULL - 1010, ERANGE, "scaled: 1010 Hz less");
        gate(&vm, hz, ERANGE, "scaled: the host's frequency");
    }
    end_vm(&vm);
}

/* -- More vCPUs -- */

/* vCPU 1's TSC is ahead of vCPU 0's. */
static void test_unequal_offsets(void)
{
    const uint64_t ahead = 1000000;
    struct vm vm = active_vm(2);
    const bool kept = variant == NEWEST;
    struct record one, other;

    set_offset(&vm, 1, ahead);
    set_clock(&vm, 1000000000);
    check(get_clock(&vm).flags == (kept ? CLOCK_ALL : 0),
          "unequal offsets: GET_CLOCK's flags %x", get_clock(&vm).flags);
    if (variant != RELEASED) {
        check_errno(get(&vm, 0, &one), kept ? 0 : EINVAL,
                    "unequal offsets: GET");
        check_errno(get(&vm, 1, &other), kept ? 0 : EINVAL,
                    "unequal offsets: GET on the other vCPU");
    }
    if (kept) {
        /* The second GET made the pending update of its vCPU. */
        get(&vm, 0, &one);
        check(one.flags == 0 && other.flags == 0,
              "unequal offsets: no stable flag");
        check(other.tsc_timestamp - one.tsc_timestamp == ahead &&
              other.system_time == one.system_time,
              "unequal offsets: the same clock");
        check_round_trips(&vm, "unequal offsets");
    }
    set_offset(&vm, 0, ahead);
    set_offset(&vm, 1, ahead);
    set_clock(&vm, 1000000000);
    check(get_clock(&vm).flags == CLOCK_ALL, "equal again: GET_CLOCK's flags");
    if (variant != RELEASED) {
        check_errno(get(&vm, 0, &one), 0, "equal again: GET");
        check(one.flags == STABLE, "equal again: the stable flag");
    }
    end_vm(&vm);
}

static void test_unequal_frequencies(void)
{
    struct vm vm = active_vm(2);
    struct record record;

    if (scaling && variant == NEWEST) {
        set_khz(&vm, 1, khz / 2 * 3);
        set_clock(&vm, 1000000000);
        check(get_clock(&vm).flags == 0, "unequal frequencies: no flags");
        check_errno(get(&vm, 0, &record), ENODATA, "unequal frequencies: GET");
        set_khz(&vm, 0, khz / 2 * 3);
        check_errno(get(&vm, 0, &record), 0, "equal frequencies again: GET");
    }
    end_vm(&vm);
}

/* -- The guest's own page -- */

static void check_page(struct vm *vm, const char *name)
{
    struct record record, page;

    run(vm, 0);
    page = *(struct record *)(vm->memory + PAGE_OFFSET);
    check_errno(get(vm, 0, &record), 0, name);
    check(page.tsc_timestamp == record.tsc_timestamp &&
          page.system_time == record.system_time &&
          page.tsc_to_system_mul == record.tsc_to_system_mul &&
          page.tsc_shift == record.tsc_shift && page.flags == record.flags &&
          page.version == record.version,
          "%s: the guest's page is what GET tells", name);
}

static void test_page(void)
{
    struct vm vm = active_vm(1);
    struct record record;

    add_guest(&vm);
    check_page(&vm, "first run");
    record = record_for(khz * 1000ULL);
    record.system_time = 4242424242;
    set(&vm, 0, &record);
    check_page(&vm, "after SET");
    if (scaling) {
        set_khz(&vm, 0, khz / 5 * 4);
        set_clock(&vm, 1000000000); /* makes KVM write the page anew */
        check_page(&vm, "scaled");
    }
    end_vm(&vm);
}

static void test_host(void)
{
    struct vm vm = new_vm(1);

    check(ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_CONTROL) == scaling,
          "KVM_CAP_TSC_CONTROL is %d", scaling);
    check(get_khz(&vm, 0) == khz, "the host's TSC has %u kHz",
          get_khz(&vm, 0));
    end_vm(&vm);
}

static void run_all(void)
{
    test_host();
    test_scale_attribute();
    test_offset();
    test_presence();
    if (!master_clock) {
        test_no_master_clock();
        return;
    }
    test_scaling();
    test_without_scaling();
    test_activation();
    test_unequal_offsets();
    test_unequal_frequencies();
    if (variant == RELEASED) {
        return;
    }
    test_get();
    test_round_trip();
    test_set();
    test_bad_records();
    test_gate();
    test_page();
}

static bool parse(int argc, char **argv)
{
    static const char *const names[] = { "released", "v6", "newest" };

    if (argc < 3) {
        return false;
    }
    for (variant = RELEASED; variant <= NEWEST; variant++) {
        if (!strcmp(argv[1], names[variant])) {
            break;
        }
    }
    khz = (uint32_t)atol(argv[2]);
    for (int i = 3; i < argc; i++) {
        scaling &= strcmp(argv[i], "no-scaling") != 0;
        master_clock &= strcmp(argv[i], "no-master-clock") != 0;
    }
    return variant <= NEWEST && khz;
}

int main(int argc, char **argv)
{
    const bool alone = getpid() == 1;

    if (alone) {
        start_system();
    }
    if (!parse(argc, argv)) {
        puts("Bail out! Usage: contract released|v6|newest KHZ [no-scaling] "
             "[no-master-clock]");
    } else {
        run_all();
        printf("1..%d\n", number);
    }
    fflush(stdout);
    if (alone) {
        stop_system();
    }
    return failures != 0;
}
