/*
 * QTest testcases for migration with kvmclock.guest-clock=on
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "libqtest.h"
#include "migration/bootfile.h"
#include "migration/framework.h"
#include "migration/migration-qmp.h"
#include "migration/migration-util.h"
#include "qemu/units.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "qobject/qlist.h"

#define GUEST_CLOCK_ON "-global kvmclock.guest-clock=on"

/* Some hosts ignore TSC offsets; that is accepted only with "lax". */
#define LAX " -global kvmclock.policy=lax"
#define STRICT " -global kvmclock.policy=strict"

#define OTHER_HOST " -global kvmclock.x-pretend-other-host=on"
/* A host whose TSC runs at 1 MHz and can't be scaled fits no guest. */
#define OTHER_TSC " -global kvmclock.x-pretend-tsc-khz=1000"

/* What the best three ways to restore kvmclock keep to, by definition. */
#define RESIDUAL_NS 2

#define ROM_SIZE (64 * KiB)
#define ROM_START 0x200
#define ROM_RESET 0xfff0

static char *tmpfs;
static const char *arch;

/*
 * A ROM that does for the boot block what firmware would.  Real firmware
 * takes half a minute where KVM has to emulate it, and isn't needed here.
 */
static char *create_rom(void)
{
    static const uint8_t start[] = {
        0xb8, 0x00, 0xf0,               /* mov $0xf000,%ax */
        0x8e, 0xd8,                     /* mov %ax,%ds */
        0x31, 0xc0,                     /* xor %ax,%ax */
        0x8e, 0xc0,                     /* mov %ax,%es */
        0x31, 0xf6,                     /* xor %si,%si */
        0xbf, 0x00, 0x7c,               /* mov $0x7c00,%di */
        0xb9, 0x00, 0x01,               /* mov $256,%cx */
        0xfc,                           /* cld */
        0xf3, 0xa5,                     /* rep movsw */
        0x8e, 0xd8,                     /* mov %ax,%ds */
        0xea, 0x00, 0x7c, 0x00, 0x00,   /* ljmp $0,$0x7c00 */
    };
    static const uint8_t reset[] = {
        0xea, 0x00, 0x02, 0x00, 0xf0,   /* ljmp $0xf000,$0x200 */
    };
    g_autofree char *rom = g_malloc0(ROM_SIZE);
    g_autofree char *bootblock = NULL;
    char *path = g_strdup_printf("%s/rom", tmpfs);
    gsize len;

    g_assert(g_file_get_contents(bootfile_create(arch, tmpfs, false),
                                 &bootblock, &len, NULL));
    g_assert_cmpint(len, <=, ROM_START);
    memcpy(rom, bootblock, len);
    memcpy(rom + ROM_START, start, sizeof(start));
    memcpy(rom + ROM_RESET, reset, sizeof(reset));
    g_assert(g_file_set_contents(path, rom, ROM_SIZE, NULL));
    return path;
}

/* Access to /dev/kvm isn't enough; without KVM there is no such device. */
static bool kvm_works(QTestState *who)
{
    QDict *rsp = qtest_qmp_assert_success_ref(who,
                                              "{ 'execute': 'query-kvm' }");
    bool enabled = qdict_get_bool(rsp, "enabled");

    qobject_unref(rsp);
    if (!enabled) {
        g_test_skip("KVM can't run a guest here");
    }
    return enabled;
}

static QDict *query_kvm_clock(QTestState *who)
{
    return qtest_qmp_assert_success_ref(who,
                                        "{ 'execute': 'query-kvm-clock' }");
}

