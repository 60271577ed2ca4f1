/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the series' files call by way of host.h, and modelled.c answers. */
#ifndef TESTS_FUZZ_SECTIONS_ANSWERS_H
#define TESTS_FUZZ_SECTIONS_ANSWERS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/timex.h>
#include <time.h>

uint64_t host_ticks(void);
int64_t host_monotonic_ns(void);
int host_clock_gettime(clockid_t id, struct timespec *ret_now);
void host_sleep_us(unsigned long us);
int host_adjtimex(struct timex *ret_time);
gboolean host_file(const char *path, char **ret_text);
void host_cpuid_of_model(uint32_t function, uint32_t *ret_ecx);
int host_call(int fd, unsigned long request, ...);
int host_extension(unsigned int capability);
bool host_read_guest(uint64_t address, void *buffer, size_t size);

#endif
