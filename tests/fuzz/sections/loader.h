/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Saving one section, and loading all that come. */
#ifndef TESTS_FUZZ_SECTIONS_LOADER_H
#define TESTS_FUZZ_SECTIONS_LOADER_H

#include "migration/qemu-file-types.h"

/* Before sections are registered. */
void loader_begin(void);

/* Each has said why, if it returns false. */
bool loader_save(QEMUFile *file, const char *name, uint32_t instance);
bool loader_load(QEMUFile *file);

#endif