static void check_report(const QDict *report, bool same_host)
{
    const char *rung = qdict_get_str(report, "rung");

    g_test_message("restored by %s, TSC %s", rung,
                   qdict_get_str(report, "tsc"));

    /* Both QEMUs see the same boot id and TSC, or one says otherwise. */
    g_assert_cmpint(qdict_get_bool(report, "same-host"), ==, same_host);
    g_assert_cmpint(qdict_get_try_int(report, "rate-error-ppt", 0), ==, 0);
    g_assert_cmpint(qdict_get_try_int(report, "skew-ticks", 0), ==, 0);

    g_assert_false(qdict_get_bool(report, "frozen"));
    g_assert_cmpint(qdict_get_int(report, "elapsed-ns"), >, 0);
    g_assert_cmpint(qdict_get_int(report, "tries"), >, 0);

    /* The other two are for hosts that can't do better. */
    if (!g_str_equal(rung, "realtime") && !g_str_equal(rung, "plain")) {
        int64_t residual_ns = qdict_get_int(report, "residual-ns");

        g_assert_cmpint(residual_ns, >=, -RESIDUAL_NS);
        g_assert_cmpint(residual_ns, <=, RESIDUAL_NS);
        if (qdict_haskey(report, "bound-ns")) {
            g_assert_cmpint(qdict_get_int(report, "bound-ns"), >=,
                            ABS(residual_ns));
        }
    }
}

/* Event, query-kvm-clock and "info kvm-clock" tell the same. */
static void check_restored(QTestState *to, bool same_host)
{
    QDict *info = query_kvm_clock(to);
    QDict *report = qdict_get_qdict(info, "restore");
    QDict *event = qtest_qmp_event_ref(to, "KVM_CLOCK_RESTORED");
    g_autofree char *line = NULL, *hmp = NULL;

    g_assert_true(qdict_get_bool(info, "enabled"));
    g_assert_nonnull(report);
    check_report(report, same_host);

    g_assert_nonnull(event);
    g_assert_cmpint(qdict_get_int(qdict_get_qdict(event, "data"),
                                  "duration-ns"), ==,
                    qdict_get_int(report, "duration-ns"));

    line = g_strdup_printf("last restore: %s, ",
                           qdict_get_str(report, "rung"));
    hmp = qtest_hmp(to, "info kvm-clock");
    g_assert_nonnull(strstr(hmp, line));
    qobject_unref(event);
    qobject_unref(info);
}

static void check_same_host(QTestState *to)
{
    check_restored(to, true);
}

static void check_other_host(QTestState *to)
{
    check_restored(to, false);
}

static void check_not_restored(QTestState *to)
{
    QDict *info = query_kvm_clock(to);

    g_assert_false(qdict_haskey(info, "restore"));
    g_assert_null(qtest_qmp_event_ref(to, "KVM_CLOCK_RESTORED"));
    qobject_unref(info);
}

static void wait_for_guest(QTestState *who)
{
    uint8_t was = qtest_readb(who, X86_TEST_MEM_START);

    while (qtest_readb(who, X86_TEST_MEM_START) == was) {
        usleep(1000);
    }
}

static void migrate_to_socket(QTestState *from, QTestState *to)
{
    g_autofree char *uri = g_strdup_printf("unix:%s/migsocket", tmpfs);

    migrate_incoming_qmp(to, uri, NULL, "{}");
    migrate_qmp(from, to, uri, NULL, "{}");
}

static void migrate_by_file(QTestState *from, QTestState *to)
{
    g_autofree char *path = g_strdup_printf("%s/saved", tmpfs);
    g_autofree char *uri = g_strdup_printf("file:%s", path);

    migrate_qmp(from, to, uri, NULL, "{}");
    wait_for_migration_complete(from);
    migrate_incoming_qmp(to, uri, NULL, "{}");
    qtest_qmp_eventwait(to, "RESUME");
    unlink(path);
}

/*
 * Start a guest that is ready to migrate.  It isn't stopped before, unlike
 * in most tests: a clock that its user stopped has to stand still.
 */
