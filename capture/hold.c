#include "capture/hold.h"

#include <stddef.h>
#include <stdlib.h>

enum { MALLOC_BYTES = 16 };

struct held {
	struct record record;
	size_t end;   /* of its bytes in the body */
	size_t due;   /* masked bytes of what is complete by then */
	size_t share; /* of the masked bytes: from the one before to here */
	struct held *next, *before;
};

void hold_init(struct hold *h, size_t limit_bytes)
{
	h->first = h->undue = NULL;
	h->tail = &h->first;
	buf_init(&h->body, limit_bytes);
}

void hold_fini(struct hold *h)
{
	while (h->first) {
		struct held *next = h->first->next;

		free(h->first);
		h->first = next;
	}
	buf_fini(&h->body);
}

size_t hold_growth(const struct hold *h, size_t len)
{
	size_t had = buf_len(&h->body);

	return sizeof(struct held) + MALLOC_BYTES + buf_memory(buf_cap_for(&h->body, len), had + len) -
	       buf_memory(h->body.cap, had);
}

static struct held *last(const struct hold *h)
{
	return h->first ? (struct held *)((char *)h->tail - offsetof(struct held, next)) : NULL;
}

int hold_add(struct hold *h, const struct record *r, const void *payload)
{
	struct held *new = calloc(1, sizeof *new);

	if (!new)
		return ERR_NOMEM;
	buf_put(&h->body, payload, r->payload_len);
	new->record = *r;
	new->end = buf_len(&h->body);
	new->before = last(h);
	*h->tail = new;
	h->tail = &new->next;
	h->undue = h->undue ? h->undue : new;
	return h->body.err;
}

void hold_due(struct hold *h, size_t brought, size_t masked)
{
	while (h->undue && h->undue->end < brought)
		h->undue = h->undue->next;
	if (h->undue)
		h->undue->due = masked;
}

/* From the last to the first: as much as it has room for, but nothing that was due before. */
static bool share_out(struct hold *h, size_t left)
{
	for (struct held *at = h->first; at; at = at->next)
		if (at->before && at->due < at->before->due)
			at->due = at->before->due;
	for (struct held *at = last(h); at; at = at->before) {
		size_t due = at->before ? at->before->due : 0, open = left > due ? left - due : 0;

		at->share = open < RECORD_PAYLOAD_MAX ? open : RECORD_PAYLOAD_MAX;
		left -= at->share;
	}
	return left == 0;
}

int hold_release(struct hold *h, struct span masked,
                 void (*emit)(void *arg, struct record *, const void *payload), void *arg)
{
	size_t limit_bytes = h->body.limit_bytes;

	if (!share_out(h, masked.len))
		return ERR_PROTO;
	for (struct held *at = h->first; at; at = at->next) {
		at->record.payload_len = (uint32_t)at->share;
		emit(arg, &at->record, masked.data);
		masked.data += at->share;
	}
	hold_fini(h);
	hold_init(h, limit_bytes);
	return 0;
}
