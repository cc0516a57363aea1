/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Loops whose body is a function: step(i, context) returns 1 to end them. Where the kernel can call it (bpf_loop,
 * kernel >= 5.17) it is verified once and may run often; otherwise (WITHOUT_CALLBACKS) the loop is verified round by
 * round, and has fewer.
 */
#pragma once

#ifdef WITHOUT_CALLBACKS
#define STEP static __always_inline long
#define repeat(rounds, fewer, step, context)        \
	do {                                        \
		for (u32 __i = 0; __i < fewer; __i++) { \
			if (step(__i, context))     \
				break;              \
		}                                   \
	} while (0)
#else
#define STEP static long
#define repeat(rounds, fewer, step, context) bpf_loop(rounds, step, context, 0)
#endif
