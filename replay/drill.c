#include "replay/drill.h"

#include <stdlib.h>
#include <string.h>

#include "capture/fault.h"
#include "proto/base/clock.h"

enum { DROP_MS = 10, OPERATORS = FAULTS_MAX };
static const uint64_t MS_NS = 1000000u;

struct drill_call {
	TAILQ_ENTRY(drill_call) link;
	struct drill *drill;
	struct plan_fault fault;
	struct client_events to;
	void *arg;
	struct client_how how;
	bool with_client, told; /* told: of its end; what comes is swallowed until the client is done */
	bool came;              /* slow: the answer is whole */
	struct event timer;
	uint64_t look_ns, deadline_ns; /* when it is looked after next; its end */
	uint64_t passed_ns;            /* slow: up to when bytes were passed on */
	struct buf request;            /* a delayed one's, until it is sent */
	struct buf body, lines;        /* slow: what is to be passed on; text of the trailers */
	struct http_message *trailers; /* ... over it; NULL: none */
	size_t charged;
};

void drill_init(struct drill *d, struct event_base *base, struct client *client, struct client_budget *budget,
                const struct drill_place *at)
{
	const struct plan_route *route = &at->plan->routes[at->route];

	*d = (struct drill){.base = base,
	                    .client = client,
	                    .budget = budget,
	                    .page = at->page,
	                    .plan = &route->candidates[at->candidate],
	                    .seed = at->plan->seed,
	                    .max_body_bytes = route->max_body_bytes,
	                    .route = at->route,
	                    .candidate = at->candidate};
	TAILQ_INIT(&d->calls);
}

/* --- which --- */

static bool hits(const struct drill *d, const struct plan_fault *f, uint64_t begun_ns, uint64_t now_ns,
                 uint64_t id, uint32_t number)
{
	return now_ns >= begun_ns && fault_lasts(f, now_ns - begun_ns) && fault_draws(f, d->seed, id, number);
}

static const struct plan_fault *find(const struct drill *d, uint64_t id, uint64_t now_ns)
{
	uint32_t drills = page_drills(d->page);
	uint64_t started = atomic_load_explicit(&d->page->started_ns, memory_order_relaxed);

	for (uint32_t i = 0; i < d->plan->fault_count; i++)
		if (hits(d, &d->plan->faults[i], started ? started : now_ns, now_ns, id, i))
			return &d->plan->faults[i];
	for (uint32_t i = 0; i < drills; i++) {
		const struct page_drill *p = &d->page->drills[i];

		if (p->route == d->route && p->candidate == d->candidate && !atomic_load(&p->ended_ns) &&
		    hits(d, &p->fault, p->begun_ns, now_ns, id, OPERATORS + i))
			return &p->fault;
	}
	return NULL;
}

/* --- a call --- */

static bool charge(struct drill_call *c, size_t bytes)
{
	struct client_budget *b = c->drill->budget;

	if (b->bytes > b->limit_bytes || bytes > b->limit_bytes - b->bytes)
		return false;
	b->bytes += bytes;
	c->charged += bytes;
	return true;
}

static void release(struct drill_call *c)
{
	TAILQ_REMOVE(&c->drill->calls, c, link);
	c->drill->budget->bytes -= c->charged;
	event_del(&c->timer);
	buf_fini(&c->request);
	buf_fini(&c->body);
	buf_fini(&c->lines);
	free(c->trailers);
	free(c);
}

/* Its end, once; the call may be gone afterwards. */
static void tell(struct drill_call *c, enum client_result result)
{
	if (c->told)
		return;
	c->told = true;
	event_del(&c->timer);
	c->drill->held -= !c->with_client;
	c->to.done(c->arg, result);
	if (!c->with_client)
		release(c);
}

/* A timer of the loop counts from when the loop's turn began: it may come too soon. */
static int wait_until(struct drill_call *c, uint64_t at_ns, uint64_t now_ns)
{
	uint64_t us = at_ns > now_ns ? (at_ns - now_ns + 999) / 1000 : 0;
	struct timeval t = {(time_t)(us / 1000000), (suseconds_t)(us % 1000000)};

	c->look_ns = at_ns;
	return event_add(&c->timer, &t) ? ERR_NOMEM : 0;
}

