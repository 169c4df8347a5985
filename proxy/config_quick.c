/* A plan from a few arguments, without a file. */
#include <string.h>
#include "proto/base/buf.h"
#include "proxy/config.h"
#include "proxy/config_endpoint.h"
#include "proxy/config_inside.h"

enum { ARGUMENTS_MAX = 1 << 20 };

static int quick_fail(FILE *errors, const char *what, const char *text, const char *why)
{
	fprintf(errors, "understudy: %s '%s': %s\n", what, text, why);
	return ERR_CONFIG;
}

static int quick_candidate(struct plan *p, const char *name, size_t name_len, const char *url, bool baseline,
                           FILE *errors)
{
	struct plan_route *r = &p->routes[0];
	struct plan_candidate *k = &r->candidates[r->candidate_count];
	const char *why;

	if (r->candidate_count == CANDIDATES_MAX)
		return quick_fail(errors, "candidate", url, "more than 16 candidates");
	cfg_defaults(config_candidate_rows, k);
	if (name_len >= sizeof(k->name))
		return quick_fail(errors, "candidate", name, "the name is too long");
	snprintf(k->name, sizeof(k->name), "%.*s", (int)name_len, name);
	k->baseline = baseline;
	k->sample_ppm = baseline ? 100000 : 1000000;
	k->max_in_flight = QUICK_IN_FLIGHT;
	if (!config_name_good(k->name))
		return quick_fail(errors, "candidate", k->name,
		                  "write NAME=URL, the name in letters, digits, '-', '_' and '.'");
	for (uint32_t i = 0; i < r->candidate_count; i++)
		if (strcmp(r->candidates[i].name, k->name) == 0)
			return quick_fail(errors, "candidate", k->name, "the name is given twice");
	why = endpoint_from_url(url, &k->endpoint);
	if (!why)
		why = config_refuse_copy(p, &k->endpoint, false);
	if (why)
		return quick_fail(errors, "candidate", url, why);
	r->candidate_count++;
	return 0;
}

int config_quick(const char *live, const char *const *candidates, unsigned candidate_count,
                 const char *baseline, const char *listen, struct plan *out, FILE *errors)
{
	struct plan_route *r = &out->routes[0];
	struct buf text;
	const char *why;
	int rc = 0;

	config_start(out);
	cfg_defaults(config_listen_rows, &out->listen[0]);
	cfg_defaults(config_route_rows, r);
	strcpy(r->name, "default");
	r->mirror = true;
	out->listen_count = out->route_count = 1;
	if ((why = endpoint_from_address(listen, &out->listen[0].at)) != NULL)
		return quick_fail(errors, "listen", listen, why);
	if ((why = endpoint_from_url(live, &r->live.endpoints[0])) != NULL)
		return quick_fail(errors, "live", live, why);
	r->live.endpoint_count = 1;
	if (endpoint_reaches(&r->live.endpoints[0], &out->listen[0].at))
		return quick_fail(errors, "live", live, "is this proxy's own address");
	buf_init(&text, ARGUMENTS_MAX);
	buf_printf(&text, "%s\n%s\n%s\n", listen, live, baseline ? baseline : "");
	for (unsigned i = 0; rc == 0 && i < candidate_count; i++) {
		const char *equals = strchr(candidates[i], '=');

		buf_printf(&text, "%s\n", candidates[i]);
		if (!equals)
			rc = quick_fail(errors, "candidate", candidates[i], "write NAME=URL");
		else
			rc = quick_candidate(out, candidates[i], (size_t)(equals - candidates[i]), equals + 1,
			                     false, errors);
	}
	if (rc == 0 && baseline)
		rc = quick_candidate(out, "baseline", strlen("baseline"), baseline, true, errors);
	if (!config_standing_gates(r))
		rc = ERR_BUG;
	config_sha256(buf_span(&text), out->config_hash);
	config_hash(out);
	buf_fini(&text);
	return rc;
}
