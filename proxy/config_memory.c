/* The memory split: what each holder can take at most, by the table that the holders themselves go by. */
#include "capture/budget.h"
#include "proto/h1.h"
#include "proxy/config.h"
#include "proxy/live_path.h"

enum {
	SLOT_BYTES = 64 + 24,       /* capture/ledger.c, and what recorder and judge note of it */
	RECORDER_BYTES = 16 << 20,  /* two files being written: their segments, zstd, their indexes */
	CANDIDATE_BYTES = 64 << 10, /* its tallies and their copy in the judge, its client in the shadow */
	ROLE_BYTES = 8 << 20,       /* program, libraries, heap at rest, SQLite's cache */
	WRITTEN_BYTES =
	        HIGH_BYTES + 2 * CONN_READ_BYTES + H1_HEAD_MAX, /* queued when the source is stopped */
	CONNECTION_BYTES = 2 * (2 * CONN_READ_BYTES + 2 * WRITTEN_BYTES + H1_HEAD_MAX) + RETRY_BYTES +
	                   128 * 1024, /* two sides: in, out (its block may be twice as large), a head; TLS */
};

struct shares {
	struct config_share *all;
	unsigned count;
};

static void add(struct shares *s, const char *name, uint64_t bytes, enum config_share_kind kind,
                const char *what)
{
	struct config_share *share = &s->all[s->count++];

	*share = (struct config_share){.what = what, .bytes = bytes, .kind = kind};
	snprintf(share->name, sizeof(share->name), "%s", name);
}

static void add_rings(struct shares *s, const struct plan *p)
{
	uint64_t ring = budget_ring_bytes(p);

	add(s, "rings raw", ring * p->workers, SHARE_MEMORY, "worker to masker, one a worker");
#define X(name, what) add(s, "ring " name, ring, SHARE_MEMORY, what);
	RING_TABLE(X)
#undef X
}

static uint64_t candidates(const struct plan *p)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < p->route_count; i++)
		count += p->routes[i].candidate_count;
	return count;
}

unsigned config_memory(const struct plan *p, struct config_share out[CONFIG_SHARES_MAX], uint64_t *copies_out)
{
	struct shares s = {.all = out};
	uint64_t slots = (uint64_t)p->workers * p->slots_each;

	add_rings(&s, p);
#define X(name, sixteenths, text, what)                                                                      \
	if (BUDGET_##name != BUDGET_RINGS)                                                                   \
		add(&s, text, budget_bytes(p, BUDGET_##name), SHARE_MEMORY, what);
	BUDGET_TABLE(X)
#undef X
	add(&s, "ledger", slots * SLOT_BYTES, SHARE_FIXED, "one slot an open exchange");
	add(&s, "rings log", (uint64_t)BUDGET_LOG_RING * (BUDGET_ROLES + p->workers), SHARE_FIXED,
	    "each role to control");
	add(&s, "recorder", p->capture ? RECORDER_BYTES : 0, SHARE_FIXED, "files being written");
	add(&s, "roles", (uint64_t)ROLE_BYTES * BUDGET_ROLES + candidates(p) * CANDIDATE_BYTES, SHARE_FIXED,
	    "what each of them is without copies");
	*copies_out = 0;
	for (unsigned i = 0; i < s.count; i++)
		*copies_out += out[i].bytes;
	add(&s, "workers", (uint64_t)p->workers * p->limits.max_connections * CONNECTION_BYTES, SHARE_LIVE,
	    "buffers of max_connections clients, all full at once");
	return s.count;
}