/* --- what the client tells --- */

static void on_sent(void *arg)
{
	struct drill_call *c = arg;

	if (!c->told && c->fault.kind != FAULT_DELAY) /* that one counts from when it should have left */
		c->to.sent(c->arg);
}

static void on_head(void *arg, const struct http_message *m)
{
	struct drill_call *c = arg;

	if (c->told)
		return;
	if (c->fault.kind == FAULT_GARBAGE)
		tell(c, CLIENT_PROTOCOL);
	else
		c->to.head(c->arg, m);
}

static void on_body(void *arg, struct span bytes)
{
	struct drill_call *c = arg;

	if (c->told)
		return;
	if (c->fault.kind == FAULT_RESET) {
		c->to.body(c->arg, (struct span){bytes.data, bytes.len / 2});
		tell(c, CLIENT_RESET);
	} else if (c->fault.kind != FAULT_SLOW) {
		c->to.body(c->arg, bytes);
	} else if (charge(c, bytes.len)) {
		buf_span_put(&c->body, bytes);
		if (c->body.err)
			tell(c, CLIENT_MEMORY);
	} else {
		tell(c, CLIENT_MEMORY);
	}
}

static struct span keep(struct buf *b, struct span text)
{
	struct span kept = {buf_span(b).data + buf_len(b), text.len};

	buf_span_put(b, text);
	return kept;
}

/* A copy that outlives the call: its text has all its room before anything points there. */
static void keep_trailers(struct drill_call *c, const struct http_message *m)
{
	size_t bytes = 1;

	for (size_t i = 0; i < m->field_count; i++)
		bytes += m->fields[i].name.len + m->fields[i].value.len;
	c->trailers = malloc(sizeof *c->trailers);
	buf_init(&c->lines, bytes);
	if (!c->trailers || !buf_room(&c->lines, bytes)) {
		tell(c, CLIENT_MEMORY);
		return;
	}
	*c->trailers = *m;
	for (size_t i = 0; i < m->field_count; i++) {
		c->trailers->fields[i].name = keep(&c->lines, m->fields[i].name);
		c->trailers->fields[i].value = keep(&c->lines, m->fields[i].value);
	}
}

static void on_trailers(void *arg, const struct http_message *m)
{
	struct drill_call *c = arg;

	if (c->told)
		return;
	if (c->fault.kind == FAULT_SLOW)
		keep_trailers(c, m);
	else
		c->to.trailers(c->arg, m);
}

static void on_done(void *arg, enum client_result result)
{
	struct drill_call *c = arg;

	c->with_client = false;
	if (c->told) {
		release(c);
		return;
	}
	c->drill->held++;
	c->came = result == CLIENT_OK;
	if (c->came && c->fault.kind == FAULT_RESET)
		tell(c, CLIENT_RESET);
	else if (!c->came || c->fault.kind != FAULT_SLOW)
		tell(c, result);
}

static const struct client_events events = {
        .sent = on_sent, .head = on_head, .body = on_body, .trailers = on_trailers, .done = on_done};

/* --- time --- */

static void pass_on(struct drill_call *c, uint64_t now_ns)
{
	uint64_t due = (now_ns - c->passed_ns) / MS_NS * c->fault.amount / 1000;
	size_t n = due < buf_len(&c->body) ? (size_t)due : buf_len(&c->body);

	if (n) {
		c->to.body(c->arg, (struct span){buf_span(&c->body).data, n});
		buf_consume(&c->body, n);
		c->passed_ns += n * (1000 * MS_NS) / c->fault.amount;
	}
	if (!buf_len(&c->body))
		c->passed_ns = now_ns;
	if (!c->came || buf_len(&c->body)) {
		if (wait_until(c, now_ns + DROP_MS * MS_NS, now_ns))
			tell(c, CLIENT_MEMORY);
		return;
	}
	if (c->trailers)
		c->to.trailers(c->arg, c->trailers);
	tell(c, CLIENT_OK);
}

