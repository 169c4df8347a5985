#include "capture/fold.h"

#include <stdlib.h>

#include "capture/found.h"
#include "capture/ledger.h"

/* Memory of the exchanges that went last is handed to the next ones. */
enum { SPARES_MAX = 128 };

struct fold {
	struct exchange **buckets; /* chained by exchange.next */
	size_t bucket_mask, count;
	size_t bytes, limit_bytes;
	struct exchange *spare_exchanges; /* chained by next */
	struct leg *spare_legs[SPARES_MAX];
	unsigned spare_exchange_count, spare_leg_count;
};

enum { BUCKETS_FIRST = 256, BUF_KEPT_BYTES = 8 * 1024 };

struct fold *fold_new(size_t limit_bytes)
{
	struct fold *f = calloc(1, sizeof *f);

	if (!f)
		return NULL;
	f->buckets = calloc(BUCKETS_FIRST, sizeof(*f->buckets));
	if (!f->buckets) {
		free(f);
		return NULL;
	}
	f->bucket_mask = BUCKETS_FIRST - 1;
	f->limit_bytes = limit_bytes;
	return f;
}

static void leg_free(struct leg *l)
{
	buf_fini(&l->head);
	buf_fini(&l->body);
	buf_fini(&l->trailers);
	buf_fini(&l->marks);
	buf_fini(&l->found);
	free(l);
}

static void leg_put(struct fold *f, struct leg *l)
{
	if (f->spare_leg_count < SPARES_MAX &&
	    l->head.cap + l->body.cap + l->trailers.cap + l->marks.cap + l->found.cap <= BUF_KEPT_BYTES)
		f->spare_legs[f->spare_leg_count++] = l;
	else
		leg_free(l);
}

static void exchange_free(struct fold *f, struct exchange *e)
{
	for (size_t i = 0; i < LEGS_MAX; i++)
		if (e->legs[i])
			leg_put(f, e->legs[i]);
	if (f->spare_exchange_count == SPARES_MAX) {
		free(e);
		return;
	}
	e->next = f->spare_exchanges;
	f->spare_exchanges = e;
	f->spare_exchange_count++;
}

static void free_spares(struct fold *f)
{
	struct exchange *e;

	while ((e = f->spare_exchanges) != NULL) {
		f->spare_exchanges = e->next;
		free(e);
	}
	while (f->spare_leg_count)
		leg_free(f->spare_legs[--f->spare_leg_count]);
}

void fold_free(struct fold **fold)
{
	struct fold *f = *fold;

	*fold = NULL;
	if (!f)
		return;
	for (size_t i = 0; i <= f->bucket_mask; i++) {
		struct exchange *e, *next;

		for (e = f->buckets[i]; e; e = next) {
			next = e->next;
			exchange_free(f, e);
		}
	}
	free_spares(f);
	free(f->buckets);
	free(f);
}

/* Fibonacci hashing: ids are sequences, so the high bits of the product spread them. */
static struct exchange **bucket(const struct fold *f, uint64_t id)
{
	return &f->buckets[(id * 0x9e3779b97f4a7c15u >> 32) & f->bucket_mask];
}

struct exchange *fold_find(struct fold *f, uint64_t id)
{
	struct exchange *e = *bucket(f, id);

	while (e && e->id != id)
		e = e->next;
	return e;
}

/* A table that cannot grow only gets slower. */
static void grow(struct fold *f)
{
	size_t old = f->bucket_mask + 1;
	struct exchange **from = f->buckets, **to = calloc(old * 2, sizeof *to);

	if (!to)
		return;
	f->buckets = to;
	f->bucket_mask = old * 2 - 1;
	for (size_t i = 0; i < old; i++) {
		struct exchange *e, *next;

		for (e = from[i]; e; e = next) {
			struct exchange **slot = bucket(f, e->id);

			next = e->next;
			e->next = *slot;
			*slot = e;
		}
	}
	free(from);
}

static void charge(struct fold *f, struct exchange *e, size_t bytes)
{
	f->bytes += bytes;
	e->bytes += bytes;
}

static struct exchange *exchange_new(struct fold *f, const struct record *r)
{
	struct exchange *e = f->spare_exchanges, **slot;

