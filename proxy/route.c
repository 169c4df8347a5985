#define _GNU_SOURCE
#include "proxy/route.h"

#include <stdlib.h>

static int longer_first(const void *a, const void *b)
{
	const struct route_match *x = a, *y = b;

	if (x->prefix.len != y->prefix.len)
		return x->prefix.len < y->prefix.len ? 1 : -1;
	return (int)x->route - (int)y->route;
}

void route_table_init(struct route_table *t, const struct plan *plan)
{
	t->count = plan->route_count;
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
}

/* Host without its port. */
static struct span host_name(struct span host)
{
	const char *end = host.len && host.data[0] == '[' ? memchr(host.data, ']', host.len)
	                                                  : memchr(host.data, ':', host.len);

	if (end)
		host.len = (size_t)(end - host.data) + (*end == ']');
	return host;
}

/* `list` is " GET POST ". */
static bool listed(const char *list, struct span word)
{
	for (const char *at = list; (at = memmem(at, strlen(at), word.data, word.len)); at++)
		if (at > list && at[-1] == ' ' && at[word.len] == ' ')
			return true;
	return false;
}

static bool holds(const struct route_match *r, uint16_t port, const struct h1_message *m)
{
	if (!span_starts(m->target, r->prefix) || (r->port && r->port != port))
		return false;
	if (r->host.len && !span_eq_nocase(host_name(m->host), r->host))
		return false;
	if (r->methods[0] && !listed(r->methods, m->method))
		return false;
	return !r->header.len || span_eq(h1_field(m, r->header), r->value);
}

int route_pick(const struct route_table *t, uint16_t port, const struct h1_message *m)
{
	for (uint32_t i = 0; i < t->count; i++)
		if (holds(&t->matches[i], port, m))
			return t->matches[i].route;
	return -1;
}
