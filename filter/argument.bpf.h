/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Decides by its arguments and return value whether an event is sent. The record is looked at where it was made, before
 * it has a sequence number. What can not be told here passes: user space asks Filter.Match in any case.
 *
 * Without such filters the verifier deletes all of it. Functions that are not static are verified once for each
 * program, so that they may loop; before 5.12 they take numbers only. Needs event_at(), header and body of struct
 * event, and lib/repeat.h; kernel >= 5.8.
 */
#pragma once

const volatile bool filter_arguments; /* there are tests */

/* By index of the event. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* as many as there are, set before loading */
	__type(key, u32);
	__type(value, struct filter_tests);
} filter_judged SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* as many as there are, set before loading */
	__type(key, u32);
	__type(value, struct filter_test);
} filter_tests SEC(".maps");

/* Of texts; those about the executables of processes come first. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* as many as there are, set before loading */
	__type(key, u32);
	__type(value, struct filter_automaton);
} filter_automata SEC(".maps");

#define TEXT_STRIDE 8
#define TEXT_STEPS (VALUE_MAX / TEXT_STRIDE)
#define TEXT_STEPS_UNROLLED 64

struct text_walk {
	struct event *e;
	const struct filter_automaton *automaton;
	u64 reached[FILTER_WORDS];
	u32 at, end;
	bool begun; /* some letters were fed */
	bool done;
};

/* text_step feeds some letters of a text to an automaton, see patterns_run(); 1: the text is over, or can not match. */
STEP text_step(u32 i, struct text_walk *walk)
{
	const struct filter_automaton *automaton = walk->automaton;
	u64 first = automaton->first[0], floating = automaton->floating[0], sticky = automaton->sticky[0];
	u64 start = walk->begun ? floating : first, reached = walk->reached[0];
	struct event *e = walk->e;
	u32 at = walk->at, end = walk->end;

	for (u32 j = 0; j < TEXT_STRIDE; j++) {
		if (at >= end)
			break;
		barrier_var(at); /* verifier: the check below is of the register that indexes */
		if (at >= sizeof(e->body))
			break;
		reached = ((((reached << 1) & ~first) | start) & automaton->letters[e->body[at]]) | (reached & sticky);
		start = floating;
		at++;
	}
	walk->at = at;
	walk->reached[0] = reached;
	walk->begun = true;
	walk->done = at >= end || !(reached | floating);
	return walk->done;
}

/* text_step_wide is text_step for an automaton of several words. */
STEP text_step_wide(u32 i, struct text_walk *walk)
{
	const struct filter_automaton *automaton = walk->automaton;
	struct event *e = walk->e;
	u32 at = walk->at, end = walk->end;
	u64 alive = 0;

	for (u32 j = 0; j < TEXT_STRIDE; j++) {
		u64 carry = 0;
		u8 letter;

		if (at >= end)
			break;
		barrier_var(at); /* verifier: the check below is of the register that indexes */
		if (at >= sizeof(e->body))
			break;
		letter = e->body[at];
		alive = 0;
#pragma unroll
		for (u32 w = 0; w < FILTER_WORDS; w++) {
			u64 start = walk->begun ? automaton->floating[w] : automaton->first[w];
			u64 reached = walk->reached[w], next = (reached << 1 | carry) & ~automaton->first[w];

			carry = reached >> 63;
			walk->reached[w] = ((next | start) & automaton->letters[w * 256 + letter]) |
					   (reached & automaton->sticky[w]);
			alive |= walk->reached[w] | automaton->floating[w];
		}
		walk->begun = true;
		at++;
	}
	walk->at = at;
	walk->done = at >= end || !alive;
	return walk->done;
}

#define FILTER_UNKNOWN 3