	if (e) {
		f->spare_exchanges = e->next;
		f->spare_exchange_count--;
	} else {
		e = malloc(sizeof *e);
	}
	if (!e)
		return NULL;
	memset(e, 0, sizeof *e);
	e->id = r->id;
	e->slot = r->slot;
	e->generation = r->generation;
	e->route = r->route;
	if (f->count > f->bucket_mask)
		grow(f);
	slot = bucket(f, e->id);
	e->next = *slot;
	*slot = e;
	f->count++;
	charge(f, e, sizeof *e);
	return e;
}

/* What the next leg takes before it holds a byte: a spare one brings its buffers. */
static size_t leg_bytes(const struct fold *f)
{
	const struct leg *l = f->spare_leg_count ? f->spare_legs[f->spare_leg_count - 1] : NULL;

	return sizeof *l +
	       (l ? buf_memory(l->head.cap, 0) + buf_memory(l->body.cap, 0) + buf_memory(l->trailers.cap, 0) +
	                        buf_memory(l->marks.cap, 0) + buf_memory(l->found.cap, 0)
	          : 0);
}

static struct leg *leg_take(struct fold *f)
{
	struct leg *l, old;

	if (!f->spare_leg_count) {
		l = calloc(1, sizeof *l);
		if (!l)
			return NULL;
		l->head.limit_bytes = l->body.limit_bytes = l->trailers.limit_bytes = f->limit_bytes;
		l->marks.limit_bytes = LEG_MARKS_MAX * sizeof(struct leg_mark);
		l->found.limit_bytes = FOUND_BYTES_MAX;
		return l;
	}
	l = f->spare_legs[--f->spare_leg_count];
	old = *l;
	buf_reset(&old.head);
	buf_reset(&old.body);
	buf_reset(&old.trailers);
	buf_reset(&old.marks);
	buf_reset(&old.found);
	*l = (struct leg){.head = old.head,
	                  .body = old.body,
	                  .trailers = old.trailers,
	                  .marks = old.marks,
	                  .found = old.found};
	return l;
}

static struct leg *leg_new(struct fold *f, struct exchange *e, uint8_t index)
{
	size_t bytes = leg_bytes(f);
	struct leg *l = leg_take(f);

	if (!l)
		return NULL;
	e->legs[index] = l;
	charge(f, e, bytes);
	return l;
}

/* May this record follow what its leg (NULL: nothing) has seen? */
static bool in_order(const struct leg *l, const struct record *r)
{
	bool begun = l && l->begun;

	if (l && l->ended)
		return false;
	switch (r->type) {
	case RECORD_HEAD:
		return !begun;
	case RECORD_CHUNK:
	case RECORD_TRAILERS:
		return begun && buf_len(&l->trailers) == 0;
	case RECORD_END:
		return begun;
	case RECORD_ERROR:
		return true; /* a leg may break before its head */
	default:
		return false;
	}
}

/* What n bytes more take, of the buffer as it is (NULL: not there yet). */
static size_t growth(const struct buf *b, size_t n)
{
	static const struct buf none;

	b = b ? b : &none;
	return n ? buf_memory(buf_cap_for(b, n), buf_len(b) + n) - buf_memory(b->cap, buf_len(b)) : 0;
}

static int add_bytes(struct fold *f, struct exchange *e, struct buf *to, const struct record *r,
                     const void *payload)
{
	size_t bytes = growth(to, r->payload_len);

	buf_put(to, payload, r->payload_len);
	if (!to->err)
		charge(f, e, bytes);
	return to->err;
}

static const struct buf *target(const struct leg *l, uint8_t type)
{
	return !l                        ? NULL
	       : type == RECORD_HEAD     ? &l->head
	       : type == RECORD_CHUNK    ? &l->body
	       : type == RECORD_TRAILERS ? &l->trailers
	       : type == RECORD_END      ? &l->found
	                                 : NULL;
}

/* What a mark more takes: none when there is one of that time, or as many as there may be. */
static size_t mark_growth(const struct leg *l, const struct record *r)
{
	size_t count = 0;
	const struct leg_mark *marks = l ? leg_marks(l, &count) : NULL;

	if (r->type != RECORD_CHUNK || !r->payload_len || count == LEG_MARKS_MAX ||
	    (count && marks[count - 1].time_ns == r->time_ns))
		return 0;
	return growth(l ? &l->marks : NULL, sizeof *marks);
}

