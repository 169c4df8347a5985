/*
 * judge_pair.c - what is compared with what: the legs of an exchange become a pair.
 *
 * An exchange whose model input was masked is no question to live: its candidates are compared with the
 * baseline's answer, which was asked the same masked question, or they are not_compared{masked_input}. The
 * baseline's own pair with live is masked_input then, and no part of the noise rate.
 */
#include "replay/judge_inside.h"

#include <stdio.h>
#include <string.h>

#include "capture/found.h"
#include "capture/head.h"
#include "proto/base/log.h"
#include "proto/coding.h"
#include "proto/grpc.h"
#include "replay/masked_paths.h"
#include "replay/plant.h"

/* Inference-Header-Content-Length: the JSON in front of binary tensor data; 0: none, or one that is no
 * number. */
static size_t head_json_bytes(struct span head)
{
	struct span text = head_field(head, SPAN("inference-header-content-length"));
	size_t bytes = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9' || bytes > SIZE_MAX / 16)
			return 0;
		bytes = bytes * 10 + (size_t)(text.data[i] - '0');
	}
	return bytes;
}

/* asked_ns: when the last byte of its request was sent. */
static struct answer answer_of(const struct leg *client, const struct leg *leg, uint64_t asked_ns)
{
	struct span request = buf_span(&client->head), head = buf_span(&leg->head);
	bool grpc = grpc_is(head_field(request, SPAN("content-type")));
	const struct leg_mark *marks;
	size_t count;

	marks = leg_marks(leg, &count);
	return (struct answer){.status = grpc ? head_grpc_status(head, buf_span(&leg->trailers))
	                                      : head_status(head),
	                       .content_type = head_field(head, SPAN("content-type")),
	                       .body = buf_span(&leg->body),
	                       .binary_from = head_json_bytes(head),
	                       .grpc = grpc,
	                       .target = head_target(request),
	                       .encoding = head_field(head, SPAN("grpc-encoding")),
	                       .pace = {asked_ns, marks, count}};
}

/* A body in a coding that is known (RFC 9110 8.4.1) is compared as what it holds; one that is damaged as it
 * is. */
static void decode(const struct leg *leg, struct answer *a, struct buf *decoded)
{
	struct span coding = head_field(buf_span(&leg->head), SPAN("content-encoding"));

	if (!coding.len || !coding_known(coding) || coding_decode(coding, a->body, decoded))
		return;
	a->body = buf_span(decoded);
	a->pace.coded = true;
}

static uint64_t us_between(uint64_t from_ns, uint64_t to_ns)
{
	return to_ns > from_ns ? (to_ns - from_ns) / 1000u : 0;
}

bool judge_has(const struct exchange *x, unsigned leg)
{
	return x->legs[leg] && x->legs[leg]->ended && !x->legs[leg]->error;
}

static bool input_masked(const struct exchange *x)
{
	return x->legs[LEG_CLIENT]->flags & RECORD_INPUT_MASKED;
}

unsigned judge_baseline(const struct plan_route *route)
{
	for (unsigned c = 0; c < route->candidate_count; c++)
		if (route->candidates[c].baseline)
			return c;
	return CANDIDATES_MAX;
}

/* The leg that a candidate's answer is compared with; NULL: there is none. */
static const struct leg *reference(const struct exchange *x, unsigned candidate)
{
	unsigned b;

	if (!input_masked(x))
		return x->legs[LEG_LIVE];
	b = judge_baseline(&judge.env->plan->routes[x->route]);
	return b != candidate && b < CANDIDATES_MAX && judge_has(x, LEG_CANDIDATE + b)
	               ? x->legs[LEG_CANDIDATE + b]
	               : NULL;
}

bool judge_reference_pending(const struct exchange *x, unsigned candidate)
{
	unsigned b = judge_baseline(&judge.env->plan->routes[x->route]);
	uint8_t at;

	if (b == candidate || b >= CANDIDATES_MAX || judge_has(x, LEG_CANDIDATE + b))
		return false;
	at = ledger_cell(judge.env->ledger, x->slot, x->id, b);
	return at > STAGE_NONE && at < OUTCOME_FIRST;
}

/* --- who answered --- */

static void read_version(const struct exchange *x, unsigned leg, struct answer *answer, struct version *out)
{
	const struct plan_route *route = &judge.env->plan->routes[x->route];
	unsigned c = leg - LEG_CANDIDATE;
	bool rewritten = leg >= LEG_CANDIDATE && route->candidates[c].rewrite.path_count;

	version_answered(answer, buf_span(&x->legs[leg]->head), route->version_header, rewritten, out);
}

static void read_versions(const struct exchange *x, unsigned candidate, struct results_pair *p,
                          struct versions *out)
{
	unsigned b = judge_baseline(&judge.env->plan->routes[x->route]);
	const struct leg *client = x->legs[LEG_CLIENT];
	struct answer live = p->live;

