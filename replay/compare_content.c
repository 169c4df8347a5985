/*
 * compare_content.c - what the plan says of texts: rules that one may break, and a schema that one satisfies.
 *
 * Patterns and schemas are compiled when a text first needs them, and kept: a few, told apart by what they
 * say.
 */
#include <stdlib.h>

#include "proto/json_schema.h"
#include "proto/pattern.h"
#include "replay/compare_inside.h"

enum { KEPT = 32 };

struct kept {
	char *text; /* NULL: free */
	struct pattern *pattern;
	struct json_schema *schema; /* of one that cannot be used, neither is there */
};

static struct kept *keep(struct kept all[KEPT], unsigned *next, const char *text)
{
	for (unsigned i = 0; i < KEPT; i++)
		if (all[i].text && !strcmp(all[i].text, text))
			return &all[i];
	struct kept *k = &all[(*next)++ % KEPT];

	free(k->text);
	free(k->pattern);
	json_schema_free(&k->schema);
	*k = (struct kept){.text = strdup(text)};
	return k->text ? k : NULL;
}

static const struct pattern *pattern_of(const char *text)
{
	static struct kept all[KEPT];
	static unsigned next;
	struct kept *k = keep(all, &next, text);

	if (!k || k->pattern)
		return k ? k->pattern : NULL;
	k->pattern = malloc(sizeof *k->pattern);
	if (k->pattern && pattern_compile(k->pattern, span_of(text))) {
		free(k->pattern);
		k->pattern = NULL;
	}
	return k->pattern;
}

static const struct json_schema *schema_of(const char *text)
{
	static struct kept all[KEPT];
	static unsigned next;
	struct kept *k = keep(all, &next, text);
	char why[160];

	if (k && !k->schema && json_schema_new(span_of(text), &k->schema, why))
		return NULL;
	return k ? k->schema : NULL;
}

/* --- terms --- */

static bool is_word(struct span text, size_t at)
{
	char c = at < text.len ? text.data[at] : ' ';

	return c & 0x80 || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '_';
}

/* In any case of ASCII, and not as part of a longer word. */
static bool has_term(struct span text, struct span term)
{
	for (size_t at = 0; term.len && at + term.len <= text.len; at++) {
		struct span here = {text.data + at, term.len};

		if ((here.data[0] | 32) != (term.data[0] | 32) || !span_eq_nocase(here, term))
			continue;
		if ((!at || !is_word(text, at - 1) || !is_word(term, 0)) &&
		    (!is_word(text, at + term.len) || !is_word(term, term.len - 1)))
			return true;
	}
	return false;
}

static bool is_flagged(const struct plan_content *rule, struct span text)
{
	const struct pattern *pattern = rule->pattern[0] ? pattern_of(rule->pattern) : NULL;

	for (uint32_t i = 0; i < rule->term_count; i++)
		if (has_term(text, span_of(rule->terms[i])))
			return true;
	return pattern && pattern_found(pattern, text);
}

void compare_content(struct job *j, size_t at, struct span live, struct span candidate)
{
	const struct plan_route *route = j->route;

	for (uint32_t i = 0; i < route->content_count && !span_eq(live, candidate); i++) {
		if (!is_flagged(&route->content[i], candidate) || is_flagged(&route->content[i], live))
			continue;
		compare_note(j, "row %zu: the candidate's text has what '%s' forbids", at,
		             route->content[i].name);
		j->rows[at].diverged = true;
		j->out->counts[DIVERGENCE_CONTENT_FLAGGED]++;
		return;
	}
}

int compare_schema(struct job *j, size_t at, struct span live, struct span candidate)
{
	const struct json_schema *schema = j->route->json_schema[0] ? schema_of(j->route->json_schema) : NULL;
	int was, is;

	if (!schema || span_eq(live, candidate))
		return 0;
	was = json_schema_valid(schema, live, j->work_bytes / 3);
	is = was == 1 ? json_schema_valid(schema, candidate, j->work_bytes / 3) : was;
	if (was < 0 || is < 0)
		return was < 0 ? was : is;
	if (was == is)
		return 0;
	compare_note(j, "choice %zu: not valid by the schema any more", at);
	j->rows[at].diverged = true;
	j->out->counts[DIVERGENCE_SCHEMA_BROKEN]++;
	return 0;
}