static int add_mark(struct fold *f, struct exchange *e, struct leg *l, const struct record *r)
{
	struct leg_mark mark = {r->time_ns, buf_len(&l->body)}, *last;
	size_t bytes = mark_growth(l, r), count;

	last = (struct leg_mark *)(leg_marks(l, &count) + (count ? count - 1 : 0));
	if (count && (count == LEG_MARKS_MAX || last->time_ns == r->time_ns)) {
		*last = mark;
		return 0;
	}
	buf_put(&l->marks, &mark, sizeof mark);
	if (!l->marks.err)
		charge(f, e, bytes);
	return l->marks.err;
}

static int add_chunk(struct fold *f, struct exchange *e, struct leg *l, const struct record *r,
                     const void *payload)
{
	int err = add_bytes(f, e, &l->body, r, payload);

	if (!l->first_ns)
		l->first_ns = r->time_ns;
	return err || !r->payload_len ? err : add_mark(f, e, l, r);
}

static int apply(struct fold *f, struct exchange *e, struct leg *l, const struct record *r,
                 const void *payload)
{
	switch (r->type) {
	case RECORD_HEAD:
		l->begun = true;
		l->start_ns = r->time_ns;
		return add_bytes(f, e, &l->head, r, payload);
	case RECORD_CHUNK:
		return add_chunk(f, e, l, r, payload);
	case RECORD_TRAILERS:
		return add_bytes(f, e, &l->trailers, r, payload);
	case RECORD_ERROR:
		l->error = outcome_by_name((struct span){payload, r->payload_len});
		break;
	}
	l->ended = true;
	l->end_ns = r->time_ns;
	return r->type == RECORD_END ? add_bytes(f, e, &l->found, r, payload) : 0;
}

static bool well_formed(const struct record *r, const void *payload)
{
	if (r->leg >= LEGS_MAX || r->payload_len > RECORD_PAYLOAD_MAX)
		return false;
	if (r->type == RECORD_ERROR)
		return outcome_by_name((struct span){payload, r->payload_len}) != 0;
	if (r->type == RECORD_END)
		return found_valid((struct span){payload, r->payload_len});
	return true;
}

int fold_add(struct fold *f, const struct record *r, const void *payload, struct exchange **exchange_out)
{
	struct exchange *e = fold_find(f, r->id);
	struct leg *l = NULL;
	size_t need;
	int err;

	*exchange_out = e;
	if (!well_formed(r, payload) || (e && e->route != r->route))
		return ERR_PROTO;
	if (e)
		l = e->legs[r->leg];
	if (!in_order(l, r))
		return ERR_PROTO;
	need = growth(target(l, r->type), r->payload_len) + mark_growth(l, r) + (l ? 0 : leg_bytes(f));
	if (!e)
		e = *exchange_out = exchange_new(f, r);
	if (!e)
		return ERR_NOMEM;
	if (f->bytes > f->limit_bytes || need > f->limit_bytes - f->bytes)
		return ERR_LIMIT;
	if (!l)
		l = leg_new(f, e, r->leg);
	if (!l)
		return ERR_NOMEM;
	err = apply(f, e, l, r, payload);
	if (err)
		return err;
	if (r->type == RECORD_HEAD && r->leg == LEG_CLIENT) {
		e->sample_hash = r->sample_hash;
		e->sample_ppm = r->sample_ppm;
		e->call = r->call;
	}
	l->mask_count += r->mask_count;
	l->flags |= r->flags;
	l->policy = r->policy;
	return 0;
}

void fold_drop(struct fold *f, struct exchange **exchange)
{
	struct exchange *e = *exchange, **at = bucket(f, e->id);

	*exchange = NULL;
	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	f->count--;
	f->bytes -= e->bytes;
	exchange_free(f, e);
}

void fold_each(struct fold *f, void (*each)(void *arg, struct exchange *), void *arg)
{
	for (size_t i = 0; i <= f->bucket_mask; i++) {
		struct exchange *e, *next;

		for (e = f->buckets[i]; e; e = next) {
			next = e->next;
			each(arg, e);
		}
	}
}

size_t fold_bytes(const struct fold *f)
{
	return f->bytes;
}