	*out = (struct versions){0};
	if (p->against_baseline)
		live = answer_of(client, x->legs[LEG_LIVE], 0);
	version_asked(&p->live, p->request_body, &out->asked);
	read_version(x, LEG_LIVE, &live, &out->sides[VERSION_LIVE]);
	read_version(x, LEG_CANDIDATE + candidate, &p->other, &out->sides[VERSION_CANDIDATE]);
	if (b != candidate && b < CANDIDATES_MAX && judge_has(x, LEG_CANDIDATE + b)) {
		struct answer baseline = answer_of(client, x->legs[LEG_CANDIDATE + b], 0);

		read_version(x, LEG_CANDIDATE + b, &baseline, &out->sides[VERSION_BASELINE]);
	}
	p->versions = out;
}

/* --- where it differs, and where the baseline did --- */

/* The number of a place's name, or JUDGE_PATHS_MAX: it is one too many. */
static unsigned path_number(const char *name)
{
	unsigned i = 0;

	while (i < judge.path_count && strcmp(judge.paths[i], name) != 0)
		i++;
	if (i == judge.path_count && i < JUDGE_PATHS_MAX)
		snprintf(judge.paths[judge.path_count++], RESULTS_PATH_BYTES, "%s", name);
	return i;
}

/* JSON by path; anything else by class. */
static unsigned places(const struct comparison *c, const char *names[RESULTS_PATHS_MAX])
{
	unsigned n = 0;

	for (unsigned i = 0; i < c->paths.count; i++)
		names[n++] = c->paths.at[i];
	for (int d = 0; d < DIVERGENCES && !c->paths.count && n < RESULTS_PATHS_MAX; d++)
		if (c->counts[d])
			names[n++] = divergence_name(d);
	return n;
}

static void keep_noise(const struct exchange *x, const struct results_pair *p)
{
	const char *names[RESULTS_PATHS_MAX];
	struct judge_noise *noise = &judge.noise[x->slot];
	unsigned n = places(p->comparison, names);

	*noise = (struct judge_noise){.id = x->id, .us = p->other_us, .diverged = p->comparison->diverged};
	for (unsigned i = 0; i < n; i++) {
		unsigned number = path_number(names[i]);

		if (number < JUDGE_PATHS_MAX)
			noise->paths[noise->path_count++] = (uint8_t)number;
	}
}

static void add_place(struct results_noise *to, const char *name, bool baseline)
{
	unsigned i = 0;

	while (i < to->path_count && strcmp(to->paths[i].name, name) != 0)
		i++;
	if (i == RESULTS_PATHS_MAX)
		return;
	if (i == to->path_count)
		to->path_count++;
	to->paths[i].name = name;
	*(baseline ? &to->paths[i].baseline : &to->paths[i].candidate) = true;
}

/* What the pair differs in, beside what the baseline's did for the same exchange. */
static void tell_noise(const struct exchange *x, bool known, struct results_pair *p)
{
	const char *names[RESULTS_PATHS_MAX];
	const struct judge_noise *noise = &judge.noise[x->slot];
	unsigned n = places(p->comparison, names);

	for (unsigned i = 0; i < n; i++)
		add_place(&p->noise, names[i], false);
	if (!known)
		return;
	p->noise.known = true;
	p->noise.diverged = noise->diverged;
	p->noise.us = noise->us;
	for (unsigned i = 0; i < noise->path_count; i++)
		add_place(&p->noise, judge.paths[noise->paths[i]], true);
}

/* Its baseline's pair with live is settled, and both were asked what live was asked. */
static bool noise_known(const struct exchange *x, unsigned candidate)
{
	unsigned b = judge_baseline(&judge.env->plan->routes[x->route]);

	return b != candidate && b < CANDIDATES_MAX && x->slot < JUDGE_SLOTS_WATCHED && !input_masked(x) &&
	       judge.noise[x->slot].id == x->id;
}

/* --- the control --- */

/* A seeded share of the pairs that agree is cloned, a fault planted in the candidate's side of the clone, and
 * that compared: what becomes of it says what the comparison would miss. */
static uint32_t control(const struct plan_route *route, const struct results_pair *p, size_t work_bytes)
{
	struct comparison again = {0};
	struct answer planted = p->other;
	struct buf body;
	uint32_t outcome = CONTROL_NONE;

	if (p->comparison->diverged || !plant_chosen(judge.env->plan->seed, p->id))
		return CONTROL_NONE;
	buf_init(&body, work_bytes / 4);
	plant(route, p->comparison->read_as, judge.env->plan->seed ^ p->id, &planted, &body);
	if (!compare_pair(route, &p->live, &planted, work_bytes / 4, &again))
		outcome = again.diverged ? CONTROL_FOUND : CONTROL_MISSED;
	comparison_fini(&again);
	buf_fini(&body);
	return outcome;
}

/* The answer holds an entity that its request does not: it came from somewhere else. Where nobody looked into
 * both, nothing can be told. */
static enum results_privacy privacy(const struct leg *client, const struct leg *other)
{
	if (!(client->flags & other->flags & RECORD_LOOKED))
		return PRIVACY_UNKNOWN;
	return found_adds(buf_span(&client->found), buf_span(&other->found)) ? PRIVACY_NEW : PRIVACY_KEPT;
}

