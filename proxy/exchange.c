#include "proxy/exchange.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/grpc.h"
#include "proxy/forward.h"
#include "proxy/live.h"

enum { INTERIM_MAX = 8 };

static const struct plan_route *route_of(const struct exchange *x)
{
	return &x->worker->plan->routes[x->route];
}

void exchange_init(struct exchange *x, struct worker *w, const struct front_ops *ops, void *front)
{
	x->worker = w;
	x->ops = ops;
	x->front = front;
	tap_init(&x->tap, w);
}

/* What is told of an exchange once it is over. */
static void record(struct exchange *x)
{
	struct worker *w = x->worker;
	enum origin origin = x->rule && !x->response_begun ? ORIGIN_OURS : ORIGIN_LIVE;

	gauges_response(w->gauges, origin, x->status);
	if (!log_on(LOG_ACCESS))
		return;
	log_access(&(struct log_access){.id = x->id,
	                                .route = x->routed ? route_of(x)->name : NULL,
	                                .origin = origin == ORIGIN_OURS ? "ours" : "live",
	                                .method = span_of(x->method),
	                                .status = x->status,
	                                .rule = x->rule,
	                                .bytes_in = x->bytes_in,
	                                .bytes_out = x->bytes_out,
	                                .total_us = (w->now_ns - x->begun_ns) / 1000u,
	                                .live_us = x->live_ns / 1000u,
	                                .copied = x->tap.copied});
}

static void in_flight(struct worker *w, int by)
{
	w->in_flight += (uint32_t)by;
	atomic_store_explicit(&w->gauges->in_flight, w->in_flight, memory_order_relaxed);
}

/* Nothing is being heard out any more. */
static void hear_no_more(struct exchange *x)
{
	x->hearing = 0;
	x->head = NULL;
	if (x->heard.base)
		buf_fini(&x->heard);
}

/* The exchange is over and gives up its live connection. */
static void finish(struct exchange *x, bool clean)
{
	hear_no_more(x);
	slow_forget(x);
	if (x->live)
		live_release(&x->live, clean);
	if (x->active)
		in_flight(x->worker, -1);
	if (x->tunnel)
		gauge_add(&x->worker->gauges->tunnels, (uint64_t)-1);
	x->active = x->tunnel = false;
	x->response_done = true;
}

/* An answer of ours; when half of live's is out only a cut tells the client. */
static void answer_ourselves(struct exchange *x, unsigned status, const char *why)
{
	x->rule = why;
	x->request_done = x->response_done = true;
	if (x->response_begun) {
		x->ops->cut(x->front);
	} else {
		x->status = status;
		x->ops->refuse(x->front, status, why);
	}
	record(x);
}

/* rejected{rule}. */
static void refuse(struct exchange *x, unsigned status, enum reject_rule rule)
{
	gauges_reject(x->worker->gauges, rule);
	answer_ourselves(x, status, reject_name(rule));
}

static void remember(struct exchange *x, const struct http_message *m)
{
	struct worker *w = x->worker;
	size_t n = m->method.len < sizeof x->method ? m->method.len : sizeof x->method - 1;

	if (n)
		memcpy(x->method, m->method.data, n);
	x->method[n] = 0;
	x->id = (uint64_t)w->env->index << 56 | (uint64_t)(w->env->epoch & 0xffff) << 40 | ++w->sequence;
	x->client_10 = m->minor == 0;
	x->head_request = span_eq(m->method, SPAN("HEAD"));
	x->request_done = x->response_begun = x->response_done = x->tunnel = false;
	x->routed = x->tap.copied = x->tap.eligible = false;
	x->rule = NULL;
	x->live_ns = 0;
	x->tries = x->unseen = x->interim = x->status = 0;
	x->refused_by = NULL;
	x->bytes_in = x->bytes_out = x->added_ns = 0;
	x->begun_ns = x->progress_ns = w->now_ns;
}

static bool wants_tunnel(const struct exchange *x, const struct http_message *m)
{
	return m->upgrade && route_of(x)->upgrade && m->framing == HTTP_NO_BODY &&
	       span_eq_nocase(m->upgrade_protocol, SPAN("websocket"));
}

