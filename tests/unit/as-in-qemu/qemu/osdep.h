/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What QEMU's osdep.h has for test-kvm-clock-math.c, which is the series' own unit test, too. */
#ifndef QEMU_OSDEP_H
#define QEMU_OSDEP_H

#include <glib.h>

#define ARRAY_SIZE(table) G_N_ELEMENTS(table)

#endif
