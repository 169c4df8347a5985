#include "tools/doc.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { DOC_LIMIT_BYTES = 16 << 20 };

static char *decoded(struct span token)
{
	struct buf b;
	char *text;

	buf_init(&b, DOC_LIMIT_BYTES);
	json_unescape(token, &b);
	text = b.err ? NULL : strndup(buf_len(&b) ? buf_span(&b).data : "", buf_len(&b));
	buf_fini(&b);
	return text;
}

static int node_new(const struct json_reader *r, enum json_token type, char *key, struct node **out)
{
	struct node *n = calloc(1, sizeof *n);

	*out = n;
	if (!n) {
		free(key);
		return ERR_NOMEM;
	}
	n->type = type;
	n->key = key;
	if (type == JSON_STRING)
		n->text = decoded(r->text);
	else if (type == JSON_NUMBER)
		n->text = strndup(r->text.data, r->text.len);
	return (type == JSON_STRING || type == JSON_NUMBER) && !n->text ? ERR_NOMEM : 0;
}

/* `tails[depth]` is where the next node of that container goes. */
static int build(struct json_reader *r, struct node **root)
{
	struct node **tails[JSON_DEPTH_MAX + 1] = {root}, *n;
	enum json_token token;
	char *key = NULL;
	int depth = 0, rc;

	while (!(rc = json_next(r, &token)) && token != JSON_END) {
		if (token == JSON_OBJECT_END || token == JSON_ARRAY_END) {
			depth--;
			continue;
		}
		if (token == JSON_KEY) {
			key = decoded(r->text);
			if (!key)
				return ERR_NOMEM;
			continue;
		}
		rc = node_new(r, token, key, tails[depth]);
		key = NULL;
		if (rc)
			return rc;
		n = *tails[depth];
		tails[depth] = &n->next;
		if (token == JSON_OBJECT || token == JSON_ARRAY)
			tails[++depth] = &n->child;
	}
	free(key);
	return rc ? rc : *root ? 0 : ERR_PROTO;
}

static int slurp(const char *path, struct buf *out)
{
	FILE *f = fopen(path, "rbe");
	char *room;
	size_t n;

	if (!f)
		return ERR_SYS;
	while ((room = buf_room(out, 65536)) && (n = fread(room, 1, 65536, f)) > 0)
		buf_grown(out, n);
	n = (size_t)ferror(f);
	fclose(f);
	return out->err ? out->err : n ? ERR_SYS : 0;
}

int doc_parse(struct span text, struct node **root_out)
{
	struct json_reader reader;
	int rc;

	*root_out = NULL;
	json_reader_init(&reader, text, 0);
	rc = build(&reader, root_out);
	if (!rc && (*root_out)->type != JSON_OBJECT)
		rc = ERR_PROTO;
	if (rc)
		doc_free(root_out);
	return rc;
}

int doc_load(const char *path, struct node **root_out)
{
	struct buf text;
	int rc;

	*root_out = NULL;
	buf_init(&text, DOC_LIMIT_BYTES);
	rc = slurp(path, &text);
	if (!rc)
		rc = doc_parse(buf_span(&text), root_out);
	buf_fini(&text);
	return rc;
}

void doc_free(struct node **handle)
{
	struct node *n = *handle, *next;

	for (; n; n = next) {
		next = n->next;
		doc_free(&n->child);
		free(n->key);
		free(n->text);
		free(n);
	}
	*handle = NULL;
}

const struct node *doc_get(const struct node *object, const char *key)
{
	const struct node *n = object ? object->child : NULL;

	while (n && (!n->key || strcmp(n->key, key)))
		n = n->next;
	return n;
}

const char *doc_text(const struct node *object, const char *key)
{
	const struct node *n = doc_get(object, key);

	return n && n->text ? n->text : "";
}

double doc_value(const struct node *n)
{
	return n && n->type == JSON_NUMBER ? strtod(n->text, NULL) : NAN;
}

double doc_number(const struct node *object, const char *key)
{
	return doc_value(doc_get(object, key));
}

bool doc_true(const struct node *object, const char *key)
{
	const struct node *n = doc_get(object, key);

	return n && n->type == JSON_TRUE;
}

void doc_interval(const struct node *object, const char *key, double *low_out, double *high_out)
{
	const struct node *n = doc_get(object, key);

	n = n ? n->child : NULL;
	*low_out = doc_value(n);
	*high_out = doc_value(n ? n->next : NULL);
}
