#include "proxy/health.h"

#include <stdlib.h>

#include "proto/base/clock.h"
#include "proto/base/log.h"

struct check {
	struct health *health;
	const struct plan_route *route;
	struct upstream *upstream;
	struct upstream_endpoint *endpoint;
	struct conn conn;
	struct codec *codec; /* NULL: none is under way */
	uint64_t due_ns;     /* the next one, or the end of this one */
};

struct health {
	struct worker *worker;
	uint64_t random;
	unsigned count;
	struct check checks[];
};

static uint64_t draw(struct health *h, uint64_t below)
{
	h->random = h->random * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX */
	return below ? (h->random >> 20) % below : 0;
}

static uint64_t interval_ns(const struct check *c)
{
	return (uint64_t)c->route->live.health.interval_ms * 1000000u;
}

static void tell(const struct check *c, bool well)
{
	if (well)
		LOG(INFO, "endpoint_back", log_text("route", c->route->name),
		    log_text("endpoint", c->endpoint->plan->url));
	else
		LOG(WARN, "endpoint_out", log_text("route", c->route->name),
		    log_text("endpoint", c->endpoint->plan->url));
}

static void check_end(struct check *c, bool well)
{
	uint64_t interval = interval_ns(c);

	if (!well && conn_opening(&c->conn))
		upstream_unreachable(c->endpoint);
	conn_close(&c->conn);
	codec_give(c->health->worker, &c->codec);
	c->due_ns = clock_mono_ns() + interval - interval / 10 + draw(c->health, interval / 5);
	if (upstream_checked(c->upstream, c->endpoint, well))
		tell(c, well);
}

/* 1: well, 0: ill, ERR_AGAIN: the head is not whole. */
static int judge(struct check *c)
{
	struct h1_parser *p = &c->codec->parser;

	while (buf_len(&c->conn.in)) {
		enum h1_event event = H1_NEED_MORE;
		struct span body;
		long n = h1_feed(p, buf_span(&c->conn.in), &event, &body);

		if (n < 0)
			return 0;
		buf_consume(&c->conn.in, (size_t)n);
		if (event == H1_HEAD && p->message.status / 100 != 1)
			return p->message.status / 100 == 2;
		if (event == H1_DONE)
			h1_next(p);
		if (event == H1_NEED_MORE)
			break;
	}
	return ERR_AGAIN;
}

static void check_turn(void *owner, unsigned news)
{
	struct check *c = owner;
	int verdict = news & CONN_INPUT ? judge(c) : ERR_AGAIN;

	if (verdict != ERR_AGAIN)
		check_end(c, verdict);
	else if (news & (CONN_BROKEN | CONN_EOF))
		check_end(c, false);
}

static void write_request(struct check *c)
{
	struct buf *out = conn_out(&c->conn);

	h1_write_request(out, SPAN("GET"), span_of(c->route->live.health.path),
	                 span_of(c->endpoint->plan->authority));
	h1_write_field(out, SPAN("User-Agent"), SPAN("understudy-health"));
	h1_write_field(out, SPAN("Connection"), SPAN("close"));
	h1_write_end(out, HTTP_NO_BODY, 0);
}

static void check_begin(struct check *c, uint64_t now_ns)
{
	const struct upstream_endpoint *e = c->endpoint;

	upstream_locate(c->endpoint);
	conn_init(&c->conn, c->health->worker->base, check_turn, c);
	c->codec = codec_take(c->health->worker, H1_RESPONSE);
	c->due_ns = now_ns + (uint64_t)c->route->live.health.timeout_ms * 1000000u;
	if (!c->codec || conn_connect(&c->conn, (const struct sockaddr *)&e->address, e->address_len,
	                              e->plan->tls ? c->upstream->tls : NULL, e->plan->host)) {
		check_end(c, false);
		return;
	}
	write_request(c);
	if (conn_flush(&c->conn))
		check_end(c, false);
}

int health_new(struct worker *w, struct health **out)
{
	struct health *h;
	unsigned count = 0;

	*out = NULL;
	for (uint32_t r = 0; r < w->plan->route_count; r++)
		if (w->plan->routes[r].live.health.path[0])
			count += w->upstreams[r].count;
	if (!count)
		return 0;
	h = calloc(1, sizeof *h + count * sizeof h->checks[0]);
	if (!h)
		return ERR_NOMEM;
	h->worker = w;
	h->random = clock_mono_ns() + w->env->index;
	for (uint32_t r = 0; r < w->plan->route_count; r++)
		for (uint32_t e = 0; w->plan->routes[r].live.health.path[0] && e < w->upstreams[r].count;
		     e++) {
			struct check *c = &h->checks[h->count++];

			*c = (struct check){.health = h, .route = &w->plan->routes[r]};
			c->upstream = &w->upstreams[r];
			c->endpoint = &w->upstreams[r].endpoints[e];
			c->due_ns = clock_mono_ns() + draw(h, interval_ns(c));
		}
	*out = h;
	return 0;
}

void health_tick(struct health *h, uint64_t now_ns)
{
	for (unsigned i = 0; h && i < h->count; i++) {
		struct check *c = &h->checks[i];

		if (now_ns < c->due_ns)
			continue;
		if (c->codec)
			check_end(c, false);
		else
			check_begin(c, now_ns);
	}
}
