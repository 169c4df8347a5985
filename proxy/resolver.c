#define _GNU_SOURCE
#include "proxy/resolver.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proxy/config_endpoint.h"

enum { LOOK_MS = 100 };

/* What a slot says, and whether the last answer was of use. */
struct known {
	struct name_found found;
	bool lost;
};

static struct {
	const struct plan *plan;
	struct page *page;
	struct names *names;
	struct known live[ROUTES_MAX][LIVE_ENDPOINTS_MAX], candidates[ROUTES_MAX][CANDIDATES_MAX];
} resolver;

/* The endpoint as if it were there. */
static struct plan_endpoint placed(const struct plan_endpoint *e, const struct in6_addr *a)
{
	struct plan_endpoint p = *e;

	if (IN6_IS_ADDR_V4MAPPED(a))
		inet_ntop(AF_INET, a->s6_addr + 12, p.address, sizeof p.address);
	else
		inet_ntop(AF_INET6, a, p.address, sizeof p.address);
	return p;
}

static bool is_ours(const struct plan_endpoint *p)
{
	for (uint32_t i = 0; i < resolver.plan->listen_count; i++)
		if (endpoint_reaches(p, &resolver.plan->listen[i].at))
			return true;
	return false;
}

/* A live endpoint must not be this proxy. */
static bool loops(void *arg, const struct in6_addr *a)
{
	struct plan_endpoint p = placed(arg, a);

	return is_ours(&p);
}

static bool reaches_live(const struct plan_endpoint *p, uint32_t r, uint32_t i)
{
	const struct plan_endpoint *e = &resolver.plan->routes[r].live.endpoints[i];
	const struct name_found *f = &resolver.live[r][i].found;

	if (!f->count) /* it is where the plan says */
		return endpoint_same(e, p);
	for (uint32_t n = 0; n < f->count; n++) {
		struct plan_endpoint now = placed(e, &f->addresses[n]);

		if (endpoint_same(&now, p))
			return true;
	}
	return false;
}

/* A candidate must be neither this proxy nor, unless it says so, where a live endpoint is now. */
static bool is_production(void *arg, const struct in6_addr *a)
{
	struct plan_endpoint p = placed(arg, a);

	for (uint32_t r = 0; r < resolver.plan->route_count; r++)
		for (uint32_t i = 0; i < resolver.plan->routes[r].live.endpoint_count; i++)
			if (reaches_live(&p, r, i))
				return true;
	return is_ours(&p);
}

static void add(struct name_found *f, const struct addrinfo *a)
{
	char text[INET6_ADDRSTRLEN];

	if (f->count < NAME_ADDRESSES_MAX &&
	    !getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) &&
	    name_numeric(text, &f->addresses[f->count]))
		f->count++;
}

static void leave_out(struct name_found *f, bool (*refused)(void *, const struct in6_addr *), void *arg)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < f->count; i++)
		if (!refused(arg, &f->addresses[i]))
			f->addresses[kept++] = f->addresses[i];
	f->count = kept;
}

bool resolver_ask(const char *host, bool (*refused)(void *, const struct in6_addr *), void *arg,
                  struct name_found *out)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *list;

	out->count = 0;
	if (getaddrinfo(host, NULL, &hints, &list))
		return false;
	for (unsigned f = 0; f < 2; f++)
		for (const struct addrinfo *a = list; a; a = a->ai_next)
			if (a->ai_family == families[f])
				add(out, a);
	freeaddrinfo(list);
	if (refused)
		leave_out(out, refused, arg);
	return out->count > 0;
}

/* Name servers give the same addresses in a new order each time. */
static bool same(const struct name_found *a, const struct name_found *b)
{
	for (uint32_t i = 0; i < a->count; i++) {
		bool there = false;

		for (uint32_t j = 0; j < b->count; j++)
			there |= !memcmp(&a->addresses[i], &b->addresses[j], sizeof a->addresses[i]);
		if (!there)
			return false;
	}
	return a->count == b->count;
}

static void tell(struct known *k, const struct plan_endpoint *e, bool lost)
{
	if (k->lost != lost && lost)
		LOG(WARN, "name_lost", log_text("endpoint", e->url));
	else if (k->lost != lost)
		LOG(INFO, "name_found", log_text("endpoint", e->url));
	k->lost = lost;
}

