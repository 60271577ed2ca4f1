/*
 * What differs between the versions of QEMU that have these files
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_KVM_CLOCK_COMPAT_H
#define HW_I386_KVM_CLOCK_COMPAT_H

#if QEMU_VERSION_MAJOR == 10 && QEMU_VERSION_MINOR == 0
#define CLASS_DATA void         /* what class_init is given */
#ifdef COMPILING_PER_TARGET
#include "exec/address-spaces.h"
#endif
#else
#define CLASS_DATA const void
#ifdef COMPILING_PER_TARGET
#include "system/address-spaces.h"
#include "system/memory.h"
#endif
#endif

#endif
