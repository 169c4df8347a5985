/* The walk of a schema table over the nodes, and the typed scalars. */
#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include "proto/base/cfg.h"
#include "proto/base/guess.h"

struct unit {
	const char *name;
	double scale;
};

static const struct unit no_unit[] = {{"", 1}, {NULL, 0}};
static const struct unit duration_units[] = {
        {"ms", 1}, {"s", 1e3}, {"m", 60e3}, {"h", 3600e3}, {"d", 86400e3}, {NULL, 0},
};
static const struct unit size_units[] = {
        {"B", 1},    {"KiB", 1024.}, {"MiB", 1048576.}, {"GiB", 1073741824.}, {"TiB", 1099511627776.},
        {"kB", 1e3}, {"KB", 1e3},    {"MB", 1e6},       {"GB", 1e9},          {"TB", 1e12},
        {NULL, 0},
};
static const struct unit share_units[] = {{"%", 10000}, {NULL, 0}};
static const struct unit rate_units[] = {{"%", 0.01}, {NULL, 0}};

static const struct quantity {
	const struct unit *units;
	const char *propose, *what;
	bool whole;
	double max; /* of the field */
} quantities[] = {
        [CFG_DURATION] = {duration_units, "s", "a duration such as 5s or 200ms", true, UINT32_MAX},
        [CFG_SIZE] = {size_units, "MiB", "a size such as 8MiB", true, 1e18},
        [CFG_SHARE] = {share_units, "%", "a percentage such as 10%", true, 1e6},
        [CFG_RATE] = {rate_units, "%", "a percentage such as 2%", false, 1},
        [CFG_INTEGER] = {no_unit, "", "a whole number", true, UINT32_MAX},
        [CFG_DOUBLE] = {no_unit, "", "a number", false, 1e300},
};

static bool digits(const char **p)
{
	size_t n = strspn(*p, "0123456789");

	*p += n;
	return n > 0;
}

/* [-]digits[.digits][e[+-]digits]; *rest_out is what follows. */
static bool number(const char *text, double *value_out, const char **rest_out)
{
	const char *p = text + (*text == '-'), *mark;

	if (!digits(&p))
		return false;
	if (*p == '.') {
		p++;
		if (!digits(&p))
			return false;
	}
	if (*p == 'e' || *p == 'E') {
		mark = p++;
		p += *p == '+' || *p == '-';
		if (!digits(&p))
			p = mark;
	}
	*value_out = strtod(text, NULL);
	*rest_out = p;
	return true;
}

/* True when the text is a number with one of the type's units. *bare_out: a number without. */
static bool quantity(enum cfg_type type, const char *text, double *value_out, bool *bare_out)
{
	const struct quantity *q = &quantities[type];
	const char *rest;
	double value;

	*bare_out = false;
	if (!number(text, &value, &rest))
		return false;
	for (const struct unit *u = q->units; u->name; u++) {
		if (strcmp(u->name, rest) != 0)
			continue;
		*value_out = value * u->scale;
		return q->units != no_unit || !q->whole || value == floor(value);
	}
	*bare_out = *rest == '\0';
	return false;
}

static void store(const struct cfg_row *row, double value, void *at)
{
	if (row->type == CFG_RATE || row->type == CFG_DOUBLE)
		*(double *)at = value;
	else if (row->size == sizeof(uint64_t))
		*(uint64_t *)at = (uint64_t)value;
	else if (row->size == sizeof(uint16_t))
		*(uint16_t *)at = (uint16_t)llround(value);
	else
		*(uint32_t *)at = (uint32_t)llround(value);
}

static void store_index(const struct cfg_row *row, uint32_t index, void *at)
{
	if (row->size == sizeof(bool))
		*(bool *)at = index != 0;
	else if (row->size != 0)
		*(uint32_t *)at = index;
}

static bool in_bounds(const struct cfg_row *row, double value)
{
	double bound;
	bool bare;

	if (row->min && quantity(row->type, row->min, &bound, &bare) && value < bound)
		return false;
	if (row->max && quantity(row->type, row->max, &bound, &bare) && value > bound)
		return false;
	return value >= 0 && value <= quantities[row->type].max;
}

