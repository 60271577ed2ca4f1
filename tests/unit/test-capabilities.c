/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Test of libvirt_read_capabilities(): what hosts' libvirts say, and lies. */
#include <string.h>
#include "cli/libvirt/capabilities.h"

#define CAPABILITIES(cpu) \
    "<capabilities><host><uuid>1</uuid><cpu>" cpu "</cpu></host>" \
    "<guest><arch name='x86_64'/></guest></capabilities>"
#define COUNTER(attributes) "<counter name='tsc' " attributes "/>"

static CfHost read_xml(const char *xml)
{
    g_autoptr(GError) error = NULL;
    CfHost host = { 0 };

    g_assert_true(libvirt_read_capabilities(xml, &host, &error));
    g_assert_no_error(error);
    return host;
}

static void test_intel(void)
{
    const CfHost host = read_xml(CAPABILITIES(
        "<arch>x86_64</arch><vendor>Intel</vendor>"
        COUNTER("frequency='2893299000' scaling='yes'")));

    g_assert_cmpuint(host.host_khz, ==, 2893299);
    g_assert_cmpint(host.architecture, ==, CF_ARCHITECTURE_X86_64);
    g_assert_cmpint(host.scaling, ==, CF_SCALING_WORKS);
    g_assert_cmpuint(host.frac_bits, ==, CF_FRAC_BITS_INTEL);
    g_assert_cmpint(host.id.invariant_tsc, ==, CF_ANSWER_YES);
    /* nobody tells */
    g_assert_false(host.tolerance_known);
    g_assert_false(host.offset_known);
    g_assert_false(host.rung_known);
    g_assert_false(host.time_known);
    g_assert_false(host.instant_known);
}

static void test_amd(void)
{
    const CfHost host = read_xml(CAPABILITIES(
        COUNTER("scaling='no' frequency='3700000000'")
        "<vendor>AMD</vendor>"));

    g_assert_cmpuint(host.host_khz, ==, 3700000);
    g_assert_cmpint(host.scaling, ==, CF_SCALING_NONE);
    g_assert_cmpuint(host.frac_bits, ==, CF_FRAC_BITS_AMD);
}

/* Of an arm64 host there is no counter to be read. */
static void test_arm64(void)
{
    const CfHost host = read_xml(CAPABILITIES(
        "<arch>aarch64</arch><model>cortex-a72</model><vendor>ARM</vendor>"));

    g_assert_cmpint(host.architecture, ==, CF_ARCHITECTURE_ARM64);
    g_assert_cmpuint(host.counter_hz, ==, 0);
    g_assert_cmpuint(host.host_khz, ==, 0);
    g_assert_cmpuint(host.frac_bits, ==, 0);
}

/* What isn't said, or makes no sense, is unknown. */
static void test_unknown(void)
{
    static const char *const texts[] = {
        CAPABILITIES(""),
        CAPABILITIES("<vendor>Transmeta</vendor>"),
        CAPABILITIES(COUNTER("")),
        CAPABILITIES(COUNTER("frequency='0' scaling='maybe'")),
        CAPABILITIES(COUNTER("frequency='-1'")),
        CAPABILITIES(COUNTER("frequency='99999999999999999999'")),
        CAPABILITIES(COUNTER("frequency='0x7fffffff'")),
        CAPABILITIES("<counter name='hpet' frequency='14318180'/>"),
        CAPABILITIES("<deep>" COUNTER("frequency='2000000000'") "</deep>"),
        "<capabilities>" COUNTER("frequency='2000000000'") "</capabilities>",
        "<cpu><vendor>Intel</vendor></cpu>",
    };
    const CfHost unknown = { 0 };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(texts); i++) {
        const CfHost host = read_xml(texts[i]);

        g_assert_cmpmem(&host, sizeof(host), &unknown, sizeof(unknown));
    }
}

static void assert_refused(const char *xml)
{
    g_autoptr(GError) error = NULL;
    CfHost host = { 0 };

    g_assert_false(libvirt_read_capabilities(xml, &host, &error));
    g_assert_nonnull(strstr(error->message, "can't read"));
}

static void test_hostile(void)
{
    static const char *const texts[] = {
        "", "capabilities", "<capabilities>", "<capabilities></host>",
        CAPABILITIES("<vendor>&boom;</vendor>"),
        CAPABILITIES("<vendor>\xff\xfe</vendor>"),
    };
    g_autoptr(GString) deep = g_string_new(NULL);
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(texts); i++) {
        assert_refused(texts[i]);
    }
    for (i = 0; i < 1000000; i++) {
        g_string_append(deep, "<a>");
    }
    assert_refused(deep->str);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/capabilities/intel", test_intel);
    g_test_add_func("/capabilities/amd", test_amd);
    g_test_add_func("/capabilities/arm64", test_arm64);
    g_test_add_func("/capabilities/unknown", test_unknown);
    g_test_add_func("/capabilities/hostile", test_hostile);
    return g_test_run();
}
