/* What a candidate gets: rates, warm-up, what its copies have otherwise, its credential. */
#include <stdlib.h>
#include <string.h>
#include "capture/fault.h"
#include "proto/json_edit.h"
#include "proxy/config_inside.h"

/* The candidate whose member the field is. */
#define OWNER(at, member) ((struct plan_candidate *)((char *)(at)-offsetof(struct plan_candidate, member)))

/* "50/s", "30/m", "10/h": a whole number of requests. */
void config_rate_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	static const struct {
		const char *unit;
		double seconds;
	} units[] = {{"/s", 1}, {"/m", 60}, {"/h", 3600}};
	const char *text = config_text(c, n->key->text, n);
	size_t digits = text ? strspn(text, "0123456789") : 0;
	unsigned long number = digits && digits < 10 ? strtoul(text, NULL, 10) : 0;

	if (!text)
		return;
	for (unsigned i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (number && strcmp(text + digits, units[i].unit) == 0) {
			*(double *)at = (double)number / units[i].seconds;
			return;
		}
	}
	cfg_fail(c, n, "write a whole number above 0 and /s, /m or /h, such as 50/s",
	         "'%s' must be a rate, not '%.80s'", n->key->text, text);
}

/* A number of copies, or a time. */
void config_warmup_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	static const struct cfg_row number = {.name = "warmup",
	                                      .type = CFG_INTEGER,
	                                      .size = 4,
	                                      .max = "1000000"},
	                            time = {.name = "warmup", .type = CFG_DURATION, .size = 4, .max = "24h"};
	struct plan_candidate *k = OWNER(at, warmup_count);
	const char *text = config_text(c, "warmup", n);

	if (!text)
		return;
	if (text[strspn(text, "0123456789")] == '\0')
		(void)cfg_scalar(c, &number, n, &k->warmup_count);
	else
		(void)cfg_scalar(c, &time, n, &k->warmup_ms);
}

/* `at` is the whole ramp. */
void config_ramp_stage_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	static const struct cfg_row row = {.name = "stages", .type = CFG_SHARE, .size = 4};
	struct plan_ramp *r = at;
	uint32_t ppm;

	if (!cfg_scalar(c, &row, n, &ppm))
		return;
	if (r->stage_count == RAMP_STAGES_MAX)
		cfg_fail(c, n, NULL, "more than %d stages", RAMP_STAGES_MAX);
	else if (!ppm || (r->stage_count && ppm <= r->stages[r->stage_count - 1]))
		cfg_fail(c, n, "such as [1%, 10%, 50%, 100%]",
		         "each of 'stages' must be more than the one before");
	else
		r->stages[r->stage_count++] = ppm;
}

/* `at` is the first of them. */
void config_fault_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	struct plan_candidate *k = OWNER(at, faults);
	const char *text = config_text(c, "faults", n), *why;
	struct plan_fault fault;

	if (!text)
		return;
	if (fault_read(span_of(text), &fault, &why))
		cfg_fail(c, n, "such as delay 200ms 20% from 10s for 1m", "'%.80s' is no fault: %s", text,
		         why);
	else if (k->fault_count == FAULTS_MAX)
		cfg_fail(c, n, NULL, "more than %d faults", FAULTS_MAX);
	else
		k->faults[k->fault_count++] = fault;
}

/* As a duration, in microseconds: "250us", "5ms", "1s". */
void config_microseconds_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	const char *text = config_text(c, n->key->text, n);
	size_t digits = text ? strspn(text, "0123456789") : 0;
	unsigned long number = digits && digits < 7 ? strtoul(text, NULL, 10) : 0;
	const char *unit = text ? text + digits : "";
	unsigned long factor = !strcmp(unit, "us")   ? 1
	                       : !strcmp(unit, "ms") ? 1000
	                       : !strcmp(unit, "s")  ? 1000000
	                                             : 0;

	if (!text)
		return;
	if (!factor || !number || number * factor > 60000000)
		cfg_fail(c, n, "such as 250us or 5ms, at most 60s", "'%s' must be a time, not '%.80s'",
		         n->key->text, text);
	else
		*(uint32_t *)at = (uint32_t)(number * factor);
}

