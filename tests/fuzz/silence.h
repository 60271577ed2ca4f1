/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeps libxml2 from writing to the standard error what an input is like. */
#ifndef TESTS_FUZZ_SILENCE_H
#define TESTS_FUZZ_SILENCE_H

#include <glib.h>
#include <libxml/xmlerror.h>

static void be_silent(void *context G_GNUC_UNUSED,
                      const char *format G_GNUC_UNUSED, ...)
{
}

static inline void silence_libxml(void)
{
    xmlSetGenericErrorFunc(NULL, be_silent);
}

#endif
