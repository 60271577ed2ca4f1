/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A VM to try things on, in which no guest ever runs. */
#ifndef CF_SCRATCH_H
#define CF_SCRATCH_H

#include <clockferry/host.h>

/* Scratch - the VM; descriptors that aren't open are -1 */
typedef struct Scratch {
    const CfKvmOps *ops;  /* the calls */
    int kvm_fd;           /* the device */
    int vm_fd;            /* the VM */
    int vcpu_fd;          /* its one vCPU */
} Scratch;

#define SCRATCH_INIT(ops) { (ops), -1, -1, -1 }

/* Makes the VM; to be closed on failure, too. A process that isn't allowed
 * some call fails here: else a sandbox would look like a host that can't do
 * much. Errors: CF_ERROR_NO_KVM. */
gboolean cf_scratch_open(Scratch *scratch, const char *device, GError **error);

void cf_scratch_close(Scratch *scratch);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Scratch, cf_scratch_close)

/* probe-counter.c: all facts about an arm64 host. Errors: CF_ERROR_SYSTEM. */
gboolean cf_probe_counter(const Scratch *scratch, CfHost *probe,
                          GError **error);

#endif /* CF_SCRATCH_H */
