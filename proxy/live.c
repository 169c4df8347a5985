#include "proxy/live.h"

#include <errno.h>

#include "proxy/live_inside.h"

enum { UNSEEN_MAX = 2 };

bool live_repeatable(const struct exchange *x)
{
	static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"};

	for (unsigned i = 0; i < sizeof methods / sizeof *methods; i++)
		if (!strcmp(x->method, methods[i]))
			return true;
	return false;
}

void live_undialled(struct upstream *u, struct upstream_endpoint *e, uint64_t now_ns, int err)
{
	if (err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM)
		return;
	upstream_unreachable(e);
	upstream_failed(u, e, now_ns);
}

static struct live *take_at(struct exchange *x, struct upstream *u, struct upstream_endpoint *e,
                            uint64_t now_ns)
{
	struct live *l = live_h2_spoken(u, e, now_ns) ? live_h2_take(x, u, e) : live_h1_take(x, u, e);

	if (!l)
		return NULL;
	e->in_flight++;
	l->exchange = x;
	l->spoke = l->chunked = l->trailed = false;
	l->since_ns = now_ns;
	return l;
}

/* An endpoint that refuses at once (a unix socket does) is passed over like one that refuses later. */
struct live *live_take(struct exchange *x, struct upstream *u, uint64_t now_ns)
{
	struct upstream_endpoint *e;
	struct live *l;

	do {
		e = upstream_pick(u, x->refused_by, now_ns);
		if (!e)
			return NULL;
		upstream_locate(e);
		l = take_at(x, u, e, now_ns);
		x->refused_by = e;
	} while (!l && (u->count > 1 || e->found.count > 1) && ++x->tries < u->plan->tries);
	return l;
}

void live_release(struct live **live, bool clean)
{
	struct live *l = *live;

	*live = NULL;
	l->endpoint->in_flight--;
	l->ops->release(l, clean);
}

/* Another try, `at` that endpoint if it can be had, is sent what `text` holds; the rest follows. False: none
 * can be had. */
static bool move_on(struct exchange *x, struct buf *text, struct upstream_endpoint *at)
{
	struct live *l = x->live;
	struct upstream *u = l->upstream;
	bool chunked = l->chunked, trailed = l->trailed;
	struct buf taken = *text;
	bool under_way;

	buf_init(text, CONN_OUT_LIMIT);
	live_release(&x->live, false);
	x->live = at ? take_at(x, u, at, x->worker->now_ns) : NULL;
	if (!x->live)
		x->live = live_take(x, u, x->worker->now_ns);
	under_way = x->live != NULL;
	if (under_way) {
		x->live->chunked = chunked;
		x->live->trailed = trailed;
		x->live->ops->text(x->live, buf_span(&taken));
		live_flush(x->live);
	}
	buf_fini(&taken);
	return under_way;
}

/* True when another try is under way. */
static bool live_elsewhere(struct live *l, enum live_error why)
{
	struct exchange *x = l->exchange;
	struct upstream *u = l->upstream;
	struct buf *text = l->ops->resend(l, why);

	if (!text)
		return false;
	upstream_unreachable(l->endpoint);
	if (++x->tries >= u->plan->tries || (u->count < 2 && l->endpoint->found.count < 2))
		return false;
	x->refused_by = l->endpoint;
	upstream_failed(u, l->endpoint, l->worker->now_ns);
	if (!conn_opening(l->conn))
		gauge_add(&x->worker->gauges->live_retries, 1);
	return move_on(x, text, NULL);
}

void live_anew(struct live *l, struct upstream_endpoint *at)
{
	struct exchange *x = l->exchange;

	if (l->kept.err || !move_on(x, &l->kept, at))
		exchange_live_failed(x, LIVE_ERROR_UNAVAILABLE);
}

void live_unseen(struct live *l)
{
	struct exchange *x = l->exchange;

	if (l->spoke || l->kept.err || ++x->unseen > UNSEEN_MAX) {
		live_broke(l, LIVE_ERROR_RESET);
		return;
	}
	gauge_add(&x->worker->gauges->live_retries, 1);
	live_anew(l, NULL);
}

void live_broke(struct live *l, enum live_error why)
{
	struct exchange *x = l->exchange;

	if (live_elsewhere(l, why))
		return;
	if (x->live && !l->spoke)
		upstream_failed(l->upstream, l->endpoint, l->worker->now_ns);
	exchange_live_failed(x, why);
}

void live_head(struct live *l, const struct forward_request *r)
{
	l->ops->head(l, r);
}

void live_text(struct live *l, struct span text)
{
	l->ops->text(l, text);
}

void live_data(struct live *l, struct span bytes)
{
	l->ops->data(l, bytes);
}

void live_trailers(struct live *l, const struct http_message *m)
{
	l->ops->trailers(l, m);
}

void live_end(struct live *l)
{
	l->ops->end(l);
}

void live_flush(struct live *l)
{
	l->ops->flush(l);
}

bool live_full(const struct live *l)
{
	return l->ops->full(l);
}

bool live_unsent(const struct live *l)
{
	return l->ops->unsent(l);
}

void live_resume(struct live *l)
{
	l->ops->resume(l);
}

static bool passed(uint64_t now_ns, uint64_t since_ns, uint32_t limit_ms)
{
	return limit_ms && now_ns > since_ns + (uint64_t)limit_ms * 1000000u;
}

static bool try_passed(const struct live *l, uint64_t now_ns)
{
	const struct exchange *x = l->exchange;
	uint64_t from_ns = l->since_ns > x->asked_ns ? l->since_ns : x->asked_ns;

	return x->request_done && !x->response_begun &&
	       passed(now_ns, from_ns, l->upstream->plan->try_timeout_ms);
}

void live_tick(struct live *l, uint64_t now_ns)
{
	const struct plan_live *plan = l->upstream->plan;

	if ((conn_opening(l->conn) && passed(now_ns, l->since_ns, plan->connect_timeout_ms)) ||
	    try_passed(l, now_ns))
		live_broke(l, LIVE_ERROR_TIMEOUT);
}

void live_endpoint_tick(struct upstream_endpoint *e, uint64_t now_ns)
{
	live_h1_tick(e, now_ns);
	live_h2_tick(e, now_ns);
}

void live_bury(struct worker *w)
{
	live_h1_bury(w);
	live_h2_bury(w);
}