static void publish(struct known *k, struct name_slot *slot, const struct plan_endpoint *e,
                    const struct name_found *found)
{
	if (same(found, &k->found) && atomic_load(&slot->version))
		return;
	k->found = *found;
	name_publish(slot, found);
	LOG(INFO, "name_moved", log_text("endpoint", e->url),
	    log_text("to", found->count ? placed(e, &found->addresses[0]).address : "nowhere"),
	    log_uint("addresses", found->count));
}

/* While its name does not resolve an endpoint stays where it was. */
static void find_live(uint32_t r, uint32_t i)
{
	const struct plan_endpoint *e = &resolver.plan->routes[r].live.endpoints[i];
	struct known *k = &resolver.live[r][i];
	struct name_found found;
	bool well;

	if (!name_needed(e))
		return;
	well = resolver_ask(e->host, loops, (void *)e, &found);
	tell(k, e, !well);
	if (well)
		publish(k, &resolver.names->live[r][i], e, &found);
}

/* So does a candidate, unless a live endpoint has moved there meanwhile: then it is nowhere. */
static void find_candidate(uint32_t r, uint32_t i)
{
	const struct plan_candidate *candidate = &resolver.plan->routes[r].candidates[i];
	const struct plan_endpoint *e = &candidate->endpoint;
	bool (*refused)(void *, const struct in6_addr *) = candidate->shares_live ? loops : is_production;
	struct known *k = &resolver.candidates[r][i];
	struct name_found found = k->found;
	bool well = name_needed(e) && resolver_ask(e->host, refused, (void *)e, &found);

	if (name_needed(e))
		tell(k, e, !well);
	if (!well) {
		found = k->found;
		if (!atomic_load(&resolver.names->candidates[r][i].version) || !name_needed(e))
			found.count = name_numeric(e->address, &found.addresses[0]);
		leave_out(&found, refused, (void *)e);
	}
	publish(k, &resolver.names->candidates[r][i], e, &found);
}

static void look_round(void)
{
	const struct plan *p = resolver.plan;

	for (uint32_t r = 0; r < p->route_count; r++)
		for (uint32_t i = 0; i < p->routes[r].live.endpoint_count; i++)
			find_live(r, i);
	for (uint32_t r = 0; r < p->route_count; r++)
		for (uint32_t i = 0; i < p->routes[r].candidate_count; i++)
			find_candidate(r, i);
}

static bool leaving(void)
{
	return atomic_load(&resolver.page->phase) >= PHASE_MASKER;
}

/* A name server may keep us for longer than a drain does. */
static void on_alarm(int signal)
{
	(void)signal;
	if (leaving())
		_exit(0);
}

/* Another process wrote what is there: known is what it said. */
static void read_slots(void)
{
	for (uint32_t r = 0; r < ROUTES_MAX; r++) {
		uint32_t version;

		for (uint32_t i = 0; i < LIVE_ENDPOINTS_MAX; i++)
			if (version = 0,
			    !name_moved(&resolver.names->live[r][i], &version, &resolver.live[r][i].found))
				resolver.live[r][i].found.count = 0;
		for (uint32_t i = 0; i < CANDIDATES_MAX; i++)
			if (version = 0, !name_moved(&resolver.names->candidates[r][i], &version,
			                             &resolver.candidates[r][i].found))
				resolver.candidates[r][i].found.count = 0;
	}
}

int resolver_run(struct role_env *env)
{
	struct itimerval look = {{0, LOOK_MS * 1000}, {0, LOOK_MS * 1000}};
	const struct timespec nap = {0, LOOK_MS * 1000000};

	resolver.plan = env->plan;
	resolver.page = env->page;
	if (names_map(role_fd(env, "names"), &resolver.names))
		return 3;
	read_slots();
	signal(SIGALRM, on_alarm);
	role_ready(env);
	setitimer(ITIMER_REAL, &look, NULL);
	while (!leaving()) {
		uint64_t due_ns = clock_mono_ns() + (uint64_t)env->plan->resolve_every_ms * 1000000u;

		look_round();
		while (!leaving() && clock_mono_ns() < due_ns)
			nanosleep(&nap, NULL);
	}
	return 0;
}