/* text_run says what the patterns of one automaton say about a text of the record: FILTER_*; 0: nothing. */
__noinline u32 text_run(u32 number, u32 index, u64 slot)
{
	const struct filter_automaton *automaton;
	u64 in = 0, out = 0;
	struct text_walk walk;
	struct event *e;

	if (!filter_arguments)
		return 0;
	e = event_at(number);
	automaton = bpf_map_lookup_elem(&filter_automata, &index);
	if (!e || !automaton)
		return FILTER_UNKNOWN;
	walk = (struct text_walk){ .e = e, .automaton = automaton, .at = slot, .end = slot + (slot >> 32) };
	walk.done = walk.at == walk.end;
	if (walk.done)
		return 0;
	if (automaton->wide)
		repeat(TEXT_STEPS, TEXT_STEPS_UNROLLED, text_step_wide, &walk);
	else
		repeat(TEXT_STEPS, TEXT_STEPS_UNROLLED, text_step, &walk);
	if (!walk.done)
		return FILTER_UNKNOWN;
#pragma unroll
	for (u32 w = 0; w < FILTER_WORDS; w++) {
		in |= walk.reached[w] & automaton->in[w];
		out |= walk.reached[w] & automaton->out[w];
	}
	if (out)
		return FILTER_OUT;
	return in ? FILTER_IN : 0;
}

/* text_verdict says what count automata say about a text, and unlisted if they say nothing: FILTER_IN, FILTER_OUT. */
static __always_inline u32 text_verdict(u32 number, u64 slot, u32 first, u32 count, u32 unlisted)
{
	for (u32 i = 0; i < FILTER_AUTOMATA; i++) {
		u32 verdict;

		if (i >= count)
			break;
		verdict = text_run(number, first + i, slot);
		if (verdict == FILTER_OUT)
			return FILTER_OUT;
		if (verdict)
			unlisted = FILTER_IN;
	}
	return unlisted;
}

#define ADDRESS_INET 2 /* AF_* */
#define ADDRESS_UNIX 1
#define ADDRESS_ROOM 256 /* for its text, at the end of the buffer: behind the largest record */
#define ADDRESS_AT (sizeof(((struct event *)NULL)->body) - ADDRESS_ROOM)
#define ADDRESS_BYTE(e, at) (e)->body[ADDRESS_AT + ((at) & (ADDRESS_ROOM - 1))] /* verifier: the mask */

#define ADDRESS_TEXT_PUT(e, at, text)                           \
	do {                                                    \
		const char __text[] = text;                     \
		_Pragma("unroll")                               \
		for (u32 __i = 0; __i < sizeof(__text) - 1; __i++) \
			ADDRESS_BYTE(e, at + __i) = __text[__i]; \
		at += sizeof(__text) - 1;                       \
	} while (0)

static __always_inline u32 decimal_put(struct event *e, u32 at, u32 n)
{
	u32 digits = n > 9999 ? 5 : n > 999 ? 4 : n > 99 ? 3 : n > 9 ? 2 : 1;

	for (u32 i = 1; i <= 5; i++) {
		if (i > digits)
			break;
		ADDRESS_BYTE(e, at + digits - i) = '0' + n % 10;
		n /= 10;
	}
	return at + digits;
}

/*
 * address_text spells a socket address as v0.8 shows it, behind the record, and returns where: as a slot says it. 0: of
 * this family user space knows more.
 */
