/*
 * fuzz_fold.c - any sequence of records: the fold keeps its bound and its books, and a leg is never
 * reopened. A record is 8 bytes of input: exchange, route, type, leg, length (2), flags, a spare.
 */
#include <stdint.h>
#include <stdlib.h>

#include "capture/fold.h"
#include "capture/head.h"
#include "capture/ledger.h"

enum { LIMIT = 96 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sums {
	struct fold *fold;
	size_t bytes;
	bool drop;
};

static void read_head(struct span head)
{
	struct span name, value;
	size_t at = 0, last = 0;

	head_method(head);
	head_target(head);
	head_status(head);
	while (head_next(head, &at, &name, &value)) {
		if (at <= last || at > head.len || name.data < head.data ||
		    value.data + value.len > head.data + head.len)
			abort();
		last = at;
	}
}

static void sum(void *arg, struct exchange *e)
{
	struct sums *s = arg;

	s->bytes += e->bytes;
	for (unsigned i = 0; i < LEGS_MAX; i++) {
		if (!e->legs[i])
			continue;
		if (e->legs[i]->ended && !e->legs[i]->begun && !e->legs[i]->error)
			abort();
		read_head(buf_span(&e->legs[i]->head));
	}
	if (s->drop)
		fold_drop(s->fold, &e);
}

static void check_books(struct fold *f, bool drop)
{
	struct sums s = {f, 0, drop};
	size_t bytes = fold_bytes(f);

	fold_each(f, sum, &s);
	if (s.bytes != bytes || (drop && fold_bytes(f) != 0))
		abort();
}

static void add(struct fold *f, const uint8_t *in, size_t left)
{
	static const char *const reasons[] = {"live_failed", "client_gone", "compared", "nothing"};
	struct record r = {.id = in[0],
	                   .route = in[1] & 1,
	                   .type = in[2] % 8,
	                   .leg = in[3],
	                   .payload_len = (uint32_t)(in[4] | in[5] << 8),
	                   .flags = in[6]};
	const char *payload = (const char *)in + 8;
	struct exchange *e;
	bool ended;
	int err;

	if (r.payload_len > left)
		r.payload_len = (uint32_t)left;
	if (r.type == RECORD_ERROR && in[7] < 4) {
		payload = reasons[in[7]];
		r.payload_len = (uint32_t)strlen(payload);
	}
	e = fold_find(f, r.id);
	ended = e && r.leg < LEGS_MAX && e->legs[r.leg] && e->legs[r.leg]->ended;
	err = fold_add(f, &r, r.payload_len ? payload : NULL, &e);
	if ((ended && !err) || (!err && (!e || e->id != r.id)))
		abort();
	if (err == ERR_LIMIT && e)
		fold_drop(f, &e);
	if (fold_bytes(f) > LIMIT + sizeof(struct exchange))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fold *f = fold_new(LIMIT);

	if (!f)
		return 0;
	read_head((struct span){(const char *)data, size});
	for (size_t at = 0; at + 8 <= size; at += 8)
		add(f, data + at, size - at - 8);
	check_books(f, false);
	check_books(f, true);
	fold_free(&f);
	return 0;
}