static bool start_guest_for(const char *uri, QTestState **from,
                            QTestState **to, const char *opts_source,
                            const char *opts_target)
{
    g_autofree char *rom = create_rom();
    g_autofree char *source = g_strdup_printf("-bios %s %s", rom,
                                              opts_source);
    g_autofree char *target = g_strdup_printf("-bios %s %s", rom,
                                              opts_target);
    MigrateStart args = {
        .opts_source = source,
        .opts_target = target,
        /* A QEMU that waits for a cpr channel has no monitor yet. */
        .defer_target_connect = !g_str_equal(uri, "defer"),
    };
    int ret = migrate_start(from, to, uri, &args);

    unlink(rom);
    if (ret) {
        return false;
    }
    if (!kvm_works(*from)) {
        migrate_end(*from, *to, false);
        return false;
    }
    wait_for_guest(*from);
    migrate_ensure_converge(*from);
    return true;
}

static bool start_guest(QTestState **from, QTestState **to,
                        const char *opts_source, const char *opts_target)
{
    return start_guest_for("defer", from, to, opts_source, opts_target);
}

static void test_arrives(const char *opts_source, const char *opts_target,
                         void (*check)(QTestState *to))
{
    QTestState *from, *to;

    if (!start_guest(&from, &to, opts_source, opts_target)) {
        return;
    }
    migrate_to_socket(from, to);
    qtest_qmp_eventwait(to, "RESUME");
    wait_for_migration_complete(from);
    check(to);
    check_not_restored(from);
    migrate_end(from, to, true);
}

static void test_on(void)
{
    test_arrives(GUEST_CLOCK_ON, GUEST_CLOCK_ON, check_same_host);
}

static void test_off(void)
{
    test_arrives("", "", check_not_restored);
}

/*
 * In another way, which the capability or the mode stands for; whatever it is,
 * it must not change what happens to the clocks.
 */
static void test_way(const char *capability, const char *mode)
{
    QTestState *from, *to;

    if (!start_guest(&from, &to, GUEST_CLOCK_ON, GUEST_CLOCK_ON)) {
        return;
    }
    if (capability) {
        migrate_set_capability(from, capability, true);
        migrate_set_capability(to, capability, true);
    }
    if (mode) {
        migrate_set_parameter_str(from, "mode", mode);
        migrate_set_parameter_str(to, "mode", mode);
        migrate_by_file(from, to);
    } else {
        migrate_to_socket(from, to);
        if (g_str_equal(capability, "postcopy-ram")) {
            qtest_qmp_assert_success(
                from, "{ 'execute': 'migrate-start-postcopy' }");
        }
        qtest_qmp_eventwait(to, "RESUME");
        wait_for_migration_complete(from);
    }
    check_same_host(to);
    check_not_restored(from);
    migrate_end(from, to, true);
}

static void test_multifd(void)
{
    test_way("multifd", NULL);
}

static void test_postcopy(void)
{
    test_way("postcopy-ram", NULL);
}

static void test_file(void)
{
    test_way(NULL, "normal");
}

static void test_cpr_reboot(void)
{
    test_way(NULL, "cpr-reboot");
}

#define CPR_TRANSFER GUEST_CLOCK_ON \
    " -object memory-backend-memfd,id=ram,share=on,size=150M" \
    " -machine memory-backend=ram,aux-ram-share=on"

static QObject *socket_channel(const char *type, const char *name)
{
    return qobject_from_jsonf_nofail(
        "{ 'channel-type': %s, 'addr': { 'transport': 'socket',"
        "  'type': 'unix', 'path': %s } }", type, name);
}