static bool quantity_fill(struct cfg *c, const struct cfg_row *row, const struct cfg_node *n, void *at)
{
	const struct quantity *q = &quantities[row->type];
	char hint[128] = "";
	double value;
	bool bare;

	if (!quantity(row->type, n->text, &value, &bare)) {
		if (bare)
			snprintf(hint, sizeof(hint), "did you mean %.40s%s?", n->text, q->propose);
		if (bare)
			cfg_fail(c, n, hint, "'%s' needs a unit: '%.80s' has none", row->name, n->text);
		else
			cfg_fail(c, n, NULL, "'%s' must be %s, not '%.80s'", row->name, q->what, n->text);
		return false;
	}
	if (!in_bounds(row, value)) {
		if (row->max && row->min && strcmp(row->min, row->max) == 0)
			cfg_fail(c, n, NULL, "'%s' must be %s, not '%.80s'", row->name, row->max, n->text);
		else if (row->max)
			cfg_fail(c, n, NULL, "'%s' must be between %s and %s, not '%.80s'", row->name,
			         row->min ? row->min : "0", row->max, n->text);
		else
			cfg_fail(c, n, NULL, "'%s' is out of range: '%.80s'", row->name, n->text);
		return false;
	}
	store(row, value, at);
	return true;
}

static bool string_fill(struct cfg *c, const struct cfg_row *row, const struct cfg_node *n, void *at)
{
	size_t len = strlen(n->text);

	if (len >= row->size) {
		cfg_fail(c, n, NULL, "'%s' is longer than %zu bytes", row->name, row->size - 1);
		return false;
	}
	if (len == 0 && row->required) {
		cfg_fail(c, n, NULL, "'%s' must not be empty", row->name);
		return false;
	}
	memcpy(at, n->text, len + 1);
	return true;
}

static bool bool_fill(struct cfg *c, const struct cfg_row *row, const struct cfg_node *n, void *at)
{
	bool yes = strcmp(n->text, "true") == 0 || strcmp(n->text, "yes") == 0;

	if (!yes && strcmp(n->text, "false") != 0 && strcmp(n->text, "no") != 0) {
		cfg_fail(c, n, "write true or false", "'%s' must be true or false, not '%.80s'", row->name,
		         n->text);
		return false;
	}
	*(bool *)at = yes;
	return true;
}

static bool enum_fill(struct cfg *c, const struct cfg_row *row, const struct cfg_node *n, void *at)
{
	struct guess g = {0};
	char hint[GUESS_HINT_BYTES];

	for (uint32_t i = 0; row->names[i]; i++) {
		if (strcmp(n->text, row->names[i]) == 0) {
			store_index(row, i, at);
			return true;
		}
		guess_add(&g, n->text, row->names[i]);
	}
	guess_hint(&g, n->text, hint);
	for (unsigned i = 0; row->unsupported && row->unsupported[i]; i++) {
		if (strcmp(n->text, row->unsupported[i]) == 0) {
			cfg_fail(c, n, hint, "%s '%s' is not supported by this version", row->name, n->text);
			return false;
		}
	}
	cfg_fail(c, n, hint, "'%.80s' is not a known %s", n->text, row->name);
	return false;
}

bool cfg_scalar(struct cfg *c, const struct cfg_row *row, const struct cfg_node *n, void *at)
{
	if (n->kind != CFG_NODE_SCALAR) {
		cfg_fail(c, n, NULL, "'%s' must be a single value, not a %s", row->name,
		         n->kind == CFG_NODE_LIST ? "list" : "mapping");
		return false;
	}
	switch (row->type) {
	case CFG_STRING:
		return string_fill(c, row, n, at);
	case CFG_BOOL:
		return bool_fill(c, row, n, at);
	case CFG_ENUM:
		return enum_fill(c, row, n, at);
	default:
		return quantity_fill(c, row, n, at);
	}
}

static void word_add(struct cfg *c, const struct cfg_row *row, const struct cfg_node *n, char *words)
{
	size_t len = strlen(words);

	if (n->text[0] == '\0' || strpbrk(n->text, " \t") || len + strlen(n->text) + 3 > row->size) {
		cfg_fail(c, n, NULL, "'%s' holds a value that is empty, too long or has blanks", row->name);
		return;
	}
	snprintf(words + len, row->size - len, "%s%s ", len ? "" : " ", n->text);
}

static void rows_fill(struct cfg *c, const struct cfg_row *rows, const struct cfg_node *n, char *base);

static void item_fill(struct cfg *c, const struct cfg_row *row, const struct cfg_node *n, char *item)
{
	const struct cfg_row text = {
	        .name = row->name, .type = CFG_STRING, .size = row->size, .required = true};

	if (row->type == CFG_STRINGS) {
		if (!cfg_scalar(c, &text, n, item))
			return;
	} else if (n->kind != CFG_NODE_MAPPING) {
		cfg_fail(c, n, NULL, "each of '%s' must be a mapping", row->name);
		return;
	} else {
		rows_fill(c, row->rows, n, item);
	}
	if (row->hook)
		row->hook(c, n, item);
}