static struct forward_request request_of(const struct exchange *x, const struct http_message *m)
{
	return (struct forward_request){.message = m,
	                                .edits = &route_of(x)->request_headers,
	                                .framing = m->framing,
	                                .forwarded = x->worker->plan->forwarded,
	                                .client_address = x->client_address,
	                                .client_tls = x->client_tls,
	                                .id = x->id,
	                                .salt = x->worker->salt,
	                                .upgrade = wants_tunnel(x, m)};
}

/* "http://..." on a TLS listener, or the other way round (RFC 9110 7.4). */
static bool wrong_scheme(const struct exchange *x, const struct http_message *m)
{
	return m->scheme != HTTP_SCHEME_NONE && (m->scheme == HTTP_SCHEME_HTTPS) != x->client_tls;
}

static void take_live(struct exchange *x)
{
	x->live = live_take(x, &x->worker->upstreams[x->route], x->worker->now_ns);
}

/* Live is asked: the head is queued for it. */
static void ask(struct exchange *x, const struct http_message *m)
{
	struct forward_request r = request_of(x, m);

	take_live(x);
	if (x->live)
		live_head(x->live, &r);
}

/* As text a head is the same for every version of HTTP, but for what gRPC says in TE. */
static bool heard_out(const struct exchange *x, const struct http_message *m)
{
	return (x->keeps_heads || (x->keeps_text && !m->te_trailers)) && m->framing == HTTP_LENGTH &&
	       m->content_length && m->content_length <= EXCHANGE_HEARD_BYTES;
}

static void hear(struct exchange *x, const struct http_message *m)
{
	struct forward_request r;

	x->hearing = m->content_length;
	buf_init(&x->heard, EXCHANGE_HEARD_BYTES + (x->keeps_heads ? 0 : 2 * H1_HEAD_MAX));
	if (x->keeps_heads) {
		x->head = m;
	} else {
		r = request_of(x, m);
		forward_request(&x->heard, &r);
	}
}

/* A gRPC call says how long it may take (grpc-timeout); 0: it does not. */
static uint64_t deadline_of(const struct exchange *x, const struct http_message *m)
{
	uint64_t ns;

	if (!grpc_is(http_known(m, HTTP_NAME_CONTENT_TYPE)) ||
	    grpc_timeout(http_field(m, SPAN("grpc-timeout")), &ns))
		return 0;
	return ns < UINT64_MAX - x->begun_ns ? x->begun_ns + ns : 0;
}

void exchange_refuse(struct exchange *x, const struct http_message *m, unsigned status, enum reject_rule rule)
{
	remember(x, m);
	refuse(x, status, rule);
}

void exchange_begin(struct exchange *x, const struct http_message *m)
{
	struct worker *w = x->worker;
	int route = route_pick(&w->routes, x->listen_port, m);

	remember(x, m);
	x->deadline_ns = deadline_of(x, m);
	gauge_add(&w->gauges->requests, 1);
	if (wrong_scheme(x, m)) {
		refuse(x, 400, REJECT_SCHEME);
		return;
	}
	if (route < 0) {
		refuse(x, route == ROUTE_NONE ? 404 : 400,
		       route == ROUTE_NONE ? REJECT_NO_ROUTE : REJECT_PATH_FORM);
		return;
	}
	if (w->plan->limits.max_requests && w->in_flight >= w->plan->limits.max_requests) {
		refuse(x, 503, REJECT_MAX_REQUESTS);
		return;
	}
	if (exhausted(w)) {
		refuse(x, 503, REJECT_MEMORY);
		return;
	}
	x->route = (uint16_t)route;
	x->active = x->routed = true;
	in_flight(w, 1);
	tap_begin(&x->tap, x->id, x->route, m, wants_tunnel(x, m));
	if (heard_out(x, m))
		hear(x, m);
	else
		ask(x, m);
	tap_head(&x->tap, LEG_CLIENT, m);
	if (!x->live && !x->hearing)
		exchange_live_failed(x, LIVE_ERROR_UNAVAILABLE);
}

