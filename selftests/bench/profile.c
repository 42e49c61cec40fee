// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin of QEMU that counts which instructions a machine runs while inject.c has connections carried.
 *
 * arguments: begin=ADDRESS end=ADDRESS out=PREFIX [leaf=ADDRESS]...
 *
 * Counting begins anew when the machine runs the block at `begin`. When it runs the one at `end`, what was counted goes to the
 * file PREFIX.N, N is 1 for the first time, a line for each block: address, instructions run, and instructions run on its behalf
 * in each leaf. A leaf is a small function that many others call, such as memcpy(); it reaches from ADDRESS for LEAF_BYTES.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is used of QEMU's interface for plugins. */
#define EXPORT __attribute__((visibility("default")))
#define NO_REGS 0
struct qemu_plugin_tb;
typedef void (*exec_cb)(unsigned int cpu, void *data);
typedef void (*trans_cb)(struct qemu_plugin_tb *tb, void *data);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, trans_cb cb, void *data);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, exec_cb cb, int flags, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);

EXPORT int qemu_plugin_version = 7;

#define LEAVES_MAX 4
#define LEAF_BYTES 0x30

/* A block as it was translated; one that is translated again is another. */
struct block {
	struct block *next;
	uint64_t address;
	uint64_t instructions;
	uint64_t runs;
	uint64_t leaves[LEAVES_MAX];
	int leaf;
};

static struct block *blocks;
static uint64_t begin, end;
static const char *prefix;
static int windows;
static uint64_t leaves[LEAVES_MAX];
static int leaf_count;
/* The last block that is in no leaf. */
static struct block *caller;

static void on_block(unsigned int cpu, void *data)
{
	struct block *block = data;

	(void)cpu;
	block->runs++;
	caller = block;
}

static void on_leaf(unsigned int cpu, void *data)
{
	struct block *block = data;

	(void)cpu;
	block->runs++;
	if (caller)
		caller->leaves[block->leaf] += block->instructions;
}

static void on_begin(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	for (struct block *block = blocks; block; block = block->next) {
		block->runs = 0;
		memset(block->leaves, 0, sizeof(block->leaves));
	}
}

static void on_end(unsigned int cpu, void *data)
{
	char path[4096];
	FILE *file;

	(void)cpu;
	(void)data;
	snprintf(path, sizeof(path), "%s.%d", prefix, ++windows);
	file = fopen(path, "w");
	if (!file)
		return;
	for (struct block *block = blocks; block; block = block->next) {
		if (block->runs) {
			fprintf(file, "%" PRIx64 " %" PRIu64, block->address, block->runs * block->instructions);
			for (int i = 0; i < leaf_count; i++)
				fprintf(file, " %" PRIu64, block->leaves[i]);
			fprintf(file, "\n");
		}
	}
	fclose(file);
}

static void on_translation(struct qemu_plugin_tb *tb, void *data)
{
	struct block *block = calloc(1, sizeof(*block));

	(void)data;
	if (!block)
		return;
	block->address = qemu_plugin_tb_vaddr(tb);
	block->instructions = qemu_plugin_tb_n_insns(tb);
	block->next = blocks;
	blocks = block;
	block->leaf = -1;
	for (int i = 0; i < leaf_count; i++)
		if (block->address - leaves[i] < LEAF_BYTES)
			block->leaf = i;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, block->leaf < 0 ? on_block : on_leaf, NO_REGS, block);
	if (block->address == begin)
		qemu_plugin_register_vcpu_tb_exec_cb(tb, on_begin, NO_REGS, NULL);
	if (block->address == end)
		qemu_plugin_register_vcpu_tb_exec_cb(tb, on_end, NO_REGS, NULL);
}

EXPORT int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "begin=", 6))
			begin = strtoull(argv[i] + 6, NULL, 16);
		else if (!strncmp(argv[i], "end=", 4))
			end = strtoull(argv[i] + 4, NULL, 16);
		else if (!strncmp(argv[i], "out=", 4))
			prefix = argv[i] + 4;
		else if (!strncmp(argv[i], "leaf=", 5) && leaf_count < LEAVES_MAX)
			leaves[leaf_count++] = strtoull(argv[i] + 5, NULL, 16);
	}
	if (!begin || !end || !prefix)
		return 1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation, NULL);
	return 0;
}