static void items_fill(struct cfg *c, const struct cfg_row *row, const struct cfg_node *list, char *base)
{
	uint32_t *count = (uint32_t *)(base + row->count_offset);

	if (row->required && !list->first)
		cfg_fail(c, list, row->sentence, "'%s' must not be empty", row->name);
	for (const struct cfg_node *n = list->first; n; n = n->next) {
		if (row->type == CFG_EACH || row->type == CFG_PAIRS) {
			if (n->kind != CFG_NODE_SCALAR)
				cfg_fail(c, n, NULL, "each of '%s' must be a single value", row->name);
			else
				row->hook(c, n, base + row->offset);
			continue;
		}
		if (row->type == CFG_WORDS) {
			if (n->kind != CFG_NODE_SCALAR)
				cfg_fail(c, n, NULL, "each of '%s' must be a single value", row->name);
			else
				word_add(c, row, n, base + row->offset);
			if (row->hook && n->kind == CFG_NODE_SCALAR)
				row->hook(c, n, base + row->offset);
			continue;
		}
		if (*count == row->capacity) {
			cfg_fail(c, n, NULL, "more than %u '%s'", row->capacity - row->taken, row->name);
			return;
		}
		item_fill(c, row, n, base + row->offset + *count * row->size);
		++*count;
	}
}

static void default_fill(const struct cfg_row *row, char *base)
{
	const struct cfg_node n = {.text = row->value};
	bool good = true;

	if (row->type == CFG_HOOK || row->type == CFG_LATER)
		return;
	if (row->type == CFG_MAPPING)
		cfg_defaults(row->rows, base + row->offset);
	else if (row->value && row->type == CFG_WORDS)
		word_add(NULL, row, &n, base + row->offset);
	else if (row->value)
		good = cfg_scalar(NULL, row, &n, base + row->offset);
	assert(good);
}

void cfg_defaults(const struct cfg_row *rows, void *base)
{
	for (const struct cfg_row *row = rows; row->name; row++)
		default_fill(row, base);
}

static bool right_kind(struct cfg *c, const struct cfg_row *row, const struct cfg_node *n)
{
	bool list = row->type == CFG_LIST || row->type == CFG_STRINGS || row->type == CFG_WORDS ||
	            row->type == CFG_EACH;
	enum cfg_kind want = list ? CFG_NODE_LIST : CFG_NODE_MAPPING;

	if (n->kind == want)
		return true;
	cfg_fail(c, n, NULL, "'%s' must be a %s", row->name, list ? "list" : "mapping");
	return false;
}

static void row_fill(struct cfg *c, const struct cfg_row *row, const struct cfg_node *n, char *base)
{
	char *at = base + row->offset;

	switch (row->type) {
	case CFG_LATER:
		return;
	case CFG_UNSUPPORTED:
		cfg_fail(c, n->key, NULL, "'%s' is not supported by this version", row->name);
		return;
	case CFG_LIST:
	case CFG_NAMED:
	case CFG_STRINGS:
	case CFG_WORDS:
	case CFG_EACH:
	case CFG_PAIRS:
		if (right_kind(c, row, n))
			items_fill(c, row, n, base);
		return;
	case CFG_MAPPING:
		if (!right_kind(c, row, n))
			return;
		rows_fill(c, row->rows, n, at);
		break;
	case CFG_HOOK:
		break;
	default:
		if (!cfg_scalar(c, row, n, at))
			return;
	}
	if (row->hook)
		row->hook(c, n, at);
}

static void unknown_keys(struct cfg *c, const struct cfg_row *rows, const struct cfg_node *n)
{
	for (const struct cfg_node *child = n->first; child; child = child->next) {
		const struct cfg_row *row = rows;
		struct guess g = {0};
		char hint[GUESS_HINT_BYTES];

		while (row->name && strcmp(row->name, child->key->text) != 0)
			row++;
		if (row->name)
			continue;
		for (row = rows; row->name; row++)
			if (row->type != CFG_UNSUPPORTED)
				guess_add(&g, child->key->text, row->name);
		guess_hint(&g, child->key->text, hint);
		cfg_fail(c, child->key, hint, "unknown key '%.80s'", child->key->text);
	}
}

static void rows_fill(struct cfg *c, const struct cfg_row *rows, const struct cfg_node *n, char *base)
{
	unknown_keys(c, rows, n);
	for (const struct cfg_row *row = rows; row->name; row++) {
		const struct cfg_node *child = cfg_child(n, row->name);

		if (child) {
			row_fill(c, row, child, base);
			continue;
		}
		if (row->required)
			cfg_fail(c, n, row->sentence, "'%s' is missing", row->name);
		default_fill(row, base);
	}
}

void cfg_fill(struct cfg *c, const struct cfg_row *rows, void *target)
{
	const struct cfg_node *root = cfg_root(c);

	if (!root)
		return;
	if (root->kind != CFG_NODE_MAPPING)
		cfg_fail(c, root, NULL, "the file must be a mapping of keys");
	else
		rows_fill(c, rows, root, target);
}
