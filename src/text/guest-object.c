/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A guest that is to move, as a JSON object that may get more members. */
#include "codec.h"

#define MIN_VERSION 1

static void add_host(CfJson *object, const CfGuest *guest)
{
    cf_json_add_text(object, "host", guest->host);
    cf_json_add_text(object, "boot_id", guest->boot_id);
    if (guest->host_khz) {
        cf_json_add_int(object, "host_khz", guest->host_khz);
    }
    if (guest->instant_known) {
        cf_json_add(object, "instant", cf_instant_to_json(&guest->instant));
    }
    if (guest->max_error_ns != UINT64_MAX) {
        cf_json_add_u64(object, "max_error_ns", guest->max_error_ns);
    }
    if (guest->tai_offset_s) {
        cf_json_add_int(object, "tai_offset_s", guest->tai_offset_s);
    }
    cf_json_add_name(object, "leap", &cf_leap_names, guest->leap);
}

CfJson *cf_guest_to_object(const CfGuest *guest)
{
    CfJson *object = cf_json_new_format(CF_GUEST_FORMAT, CF_GUEST_VERSION,
                                        MIN_VERSION);

    add_host(object, guest);
    if (cf_tsc_freq_valid(&guest->freq)) {
        cf_json_add_u64(object, "ratio", guest->freq.ratio);
        cf_json_add_int(object, "frac_bits", guest->freq.frac_bits);
    }
    cf_json_add_bool(object, "promised", guest->promised);
    cf_json_add_name(object, "policy", &cf_policy_names, guest->policy);
    cf_json_add_name(object, "require", &cf_rung_names, guest->require);
    return object;
}
