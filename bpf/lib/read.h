/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reads of kernel objects behind pointers that the verifier does not know. READ(p, a.b) is a plain load since kernel
 * 6.2, which lets a program state the type of a pointer, and a call of a helper, ten times the cost, before.
 * READ_AS(true, p, a.b) is for pointers that the verifier does know: a plain load everywhere, except that the pointers
 * found behind them are taken for untyped ones where types can be stated. To know their type the verifier would search
 * the names of all the kernel's types, several times for each (btf_nested_type_is_trusted(), kernel >= 6.4), which was
 * most of the time that loading took.
 */
#pragma once

extern void *bpf_rdonly_cast(const void *object, u32 type) __ksym __attribute__((weak));

#define kernel_casts() ((void *)bpf_rdonly_cast != NULL)

#define kernel_cast(p) ((typeof(p))bpf_rdonly_cast(p, bpf_core_type_id_kernel(typeof(*(p)))))

#define POINTER_CLASS 5 /* of __builtin_classify_type() */
#define is_pointer(value) (__builtin_classify_type(value) == POINTER_CLASS)

#define READ_AS(known, p, field)                                                      \
	({                                                                            \
		typeof(p) __p = (p);                                                  \
		typeof(__p->field) __value;                                           \
		if (known && !(is_pointer(__p->field) && kernel_casts()))             \
			__value = __p->field;                                         \
		else if (kernel_casts())                                              \
			__value = kernel_cast(__p)->field;                            \
		else                                                                  \
			__value = BPF_CORE_READ(__p, field);                          \
		__value;                                                              \
	})

#define READ(p, field) READ_AS(false, p, field)

/* text16_copy copies a name of sixteen bytes by plain loads. */
#define text16_copy(to, from)                                            \
	do {                                                             \
		const u64 *__from = __builtin_assume_aligned((from), 8); \
		((u64 *)(to))[0] = __from[0];                            \
		((u64 *)(to))[1] = __from[1];                            \
	} while (0)

/*
 * unknown returns a pointer of which the verifier knows nothing any more. It takes the arguments of LSM hooks for never
 * NULL, which is not so for all, and removes the check.
 */
#define unknown(p)                                                       \
	({                                                               \
		typeof(p) __from = (p), __to = NULL;                     \
		bpf_probe_read_kernel(&__to, sizeof(__to), &__from);     \
		__to;                                                    \
	})
