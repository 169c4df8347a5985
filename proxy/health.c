#include "proxy/health.h"

#include <stdlib.h>

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/grpc.h"
#include "proto/net/client.h"
#include "proto/protobuf.h"

/* Of a HealthCheckResponse (grpc/grpc, doc/health-checking.md) */
enum { ANSWER_BYTES = 64, STATUS_FIELD = 1, SERVING = 1 };

struct check {
	struct health *health;
	const struct plan_route *route;
	struct upstream *upstream;
	struct upstream_endpoint *endpoint;
	struct client *client; /* of this question; NULL: none is under way */
	uint64_t due_ns;       /* the next one */
	bool asked;            /* the question left */
	bool succeeded;        /* gRPC: its status is OK */
	size_t answer_len;
	char answer[ANSWER_BYTES]; /* gRPC: what came of it */
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

static const struct plan_health *plan_of(const struct check *c)
{
	return &c->route->live.health;
}

static void check_end(struct check *c, bool well)
{
	uint64_t interval = interval_ns(c);

	if (!well && !c->asked)
		upstream_unreachable(c->endpoint);
	client_free(&c->client);
	c->due_ns = clock_mono_ns() + interval - interval / 10 + draw(c->health, interval / 5);
	if (upstream_checked(c->upstream, c->endpoint, well))
		tell(c, well);
}

static void note_status(struct check *c, const struct http_message *m)
{
	unsigned status;

	c->succeeded |= !grpc_status(http_field(m, SPAN("grpc-status")), &status) && status == 0;
}

static bool serving(const struct check *c)
{
	struct grpc_message message;
	struct protobuf_field field;
	uint64_t status = 0;

	if (grpc_next((struct span){c->answer, c->answer_len}, ANSWER_BYTES, &message) <= 0)
		return false;
	while (!message.compressed && protobuf_next(&message.bytes, &field) == 1)
		if (field.number == STATUS_FIELD && field.wire == PROTOBUF_VARINT)
			status = field.value;
	return status == SERVING;
}

static void on_sent(void *arg)
{
	((struct check *)arg)->asked = true;
}

static void on_head(void *arg, const struct http_message *m)
{
	struct check *c = arg;

	if (plan_of(c)->grpc)
		note_status(c, m);
	else
		check_end(c, m->status / 100 == 2);
}

static void on_body(void *arg, struct span bytes)
{
	struct check *c = arg;

	memcpy(c->answer + c->answer_len, bytes.data, bytes.len); /* the client keeps to the limit */
	c->answer_len += bytes.len;
}

static void on_trailers(void *arg, const struct http_message *m)
{
	note_status(arg, m);
}

static void on_done(void *arg, enum client_result result)
{
	struct check *c = arg;

	if (c->client) /* else it was us who ended it */
		check_end(c, result == CLIENT_OK && c->succeeded && serving(c));
}

static void put_get(struct buf *out, const struct check *c)
{
	h1_write_request(out, SPAN("GET"), span_of(plan_of(c)->path), span_of(c->endpoint->plan->authority));
	h1_write_field(out, SPAN("User-Agent"), SPAN("understudy-health"));
	h1_write_field(out, SPAN("Connection"), SPAN("close"));
	h1_write_end(out, HTTP_NO_BODY, 0);
}

static void put_grpc(struct buf *out, const struct check *c)
{
	struct span service = span_of(plan_of(c)->grpc_service);
	char prefix[GRPC_PREFIX_BYTES];
	struct buf message;

	buf_init(&message, 2 * TEXT_MAX_BYTES);
	if (service.len)
		protobuf_put_bytes(&message, 1, service);
	out->err = message.err ? message.err : grpc_prefix(buf_len(&message), prefix);
	h1_write_request(out, SPAN("POST"), SPAN("/grpc.health.v1.Health/Check"),
	                 span_of(c->endpoint->plan->authority));
	h1_write_field(out, SPAN("User-Agent"), SPAN("understudy-health"));
	h1_write_field(out, SPAN("Content-Type"), SPAN("application/grpc"));
	h1_write_field(out, SPAN("TE"), SPAN("trailers"));
	h1_write_end(out, HTTP_LENGTH, sizeof prefix + buf_len(&message));
	buf_put(out, prefix, sizeof prefix);
	buf_span_put(out, buf_span(&message));
	buf_fini(&message);
}

static int ask(struct check *c, struct span request)
{
	static const struct client_events events = {
	        .sent = on_sent, .head = on_head, .body = on_body, .trailers = on_trailers, .done = on_done};
	const struct upstream_endpoint *e = c->endpoint;
	const struct plan_health *h = plan_of(c);
	bool h2 = c->route->live.http == PLAN_HTTP_2;
	struct client_target target = {
	        .address = e->address, .address_len = e->address_len, .h2 = h2, .host = e->plan->host};
	struct client_limits limits = {.max_in_flight = 1,
	                               .timeout_ms = h->timeout_ms,
	                               .max_body_bytes = h->grpc ? ANSWER_BYTES : UINT64_MAX};
	int err;

	if (e->plan->tls) {
		target.tls = c->upstream->tls;
		target.tls_h2 = c->upstream->tls_h2;
	}
	err = client_new(c->health->worker->base, &target, limits, &c->client);
	return err ? err : client_send(c->client, request, &(struct client_how){0}, &events, c);
}

static void check_begin(struct check *c)
{
	struct buf request;

	upstream_locate(c->endpoint);
	c->asked = c->succeeded = false;
	c->answer_len = 0;
	buf_init(&request, 8 * TEXT_MAX_BYTES);
	if (plan_of(c)->grpc)
		put_grpc(&request, c);
	else
		put_get(&request, c);
	if (request.err || ask(c, buf_span(&request)))
		check_end(c, false);
	buf_fini(&request);
}

static bool asks(const struct plan_health *h)
{
	return h->path[0] || h->grpc;
}

int health_new(struct worker *w, struct health **out)
{
	struct health *h;
	unsigned count = 0;

	*out = NULL;
	for (uint32_t r = 0; r < w->plan->route_count; r++)
		if (asks(&w->plan->routes[r].live.health))
			count += w->upstreams[r].count;
	if (!count)
		return 0;
	h = calloc(1, sizeof *h + count * sizeof h->checks[0]);
	if (!h)
		return ERR_NOMEM;
	h->worker = w;
	h->random = clock_mono_ns() + w->env->index;
	for (uint32_t r = 0; r < w->plan->route_count; r++)
		for (uint32_t e = 0; asks(&w->plan->routes[r].live.health) && e < w->upstreams[r].count;
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

		if (!c->client && now_ns >= c->due_ns)
			check_begin(c);
	}
}
