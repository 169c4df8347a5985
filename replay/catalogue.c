#define _GNU_SOURCE
#include "replay/catalogue.h"

#include <stdio.h>
#include <string.h>

#include "capture/head.h"
#include "capture/ledger.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/h1.h"
#include "proto/json_edit.h"

static const uint64_t AGAIN_NS = 60 * UINT64_C(1000000000);

static const struct {
	const char *path, *names; /* of the i-th: a JSON path with %u */
} places[CATALOGUE_PLACES] = {
        {"/v1/models", "$.data[%u].id"}, {"/api/tags", "$.models[%u].name"}, {"/v2", "$.models[%u].name"}};

/* --- pure --- */

static bool is_string(struct span value)
{
	return value.len >= 2 && value.data[0] == '"';
}

void catalogue_read(struct catalogue_names *c, unsigned place, struct span body)
{
	char path[32];
	struct span name;

	for (unsigned i = 0;; i++) {
		snprintf(path, sizeof path, places[place].names, i);
		name = json_at(body, path);
		if (!is_string(name))
			return;
		if (c->count == CATALOGUE_NAMES || name.len >= CATALOGUE_NAME) {
			c->beyond = true;
			return;
		}
		snprintf(c->names[c->count++], CATALOGUE_NAME, "%.*s", (int)name.len, name.data);
	}
}

/* Ollama's "llama3" is its "llama3:latest". */
static bool is_model(const char *listed, struct span wanted)
{
	static const struct span latest = SPAN(":latest");
	struct span name = {listed + 1, strlen(listed) - 2};

	if (json_string_eq(wanted, name) || span_eq(span_of(listed), wanted))
		return true;
	if (name.len <= latest.len || memcmp(name.data + name.len - latest.len, latest.data, latest.len))
		return false;
	name.len -= latest.len;
	return json_string_eq(wanted, name);
}

uint8_t catalogue_fit(const struct catalogue_names *c, struct span model, struct span *rename_out)
{
	*rename_out = SPAN("");
	if (!model.len || !c->count || c->beyond)
		return 0;
	for (unsigned i = 0; i < c->count; i++)
		if (is_model(c->names[i], model))
			return 0;
	if (c->count > 1)
		return OUTCOME_CANDIDATE_MODEL;
	*rename_out = span_of(c->names[0]);
	return 0;
}

struct span catalogue_model(const struct leg *request)
{
	struct span body = buf_span(&request->body), model;

	/* most bodies name none, and need not be read for it */
	if (!memmem(body.data, body.len, "\"model\"", 7) ||
	    head_field(buf_span(&request->head), SPAN("content-encoding")).len)
		return SPAN("");
	model = json_at(body, "$.model");
	return is_string(model) ? model : SPAN("");
}

/* --- asking --- */

static void ask(struct catalogue *);

static void on_head(void *arg, const struct http_message *m)
{
	((struct catalogue *)arg)->status = m->status;
}

static void on_body(void *arg, struct span bytes)
{
	buf_span_put(&((struct catalogue *)arg)->body, bytes);
}

static void conclude(struct catalogue *c, bool answered)
{
	c->state = answered ? CATALOGUE_KNOWN : CATALOGUE_UNKNOWN;
	c->again_ns = clock_mono_ns() + AGAIN_NS;
	buf_fini(&c->body);
}

static void on_done(void *arg, enum client_result result)
{
	struct catalogue *c = arg;

	if (result != CLIENT_OK) {
		conclude(c, false);
		if (result == CLIENT_CUT) /* by a pause: it says nothing of the candidate */
			c->again_ns = 0;
		return;
	}
	if (c->status == 200 && !c->body.err)
		catalogue_read(&c->names, c->place, buf_span(&c->body));
	if (c->names.count || ++c->place == CATALOGUE_PLACES)
		conclude(c, true);
	else
		ask(c);
}

static void ask(struct catalogue *c)
{
	static const struct client_events events = {.head = on_head, .body = on_body, .done = on_done};
	struct buf request;
	struct leg leg = {0};

	buf_init(&leg.head, 256);
	buf_init(&leg.body, 0);
	buf_init(&request, H1_HEAD_MAX);
	buf_init(&c->body, CATALOGUE_BYTES);
	c->status = 0;
	c->state = CATALOGUE_ASKING;
	buf_printf(&leg.head, "GET %s\naccept: application/json", places[c->place].path);
	request_write(&request, &leg, 0, c->to);
	if (request.err || client_send(c->client, buf_span(&request), &(struct client_how){0}, &events, c))
		conclude(c, false);
	buf_fini(&leg.head);
	buf_fini(&request);
}

/* What the table of the candidate says of the model goes before what it lists. */
static bool is_told(const struct plan_rewrite *r)
{
	for (uint32_t i = 0; i < r->body_count; i++)
		if (!strcmp(r->body[i].path, "$.model"))
			return true;
	return false;
}

void catalogue_init(struct catalogue *c, const struct plan_candidate *p, struct client *client,
                    const struct request_to *to)
{
	*c = (struct catalogue){.plan = p, .client = client, .to = to};
	if (p->models_ignored || is_told(&p->rewrite))
		c->state = CATALOGUE_KNOWN;
}

bool catalogue_asks(struct catalogue *c, uint64_t now_ns)
{
	if (c->state == CATALOGUE_UNKNOWN && now_ns >= c->again_ns) {
		c->place = 0;
		ask(c);
	}
	return c->state == CATALOGUE_ASKING;
}

/* A name as the log may show it. */
static void printable(const char *name, char out[CATALOGUE_NAME])
{
	size_t n = 0;

	for (const char *p = name + 1; p[0] && p[1]; p++) {
		bool plain = (*p >= '0' && *p <= '9') || ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z') ||
		             strchr("._:/@-", *p);

		out[n++] = plain ? *p : '?';
	}
	out[n] = '\0';
}

uint8_t catalogue_apply(struct catalogue *c, struct span model, struct span *rename_out)
{
	uint8_t outcome = catalogue_fit(&c->names, model, rename_out);
	char name[CATALOGUE_NAME];

	if ((!outcome && !rename_out->len) || c->told)
		return outcome;
	c->told = true;
	printable(c->names.names[0], name);
	if (outcome)
		LOG(WARN, "model_refused", log_text("candidate", c->plan->name),
		    log_text("why", "it serves several models and not the one that is asked for: set "
		                    "rewrite.body $.model"),
		    log_uint("models", c->names.count), log_text("first", name));
	else
		LOG(WARN, "model_rewritten", log_text("candidate", c->plan->name), log_text("to", name));
	return outcome;
}
