/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Decides whether the task that an event is about is in scope. The rules are constants when programs are loaded, so the
 * verifier deletes what no --trace flag asked for. Included after struct event_header; kernel >= 5.8.
 */
#pragma once

#include "../bpf/gen/filters.h"

const volatile struct filter_rule filter_rules[FILTER_FIELDS];
const volatile struct filter_patterns filter_patterns[FILTER_TEXTS];

/* Numbers that a rule has no room for. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* as many as there are values, set before loading */
	__type(key, struct filter_number_key);
	__type(value, u8);
} filter_values SEC(".maps");

/* Texts without a *. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* as many as there are texts, set before loading */
	__type(key, struct filter_text_key);
	__type(value, u8);
} filter_strings SEC(".maps");

/* filter_number: fresh says that the process is new, which is as good as a value of its own. */
static __always_inline bool filter_number(u32 field, u64 value, bool fresh)
{
	const volatile struct filter_rule *rule = &filter_rules[field];
	u32 count;

	if (!rule->active)
		return true;
	if (fresh && rule->fresh == FILTER_OUT)
		return false;
	count = rule->count;
#pragma unroll
	for (u32 i = 0; i < FILTER_INLINE_VALUES; i++) {
		if (i < count && value == rule->values[i])
			return rule->verdicts[i] == FILTER_IN;
	}
	if (rule->lookup) {
		struct filter_number_key key = { .field = field, .value = value };
		const u8 *verdict = bpf_map_lookup_elem(&filter_values, &key);

		if (verdict)
			return *verdict == FILTER_IN;
	}
	if (fresh && rule->fresh == FILTER_IN)
		return true;
	if (rule->ranged)
		return value >= rule->min && value <= rule->max;
	return rule->unlisted == FILTER_IN;
}

/*
 * text_end returns a mask of the bytes before the first NUL of eight. The lowest bit that a borrow sets belongs to the
 * first byte that was zero.
 */
static __always_inline u64 text_end(u64 word)
{
	u64 zero = (word - 0x0101010101010101ULL) & ~word & 0x8080808080808080ULL;

	return zero ? ((zero & -zero) >> 7) - 1 : ~0ULL;
}

/* text_key is zero behind the text: what lies there depends on how the kernel wrote it. */
static __always_inline struct filter_text_key text_key(u32 field, const u64 *words)
{
	struct filter_text_key key = { .field = field };
	u64 mask = text_end(words[0]);

	key.words[0] = words[0] & mask;
	if (mask == ~0ULL)
		key.words[1] = words[1] & text_end(words[1]);
	return key;
}

/* patterns_run feeds a text to the automaton and returns the letters that its end reached. */
static __always_inline u64 patterns_run(const volatile struct filter_patterns *patterns, const char *text)
{
	u64 first = patterns->first, floating = patterns->floating, sticky = patterns->sticky;
	u64 start = first, reached = 0;

	for (u32 i = 0; i < FILTER_TEXT_SIZE - 1; i++) {
		u8 letter = text[i];

		if (!letter)
			break;
		reached = ((((reached << 1) & ~first) | start) & patterns->letters[letter]) |
			  (reached & sticky);
		start = floating;
		if (!(reached | start)) /* nothing can match any more: the common case */
			break;
	}
	return reached;
}

static __always_inline bool filter_text(u32 field, u32 text_field, const char *text)
{
	const volatile struct filter_rule *rule = &filter_rules[field];

	if (!rule->active)
		return true;
	if (rule->lookup) {
		struct filter_text_key key = text_key(field, __builtin_assume_aligned(text, 8));
		const u8 *verdict = bpf_map_lookup_elem(&filter_strings, &key);

		if (verdict)
			return *verdict == FILTER_IN;
	}
	if (rule->patterns) {
		const volatile struct filter_patterns *patterns = &filter_patterns[text_field];
		u64 reached = patterns_run(patterns, text);

		if (reached & patterns->out)
			return false;
		if (reached & patterns->in)
			return true;
	}
	return rule->unlisted == FILTER_IN;
}

/* scope_passes_early needs the fields of the header that cost a helper call at most; process is of process_flags(). */
static __always_inline bool scope_passes_early(const struct event_header *h, u32 process)
{
	return FILTER_EARLY(h, process);
}

/* scope_passes_late needs the others. */
static __always_inline bool scope_passes_late(const struct event_header *h, u32 process)
{
	return FILTER_LATE(h, process);
}

static __always_inline bool scope_passes(const struct event_header *h, u32 process)
{
	return scope_passes_early(h, process) && scope_passes_late(h, process);
}

/* scope_limited says whether a task can be out of scope at all. */
static __always_inline bool scope_limited(void)
{
#pragma unroll
	for (u32 i = 0; i < FILTER_FIELDS; i++) {
		if (filter_rules[i].active)
			return true;
	}
	return false;
}
