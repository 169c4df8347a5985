#include "replay/window.h"

#include <stdlib.h>

#include "capture/head.h"
#include "replay/effects.h"
#include "replay/schedule.h"

enum { AHEAD_RECORDS = 256 };
static const uint64_t REORDER_NS = 1000000000u, GIVEN_UP_NS = 180 * UINT64_C(1000000000);

struct queued { /* a complete request; its answer may be open */
	uint64_t end_ns, id;
	struct exchange *x;
};

struct window {
	struct capfile_reader *reader;
	struct fold *fold;
	unsigned route_count;
	size_t limit_bytes;
	struct queued *heap;
	size_t count, cap;
	struct exchange *given;
	uint64_t newest_ns, left_out, not_chosen, not_allowed;
	uint64_t first_ns;                /* of the first complete exchange */
	const struct plan_choice *choice; /* NULL: everything */
	uint64_t seed;
	bool unread; /* answers are */
	int end;     /* why there is nothing more to read, or 0 */
};

struct window *window_new(struct capfile_reader *reader, unsigned route_count, size_t limit_bytes)
{
	struct window *w = calloc(1, sizeof *w);

	if (!w)
		return NULL;
	w->fold = fold_new(limit_bytes);
	if (!w->fold) {
		free(w);
		return NULL;
	}
	w->reader = reader;
	w->route_count = route_count;
	w->limit_bytes = limit_bytes;
	return w;
}

void window_free(struct window **window)
{
	struct window *w = *window;

	*window = NULL;
	if (!w)
		return;
	capfile_reader_free(&w->reader);
	fold_free(&w->fold);
	free(w->heap);
	free(w);
}

static bool before(const struct queued *x, const struct queued *y)
{
	return x->end_ns < y->end_ns || (x->end_ns == y->end_ns && x->id < y->id);
}

static int push(struct window *w, struct exchange *x)
{
	struct queued new = {x->legs[LEG_CLIENT]->end_ns, x->id, x};
	size_t at = w->count;

	if (w->count == w->cap) {
		size_t cap = w->cap ? 2 * w->cap : 256;
		struct queued *grown = realloc(w->heap, cap * sizeof(*grown));

		if (!grown)
			return ERR_NOMEM;
		w->heap = grown;
		w->cap = cap;
	}
	w->count++;
	for (; at && before(&new, &w->heap[(at - 1) / 2]); at = (at - 1) / 2)
		w->heap[at] = w->heap[(at - 1) / 2];
	w->heap[at] = new;
	return 0;
}

static struct exchange *pop(struct window *w)
{
	struct exchange *top = w->heap[0].x;
	struct queued last = w->heap[--w->count];
	size_t at = 0;

	for (;;) {
		size_t child = 2 * at + 1;

		if (child + 1 < w->count && before(&w->heap[child + 1], &w->heap[child]))
			child++;
		if (child >= w->count || !before(&w->heap[child], &last))
			break;
		w->heap[at] = w->heap[child];
		at = child;
	}
	if (w->count)
		w->heap[at] = last;
	return top;
}

static void leave_out(struct window *w, struct exchange *x)
{
	w->left_out++;
	fold_drop(w->fold, &x);
}

/* An exchange enters the heap when its request is complete; one whose request breaks never does. */
static int take(struct window *w, const struct record *r, const void *payload)
{
	struct exchange *x = fold_find(w->fold, r->id);
	int err;

	if (r->leg > LEG_LIVE || r->route >= w->route_count ||
	    (!x && (r->leg != LEG_CLIENT || r->type != RECORD_HEAD)))
		return 0;
	err = fold_add(w->fold, r, payload, &x);
	if (r->time_ns > w->newest_ns)
		w->newest_ns = r->time_ns;
	if (err == ERR_NOMEM)
		return err;
	if (err && x && !(x->legs[LEG_CLIENT] && x->legs[LEG_CLIENT]->ended))
		leave_out(w, x);
	else if (!err && r->leg == LEG_CLIENT && r->type == RECORD_ERROR)
		leave_out(w, x);
	else if (!err && r->leg == LEG_CLIENT && r->type == RECORD_END)
		return push(w, x);
	return 0;
}

