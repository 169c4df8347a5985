/* Where a rehearsal's requests come from: JSON lines, a capture, or the routes themselves. */
#include <ctype.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "capture/capfile.h"
#include "capture/fold.h"
#include "capture/head.h"
#include "tools/doc.h"
#include "tools/rehearse.h"

enum { LINE_LIMIT = 16 << 20, FOLD_LIMIT = 64 << 20 };
#define ALL_LIMIT (512ull << 20)

struct source {
	const struct plan *plan;
	uint16_t port;
	struct route_table table;
	struct rehearse_requests *out;
};

struct draft {
	struct span method, target, host, body; /* host empty: that of live */
	struct buf fields;                      /* "name: value\n" each */
};

/* --- one request --- */

static bool is_ours(struct span name)
{
	static const char *const names[] = {"host", "content-length", "transfer-encoding", "connection",
	                                    "expect"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (span_eq_nocase(name, span_of(names[i])))
			return true;
	return false;
}

static void write_fields(struct buf *out, struct span fields)
{
	while (fields.len) {
		const char *lf = memchr(fields.data, '\n', fields.len);
		size_t n = lf ? (size_t)(lf - fields.data) : fields.len;
		const char *colon = memchr(fields.data, ':', n);
		struct span name = {fields.data, colon ? (size_t)(colon - fields.data) : n};
		struct span value = {colon ? colon + 1 : "", colon ? n - name.len - 1 : 0};

		while (value.len && *value.data == ' ') {
			value.data++;
			value.len--;
		}
		if (!is_ours(name))
			h1_write_field(out, name, value);
		fields.data += n + (lf != NULL);
		fields.len -= n + (lf != NULL);
	}
}

static int serialise(const struct draft *d, struct span host, struct buf *out)
{
	buf_reset(out);
	h1_write_request(out, d->method, d->target, host);
	write_fields(out, buf_span(&d->fields));
	h1_write_end(out, d->body.len ? HTTP_LENGTH : HTTP_NO_BODY, d->body.len);
	buf_span_put(out, d->body);
	return out->err;
}

/* The route that takes these bytes, or -1; ERR_* below -1 when no proxy would. */
static int route_of(const struct source *s, struct span bytes)
{
	static char head[H1_HEAD_MAX];
	struct h1_parser parser;
	enum h1_event event;
	struct span body;

	h1_init(&parser, H1_REQUEST, head, sizeof head);
	if (h1_feed(&parser, bytes, &event, &body) < 0 || event != H1_HEAD)
		return -2;
	return route_pick(&s->table, s->port, &parser.message);
}

static void name_it(struct rehearse_request *r, const struct draft *d)
{
	snprintf(r->label, sizeof r->label, "%.*s %.*s", (int)d->method.len, d->method.data,
	         (int)(d->target.len < 120 ? d->target.len : 120), d->target.data);
	for (char *at = r->label; *at; at++)
		*at = isprint((unsigned char)*at) ? *at : '?';
	r->is_head = span_eq(d->method, SPAN("HEAD"));
}

static struct rehearse_request *make_room(struct rehearse_requests *out)
{
	unsigned room = out->room ? out->room * 2 : 64;
	struct rehearse_request *grown = out->list;

	if (out->count < out->room)
		return &out->list[out->count];
	if (out->count >= REQUESTS_MAX)
		return NULL;
	grown = reallocarray(out->list, room, sizeof *grown);
	if (!grown)
		return NULL;
	out->list = grown;
	out->room = room;
	return &out->list[out->count];
}

/* 0, ERR_PROTO (not a request), ERR_LIMIT. */
static int add(struct source *s, const struct draft *d)
{
	struct rehearse_request *r = make_room(s->out);
	int rc, route;

	if (!r || s->out->bytes > ALL_LIMIT)
		return ERR_LIMIT;
	*r = (struct rehearse_request){0};
	buf_init(&r->bytes, LINE_LIMIT + H1_HEAD_MAX);
	rc = serialise(d, d->host.len ? d->host : SPAN("rehearse"), &r->bytes);
	route = rc ? -2 : route_of(s, buf_span(&r->bytes));
	if (route >= 0 && !d->host.len)
		rc = serialise(d, span_of(s->plan->routes[route].live.endpoints[0].authority), &r->bytes);
	if (route < 0 || rc) {
		buf_fini(&r->bytes);
		s->out->unrouted += route == -1;
		return route == -1 ? 0 : ERR_PROTO;
	}
	r->route = (unsigned)route;
	name_it(r, d);
	s->out->bytes += buf_len(&r->bytes);
	s->out->count++;
	return 0;
}

/* --- from the routes --- */

static int add_get(struct source *s, const struct plan_route *r, const char *target)
{
	struct draft d = {.method = SPAN("GET"), .target = span_of(target), .host = span_of(r->match_host)};
	int rc;

	buf_init(&d.fields, 4096);
	if (r->match_header[0])
		buf_printf(&d.fields, "%s: %s\n", r->match_header, r->match_value);
	rc = add(s, &d);
	buf_fini(&d.fields);
	return rc;
}

static int from_routes(struct source *s)
{
	int rc = 0;

	for (uint32_t i = 0; i < s->plan->route_count && !rc; i++) {
		const struct plan_route *r = &s->plan->routes[i];

		rc = add_get(s, r, r->path_prefix[0] == '/' ? r->path_prefix : "/");
		if (!rc && r->live.health.path[0])
			rc = add_get(s, r, r->live.health.path);
	}
	s->out->unrouted = 0; /* a health path need not be routed */
	return rc;
}

/* --- from JSON lines --- */

/* The text of the first of two keys that is there. */
static const char *either(const struct node *line, const char *key, const char *other)
{
	return doc_get(line, key) ? doc_text(line, key) : doc_text(line, other);
}

static bool is_structure(const struct node *n)
{
	return n && (n->type == JSON_OBJECT || n->type == JSON_ARRAY);
}

/* The body as bytes in `out`: plain or base64. 0 or ERR_PROTO. */
static int read_body(const struct node *line, struct buf *out)
{
	const char *coded = either(line, "body_base64", "request_body_base64"),
	           *plain = either(line, "body", "request_body");
	size_t n = strlen(coded);
	char *room;
	int decoded;

	if (is_structure(doc_get(line, "body")) ||
	    is_structure(doc_get(line, "headers")) != !!doc_get(line, "headers"))
		return ERR_PROTO;
	if (!*coded) {
		buf_puts(out, plain);
		return out->err;
	}
	room = n % 4 || n > LINE_LIMIT ? NULL : buf_room(out, n / 4 * 3);
	decoded = room ? EVP_DecodeBlock((unsigned char *)room, (const unsigned char *)coded, (int)n) : -1;
	if (decoded < 0)
		return ERR_PROTO;
	buf_grown(out, (size_t)decoded - (coded[n - 1] == '=') - (coded[n - 2] == '='));
	return 0;
}

static int add_line(struct source *s, const struct node *line)
{
	const struct node *headers = doc_get(line, "headers");
	struct draft d = {.method = span_of(doc_text(line, "method"))};
	struct buf body;
	int rc;

	d.target = span_of(either(line, "path", "target"));
	buf_init(&d.fields, H1_HEAD_MAX);
	buf_init(&body, LINE_LIMIT);
	for (const struct node *h = headers ? headers->child : NULL; h; h = h->next) {
		const char *value = h->text ? h->text : "";

		if (!h->key || strpbrk(value, "\r\n") || strpbrk(h->key, ":\r\n"))
			d.fields.err = ERR_PROTO;
		else if (!strcasecmp(h->key, "host"))
			d.host = span_of(value);
		else
			buf_printf(&d.fields, "%s: %s\n", h->key, value);
	}
	rc = read_body(line, &body);
	d.body = buf_span(&body);
	if (!d.method.len)
		d.method = d.body.len ? SPAN("POST") : SPAN("GET");
	if (!rc)
		rc = d.fields.err ? d.fields.err : d.target.len ? add(s, &d) : ERR_PROTO;
	buf_fini(&body);
	buf_fini(&d.fields);
	return rc;
}

static int from_lines(struct source *s, const char *path, FILE *f)
{
	char *text = NULL;
	size_t room = 0;
	ssize_t n;
	unsigned number = 0;
	int rc = 0;

	while (!rc && (n = getline(&text, &room, f)) > 0) {
		struct node *line = NULL;

		number++;
		if (strspn(text, " \t\r\n") == (size_t)n)
			continue;
		rc = n > LINE_LIMIT ? ERR_LIMIT : doc_parse((struct span){text, (size_t)n}, &line);
		if (!rc)
			rc = add_line(s, line);
		doc_free(&line);
		if (rc)
			fprintf(stderr,
			        "understudy: %s:%u: %s; a line is {\"method\", \"path\", \"headers\": {}, "
			        "\"body\"}\n",
			        path, number, err_text(rc));
	}
	free(text);
	return rc;
}

/* --- from a capture --- */

static int add_leg(struct source *s, const struct leg *leg)
{
	struct span head = buf_span(&leg->head);
	const char *lf = memchr(head.data, '\n', head.len);
	struct draft d = {.method = head_method(head), .target = head_target(head)};
	int rc;

	buf_init(&d.fields, H1_HEAD_MAX);
	if (lf)
		buf_put(&d.fields, lf + 1, head.len - (size_t)(lf + 1 - head.data));
	buf_puts(&d.fields, "\n");
	d.body = buf_span(&leg->body);
	rc = add(s, &d);
	buf_fini(&d.fields);
	return rc == ERR_PROTO ? 0 : rc; /* what was no request for us was none then */
}

static int add_record(struct source *s, struct fold *fold, const struct record *r, const void *payload)
{
	struct exchange *e;
	int rc = r->leg == LEG_CLIENT ? fold_add(fold, r, payload, &e) : ERR_PROTO;

	if (rc)
		return rc == ERR_PROTO ? 0 : rc;
	if (!e->legs[LEG_CLIENT]->ended)
		return 0;
	rc = e->legs[LEG_CLIENT]->error ? 0 : add_leg(s, e->legs[LEG_CLIENT]);
	fold_drop(fold, &e);
	return rc;
}

static int from_capture(struct source *s, const char *path)
{
	struct fold *fold = fold_new(FOLD_LIMIT);
	struct capfile_reader *reader;
	struct record r;
	const void *payload;
	const char *why = NULL;
	int rc = fold ? capfile_open(path, &reader, &why) : ERR_NOMEM;

	if (!rc) {
		while ((rc = capfile_next(reader, &r, &payload)) == 0 &&
		       (rc = add_record(s, fold, &r, payload)) == 0)
			continue;
		rc = rc == ERR_AGAIN || rc == ERR_TORN ? 0 : rc;
		capfile_reader_free(&reader);
	}
	if (rc)
		fprintf(stderr, "understudy: %s: %s\n", path, why ? why : err_text(rc));
	fold_free(&fold);
	return rc;
}

int rehearse_read(const char *path, const struct plan *plan, uint16_t port, struct rehearse_requests *out)
{
	struct source s = {.plan = plan, .port = port, .out = out};
	size_t n = path ? strlen(path) : 0;
	FILE *f;
	int rc;

	route_table_init(&s.table, plan);
	if (!path)
		return from_routes(&s);
	if (n > 4 && !strcmp(path + n - 4, ".cap"))
		return from_capture(&s, path);
	f = strcmp(path, "-") ? fopen(path, "re") : stdin;
	rc = f ? from_lines(&s, path, f) : ERR_SYS;
	if (!f || ferror(f)) {
		fprintf(stderr, "understudy: %s: %s\n", path, strerror(errno));
		rc = ERR_SYS;
	}
	if (f && f != stdin)
		fclose(f);
	return rc;
}

void rehearse_free(struct rehearse_requests *r)
{
	for (unsigned i = 0; i < r->count; i++)
		buf_fini(&r->list[i].bytes);
	free(r->list);
	*r = (struct rehearse_requests){0};
}
