#include "proto/net/loop_memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

enum { ENTRY_BYTES = 32, BLOCK_ENTRIES = 2048 };

union entry {
	union entry *next; /* of the spare ones */
	_Alignas(16) char bytes[ENTRY_BYTES];
};

struct block {
	struct block *next;
	union entry entries[BLOCK_ENTRIES];
};

static struct block *blocks;
static union entry *spare;

static bool more(void)
{
	struct block *b = malloc(sizeof *b);

	if (!b)
		return false;
	b->next = blocks;
	blocks = b;
	for (unsigned i = BLOCK_ENTRIES; i-- > 0;) {
		b->entries[i].next = spare;
		spare = &b->entries[i];
	}
	return true;
}

static void *take(size_t size)
{
	union entry *e;

	if (size > ENTRY_BYTES)
		return malloc(size);
	if (!spare && !more())
		return NULL;
	e = spare;
	spare = e->next;
	return e;
}

static bool is_entry(const void *p)
{
	for (const struct block *b = blocks; b; b = b->next)
		if ((uintptr_t)p - (uintptr_t)b->entries < sizeof b->entries)
			return true;
	return false;
}

static void give(void *p)
{
	union entry *e = p;

	if (!is_entry(p)) {
		free(p);
		return;
	}
	e->next = spare;
	spare = e;
}

static void *change(void *p, size_t size)
{
	void *moved;

	if (p && !is_entry(p))
		return realloc(p, size);
	moved = take(size);
	if (moved && p) {
		memcpy(moved, p, size < ENTRY_BYTES ? size : ENTRY_BYTES);
		give(p);
	}
	return moved;
}

void loop_memory_init(void)
{
	event_set_mem_functions(take, change, give);
}
