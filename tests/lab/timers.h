/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the timer guest (timers.S) notes down, and where. Read by timers.S and
 * by timers.py: plain "#define NAME number" lines only. */
#ifndef CF_TIMERS_H
#define CF_TIMERS_H

/* vCPU 0 never sleeps and has a timer every few ms; the others sleep, with
 * timers far ahead, half an interval apart. In ticks, or in ns for a LAPIC
 * that counts down. */
#define CF_TIMER_VCPUS          3
#define CF_TIMER_SHORT          0x00800000
#define CF_TIMER_LONG           0x40000000
#define CF_TIMER_VECTOR         0x40

/* Each vCPU's notes: a ring of timers, the last one still armed, ... */
#define CF_NOTES                0x30000
#define CF_NOTES_SIZE           0x8000
#define CF_TIMERS               0
#define CF_TIMERS_KEPT          512
#define CF_TIMER_SHIFT          5       /* log2 of an entry's size */
#define CF_TIMER_ARMED          0       /* u64, TSC just before it was armed */
#define CF_TIMER_AHEAD          8       /* u64, interval */
#define CF_TIMER_FIRED          16      /* u64, TSC at the interrupt, or 0 */

/* ... a ring of the times at which it didn't run: two TSCs that it published
 * one after the other, ... */
#define CF_GAPS                 0x4000
#define CF_GAPS_KEPT            512
#define CF_GAP_SHIFT            4
#define CF_GAP_BEFORE           0
#define CF_GAP_AFTER            8
#define CF_GAP_LEAST            0x01000000      /* ticks */

/* ... how many of both there were, and the interval of its next timers. */
#define CF_TIMERS_FIRED         0x6000  /* u32 */
#define CF_GAPS_SEEN            0x6004  /* u32 */
#define CF_AHEAD                0x6008  /* u32 */

#endif
