/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads a host of the model from a file such as "hosts", which tells how. */
#ifndef FAKE_KVM_HOSTS_H
#define FAKE_KVM_HOSTS_H

#include "model.h"

/**
 * FakeFault - a call that fails on purpose, or before which the host changes
 * @call: its name in the log
 * @number: which of these calls of this process, from 1
 * @for_ever: and all later ones
 * @error: errno; 0: it doesn't fail
 * @turns: else the name of the host as which this one goes on
 * @turned: that host
 */
typedef struct FakeFault {
    char *call;
    int number;
    bool for_ever;
    int error;
    char *turns;
    FakeHost *turned;
} FakeFault;

/**
 * fake_host_read - look a host up
 * @name: its name
 * @files: paths, the last one being NULL; the first one that has it counts
 * @ret_host: the host
 * @ret_faults: array of FakeFault, owned by the caller
 * @error: why not: what is wrong, and where
 */
bool fake_host_read(const char *name, const char *const *files,
                    FakeHost *ret_host, GArray **ret_faults, GError **error);

#endif /* FAKE_KVM_HOSTS_H */
