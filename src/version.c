/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which library this is. */
#include <clockferry/clockferry.h>

uint32_t cf_version(void)
{
    return CF_VERSION;
}