/* One record. 0, ERR_NOMEM; the end of the file is in w->end. */
static int read_one(struct window *w)
{
	struct record r = {0};
	const void *payload;

	w->end = capfile_next(w->reader, &r, &payload);
	if (w->unread && r.leg == LEG_LIVE && r.type != RECORD_ERROR)
		r.payload_len = 0;
	return w->end ? 0 : take(w, &r, payload);
}

enum head { HEAD_READY, HEAD_WAITING, HEAD_LOST };

static enum head head_state(const struct window *w)
{
	const struct leg *live = w->heap[0].x->legs[LEG_LIVE];
	uint64_t since = w->newest_ns > w->heap[0].end_ns ? w->newest_ns - w->heap[0].end_ns : 0;
	bool crowded = fold_bytes(w->fold) > w->limit_bytes / 2;

	if (live && live->ended && live->error)
		return HEAD_LOST;
	if (live && live->ended)
		return w->end || crowded || since >= REORDER_NS ? HEAD_READY : HEAD_WAITING;
	return w->end || crowded || since >= GIVEN_UP_NS ? HEAD_LOST : HEAD_WAITING;
}

void window_choose(struct window *w, const struct plan_choice *choice, uint64_t seed)
{
	w->choice = choice;
	w->seed = seed;
}

void window_answers_unread(struct window *w)
{
	w->unread = true;
}

static bool in_slice(const struct window *w, uint64_t behind_ns)
{
	return behind_ns >= w->choice->from_ns && (!w->choice->until_ns || behind_ns < w->choice->until_ns);
}

static bool is_chosen(const struct window *w, const struct exchange *x)
{
	const struct capfile_facts *file = capfile_facts(w->reader);
	struct where_facts facts = {
	        .route = x->route < file->route_count ? span_of(file->routes[x->route].name) : SPAN(""),
	        .wall_ns = capfile_wall_ns(w->reader, x->legs[LEG_CLIENT]->start_ns)};

	return !w->choice ||
	       (in_slice(w, x->legs[LEG_CLIENT]->end_ns - w->first_ns) &&
	        schedule_draws(w->seed, x->sample_ppm ? x->sample_hash : x->id, w->choice->sample_ppm) &&
	        where_holds(&w->choice->where, x, &facts));
}

/* Counts what is not to be sent. */
static bool is_wanted(struct window *w, const struct exchange *x)
{
	struct span head = buf_span(&x->legs[LEG_CLIENT]->head);
	bool chosen = is_chosen(w, x);

	if (chosen &&
	    (!w->choice || effects_may_send(w->choice, x->route, head_method(head), head_target(head))))
		return true;
	w->not_chosen += !chosen;
	w->not_allowed += chosen;
	return false;
}

int window_next(struct window *w, const struct exchange **exchange_out)
{
	int err = 0;

	if (w->given)
		fold_drop(w->fold, &w->given);
	while (!err) {
		enum head head = w->count ? head_state(w) : HEAD_WAITING;

		if (head == HEAD_READY) {
			*exchange_out = w->given = pop(w);
			if (!w->first_ns)
				w->first_ns = w->given->legs[LEG_CLIENT]->end_ns;
			if (is_wanted(w, w->given))
				return 0;
			fold_drop(w->fold, &w->given);
			continue;
		}
		if (head == HEAD_LOST)
			leave_out(w, pop(w));
		else if (w->end)
			return ERR_AGAIN;
		else
			err = read_one(w);
	}
	return err;
}

bool window_ahead(struct window *w)
{
	for (unsigned n = 0; n < AHEAD_RECORDS; n++) {
		if (w->end || fold_bytes(w->fold) > w->limit_bytes / 4 ||
		    (w->count && w->newest_ns - w->heap[0].end_ns > 2 * REORDER_NS))
			return false;
		if (read_one(w))
			return false;
	}
	return true;
}

uint64_t window_left_out(const struct window *w)
{
	return w->left_out;
}

uint64_t window_not_chosen(const struct window *w)
{
	return w->not_chosen;
}

uint64_t window_not_allowed(const struct window *w)
{
	return w->not_allowed;
}

int window_end(const struct window *w)
{
	return w->end;
}

double window_share(const struct window *w)
{
	uint64_t size = capfile_size(w->reader);

	return w->end || !size ? 1 : (double)capfile_at(w->reader) / (double)size;
}