/* --- rewrite: `at` is the whole table --- */

static bool room_for(struct cfg *c, const struct cfg_node *n, uint32_t count)
{
	if (count == REWRITES_MAX)
		cfg_fail(c, n->key, NULL, "more than %d rules", REWRITES_MAX);
	return count < REWRITES_MAX;
}

static bool path_good(const char *path)
{
	size_t n = 0;

	while (path[n] > ' ' && path[n] != '?' && path[n] != '#' && path[n] < 0x7f)
		n++;
	return path[0] == '/' && path[n] == '\0' && n < TEXT_MAX_BYTES;
}

void config_rewrite_path_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	struct plan_rewrite *r = at;
	struct plan_path *p = &r->paths[r->path_count];

	if (!room_for(c, n, r->path_count))
		return;
	if (!path_good(n->key->text) || !path_good(n->text)) {
		cfg_fail(c, n->key, "write /OLD: /NEW, both as they are sent and without a query",
		         "'%.80s: %.80s' is no rule for paths", n->key->text, n->text);
		return;
	}
	snprintf(p->from, sizeof(p->from), "%s", n->key->text);
	snprintf(p->to, sizeof(p->to), "%s", n->text);
	r->path_count++;
}

void config_rewrite_host_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	struct plan_rewrite *r = (void *)((char *)at - offsetof(struct plan_rewrite, host));
	const char *text = config_text(c, "host", n);

	if (!text)
		return;
	r->keep_host = strcmp(text, "keep") == 0;
	if (r->keep_host || strcmp(text, "candidate") == 0)
		return;
	if (!*text ||
	    text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]")])
		cfg_fail(c, n, "write keep, candidate, or a name such as models.example.org",
		         "'%.80s' cannot be a Host", text);
	else
		snprintf(r->host, sizeof(r->host), "%s", text);
}

void config_rewrite_header_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	config_edit_add(c, n->key, &((struct plan_rewrite *)at)->headers, n->key->text,
	                n->text[0] ? n->text : NULL);
}

/* What is no JSON by itself is a string. */
void config_rewrite_body_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	struct plan_rewrite *r = at;
	struct plan_body *b = &r->body[r->body_count];
	struct buf value;

	if (!room_for(c, n, r->body_count))
		return;
	if (json_edit_check(n->key->text) || strlen(n->key->text) >= sizeof(b->path)) {
		cfg_fail(c, n->key, "such as $.model or $.options.seed; without [*] and ..",
		         "'%.80s' does not name one place of a body", n->key->text);
		return;
	}
	buf_init(&value, sizeof(b->value) - 1);
	if (json_is_scalar(span_of(n->text)))
		buf_puts(&value, n->text);
	else
		buf_json_string(&value, span_of(n->text));
	if (value.err)
		cfg_fail(c, n, NULL, "the value of '%.80s' is too long", n->key->text);
	snprintf(b->path, sizeof(b->path), "%s", n->key->text);
	snprintf(b->value, sizeof(b->value), "%.*s", (int)buf_len(&value), buf_span(&value).data);
	r->body_count++;
	buf_fini(&value);
}

/* --- the credential --- */

void config_credential_header_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	static struct plan_header_edits scratch;
	const char *text = config_text(c, "credential_header", n);

	scratch.count = 0;
	if (text)
		config_edit_add(c, n, &scratch, text, NULL);
	if (scratch.count)
		memcpy(at, scratch.edits[0].name, NAME_MAX_BYTES);
}

void config_credential_file_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	unsigned before = cfg_errors(c);

	config_file_hook(c, n, at);
	if (cfg_errors(c) == before)
		config_check_credential(c, n, at);
}