static void tell_change(void)
{
	const char *what = results_changed(judge.results);

	if (what)
		LOG(WARN, "version_changed", log_text("what", what));
}

/* The other's answer with live's values where those were masked when they were recorded: they are not
 * compared. `room` is what it is written to. What is no whole JSON document stays as it is. */
static int leave_out_masked(const struct results_pair *p, size_t work_bytes, struct buf *room,
                            struct answer *other_out)
{
	const struct plan_route *route = &judge.env->plan->routes[p->route];
	const char *paths[MASK_FIELDS_MAX];
	uint32_t found[MASK_FIELDS_MAX];
	int err;

	*other_out = p->other;
	buf_init(room, work_bytes);
	if (!route->masked_path_count || p->against_baseline || p->live.grpc || p->live.binary_from)
		return 0;
	for (uint32_t i = 0; i < route->masked_path_count; i++)
		paths[i] = route->masked_paths[i];
	err = masked_paths_align((struct ignore_paths){paths, route->masked_path_count}, p->live.body,
	                         p->other.body, room, found);
	if (err)
		return err == ERR_PROTO ? 0 : err;
	other_out->body = buf_span(room);
	for (uint32_t i = 0; i < route->masked_path_count; i++)
		judge.masked_left_out[p->route][i] += found[i];
	return 0;
}

static int compare(const struct results_pair *p, size_t work_bytes, struct comparison *out)
{
	struct answer other;
	struct buf room;
	int err = leave_out_masked(p, work_bytes / 4, &room, &other);

	if (!err)
		err = compare_pair(&judge.env->plan->routes[p->route], &p->live, &other,
		                   work_bytes - room.cap, out);
	buf_fini(&room);
	return err;
}

static uint8_t compare_exchange(struct exchange *x, unsigned candidate, struct buf decoded[2],
                                size_t work_bytes)
{
	const struct leg *client = x->legs[LEG_CLIENT], *live = x->legs[LEG_LIVE];
	const struct leg *other = x->legs[LEG_CANDIDATE + candidate], *against = reference(x, candidate);
	struct comparison comparison = {0};
	struct versions versions;
	struct results_pair pair = {
	        .id = x->id, .route = x->route, .candidate = (uint16_t)candidate, .comparison = &comparison};
	const struct plan_route *route = &judge.env->plan->routes[x->route];
	int err;

	if (!against)
		return OUTCOME_MASKED_INPUT;
	if (judge.failing)
		return OUTCOME_DISK;
	pair.against_baseline = against != live;
	pair.privacy = privacy(client, other);
	pair.drilled = (other->flags | (pair.against_baseline ? against->flags : 0)) & RECORD_DRILLED;
	pair.live = answer_of(client, against, against == live ? client->end_ns : against->start_ns);
	pair.other = answer_of(client, other, other->start_ns);
	decode(against, &pair.live, &decoded[0]);
	decode(other, &pair.other, &decoded[1]);
	work_bytes -= buf_len(&decoded[0]) + buf_len(&decoded[1]);
	err = compare(&pair, work_bytes, &comparison);
	if (err)
		return err == ERR_NOMEM ? OUTCOME_MEMORY : OUTCOME_UNDECODABLE;
	pair.seen_us = judge.wall_anchor_us + us_between(judge.mono_anchor_ns, client->start_ns);
	pair.request_head = buf_span(&client->head);
	pair.request_body = buf_span(&client->body);
	pair.live_us = us_between(client->end_ns, live->end_ns);
	pair.other_us = us_between(other->start_ns, other->end_ns);
	if (judge.env->plan->replay) { /* its request ends when it was to be sent */
		pair.response_us = us_between(client->end_ns, other->end_ns);
		pair.lag_us = us_between(client->end_ns, other->start_ns);
	}
	pair.first_us = us_between(other->start_ns, other->first_ns ? other->first_ns : other->end_ns);
	tell_noise(x, noise_known(x, candidate), &pair);
	pair.control = control(route, &pair, work_bytes);
	if (route->candidates[candidate].baseline && x->slot < JUDGE_SLOTS_WATCHED)
		keep_noise(x, &pair);
	read_versions(x, candidate, &pair, &versions);
	err = results_add(judge.results, &pair);
	tell_change();
	if (!err)
		guards_observe(judge.env, x->route, (uint16_t)candidate, &comparison, judge.turn_ns);
	comparison_fini(&comparison);
	if (err && err != ERR_NOMEM)
		judge_give_up_batch();
	return !err ? OUTCOME_COMPARED : err == ERR_NOMEM ? OUTCOME_MEMORY : OUTCOME_DISK;
}

uint8_t judge_compare(struct exchange *x, unsigned candidate)
{
	size_t work_bytes = judge.limit_bytes - fold_bytes(judge.fold);
	struct buf decoded[2];
	uint8_t outcome;

	buf_init(&decoded[0], work_bytes / 4);
	buf_init(&decoded[1], work_bytes / 4);
	outcome = compare_exchange(x, candidate, decoded, work_bytes);
	buf_fini(&decoded[0]);
	buf_fini(&decoded[1]);
	return outcome;
}
