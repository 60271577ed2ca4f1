/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The probe of this host, in a process of its own. */
#ifndef PROBE_APART_H
#define PROBE_APART_H

#include <clockferry/host.h>

/**
 * probe_apart - cf_host_probe(), where it can do no harm
 * @ret_host: the facts, written on success
 * @error: why it can't be probed
 *
 * A KVM that hangs can keep a process from ending, and libvirt waits for its
 * hooks to end. So this asks KVM in a child that has no pipe of libvirt's, and
 * that nobody has to wait for.
 *
 * Return: true on success.
 */
gboolean probe_apart(CfHost *ret_host, GError **error);

#endif /* PROBE_APART_H */
