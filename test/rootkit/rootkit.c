//go:build ignore

// SPDX-License-Identifier: GPL-2.0
/*
 * A kernel module that does, for tests in guests, what rootkits do: it replaces words in the kernel's memory,
 * observes a function by ftrace, makes files to be talked to by, and hides. It does no harm, and takes everything back
 * when it is removed.
 *
 * It is built without the kernel's headers: what differs between kernels is taken from another module of the same
 * kernel (see rootkit.go) or told by the test, which fills the settings before it loads the module.
 *
 * x86-64, arm64; kernel >= 5.10.
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
	struct {       /* likewise the kernel's; which are given, are called */
		void *(*proc_create)(const char *name, unsigned short mode, void *parent, const void *operations);
		void (*remove_proc_entry)(const char *name, void *parent);
		int (*register_chrdev)(unsigned int major, unsigned int minor, unsigned int count, const char *name,
				       const void *operations);
		void (*unregister_chrdev)(unsigned int major, unsigned int minor, unsigned int count,
					  const char *name);
		void *(*debugfs_create_dir)(const char *name, void *parent);
		void *(*debugfs_create_file)(const char *name, unsigned short mode, void *parent, void *data,
					     const void *operations);
		void *(*debugfs_create_file_full)(const char *name, unsigned short mode, void *parent, void *data,
						  const void *more, const void *operations); /* 6.13 */
		void (*debugfs_remove)(void *entry);
	} make;
	struct {
		void *(*vmalloc_to_page)(const void *address);
		void *(*vmap)(void **pages, unsigned int count, word flags, word protection);
		void (*vunmap)(const void *address);
	} mapping; /* arm64 */
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
#ifdef __x86_64__
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
#else
/* The processor knows no exception: the page is mapped once more. */
static void write_word(word *at, word value)
{
	const word vm_map = 4, page_kernel = 0x68000000000703, page_mask = 4095;
	void *page = settings.mapping.vmalloc_to_page(at);
	char *copy = settings.mapping.vmap(&page, 1, vm_map, page_kernel);

	if (!copy)
		return;
	*(volatile word *)(copy + ((word)at & page_mask)) = value;
	settings.mapping.vunmap(copy);
}

/* What the kernel needs for long jumps. */
asm(".pushsection .plt, \"ax\"; .byte 0; .popsection; .pushsection .init.plt, \"a\"; .byte 0; .popsection;"
    ".pushsection .text.ftrace_trampoline, \"ax\"; .byte 0; .popsection;"
    ".pushsection .init.text.ftrace_trampoline, \"a\"; .byte 0; .popsection");
#endif

static void rootkit_observe(word ip, word parent, struct ftrace_ops *ops, void *regs)
{
}

static struct ftrace_ops observer = { .func = rootkit_observe };

/* Of files that nobody opens: no operations. */
static const word rootkit_operations[64] = {};

static void *directory;
static int major = -1;

static void make(void)
{
	if (settings.make.proc_create)
		settings.make.proc_create("rootkit_proc", 0400, 0, rootkit_operations);
	if (settings.make.register_chrdev)
		major = settings.make.register_chrdev(0, 0, 1, "rootkit_device", rootkit_operations);
	if (settings.make.debugfs_create_dir)
		directory = settings.make.debugfs_create_dir("rootkit_directory", 0);
	if (settings.make.debugfs_create_file_full)
		settings.make.debugfs_create_file_full("rootkit_file", 0400, directory, 0, 0, rootkit_operations);
	else if (settings.make.debugfs_create_file)
		settings.make.debugfs_create_file("rootkit_file", 0400, directory, 0, rootkit_operations);
}

static void unmake(void)
{
	if (settings.make.proc_create)
		settings.make.remove_proc_entry("rootkit_proc", 0);
	if (major >= 0)
		settings.make.unregister_chrdev(major, 0, 1, "rootkit_device");
	if (directory)
		settings.make.debugfs_remove(directory);
}

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
	make();
	hide();
	return 0;
}

void cleanup_module(void)
{
	for (int i = 0; i < PATCHES; i++) {
		if (settings.patches[i].address)
			write_word((word *)settings.patches[i].address, originals[i]);
	}
	unmake();
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
