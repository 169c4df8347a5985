/* The memory split: what each ring and role can take at most, by the sizes that they are built with. */
#include "capture/mask.h"
#include "proto/h1.h"
#include "proxy/config.h"

enum {
	SLOT_BYTES = 64,            /* capture/ledger.c */
	SCRATCH_BYTES = 64 << 20,   /* capture/masker.c */
	LOG_RING_BYTES = 256 << 10, /* proxy/estate.c */
	OTHER_ROLES = 6,            /* beside the workers */
	SEGMENT_BYTES = 64 << 10,   /* capture/capfile_format.h */
	CONNECTION_BYTES =
	        4 * (256 << 10) + 2 * H1_HEAD_MAX + 4 * 1024 /* proxy/worker.c: two sides, in and out */
};

uint64_t config_ring_bytes(const struct plan *p)
{
	uint64_t bytes = 1 << 20;

	while (bytes * 2 <= p->memory_bytes / 16)
		bytes *= 2;
	return bytes;
}

/* Bodies that the masker waits for before it can rewrite them: both legs of every open exchange. */
static uint64_t held_bytes(const struct plan *p, uint64_t legs)
{
	uint64_t body = 0;

	for (uint32_t i = 0; i < p->route_count; i++) {
		const struct plan_route *r = &p->routes[i];

		if (r->mirror && mask_wants_body(&p->masks[r->mask]) && r->max_body_bytes > body)
			body = r->max_body_bytes;
	}
	return body * legs;
}

static uint64_t in_flight_bytes(const struct plan *p, uint64_t *count_out)
{
	uint64_t bytes = 0;

	*count_out = 0;
	for (uint32_t i = 0; i < p->route_count; i++) {
		const struct plan_route *r = &p->routes[i];

		for (uint32_t j = 0; r->mirror && j < r->candidate_count; j++) {
			bytes += (r->max_body_bytes + H1_HEAD_MAX) * r->candidates[j].max_in_flight;
			*count_out += r->candidates[j].max_in_flight;
		}
	}
	return bytes;
}

struct shares {
	struct config_share *all;
	unsigned count;
};

static void add(struct shares *s, const char *name, uint64_t bytes, const char *what)
{
	struct config_share *share = &s->all[s->count++];

	*share = (struct config_share){.what = what, .bytes = bytes};
	snprintf(share->name, sizeof(share->name), "%s", name);
}

static void add_rings(struct shares *s, const struct plan *p)
{
	uint64_t ring = config_ring_bytes(p);

	add(s, "rings raw", ring * p->workers, "worker to masker, one a worker");
	add(s, "ring shadow", ring, "masker to shadow");
	add(s, "ring judge", ring, "masker to judge");
	add(s, "ring recorder", ring, "masker to recorder");
	add(s, "ring answers", ring, "shadow to answers");
	add(s, "ring masked-answers", ring, "answers to judge");
	add(s, "rings log", (uint64_t)LOG_RING_BYTES * (OTHER_ROLES + p->workers), "each role to control");
}

unsigned config_memory(const struct plan *p, struct config_share out[CONFIG_SHARES_MAX], uint64_t *copies_out)
{
	struct shares s = {.all = out};
	uint64_t slots = (uint64_t)p->workers * p->slots_each, count, bytes = in_flight_bytes(p, &count);

	add_rings(&s, p);
	add(&s, "ledger", slots * SLOT_BYTES, "one slot of 64 bytes an open exchange");
	add(&s, "masker", SCRATCH_BYTES + held_bytes(p, 2 * slots),
	    "one record at work, and bodies that path rules wait for");
	add(&s, "shadow", p->memory_bytes / 8 + bytes, "requests being put together, and those in flight");
	add(&s, "answers", SCRATCH_BYTES + held_bytes(p, count), "as the masker, for candidates' answers");
	add(&s, "recorder", p->capture ? 4 * SEGMENT_BYTES : 0, "the segment being written");
	add(&s, "judge", p->memory_bytes / 4, "exchanges whose answers are awaited");
	*copies_out = 0;
	for (unsigned i = 0; i < s.count; i++)
		*copies_out += out[i].bytes;
	add(&s, "workers", (uint64_t)p->workers * p->limits.max_connections * CONNECTION_BYTES,
	    "buffers of max_connections clients, all full at once");
	out[s.count - 1].live = true;
	return s.count;
}
