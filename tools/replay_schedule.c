/* The flags of `understudy replay` that say when, which and how often. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/commands.h"
#include "tools/replay.h"
#include "tools/where.h"

enum { USERS_MAX = 4096, LOOPS_MAX = 1000000, COPIES_MAX = 10000 };
static const uint64_t MAX_LAG_NS = 1000000u, MAX_SPIN_NS = 1000000u, TIMEOUT_NS = 10000000000u,
                      STEP_NS = 5000000000u, MS_NS = 1000000u;

static int wrong(const char *flag, const char *text, const char *expected)
{
	return command_wrong(&replay_command, "%s %s: %s", flag, text, expected);
}

/* "5ms", "2s", "250us" */
static int read_time(const char *flag, const char *text, uint64_t *ns_out)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = {{"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};
	char *end;
	double value = text ? strtod(text, &end) : 0;

	if (!text)
		return -1;
	for (int i = 0; i < 3; i++) {
		if (end != text && value >= 0 && value * units[i].ns < 1e15 && !strcmp(end, units[i].unit)) {
			*ns_out = (uint64_t)(value * units[i].ns);
			return -1;
		}
	}
	return wrong(flag, text, "a time with its unit, e.g. 5ms");
}

static int read_whole(const char *flag, const char *text, uint64_t most, uint64_t *out)
{
	char *end;

	if (!text)
		return -1;
	errno = 0;
	*out = strtoull(text, &end, 10);
	if (text[0] >= '0' && text[0] <= '9' && !*end && !errno && *out <= most)
		return -1;
	return wrong(flag, text, "a whole number is expected");
}

static int read_speed(const struct replay_options *o, struct plan *plan)
{
	const char *text = o->speed;
	char *end;

	plan->replay_speed = 1;
	if (!text)
		return -1;
	if (o->rate)
		return wrong("--speed", text, "a rate is given, so recorded times do not matter");
	plan->replay_speed = strcmp(text, "max") ? strtod(text, &end) : 0;
	if (strcmp(text, "max") && (*end || !(plan->replay_speed > 0) || plan->replay_speed > 1e6))
		return wrong("--speed", text, "a number above 0, or max");
	return -1;
}

/* "200/s" or "200"; what follows it in *rest_out. */
static bool read_per_second(const char *text, double *out, char **rest_out)
{
	*out = strtod(text, rest_out);
	if (*rest_out == text || !(*out >= 1e-6) || *out > 1e6)
		return false;
	*rest_out += strncmp(*rest_out, "/s", 2) ? 0 : 2;
	return true;
}

static int read_arrivals(const char *text, struct plan_schedule *out)
{
	char *end;

	out->arrivals = ARRIVALS_CONSTANT;
	if (!text || !strcmp(text, "constant"))
		return -1;
	out->arrivals = ARRIVALS_POISSON;
	if (!strcmp(text, "poisson"))
		return -1;
	out->arrivals = ARRIVALS_BURST;
	out->cv = strncmp(text, "burst:", 6) ? 0 : strtod(text + 6, &end);
	if (out->cv >= 0.05 && out->cv <= 20 && !*end)
		return -1;
	return wrong("--arrivals", text, "constant, poisson, or burst:CV with a number from 0.05 to 20");
}

/* "ramp:200/s:60s" */
static int read_profile(const char *text, struct plan_schedule *out)
{
	static const char *const names[] = {
	        [PROFILE_RAMP] = "ramp:", [PROFILE_STEP] = "step:", [PROFILE_SINE] = "sine:"};
	char *rest;

	if (!text)
		return -1;
	for (uint32_t i = PROFILE_RAMP; i <= PROFILE_SINE; i++)
		if (!strncmp(text, names[i], strlen(names[i])))
			out->profile = i;
	if (!out->profile || !read_per_second(text + strlen(names[out->profile]), &out->rate_to, &rest) ||
	    *rest != ':')
		return wrong("--profile", text, "ramp, step or sine, a rate and a time, e.g. ramp:200/s:60s");
	if (out->profile == PROFILE_SINE && (out->rate_to < out->rate || out->rate_to > 2 * out->rate))
		return wrong("--profile", text, "a sine goes from --rate to at most twice of it");
	if (read_time("--profile", rest + 1, &out->period_ns) >= 0)
		return 2;
	return out->period_ns ? -1 : wrong("--profile", text, "a time above 0");
}

static int read_rate(const struct replay_options *o, struct plan_schedule *out)
{
	char *end;
	int status;

	if (!o->rate && o->profile)
		return wrong("--profile", o->profile, "--rate is expected with it");
	if (!o->rate)
		return o->arrivals ? wrong("--arrivals", o->arrivals, "--rate is expected with it") : -1;
	if (!read_per_second(o->rate, &out->rate, &end) || *end)
		return wrong("--rate", o->rate, "requests a second, e.g. 200/s, up to 1000000");
	if (o->max_gap)
		return wrong("--max-gap", o->max_gap, "a rate is given, so recorded gaps do not matter");
	status = read_arrivals(o->arrivals, out);
	return status < 0 ? read_profile(o->profile, out) : status;
}

/* What of the capture, and how often. */
static int read_slice(const struct replay_options *o, struct plan *plan)
{
	struct plan_choice *c = &plan->replay_choice;
	uint64_t copies = 1;
	int status = read_time("--from", o->from, &c->from_ns);

	if (status < 0)
		status = read_time("--until", o->until, &c->until_ns);
	if (status < 0 && o->until && c->until_ns <= c->from_ns)
		status = wrong("--until", o->until, "a time behind --from");
	if (status < 0)
		status = read_whole("--amplify", o->amplify, COPIES_MAX, &copies);
	if (status < 0 && !copies)
		status = wrong("--amplify", o->amplify, "at least 1");
	plan->replay_schedule.copies = (uint32_t)copies;
	return status;
}

int replay_read_share(const char *flag, const char *text, uint32_t *ppm_out)
{
	char *end;
	double percent = text ? strtod(text, &end) : 100;

	*ppm_out = (uint32_t)(percent * 1e4 + 0.5);
	if (text && (end == text || strcmp(end, "%") || !(percent >= 0.0001 && percent <= 100)))
		return wrong(flag, text, "a share from 0.0001% to 100%");
	return -1;
}

/* "p99=200ms" */
static int read_slo(const char *text, uint64_t *ns_out)
{
	if (!text)
		return -1;
	if (strncmp(text, "p99=", 4))
		return wrong("--slo", text, "p99= and a time, e.g. p99=200ms");
	return read_time("--slo", text + 4, ns_out);
}

static int read_users(const struct replay_options *o, struct plan *plan)
{
	struct plan_users *users = &plan->replay_users;
	uint64_t count = 0;
	int status = read_whole("--users", o->users, USERS_MAX, &count);

	if (status >= 0)
		return status;
	if (!o->users && (o->think || o->session))
		return command_wrong(&replay_command, "--think, --session: --users is expected with it");
	if (o->users && !count)
		return wrong("--users", o->users, "at least 1");
	if (o->users && (o->speed || o->rate))
		return wrong("--users", o->users, "the answers are the pace: neither --speed nor --rate");
	users->count = (uint32_t)count;
	if (o->users)
		plan->replay_speed = 0;
	if (o->session &&
	    snprintf(users->session, sizeof users->session, "%s", o->session) >= (int)sizeof users->session)
		return wrong("--session", o->session, "too long");
	users->think_fixed = o->think != NULL;
	return read_time("--think", o->think, &users->think_ns);
}

static int read_capacity(struct replay_options *o, struct plan *plan)
{
	o->step_ns = STEP_NS;
	if (o->stop_when && strcmp(o->stop_when, "saturated"))
		return wrong("--stop-when", o->stop_when, "saturated");
	plan->replay_schedule.till_saturated = o->stop_when != NULL;
	if (o->step && !o->find_capacity)
		return wrong("--step", o->step, "--find-capacity is expected with it");
	if (!o->find_capacity)
		return -1;
	if (!plan->replay_slo_ns)
		return command_wrong(&replay_command,
		                     "--find-capacity: --slo is expected, e.g. --slo p99=200ms");
	if (o->users || o->speed || o->profile || o->resume || o->stop_when)
		return command_wrong(&replay_command,
		                     "--find-capacity: it sets the rate itself: neither --users, "
		                     "--speed, --profile, --resume nor --stop-when");
	if (o->target_count != 1 || o->baseline || o->gate_count)
		return command_wrong(
		        &replay_command,
		        "--find-capacity: one target, nothing is compared: neither --baseline nor --gate");
	return read_time("--step", o->step, &o->step_ns);
}

static int read_late(struct replay_options *o, struct plan *plan)
{
	uint64_t timeout = TIMEOUT_NS;
	int status = read_time("--spin", o->spin, &plan->replay_spin_ns);

	if (status < 0)
		status = read_time("--timeout", o->timeout, &timeout);
	if (status < 0 && (timeout < MS_NS || timeout / MS_NS > UINT32_MAX))
		status = wrong("--timeout", o->timeout, "from 1ms on");
	o->timeout_ms = (uint32_t)(timeout / MS_NS);
	if (status < 0 && plan->replay_spin_ns > MAX_SPIN_NS)
		status = wrong("--spin", o->spin, "at most 1ms");
	plan->replay_drop_late = o->late && !strcmp(o->late, "drop");
	if (status < 0 && o->late && !plan->replay_drop_late && strcmp(o->late, "send"))
		status = wrong("--late", o->late, "send or drop");
	return status;
}

int replay_read_schedule(struct replay_options *o, struct plan *plan)
{
	struct plan_schedule *s = &plan->replay_schedule;
	uint64_t loops = 1;
	int status = read_speed(o, plan);

	plan->replay_max_lag_ns = MAX_LAG_NS;
	if (status < 0)
		status = read_time("--max-lag", o->max_lag, &plan->replay_max_lag_ns);
	if (status < 0)
		status = read_late(o, plan);
	if (status < 0)
		status = read_users(o, plan);
	if (status < 0)
		status = read_slo(o->slo, &plan->replay_slo_ns);
	if (status < 0)
		status = read_capacity(o, plan);
	if (status < 0)
		status = read_rate(o, s);
	if (status < 0)
		status = read_slice(o, plan);
	if (status < 0)
		status = read_time("--max-gap", o->max_gap, &s->max_gap_ns);
	if (status < 0 && o->max_gap && !s->max_gap_ns)
		status = wrong("--max-gap", o->max_gap, "a time above 0; --speed max sends without gaps");
	if (status < 0)
		status = read_whole("--loop", o->loop, LOOPS_MAX, &loops);
	if (status < 0 && !loops)
		status = wrong("--loop", o->loop, "at least 1");
	s->loops = (uint32_t)loops;
	if (status < 0)
		status = replay_read_share("--sample", o->sample, &plan->replay_choice.sample_ppm);
	if (status < 0)
		status = read_whole("--seed", o->seed, UINT64_MAX, &plan->seed);
	if (status < 0)
		status = where_read(&replay_command, o->where, where_fields, &plan->replay_choice.where);
	return status;
}