/* Memory stays where it is; the other QEMU gets its descriptor. */
static void test_cpr_transfer(void)
{
    g_autofree char *cpr = g_strdup_printf("%s/cpr.sock", tmpfs);
    g_autofree char *main_path = g_strdup_printf("%s/migsocket", tmpfs);
    g_autofree char *uri = g_strdup_printf("unix:%s", main_path);
    g_autofree char *target = g_strdup_printf(
        CPR_TRANSFER " -incoming cpr,addr.transport=socket,addr.type=unix,"
        "addr.path=%s", cpr);
    g_autofree char *rom = NULL;
    QList *channels = qlist_new();
    QTestState *from, *to;

    if (!start_guest_for(uri, &from, &to, CPR_TRANSFER, target)) {
        return;
    }
    /* The target loads it only after the cpr channel has spoken. */
    rom = create_rom();
    qlist_append_obj(channels, socket_channel("main", main_path));
    qlist_append_obj(channels, socket_channel("cpr", cpr));
    migrate_set_parameter_str(from, "mode", "cpr-transfer");
    migrate_qmp(from, to, NULL, QOBJECT(channels), "{}");
    qtest_connect(to);
    qtest_qmp_handshake(to, NULL);

    wait_for_migration_complete(from);
    qtest_qmp_eventwait(to, "RESUME");
    unlink(rom);
    check_same_host(to);
    check_not_restored(from);
    migrate_end(from, to, true);
}

/* Back where it was saved, but in today's time. */
static void test_savevm(void)
{
    QTestState *from, *to;
    g_autofree char *said = NULL;

    /* What lies above the disk then can take the guest's state. */
    if (!start_guest(&from, &to, GUEST_CLOCK_ON " -snapshot",
                     GUEST_CLOCK_ON)) {
        return;
    }
    said = qtest_hmp(from, "savevm here");
    g_assert_cmpstr(said, ==, "");
    wait_for_guest(from);
    g_free(said);
    said = qtest_hmp(from, "loadvm here");
    g_assert_cmpstr(said, ==, "");

    wait_for_guest(from);
    check_same_host(from);
    migrate_end(from, to, false);
}

/* A guest that its user stopped: its clocks are set, but that is no event. */
static void test_stop_cont(void)
{
    QTestState *from, *to;
    QDict *info;

    if (!start_guest(&from, &to, GUEST_CLOCK_ON, GUEST_CLOCK_ON)) {
        return;
    }
    qtest_qmp_assert_success(from, "{ 'execute': 'stop' }");
    qtest_qmp_assert_success(from, "{ 'execute': 'cont' }");
    wait_for_guest(from);

    info = query_kvm_clock(from);
    g_assert_true(qdict_get_bool(qdict_get_qdict(info, "restore"),
                                 "same-host"));
    g_assert_null(qtest_qmp_event_ref(from, "KVM_CLOCK_RESTORED"));
    qobject_unref(info);
    migrate_end(from, to, false);
}

/* On the way that the clocks of guests from other hosts go. */
static void test_other_host(void)
{
    test_arrives(GUEST_CLOCK_ON LAX, GUEST_CLOCK_ON LAX OTHER_HOST,
                 check_other_host);
}

/* What QEMUs without the property send still arrives, as ever. */
static void test_old_stream(void)
{
    test_arrives("", GUEST_CLOCK_ON, check_not_restored);
}

static char *oldest_machine;

static void keep_oldest_machine(const char *machine)
{
    static int oldest = INT_MAX;
    int x, y;

    if (sscanf(machine, "pc-q35-%d.%d", &x, &y) == 2 &&
        x * 100 + y < oldest) {
        oldest = x * 100 + y;
        g_free(oldest_machine);
        oldest_machine = g_strdup(machine);
    }
}

static void test_old_machine(void)
{
    g_autofree char *opts = NULL;

    qtest_cb_for_every_machine(keep_oldest_machine, false);
    g_test_message("Overriding machine type: %s", oldest_machine);
    opts = g_strdup_printf("-machine %s " GUEST_CLOCK_ON, oldest_machine);
    test_arrives(opts, opts, check_same_host);
    g_free(oldest_machine);
}