static void send_late(struct drill_call *c, uint64_t now_ns)
{
	c->how.timeout_ms = (unsigned)((c->deadline_ns - now_ns) / MS_NS + 1);
	if (client_send(c->drill->client, buf_span(&c->request), &c->how, &events, c)) {
		tell(c, CLIENT_MEMORY);
		return;
	}
	c->with_client = true;
	c->drill->held--;
	buf_fini(&c->request);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct drill_call *c = arg;
	uint64_t now_ns = clock_mono_ns();

	(void)fd, (void)what;
	if (now_ns < c->look_ns) {
		if (wait_until(c, c->look_ns, now_ns))
			tell(c, CLIENT_MEMORY);
	} else if (c->fault.kind == FAULT_OUTAGE)
		tell(c, CLIENT_CONNECT);
	else if (c->fault.kind == FAULT_HANG || now_ns >= c->deadline_ns)
		tell(c, CLIENT_TIMEOUT);
	else if (c->fault.kind == FAULT_DELAY)
		send_late(c, now_ns);
	else
		pass_on(c, now_ns);
}

/* When it is looked after first; nothing of it has been sent, but for what is slow. */
static uint64_t first_look_ms(const struct drill_call *c, uint64_t timeout_ms)
{
	switch (c->fault.kind) {
	case FAULT_HANG:
		return timeout_ms;
	case FAULT_DELAY:
		return c->fault.amount < timeout_ms ? c->fault.amount : timeout_ms;
	case FAULT_SLOW:
		return DROP_MS;
	default:
		return 0;
	}
}

static struct drill_call *new_call(struct drill *d, const struct plan_fault *fault, size_t request_bytes)
{
	struct drill_call *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	c->drill = d;
	c->fault = *fault;
	buf_init(&c->request, request_bytes);
	buf_init(&c->body, d->max_body_bytes);
	buf_init(&c->lines, 0);
	event_assign(&c->timer, d->base, -1, 0, on_timer, c);
	TAILQ_INSERT_TAIL(&d->calls, c, link);
	if (charge(c, sizeof *c + request_bytes))
		return c;
	release(c);
	return NULL;
}

static int begin(struct drill_call *c, struct span request)
{
	uint64_t timeout_ms = c->drill->plan->timeout_ms;
	uint64_t now_ns = clock_mono_ns();
	uint32_t kind = c->fault.kind;
	int err;

	if (c->how.timeout_ms && c->how.timeout_ms < timeout_ms)
		timeout_ms = c->how.timeout_ms;
	c->passed_ns = now_ns;
	c->deadline_ns = now_ns + timeout_ms * MS_NS;
	if (kind != FAULT_RESET && kind != FAULT_GARBAGE &&
	    wait_until(c, now_ns + first_look_ms(c, timeout_ms) * MS_NS, now_ns))
		return ERR_NOMEM;
	if (kind == FAULT_DELAY)
		buf_span_put(&c->request, request);
	if (kind == FAULT_HANG || kind == FAULT_OUTAGE || kind == FAULT_DELAY)
		return c->request.err;
	err = client_send(c->drill->client, request, &c->how, &events, c);
	c->with_client = !err;
	return err;
}

int drill_send(struct drill *d, uint64_t id, struct span request, const struct client_how *how,
               const struct client_events *to, void *arg, bool *hit_out)
{
	const struct plan_fault *fault = find(d, id, clock_mono_ns());
	struct drill_call *c;
	int err;

	*hit_out = fault != NULL;
	if (!fault)
		return client_send(d->client, request, how, to, arg);
	c = new_call(d, fault, fault->kind == FAULT_DELAY ? request.len : 0);
	if (!c)
		return ERR_NOMEM;
	c->to = *to;
	c->arg = arg;
	c->how = *how;
	err = begin(c, request);
	if (err) {
		release(c);
		return err;
	}
	d->held += !c->with_client;
	gauge_add(&d->page->candidates[d->route][d->candidate].drilled[fault->kind], 1);
	return 0;
}

unsigned drill_in_flight(const struct drill *d)
{
	return d->held + client_in_flight(d->client);
}

void drill_cut(struct drill *d)
{
	struct drill_call *c, *next;

	client_cut(d->client);
	for (c = TAILQ_FIRST(&d->calls); c; c = next) {
		next = TAILQ_NEXT(c, link);
		tell(c, CLIENT_CUT);
	}
}