/* What was heard out, and its last bytes. */
static void ask_heard(struct exchange *x, struct span bytes)
{
	if (x->head) {
		ask(x, x->head);
		if (x->live && buf_len(&x->heard))
			live_data(x->live, buf_span(&x->heard));
		if (x->live)
			live_data(x->live, bytes);
		return;
	}
	buf_span_put(&x->heard, bytes);
	if (!x->heard.err)
		take_live(x);
	if (x->live)
		live_text(x->live, buf_span(&x->heard));
}

/* Of a request that is heard out; with its last byte live is asked. */
static void hear_data(struct exchange *x, struct span bytes)
{
	if (x->bytes_in < x->hearing) {
		buf_span_put(&x->heard, bytes);
		return;
	}
	if (!x->heard.err)
		ask_heard(x, bytes);
	hear_no_more(x);
}

void exchange_data(struct exchange *x, struct span bytes)
{
	if (!(x->live || x->hearing) || !bytes.len)
		return;
	x->bytes_in += bytes.len;
	x->progress_ns = x->worker->now_ns;
	if (x->hearing)
		hear_data(x, bytes);
	else
		live_data(x->live, bytes);
	tap_chunk(&x->tap, LEG_CLIENT, bytes);
	if (!x->live && !x->hearing)
		exchange_live_failed(x, LIVE_ERROR_UNAVAILABLE);
}

void exchange_trailers(struct exchange *x, const struct http_message *m)
{
	if (!x->live)
		return;
	live_trailers(x->live, m);
	tap_trailers(&x->tap, LEG_CLIENT, m);
}

void exchange_end(struct exchange *x)
{
	x->request_done = true;
	x->asked_ns = x->worker->now_ns;
	if (!x->live)
		return;
	live_end(x->live);
	tap_end(&x->tap, LEG_CLIENT);
}

void exchange_touch(struct exchange *x)
{
	if (x->is_touched)
		return;
	x->is_touched = true;
	LIST_INSERT_HEAD(&x->worker->touched, x, touched);
}

static void untouch(struct exchange *x)
{
	if (x->is_touched)
		LIST_REMOVE(x, touched);
	x->is_touched = false;
}

void exchange_settle(struct worker *w)
{
	struct exchange *x;

	while ((x = LIST_FIRST(&w->touched))) {
		untouch(x);
		x->ops->turn_end(x->front);
	}
}

static void let_go(struct exchange *x)
{
	tap_error(&x->tap, OUTCOME_CLIENT_GONE);
	finish(x, false);
}

void exchange_abandon(struct exchange *x, const char *why)
{
	untouch(x);
	if (!x->active)
		return;
	let_go(x);
	x->rule = why;
	record(x);
}

void exchange_drop(struct exchange *x, unsigned status, enum reject_rule rule)
{
	let_go(x);
	refuse(x, status, rule);
}

bool exchange_full(const struct exchange *x)
{
	return x->live && (live_full(x->live) || (exhausted(x->worker) && !x->request_done));
}

bool exchange_unsent(const struct exchange *x)
{
	return x->live && live_unsent(x->live);
}

void exchange_resume(struct exchange *x)
{
	if (x->live)
		live_resume(x->live);
}

void exchange_flush(struct exchange *x)
{
	if (x->live)
		live_flush(x->live);
}

static bool passed(uint64_t now_ns, uint64_t since_ns, uint32_t limit_ms)
{
	return limit_ms && now_ns > since_ns + (uint64_t)limit_ms * 1000000u;
}

void exchange_tick(struct exchange *x, uint64_t now_ns, bool blocked)
{
	const struct plan_live *plan = &route_of(x)->live;
	bool waits = x->live && !x->tunnel && (blocked || x->ops->full(x->front)); /* for the client */

	if (waits)
		x->progress_ns = now_ns;
	if (x->live)
		live_tick(x->live, now_ns);
	slow_look(x, now_ns);
	if (!x->live || x->tunnel)
		return;
	if (x->deadline_ns && now_ns > x->deadline_ns) {
		exchange_live_failed(x, LIVE_ERROR_TIMEOUT);
		return;
	}
	if (((x->request_done || exchange_full(x)) && passed(now_ns, x->progress_ns, plan->timeout_ms)) ||
	    (x->request_done && passed(now_ns, x->asked_ns, plan->total_timeout_ms))) {
		if (!x->response_begun) /* silence speaks against an endpoint as a refusal does */
			upstream_failed(x->live->upstream, x->live->endpoint, now_ns);
		exchange_live_failed(x, LIVE_ERROR_TIMEOUT);
	}
}