/* Cancelled at the last moment: the guest runs on with the clocks it has. */
static void test_cancelled(void)
{
    QTestState *from, *to;

    if (!start_guest(&from, &to, GUEST_CLOCK_ON,
                     GUEST_CLOCK_ON " 2>/dev/null")) {
        return;
    }
    migrate_set_capability(from, "pause-before-switchover", true);
    migrate_to_socket(from, to);
    wait_for_migration_status(from, "pre-switchover", NULL);
    migrate_cancel(from);
    wait_for_migration_status(from, "cancelled", NULL);
    wait_for_guest(from);
    check_not_restored(from);

    qtest_set_expected_status(to, EXIT_FAILURE);
    migrate_end(from, to, false);
}

/*
 * The destination refuses the guest in a sentence, the source sends no RAM,
 * and the guest is never stopped.
 */
static void test_refused(const char *opts_target, const char *sentence)
{
    g_autofree char *log = g_strdup_printf("%s/dest_stderr", tmpfs);
    /* It is a shell that gets these options. */
    g_autofree char *target = g_strdup_printf("%s 2>%s", opts_target, log);
    g_autofree char *said = NULL;
    QTestState *from, *to;

    if (start_guest(&from, &to, GUEST_CLOCK_ON, target)) {
        QDict *rsp;

        migrate_to_socket(from, to);
        qtest_set_expected_status(to, EXIT_FAILURE);
        wait_for_migration_fail(from, true);

        rsp = migrate_query(from);
        g_assert_nonnull(strstr(qdict_get_str(rsp, "error-desc"),
                                "refused the guest before RAM was sent"));
        qobject_unref(rsp);
        g_assert_false(get_src()->stop_seen);
        wait_for_guest(from);
        check_not_restored(from);

        migrate_end(from, to, false);
        g_assert(g_file_get_contents(log, &said, NULL, NULL));
        g_assert_nonnull(strstr(said, sentence));
    }
    unlink(log);
}

static void test_refused_strict(void)
{
    test_refused(GUEST_CLOCK_ON STRICT OTHER_TSC,
                 "kvmclock: refusing the guest (policy strict): its TSC runs "
                 "at ");
}

static void test_refused_auto(void)
{
    test_refused(GUEST_CLOCK_ON OTHER_TSC,
                 "kvmclock: refusing the guest (policy auto): its TSC runs "
                 "at ");
}

static void test_refused_off(void)
{
    test_refused("", "kvmclock: the source carries the guest's clocks and "
                 "this side doesn't");
}

void migration_test_add_guest_clock(MigrationTestEnv *env)
{
    tmpfs = env->tmpfs;
    arch = env->arch;

    /* An older QEMU at the other end may not know the property. */
    if (!env->has_kvm || !g_str_equal(arch, "x86_64") || env->qemu_src ||
        env->qemu_dst) {
        return;
    }

    migration_test_add("/migration/guest-clock/on", test_on);
    migration_test_add("/migration/guest-clock/cancelled", test_cancelled);
    migration_test_add("/migration/guest-clock/refused/auto",
                       test_refused_auto);
    migration_test_add("/migration/guest-clock/stop-cont", test_stop_cont);
    migration_test_add("/migration/guest-clock/file", test_file);
    migration_test_add("/migration/guest-clock/multifd", test_multifd);
    migration_test_add("/migration/guest-clock/cpr-reboot", test_cpr_reboot);
    migration_test_add("/migration/guest-clock/cpr-transfer",
                       test_cpr_transfer);
    migration_test_add("/migration/guest-clock/savevm", test_savevm);
    if (env->has_uffd) {
        migration_test_add("/migration/guest-clock/postcopy", test_postcopy);
    }
    if (!env->full_set) {
        return;
    }

    migration_test_add("/migration/guest-clock/other-host", test_other_host);
    migration_test_add("/migration/guest-clock/off", test_off);
    migration_test_add("/migration/guest-clock/old-stream", test_old_stream);
    migration_test_add("/migration/guest-clock/old-machine", test_old_machine);
    migration_test_add("/migration/guest-clock/refused/strict",
                       test_refused_strict);
    migration_test_add("/migration/guest-clock/refused/off", test_refused_off);
}
