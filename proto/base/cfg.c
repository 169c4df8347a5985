#include "proto/base/cfg.h"

#include <stdarg.h>
#include <stdlib.h>
#include <yaml.h>
#include "proto/base/buf.h"

enum { NOTE_BYTES = 320, VALUE_MAX = 64 << 10 };

struct note {
	unsigned line, column, order;
	bool warning;
	char message[NOTE_BYTES], hint[NOTE_BYTES];
};

struct block {
	struct block *next;
	max_align_t bytes[];
};

struct cfg {
	const char *file;
	struct span text;
	void *user;
	struct block *blocks; /* nodes and their texts */
	struct cfg_node *root;
	struct note notes[CFG_ERRORS_MAX];
	unsigned note_count, order, errors, left_out, nodes;
	bool broken, nomem;
	yaml_parser_t parser;
};

static void *take(struct cfg *c, size_t size)
{
	struct block *b = calloc(1, sizeof(*b) + size);

	if (!b) {
		c->nomem = c->broken = true;
		return NULL;
	}
	b->next = c->blocks;
	c->blocks = b;
	return b->bytes;
}

/* A message is for a terminal: what the file holds must not steer it. */
static void disarm(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

/* A place for one more, or NULL: then it is only counted. An error takes a warning's place. */
static struct note *room(struct cfg *c, bool warning)
{
	if (c->note_count < CFG_ERRORS_MAX)
		return &c->notes[c->note_count++];
	c->left_out++;
	for (unsigned i = 0; i < c->note_count && !warning; i++)
		if (c->notes[i].warning)
			return &c->notes[i];
	return NULL;
}

static void note(struct cfg *c, unsigned line, unsigned column, bool warning, const char *hint,
                 const char *format, va_list args)
{
	struct note *n = room(c, warning);

	if (!warning)
		c->errors++;
	if (!n)
		return;
	n->order = c->order++;
	n->line = line;
	n->column = column;
	n->warning = warning;
	vsnprintf(n->message, sizeof(n->message), format, args);
	snprintf(n->hint, sizeof(n->hint), "%s", hint ? hint : "");
	disarm(n->message);
	disarm(n->hint);
}

void cfg_fail(struct cfg *c, const struct cfg_node *at, const char *hint, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	note(c, at ? at->line : 1, at ? at->column : 1, false, hint, format, args);
	va_end(args);
}

void cfg_warn(struct cfg *c, const struct cfg_node *at, const char *hint, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	note(c, at ? at->line : 1, at ? at->column : 1, true, hint, format, args);
	va_end(args);
}

/* The document cannot be read on from here. */
static void broken(struct cfg *c, const yaml_mark_t *mark, const char *hint, const char *message)
{
	struct cfg_node at = {.line = (unsigned)mark->line + 1, .column = (unsigned)mark->column + 1};

	if (!c->broken)
		cfg_fail(c, &at, hint, "%s", message);
	c->broken = true;
}

/* ${NAME...} at `text`: appends its value. Returns the first byte after it, or NULL. */
static const char *substitute(struct cfg *c, const struct cfg_node *at, const char *text, struct buf *out)
{
	const char *end = strchr(text, '}');
	char name[128], rest[256] = "";
	size_t n = strspn(text + 2, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
	const char *after = text + 2 + n, *value;

	if (!end || n == 0 || n >= sizeof(name) || end < after || (after != end && *after != ':') ||
	    (*after == ':' && after[1] != '-' && after[1] != '?') || (size_t)(end - after) >= sizeof(rest)) {
		cfg_fail(c, at, "write ${VAR}, ${VAR:-default} or ${VAR:?message}; $$ is a dollar",
		         "cannot read the substitution in '%.80s'", text);
		return NULL;
	}
	snprintf(name, sizeof(name), "%.*s", (int)n, text + 2);
	if (after != end)
		snprintf(rest, sizeof(rest), "%.*s", (int)(end - after - 2), after + 2);
	value = getenv(name);
	if (value && (*value || after == end)) {
		buf_puts(out, value);
	} else if (after != end && after[1] == '-') {
		buf_puts(out, rest);
	} else {
		cfg_fail(c, at, "set it, or write ${VAR:-default}",
		         "the environment variable '%s' is not set%s%s", name, rest[0] ? ": " : "", rest);
		return NULL;
	}
	return end + 1;
}

static const char *expand(struct cfg *c, const struct cfg_node *at, const char *text, size_t len)
{
	const char *p = text, *done = "";
	struct buf out;
	char *copy;

	buf_init(&out, VALUE_MAX);
	if (strlen(text) != len)
		cfg_fail(c, at, NULL, "a value must not hold a NUL byte");
	while (p && *p) {
		if (p[0] == '$' && p[1] == '{') {
			p = substitute(c, at, p, &out);
		} else {
			buf_put(&out, p, 1);
			p += p[0] == '$' && p[1] == '$' ? 2 : 1;
		}
	}
	if (out.err == ERR_NOMEM)
		c->nomem = c->broken = true;
	else if (out.err)
		cfg_fail(c, at, NULL, "the value is too long");
	copy = take(c, buf_len(&out) + 1);
	if (copy && buf_len(&out) > 0)
		memcpy(copy, buf_span(&out).data, buf_len(&out));
	if (copy)
		done = copy;
	buf_fini(&out);
	return done;
}

static bool next(struct cfg *c, yaml_event_t *event)
{
	if (c->broken)
		return false;
	if (yaml_parser_parse(&c->parser, event))
		return true;
	if (c->parser.error == YAML_MEMORY_ERROR)
		c->broken = c->nomem = true;
	else
		broken(c, &c->parser.problem_mark, c->parser.context,
		       c->parser.problem ? c->parser.problem : "this is not YAML");
	return false;
}

static bool plain(struct cfg *c, const yaml_event_t *e)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;

	switch (e->type) {
	case YAML_ALIAS_EVENT:
		anchor = e->data.alias.anchor;
		break;
	case YAML_SCALAR_EVENT:
		anchor = e->data.scalar.anchor;
		tag = e->data.scalar.tag;
		break;
	case YAML_MAPPING_START_EVENT:
		anchor = e->data.mapping_start.anchor;
		tag = e->data.mapping_start.tag;
		break;
	case YAML_SEQUENCE_START_EVENT:
		anchor = e->data.sequence_start.anchor;
		tag = e->data.sequence_start.tag;
		break;
	default:
		broken(c, &e->start_mark, NULL, "a value is expected here");
	}
	if (anchor)
		broken(c, &e->start_mark, "write the value out", "anchors and aliases are not allowed");
	if (tag)
		broken(c, &e->start_mark, "leave the tag out", "tags are not allowed");
	return !c->broken;
}

static struct cfg_node *node_read(struct cfg *c, const yaml_event_t *e, unsigned depth);

static void child_add(struct cfg *c, struct cfg_node *parent, struct cfg_node *last, struct cfg_node *child)
{
	if (child->key && cfg_child(parent, child->key->text))
		cfg_fail(c, child->key, "leave one of them", "the key '%.80s' is given twice",
		         child->key->text);
	if (last)
		last->next = child;
	else
		parent->first = child;
	parent->count++;
}

static void children_read(struct cfg *c, struct cfg_node *parent, yaml_event_type_t end, unsigned depth)
{
	struct cfg_node *key = NULL, *last = NULL, *n;
	yaml_event_t e;

	while (next(c, &e)) {
		if (e.type == end) {
			yaml_event_delete(&e);
			return;
		}
		if (parent->kind == CFG_NODE_MAPPING && !key) {
			if (e.type != YAML_SCALAR_EVENT)
				broken(c, &e.start_mark, NULL, "a key must be a plain word");
			key = node_read(c, &e, 0);
			yaml_event_delete(&e);
			continue;
		}
		n = node_read(c, &e, depth + 1);
		yaml_event_delete(&e);
		if (!n)
			return;
		n->key = key;
		key = NULL;
		child_add(c, parent, last, n);
		last = n;
	}
}

/* depth 0 is a key: its text is kept as it is. */
static struct cfg_node *node_read(struct cfg *c, const yaml_event_t *e, unsigned depth)
{
	struct cfg_node *n;

	if (!c->broken && depth > CFG_DEPTH_MAX)
		broken(c, &e->start_mark, NULL, "the file is nested too deeply");
	if (!c->broken && ++c->nodes > CFG_NODES_MAX)
		broken(c, &e->start_mark, NULL, "the file holds too many values");
	if (c->broken || !plain(c, e) || !(n = take(c, sizeof(*n))))
		return NULL;
	n->line = (unsigned)e->start_mark.line + 1;
	n->column = (unsigned)e->start_mark.column + 1;
	n->text = "";
	if (e->type == YAML_SCALAR_EVENT) {
		const char *text = (const char *)e->data.scalar.value;
		char *copy;

		if (depth > 0) {
			n->text = expand(c, n, text, e->data.scalar.length);
		} else if ((copy = take(c, strlen(text) + 1)) != NULL) {
			n->text = strcpy(copy, text);
		}
	} else if (e->type == YAML_MAPPING_START_EVENT) {
		n->kind = CFG_NODE_MAPPING;
		children_read(c, n, YAML_MAPPING_END_EVENT, depth);
	} else {
		n->kind = CFG_NODE_LIST;
		children_read(c, n, YAML_SEQUENCE_END_EVENT, depth);
	}
	return c->broken ? NULL : n;
}

static void document_read(struct cfg *c)
{
	yaml_event_type_t type = YAML_NO_EVENT;
	yaml_event_t e;

	while (type != YAML_STREAM_END_EVENT && next(c, &e)) {
		type = e.type;
		if (type == YAML_DOCUMENT_START_EVENT && c->root)
			broken(c, &e.start_mark, NULL, "only one document a file");
		else if (type != YAML_STREAM_START_EVENT && type != YAML_STREAM_END_EVENT &&
		         type != YAML_DOCUMENT_START_EVENT && type != YAML_DOCUMENT_END_EVENT)
			c->root = node_read(c, &e, 1);
		yaml_event_delete(&e);
	}
	if (c->broken)
		c->root = NULL;
	else if (!c->root)
		cfg_fail(c, NULL, NULL, "the file is empty");
}

int cfg_parse(const char *file, struct span text, void *user, struct cfg **cfg_out)
{
	struct cfg *c = calloc(1, sizeof(*c));

	if (!c || !yaml_parser_initialize(&c->parser)) {
		free(c);
		return ERR_NOMEM;
	}
	c->file = file;
	c->text = text;
	c->user = user;
	yaml_parser_set_input_string(&c->parser, (const unsigned char *)text.data, text.len);
	if (text.len > CFG_FILE_MAX)
		cfg_fail(c, NULL, NULL, "the file is larger than 1MiB");
	else
		document_read(c);
	yaml_parser_delete(&c->parser);
	if (c->nomem) {
		cfg_free(&c);
		return ERR_NOMEM;
	}
	*cfg_out = c;
	return 0;
}

void cfg_free(struct cfg **cp)
{
	struct cfg *c = *cp;
	struct block *b;

	*cp = NULL;
	while (c && (b = c->blocks) != NULL) {
		c->blocks = b->next;
		free(b);
	}
	free(c);
}

void *cfg_user(const struct cfg *c)
{
	return c->user;
}

const struct cfg_node *cfg_root(const struct cfg *c)
{
	return c->root;
}

unsigned cfg_errors(const struct cfg *c)
{
	return c->errors;
}

const struct cfg_node *cfg_child(const struct cfg_node *n, const char *key)
{
	if (!n || n->kind != CFG_NODE_MAPPING)
		return NULL;
	for (const struct cfg_node *child = n->first; child; child = child->next)
		if (strcmp(child->key->text, key) == 0)
			return child;
	return NULL;
}

static int by_place(const void *va, const void *vb)
{
	const struct note *a = va, *b = vb;

	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	if (a->column != b->column)
		return a->column < b->column ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

static struct span line_of(struct span text, unsigned line)
{
	const char *p = text.data, *end = text.data + text.len, *stop;

	while (p < end && --line > 0) {
		p = memchr(p, '\n', (size_t)(end - p));
		p = p ? p + 1 : end;
	}
	if (p == end)
		return (struct span){"", 0};
	stop = memchr(p, '\n', (size_t)(end - p));
	if (!stop)
		stop = end;
	if (stop > p && stop[-1] == '\r')
		stop--;
	return (struct span){p, (size_t)(stop - p)};
}

static void print_place(struct cfg *c, const struct note *n, FILE *f)
{
	struct span line = line_of(c->text, n->line);
	size_t i = 0;

	if (!line.len)
		return;
	fputs("    ", f);
	for (size_t j = 0; j < line.len; j++)
		fputc(line.data[j] == '\t' || ((unsigned char)line.data[j] >= ' ' && line.data[j] != 0x7f)
		              ? line.data[j]
		              : '?',
		      f);
	fputs("\n    ", f);
	for (unsigned column = 1; column < n->column && i < line.len; column++) {
		fputc(line.data[i] == '\t' ? '\t' : ' ', f);
		for (i++; i < line.len && ((unsigned char)line.data[i] & 0xc0) == 0x80;)
			i++;
	}
	fputs("^\n", f);
}

void cfg_report(struct cfg *c, FILE *f)
{
	qsort(c->notes, c->note_count, sizeof(c->notes[0]), by_place);
	for (unsigned i = 0; i < c->note_count; i++) {
		const struct note *n = &c->notes[i];

		fprintf(f, "%s:%u:%u: %s: %s\n", c->file, n->line, n->column,
		        n->warning ? "warning" : "error", n->message);
		print_place(c, n, f);
		if (n->hint[0])
			fprintf(f, "    hint: %s\n", n->hint);
	}
	if (c->left_out)
		fprintf(f, "%s: and %u more\n", c->file, c->left_out);
}