/* What safeguards go by. A client that takes its answer slowly is in the time, too: live's end is not ours.
 */
static void count_live(const struct exchange *x, bool failed)
{
	struct live_gauges *g = &x->worker->env->page->live[x->worker->env->index][x->route];

	gauge_add(&g->answers, 1);
	if (failed || x->status >= 500)
		gauge_add(&g->failed, 1);
	if (!failed && x->request_done && !x->tunnel)
		hist_add(&g->times, x->worker->now_ns - x->asked_ns);
}

void exchange_live_failed(struct exchange *x, enum live_error why)
{
	static const unsigned statuses[LIVE_ERRORS] = {
	        [LIVE_ERROR_CONNECT] = 502,  [LIVE_ERROR_TIMEOUT] = 504,     [LIVE_ERROR_RESET] = 502,
	        [LIVE_ERROR_PROTOCOL] = 502, [LIVE_ERROR_UNAVAILABLE] = 503,
	};

	gauges_live_error(x->worker->gauges, why);
	count_live(x, true);
	tap_error(&x->tap, OUTCOME_LIVE_FAILED);
	finish(x, false);
	answer_ourselves(x, statuses[why], live_error_name(why));
}

static void interim_head(struct exchange *x, const struct http_message *m)
{
	if (++x->interim > INTERIM_MAX || (m->status == 101 && !x->tap.tunnel)) {
		exchange_live_failed(x, LIVE_ERROR_PROTOCOL);
		return;
	}
	if (m->status == 100 || x->client_10) /* 100 was ours to say */
		return;
	x->ops->head(x->front, m, &route_of(x)->response_headers);
	if (m->status == 101) {
		x->tunnel = x->response_begun = x->request_done = true;
		x->status = 101;
		gauge_add(&x->worker->gauges->tunnels, 1);
		gauge_add(&x->worker->gauges->upgrades, 1);
		x->ops->tunnel(x->front);
	}
}

void exchange_response_head(struct exchange *x, const struct http_message *m)
{
	if (m->status / 100 == 1) {
		interim_head(x, m);
		return;
	}
	x->response_begun = true;
	x->status = m->status;
	upstream_answered(x->live->endpoint);
	x->ops->head(x->front, m, &route_of(x)->response_headers);
	tap_head(&x->tap, LEG_LIVE, m);
}

void exchange_response_data(struct exchange *x, struct span bytes)
{
	x->bytes_out += bytes.len;
	x->ops->data(x->front, bytes);
	tap_chunk(&x->tap, LEG_LIVE, bytes);
}

void exchange_response_trailers(struct exchange *x, const struct http_message *m)
{
	x->ops->trailers(x->front, m);
	tap_trailers(&x->tap, LEG_LIVE, m);
}

/* What the exchange took with or without shadowing, when the harm switch measures that. */
static void time_block(struct exchange *x)
{
	struct worker_gauges *g = x->worker->gauges;

	if (!x->tap.eligible || (x->tap.block != HARM_ON && x->tap.block != HARM_OFF))
		return;
	hist_add(&g->timed[x->tap.block == HARM_ON ? HARM_WITH : HARM_WITHOUT],
	         clock_mono_ns() - x->begun_ns);
}

void exchange_response_end(struct exchange *x)
{
	bool clean = x->request_done && !x->tunnel;

	count_live(x, false);
	if (x->request_done)
		tap_end(&x->tap, LEG_LIVE);
	else /* nobody else can be asked with half a request */
		tap_error(&x->tap, OUTCOME_CLIENT_GONE);
	x->live_ns = x->worker->now_ns - x->begun_ns;
	finish(x, clean);
	x->ops->end(x->front);
	time_block(x);
	record(x);
}

void exchange_added(struct exchange *x, uint64_t ns)
{
	x->added_ns += ns;
	if (!x->response_done || !x->routed || x->rule || !x->tap.eligible)
		return;
	hist_add(&x->worker->gauges->added[x->tap.copied ? ADDED_COPIED : ADDED_PLAIN], x->added_ns);
	x->routed = false;
}
