//go:build ignore

// SPDX-License-Identifier: GPL-2.0
/*
 * A kernel module that does, for tests in guests, what rootkits do: it replaces words in the kernel's memory,
 * observes a function by ftrace, and hides. It does no harm, and takes everything back when it is removed.
 *
 * It is built without the kernel's headers: what differs between kernels is taken from another module of the same
 * kernel (see rootkit.go) or told by the test, which fills the settings before it loads the module. x86-64, >= 5.10.
 */

typedef unsigned long word;

#define PATCHES 4

/* What a patch can put into its place. */
enum { REPLACE_NOTHING, REPLACE_SYSCALL, REPLACE_SHOW, REPLACE_ITERATE };

enum { HIDE_FROM_LIST = 1, HIDE_FROM_SYSFS = 2 };

struct list_head {
	struct list_head *next, *prev;
};

struct seq_file;
struct file;
struct dir_context;
struct pt_regs;

/* The beginning of struct ftrace_ops; the rest is the kernel's. */
struct ftrace_ops {
	void (*func)(word ip, word parent, struct ftrace_ops *ops, void *regs);
	word rest[255];
};

struct settings {
	word magic; /* by which the test finds it in the file */
	struct {
		word address;
		word replacement;
	} patches[PATCHES];
	word observed; /* address of a function that ftrace is to observe; 0: none */
	/* The kernel's own, which it lets a module link to only if that knows their checksums. */
	int (*ftrace_set_filter_ip)(struct ftrace_ops *ops, word ip, int remove, int reset);
	int (*register_ftrace_function)(struct ftrace_ops *ops);
	int (*unregister_ftrace_function)(struct ftrace_ops *ops);
	word hide;
	word list_at;  /* where struct module has its place in the list of modules, */
	word kset_at;  /* and in that of /sys/module */
};

volatile struct settings settings = { .magic = 0x746573206b6f6f72 };

static word originals[PATCHES];

static word original(int replacement)
{
	for (int i = 0; i < PATCHES; i++) {
		if (settings.patches[i].replacement == replacement)
			return originals[i];
	}
	return 0;
}

static long rootkit_syscall(const struct pt_regs *regs)
{
	return ((long (*)(const struct pt_regs *))original(REPLACE_SYSCALL))(regs);
}

static int rootkit_show(struct seq_file *file, void *line)
{
	return ((int (*)(struct seq_file *, void *))original(REPLACE_SHOW))(file, line);
}

static int rootkit_iterate(struct file *file, struct dir_context *context)
{
	return ((int (*)(struct file *, struct dir_context *))original(REPLACE_ITERATE))(file, context);
}

static const word replacements[] = {
	0, (word)rootkit_syscall, (word)rootkit_show, (word)rootkit_iterate,
};

/* write_word changes memory that is mapped for reading only. */
static void write_word(word *at, word value)
{
	word flags, cr0;

	asm volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
	asm volatile("mov %%cr0, %0" : "=r"(cr0));
	asm volatile("mov %0, %%cr0" : : "r"(cr0 & ~(1UL << 16)) : "memory");
	*(volatile word *)at = value;
	asm volatile("mov %0, %%cr0" : : "r"(cr0) : "memory");
	asm volatile("pushq %0; popfq" : : "r"(flags) : "memory", "cc");
}

static void rootkit_observe(word ip, word parent, struct ftrace_ops *ops, void *regs)
{
}

static struct ftrace_ops observer = { .func = rootkit_observe };

int init_module(void);
void cleanup_module(void);

/* The kernel's struct module, as long as it is here. */
struct module {
	char before_name[NAME_AT];
	char name[INIT_AT - NAME_AT];
	int (*init)(void);
	char before_exit[EXIT_AT - INIT_AT - sizeof(word)];
	void (*exit)(void);
	char rest[MODULE_SIZE - EXIT_AT - sizeof(word)];
};

struct module __this_module __attribute__((section(".gnu.linkonce.this_module"), aligned(64))) = {
	.name = "rootkit", .init = init_module, .exit = cleanup_module,
};

static struct list_head *entries[2];

/* hide takes the module out of lists; its entries keep their neighbours, so that it can come back. */
static void hide(void)
{
	char *module = (char *)&__this_module;

	if (settings.hide & HIDE_FROM_LIST)
		entries[0] = (struct list_head *)(module + settings.list_at);
	if (settings.hide & HIDE_FROM_SYSFS)
		entries[1] = (struct list_head *)(module + settings.kset_at);
	for (int i = 0; i < 2; i++) {
		if (!entries[i])
			continue;
		entries[i]->prev->next = entries[i]->next;
		entries[i]->next->prev = entries[i]->prev;
	}
}

static void appear(void)
{
	for (int i = 0; i < 2; i++) {
		if (!entries[i])
			continue;
		entries[i]->prev->next = entries[i];
		entries[i]->next->prev = entries[i];
		entries[i] = 0;
	}
}

/* Any write to /sys/module/rootkit/parameters/appear, a file that stays. */
struct kernel_param;

static int appear_set(const char *value, const struct kernel_param *param)
{
	appear();
	return 0;
}

static const struct {
	unsigned int flags;
	int (*set)(const char *value, const struct kernel_param *param);
	void *get, *free;
} appear_ops = { .set = appear_set };

static const struct {
	const char *name;
	struct module *module;
	const void *ops;
	unsigned short mode;
	signed char level;
	unsigned char flags;
	void *argument;
} appear_param __attribute__((section("__param"), aligned(8), used)) = {
	"appear", &__this_module, &appear_ops, 0200, -1,
};

int init_module(void)
{
	for (int i = 0; i < PATCHES; i++) {
		word *at = (word *)settings.patches[i].address;

		if (!at)
			continue;
		originals[i] = *at;
		write_word(at, replacements[settings.patches[i].replacement]);
	}
	if (settings.observed) {
		int err = settings.ftrace_set_filter_ip(&observer, settings.observed, 0, 0);

		if (!err)
			err = settings.register_ftrace_function(&observer);
		if (err)
			settings.observed = 0;
	}
	hide();
	return 0;
}

void cleanup_module(void)
{
	for (int i = 0; i < PATCHES; i++) {
		if (settings.patches[i].address)
			write_word((word *)settings.patches[i].address, originals[i]);
	}
	if (settings.observed)
		settings.unregister_ftrace_function(&observer);
}

#define INFO(n, text) \
	static const char info##n[] __attribute__((section(".modinfo"), used, aligned(1))) = text
INFO(1, "license=GPL");
INFO(2, "name=rootkit");
INFO(3, "srcversion=0123456789ABCDEF");
INFO(4, "vermagic=" VERMAGIC);
INFO(5, "retpoline=Y");

#if LAYOUT_CHECKSUM
static const struct {
	word checksum;
	char name[64 - sizeof(word)];
} versions __attribute__((section("__versions"), used)) = { LAYOUT_CHECKSUM, "module_layout" };
#endif
