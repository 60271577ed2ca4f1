/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Preloaded into Bochs, which takes its processor's random numbers and the delays
 * of its disk from rand(), begun by this machine's time: so each run would be
 * another one. */
#include <stdlib.h>

void srand(unsigned int seed)
{
    (void)seed;
}