__noinline u64 address_text(u32 number, u64 slot)
{
	struct {
		u16 family;
		u8 port[2], ip[4];
	} raw = {};
	u32 from = slot, length = slot >> 32, at = 0;
	struct event *e;

	if (!filter_arguments)
		return 0;
	e = event_at(number);
	if (!e || e->header.size > ADDRESS_AT || from > ADDRESS_AT || length < sizeof(raw.family))
		return 0;
	barrier_var(from); /* verifier: the check above is of the register that indexes */
	if (from > ADDRESS_AT || bpf_probe_read_kernel(&raw, sizeof(raw), &e->body[from]))
		return 0;
	if (raw.family == ADDRESS_INET && length >= sizeof(raw)) {
		ADDRESS_TEXT_PUT(e, at, "map[sa_family:AF_INET sin_addr:");
		for (u32 i = 0; i < sizeof(raw.ip); i++) {
			at = decimal_put(e, at, raw.ip[i]);
			ADDRESS_BYTE(e, at) = '.';
			at++;
		}
		at--;
		ADDRESS_TEXT_PUT(e, at, " sin_port:");
		at = decimal_put(e, at, raw.port[0] << 8 | raw.port[1]);
	} else if (raw.family == ADDRESS_UNIX && length > sizeof(raw.family)) {
		u32 path = from + sizeof(raw.family);
		long n;

		length -= sizeof(raw.family);
		if (!raw.port[0]) { /* an abstract name, or none */
			path++;
			length--;
			if (!length || !raw.port[1])
				return 0;
		}
		if (length > ADDRESS_ROOM / 2)
			return 0;
		ADDRESS_TEXT_PUT(e, at, "map[sa_family:AF_UNIX sun_path:");
		n = bpf_probe_read_kernel_str(&e->body[ADDRESS_AT + sizeof("map[sa_family:AF_UNIX sun_path:") - 1],
					      length + 1, &e->body[path]);
		if (n <= 0)
			return 0;
		at += n - 1;
	} else {
		return 0;
	}
	ADDRESS_BYTE(e, at) = ']';
	return ADDRESS_AT | (u64)(at + 1) << 32;
}

static __always_inline bool number_passes(const struct filter_test *test, u64 value)
{
	u8 shift = test->shift & 63, count = test->count;

	value <<= shift;
	value = test->kind == FILTER_TEST_SIGNED ? (u64)((s64)value >> shift) : value >> shift;
	if (test->kind == FILTER_TEST_BOOL)
		value = !!value;
	value ^= test->flip;
#pragma unroll
	for (u32 i = 0; i < FILTER_INLINE_VALUES; i++) {
		if (i < count && value == test->values[i])
			return test->verdicts[i] == FILTER_IN;
	}
	if (test->lookup) {
		struct filter_number_key key = { .field = test->field, .value = value };
		const u8 *verdict = bpf_map_lookup_elem(&filter_values, &key);

		if (verdict)
			return *verdict == FILTER_IN;
	}
	if (test->unlisted == FILTER_OUT)
		return false;
	return !test->ranged || (value >= test->min && value <= test->max);
}

/* test_passes asks one test about the record. What was not captured does not pass. */
__noinline u32 test_passes(u32 number, u32 index)
{
	const struct filter_test *test;
	struct event *e;
	u64 *at, slot;

	if (!filter_arguments)
		return true;
	e = event_at(number);
	test = bpf_map_lookup_elem(&filter_tests, &index);
	if (!e || !test)
		return true;
	if (test->native_only && e->header.flags & FLAG_COMPAT)
		return true;
	if (test->kind == FILTER_TEST_RETURN)
		return number_passes(test, e->header.retval);
	if (!(e->header.present >> (test->slot & 63) & 1))
		return false;
	at = (void *)&e->body[(test->slot & 63) * sizeof(u64)];
	slot = *at;
	if (test->kind == FILTER_TEST_ADDRESS) {
		slot = address_text(number, slot);
		if (!slot)
			return true;
	} else if (test->kind != FILTER_TEST_TEXT) {
		return number_passes(test, slot);
	}
	return text_verdict(number, slot, test->automaton, test->automata, test->unlisted) == FILTER_IN;
}

/* arguments_pass says whether all tests of one alternative hold. Inline, because calls go eight deep at most. */
static __always_inline bool arguments_pass(u32 number)
{
	const struct filter_tests *tests;
	bool holds = true;
	struct event *e;
	u32 event;

	e = event_at(number);
	if (!e)
		return true;
	event = e->header.event;
	tests = bpf_map_lookup_elem(&filter_judged, &event);
	if (!tests)
		return true;
	for (u32 i = 0; i < FILTER_TESTS; i++) {
		u32 index = tests->first + i;
		const struct filter_test *test;

		if (i >= tests->count)
			break;
		test = bpf_map_lookup_elem(&filter_tests, &index);
		if (!test)
			return true;
		if (holds)
			holds = test_passes(number, index);
		if (!test->last)
			continue;
		if (holds)
			return true;
		holds = true;
	}
	return false;
}
