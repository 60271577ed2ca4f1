/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Without kvmclock no update of it can be pending. */
#include <clockferry/vm.h>

bool cf_settle_vcpu(int vcpu_fd)
{
    (void)vcpu_fd;
    return true;
}
