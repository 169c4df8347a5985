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
	CLIENT_BYTES = 2 << 10,     /* a connection without its buffers */
	TLS_BYTES = 48 << 10,       /* ... OpenSSL's part, with a record each way */
	LIVE_BYTES = 2 * TLS_BYTES + H1_HEAD_MAX + RETRY_BYTES, /* one to live: a head, what a retry sends */
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

static uint64_t connections(const struct plan *p)
{
	uint64_t to_live = 0, client = CLIENT_BYTES;

	for (uint32_t i = 0; i < p->route_count; i++)
		to_live += (uint64_t)p->routes[i].live.endpoint_count * p->routes[i].live.max_connections;
	for (uint32_t i = 0; i < p->listen_count; i++)
		if (p->listen[i].tls)
			client = CLIENT_BYTES + TLS_BYTES;
	return p->workers * (p->limits.max_connections * client + to_live * LIVE_BYTES);
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
	add(&s, "live buffers", budget_live_bytes(p) * p->workers, SHARE_LIVE,
	    "of clients and to live; past it clients get 503 (memory)");
	add(&s, "live connections", connections(p), SHARE_LIVE, "what all of them take beside their buffers");
	return s.count;
}
