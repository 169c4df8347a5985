#define _GNU_SOURCE
#include "proxy/route.h"

#include <stdlib.h>

#include "proto/url.h"

static int longer_first(const void *a, const void *b)
{
	const struct route_match *x = a, *y = b;

	if (x->prefix.len != y->prefix.len)
		return x->prefix.len < y->prefix.len ? 1 : -1;
	return (int)x->route - (int)y->route;
}

void route_table_init(struct route_table *t, const struct plan *plan)
{
	*t = (struct route_table){.count = plan->route_count};
	for (uint16_t i = 0; i < t->count; i++) {
		const struct plan_route *r = &plan->routes[i];

		t->matches[i] = (struct route_match){i,
		                                     r->match_port,
		                                     span_of(r->path_prefix),
		                                     span_of(r->match_host),
		                                     span_of(r->match_header),
		                                     span_of(r->match_value),
		                                     r->match_methods};
	}
	qsort(t->matches, t->count, sizeof t->matches[0], longer_first);
	t->pathless = !t->count || t->matches[0].prefix.len == 1; /* "/" */
}

/* Host without its port and without the dot of a name that is written whole ("a.example."). */
static struct span host_name(struct span host)
{
	const char *end = host.len && host.data[0] == '[' ? memchr(host.data, ']', host.len)
	                                                  : memchr(host.data, ':', host.len);

	if (end)
		host.len = (size_t)(end - host.data) + (*end == ']');
	if (host.len > 1 && host.data[host.len - 1] == '.')
		host.len--;
	return host;
}

/* By segments: "/a" takes "/a", "/a/b" and "/a?c", not "/ab"; "/a/" takes what is below it. */
static bool below(struct span path, struct span prefix)
{
	char next = path.len > prefix.len ? path.data[prefix.len] : '/';

	return span_starts(path, prefix) &&
	       (next == '/' || next == '?' || !prefix.len || prefix.data[prefix.len - 1] == '/');
}

bool route_lists(const char *list, struct span word)
{
	for (const char *at = list; (at = memmem(at, strlen(at), word.data, word.len)); at++)
		if (at > list && at[-1] == ' ' && at[word.len] == ' ')
			return true;
	return false;
}

static bool holds(const struct route_match *r, uint16_t port, const struct http_message *m, struct span path)
{
	if (!below(path, r->prefix) || (r->port && r->port != port))
		return false;
	if (r->host.len && !span_eq_nocase(host_name(m->host), r->host))
		return false;
	if (r->methods[0] && !route_lists(r->methods, m->method))
		return false;
	return !r->header.len || span_eq(http_field(m, r->header), r->value);
}

static int pick(const struct route_table *t, uint16_t port, const struct http_message *m, struct span path)
{
	for (uint32_t i = 0; i < t->count; i++)
		if (holds(&t->matches[i], port, m, path))
			return t->matches[i].route;
	return ROUTE_NONE;
}

int route_pick(const struct route_table *t, uint16_t port, const struct http_message *m)
{
	struct span raw = span_eq(m->target, SPAN("*")) ? SPAN("/") : m->target, path = raw;
	char room[H1_LINE_MAX];
	unsigned flags = 0;
	int route;

	if (!t->pathless && url_normalise(raw, room, sizeof room, &path, &flags))
		return ROUTE_UNCLEAR;
	if (flags & URL_HIDDEN_DOTS) /* a third reading, and a fourth */
		return ROUTE_UNCLEAR;
	route = pick(t, port, m, raw);
	return (flags & URL_DISAGREE) && pick(t, port, m, path) != route ? ROUTE_UNCLEAR : route;
}
