/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU's own code that saves and loads sections, with an entrance for one
 * section: all that a stream may have besides, such as commands and RAM, would
 * reach what isn't there.
 */
#include "migration/savevm.c"
#include "hw/i386/kvm/clock-compat.h"
#include "loader.h"

#if QEMU_VERSION_MAJOR == 10 && QEMU_VERSION_MINOR == 0
#define START_FULL(file, err) qemu_loadvm_section_start_full(file, \
                                                        QEMU_VM_SECTION_FULL)
#else
#define START_FULL(file, err) qemu_loadvm_section_start_full(file, \
                                                   QEMU_VM_SECTION_FULL, err)
#endif

/* RAM and others, which no stream is to find, nor is a leak of them. */
SaveStateEntry *loader_others;

void loader_begin(void)
{
    migration_object_init();
    loader_others = QTAILQ_FIRST(&savevm_state.handlers);
    QTAILQ_INIT(&savevm_state.handlers);
    memset(savevm_state.handler_pri_head, 0,
           sizeof(savevm_state.handler_pri_head));
}

bool loader_save(QEMUFile *file, const char *name, uint32_t instance)
{
    SaveStateEntry *se = find_se(name, instance);
    Error *err = NULL;
    int ret = vmstate_save(file, se, NULL, &err);

    if (err) {
        error_report_err(err);
    }
    return ret == 0;
}

static bool load_section(QEMUFile *file)
{
    Error *err = NULL;
    int ret = START_FULL(file, &err);

    if (err) {
        error_report_err(err);
    }
    return ret == 0;
}

bool loader_load(QEMUFile *file)
{
    for (;;) {
        switch (qemu_get_byte(file)) {
        case QEMU_VM_SECTION_FULL:
            if (!load_section(file)) {
                return false;
            }
            break;
        case QEMU_VM_EOF:
            return true;
        default:
            error_report("Unknown savevm section type");
            return false;
        }
    }
}
