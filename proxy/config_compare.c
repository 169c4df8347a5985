/* What a route's `compare` says beyond single values: paths with rules of their own, a schema, content. */
#include "proxy/config_inside.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/json_schema.h"
#include "proto/pattern.h"

/* The key of a pair as a JSON path into `out`. False: said. */
static bool path_of(struct cfg *c, const struct cfg_node *n, uint32_t taken, char out[TEXT_MAX_BYTES])
{
	if (taken == PATH_RULES_MAX)
		cfg_fail(c, n->key, NULL, "at most %d paths", PATH_RULES_MAX);
	else if (strlen(n->key->text) >= TEXT_MAX_BYTES)
		cfg_fail(c, n->key, NULL, "a path holds at most %d bytes", TEXT_MAX_BYTES - 1);
	else {
		unsigned before = cfg_errors(c);

		snprintf(out, TEXT_MAX_BYTES, "%s", n->key->text);
		config_json_path_hook(c, n->key, out);
		return cfg_errors(c) == before;
	}
	return false;
}

void config_path_tolerance_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	struct plan_route *r = at;
	struct plan_path_tolerance *t = &r->path_tolerances[r->path_tolerance_count];
	char *end;
	double value = strtod(n->text, &end);
	bool share = *end == '%';

	if (end == n->text || end[share] || !(value >= 0) || value > 1e300)
		cfg_fail(c, n, "a number, such as 0.01, or a share of live's value, such as 1%",
		         "'%.80s' is no tolerance", n->text);
	else if (path_of(c, n, r->path_tolerance_count, t->path)) {
		*(share ? &t->rel : &t->abs) = share ? value / 100 : value;
		r->path_tolerance_count++;
	}
}

void config_array_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	struct plan_route *r = at;
	struct plan_array *a = &r->arrays[r->array_count];
	bool set = !strcmp(n->text, "set"), keyed = !strncmp(n->text, "by ", 3) && n->text[3];

	if (!set && !keyed)
		cfg_fail(c, n, "set, or by MEMBER", "'%.80s' is nothing that an array can be", n->text);
	else if (keyed && strlen(n->text + 3) >= sizeof a->key)
		cfg_fail(c, n, NULL, "a member's name holds at most %zu bytes", sizeof a->key - 1);
	else if (path_of(c, n, r->array_count, a->path)) {
		snprintf(a->key, sizeof a->key, "%s", keyed ? n->text + 3 : "");
		r->array_count++;
	}
}

void config_content_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	const struct plan_content *rule = at;
	const struct cfg_node *pattern = cfg_child(n, "pattern");
	struct pattern *compiled = rule->pattern[0] ? malloc(sizeof *compiled) : NULL;
	const char *why = compiled ? pattern_compile(compiled, span_of(rule->pattern)) : NULL;

	if (why)
		cfg_fail(c, pattern, NULL, "the pattern cannot be used: %s", why);
	if (!rule->pattern[0] && !rule->term_count)
		cfg_fail(c, n, NULL, "a content rule has terms, a pattern, or both");
	free(compiled);
}

void config_schema_hook(struct cfg *c, const struct cfg_node *n, void *at)
{
	struct json_schema *schema;
	char why[160];

	(void)at;
	if (json_schema_new(span_of(n->text), &schema, why))
		cfg_fail(c, n, NULL, "the schema cannot be used: %s", why);
	json_schema_free(&schema);
}
