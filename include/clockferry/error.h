/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Errors of libclockferry, and how its symbols are exported.
 *
 * Every function that can fail takes a GError last and returns true or false.
 * On failure it writes nothing else that it was given. The library never logs,
 * prints or exits, and never asserts on its input.
 */
#ifndef CLOCKFERRY_ERROR_H
#define CLOCKFERRY_ERROR_H

#include <glib.h>

#define CF_API __attribute__((visibility("default")))

/**
 * CfError - codes of the domain CF_ERROR
 * @CF_ERROR_NO_KVM: this process can't use KVM at all: there is no device, it
 *                   may not be opened, or it isn't a KVM device
 * @CF_ERROR_SYSTEM: the kernel refused a call that has to work
 * @CF_ERROR_INVALID: a state or an argument can't be used
 */
typedef enum CfError {
    CF_ERROR_NO_KVM,
    CF_ERROR_SYSTEM,
    CF_ERROR_INVALID,
} CfError;

#define CF_ERROR (cf_error_quark())

G_BEGIN_DECLS

/**
 * cf_error_quark - the GError domain; use CF_ERROR
 *
 * Return: the quark.
 */
CF_API GQuark cf_error_quark(void);

G_END_DECLS

#endif /* CLOCKFERRY_ERROR_H */
