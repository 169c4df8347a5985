/*
 * h1_parser.c - the strict HTTP/1.1 parser: sections of lines (head, trailers) and what lies between.
 *
 * A section is read in a window of contiguous bytes: the input itself while it holds the whole section,
 * else the storage, where the pieces are gathered.
 *
 *   window ... line | line | the line being read ... | not yet looked at
 *                          line_start        scanned
 *
 * A line is judged when it is complete, and a limit is passed at a byte, so the verdict cannot depend
 * on how the input was cut.
 */
#include "proto/h1_internal.h"

enum {
	LEADING_CRLF_MAX = 2,
	PIECE_BYTES = 1024, /* how much is gathered at once: what follows the section is copied in vain */
	TAIL_BYTES = 4, /* room that text may not take: the last line end and the empty line; a head leaves
	                 * as much again for empty trailers */
};

static const struct rule {
	const char *name, *text;
	int code;
	unsigned status;
} rules[H1_RULE_COUNT] = {{"none", "", 0, 0},
#define X(name, code, status, text) {#name, text, ERR_##code, status},
                          H1_RULES(X)
#undef X
};

const char *h1_rule_name(enum h1_rule rule)
{
	return rules[rule < H1_RULE_COUNT ? rule : H1_RULE_none].name;
}

const char *h1_rule_text(enum h1_rule rule)
{
	return rules[rule < H1_RULE_COUNT ? rule : H1_RULE_none].text;
}

int h1_reject(struct h1_parser *p, enum h1_rule rule)
{
	p->state = S_FAILED;
	p->failure = rules[rule].code;
	p->reject = rule;
	p->reject_status = p->kind == H1_RESPONSE ? 502 : rules[rule].status;
	p->reject_rule = rules[rule].name;
	return p->failure;
}

static uint64_t lowered(uint64_t wanted, uint64_t max)
{
	return wanted == 0 || wanted > max ? max : wanted;
}

struct h1_limits h1_limits_lowered(const struct h1_limits *l)
{
	return (struct h1_limits){
	        .line_bytes = (uint32_t)lowered(l->line_bytes, H1_LINE_MAX),
	        .field_bytes = (uint32_t)lowered(l->field_bytes, H1_FIELD_MAX),
	        .fields_bytes = (uint32_t)lowered(l->fields_bytes, H1_FIELDS_BYTES_MAX),
	        .field_count = (uint32_t)lowered(l->field_count, HTTP_FIELDS_MAX),
	        .body_bytes = lowered(l->body_bytes, INT64_MAX),
	};
}

void h1_limit(struct h1_parser *p, const struct h1_limits *l)
{
	p->limits = h1_limits_lowered(l);
}

void h1_init(struct h1_parser *p, enum h1_kind kind, char *head, size_t head_cap)
{
	*p = (struct h1_parser){
	        .kind = kind, .head = head, .head_cap = head_cap < H1_HEAD_MAX ? head_cap : H1_HEAD_MAX};
	h1_limit(p, &(struct h1_limits){0});
	h1_next(p);
}

static void begin_section(struct h1_parser *p, int state)
{
	p->state = state;
	p->window = NULL;
	p->head_len = p->line_start = p->scanned = p->fields_start = p->window_len = 0;
	p->dirty_line = false;
}

static void forget_fields(struct h1_parser *p)
{
	struct http_message *m = &p->message;

	m->field_count = 0;
	memset(m->known, 0, sizeof(m->known));
	p->repeated = 0;
}

void h1_next(struct h1_parser *p)
{
	struct http_message *m = &p->message;

	forget_fields(p);
	m->method = m->target = m->reason = m->host = m->upgrade_protocol = (struct span){NULL, 0};
	m->scheme = HTTP_SCHEME_NONE;
	m->status = m->minor = 0;
	m->framing = HTTP_NO_BODY;
	m->content_length = 0;
	m->keep_alive = m->upgrade = m->expect_continue = m->te_trailers = false;
	p->head_request = false;
	p->reject = H1_RULE_none;
	p->reject_status = 0;
	p->reject_rule = NULL;
	p->failure = 0;
	p->extension_bytes = p->chunk_extension_bytes = 0;
	p->left = p->body_bytes = 0;
	p->leading_crlf = p->digits = 0;
	p->head_bytes = 0;
	begin_section(p, S_START);
}

static int end_of_head(struct h1_parser *p)
{
	int r = h1_finish_head(p);

	if (r < 0)
		return r;
	p->left = p->message.content_length;
	switch (p->message.framing) {
	case HTTP_NO_BODY:
		p->state = S_END;
		break;
	case HTTP_LENGTH:
		p->state = p->left > 0 ? S_LENGTH : S_END;
		break;
	case HTTP_CHUNKED:
		h1_begin_chunks(p);
		break;
	case HTTP_UNTIL_CLOSE:
		p->state = S_UNTIL_CLOSE;
		break;
	}
	return H1_HEAD;
}

static int start_line(struct h1_parser *p, struct span line)
{
	if (line.len == 0)
		return p->kind == H1_RESPONSE || ++p->leading_crlf > LEADING_CRLF_MAX
		               ? REJECT(p, leading_crlf)
		               : 0;
	p->state = S_FIELD;
	p->fields_start = p->scanned + 2;
	return p->kind == H1_REQUEST ? h1_request_line(p, line) : h1_status_line(p, line);
}

static int end_of_trailers(struct h1_parser *p)
{
	p->state = S_END;
	return p->message.field_count > 0 ? H1_TRAILERS : 0;
}

/* The complete line from line_start to scanned: 0, an event or an error. */
static int whole_line(struct h1_parser *p)
{
	struct span line = {p->window + p->line_start, p->scanned - p->line_start};
	int r;

	if (p->state == S_START)
		r = start_line(p, line);
	else if (line.len > 0)
		r = h1_add_field(p, line);
	else
		r = p->state == S_FIELD ? end_of_head(p) : end_of_trailers(p);
	p->scanned += 2;
	p->line_start = p->scanned;
	p->dirty_line = false;
	return r;
}

/* Room for a section: trailers share the storage with the head, wherever that lies. */
static size_t storage_bytes(const struct h1_parser *p)
{
	return p->head_cap - p->head_bytes;
}

static size_t lesser(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Where all fields, or the storage, must have ended. */
static size_t section_limit(const struct h1_parser *p)
{
	size_t tail = p->state == S_TRAILER ? TAIL_BYTES : 2 * TAIL_BYTES;
	size_t room = storage_bytes(p) > tail ? storage_bytes(p) - tail : 0;

	return p->state == S_START ? room : lesser(room, p->fields_start + p->limits.fields_bytes);
}

/* Where the text of this line must have ended. */
static size_t line_limit(const struct h1_parser *p)
{
	size_t most = p->state == S_START ? p->limits.line_bytes : p->limits.field_bytes;

	return lesser(p->line_start + most, section_limit(p));
}

/* What a line breaks that goes beyond. */
static enum h1_rule limit_rule(const struct h1_parser *p)
{
	size_t limit = line_limit(p);

	if (p->state == S_START)
		return limit < p->line_start + p->limits.line_bytes ? H1_RULE_head_bytes : H1_RULE_line_bytes;
	if (limit < p->fields_start + p->limits.fields_bytes && limit < p->line_start + p->limits.field_bytes)
		return H1_RULE_head_bytes;
	return limit < p->line_start + p->limits.field_bytes ? H1_RULE_fields_bytes : H1_RULE_field_bytes;
}

/* Looks for the end of the line in the `len` bytes of the window: 1 when it is there (scanned is at its
 * CR), 0 when it is not yet, or an error. */
static int find_line_end(struct h1_parser *p, size_t len)
{
	size_t limit = line_limit(p);
	const char *end = p->window + (len < limit ? len : limit), *at = p->window + p->scanned;

	if (at > end) /* the fields' limit was passed by the last line end */
		end = at;
	while ((at = h1_scan_text(at, end)) < end && *at != '\r' && *at != '\n') {
		p->dirty_line = true;
		at++;
	}
	p->scanned = (size_t)(at - p->window);
	if (p->scanned == len)
		return 0;
	if (*at == '\n')
		return REJECT(p, bare_lf);
	if (*at != '\r')
		return h1_reject(p, limit_rule(p));
	if (p->scanned + 1 == len)
		return 0;
	return at[1] == '\n' ? 1 : REJECT(p, bare_cr);
}

/* Lines of the window up to an event, an error, or (0) the end of what is there. */
static int take_lines(struct h1_parser *p, size_t len)
{
	int r = 0;

	while (r == 0 && p->state <= S_TRAILER) {
		r = find_line_end(p, len);
		if (r <= 0)
			return r;
		r = whole_line(p);
	}
	return r;
}

static void move_span(struct span *s, const char *from, size_t len, const char *to)
{
	uintptr_t at = (uintptr_t)s->data - (uintptr_t)from;

	if (s->data != NULL && at <= len && s->len <= len - at)
		s->data = to + at;
}

static char *storage(const struct h1_parser *p)
{
	return p->head + p->head_bytes;
}

/* The first `len` bytes of the window go to the storage, and all spans into them with them. */
static void store(struct h1_parser *p, size_t len)
{
	struct http_message *m = &p->message;
	struct span *single[] = {&m->method, &m->target, &m->reason, &m->host, &m->upgrade_protocol};
	const char *from = p->window;
	char *to = storage(p);

	memcpy(to, from, len);
	for (size_t i = 0; i < sizeof(single) / sizeof(*single); i++)
		move_span(single[i], from, len, to);
	for (size_t i = 0; i < m->field_count; i++) {
		move_span(&m->fields[i].name, from, len, to);
		move_span(&m->fields[i].value, from, len, to);
	}
	p->window = to;
	p->head_len = len;
}

void h1_keep(struct h1_parser *p)
{
	if (p->window != NULL && p->head_len == 0 && p->state > S_TRAILER)
		store(p, p->window_len);
}

/* A section that may be whole in this input. */
static int section_in_place(struct h1_parser *p, struct span in, size_t *used)
{
	p->window = in.data;
	int r = take_lines(p, in.len);
	if (r < 0)
		return r;
	if (r > 0 || p->state > S_TRAILER) {
		p->window_len = p->scanned;
		*used += p->scanned;
		if (r > 0 && !p->in_place)
			store(p, p->window_len);
		return r;
	}
	if (in.len > storage_bytes(p))
		return REJECT(p, head_bytes);
	store(p, in.len);
	*used += in.len;
	return 0;
}

/* A section whose first bytes are in `head` already. */
static int section_gathered(struct h1_parser *p, struct span in, size_t *used)
{
	size_t before = p->head_len, room = storage_bytes(p) - before;
	size_t piece = in.len < PIECE_BYTES ? in.len : PIECE_BYTES;

	if (room == 0)
		return REJECT(p, head_bytes);
	if (piece > room)
		piece = room;
	memcpy(storage(p) + before, in.data, piece);
	int r = take_lines(p, before + piece);
	if (r < 0)
		return r;
	bool ended = r > 0 || p->state > S_TRAILER;
	p->head_len = ended ? p->scanned : before + piece;
	p->window_len = p->head_len;
	*used += p->head_len - before;
	return r;
}

static size_t take_body(struct h1_parser *p, const char *data, size_t len, struct span *body_out)
{
	if (p->state != S_UNTIL_CLOSE) {
		if (len > p->left)
			len = (size_t)p->left;
		p->left -= len;
		if (p->left == 0)
			p->state = p->state == S_LENGTH ? S_END : S_DATA_CR;
	}
	*body_out = (struct span){data, len};
	return len;
}

static int chunk_byte(struct h1_parser *p, char c)
{
	int r = h1_chunk_byte(p, c);

	if (r == 0 && p->state == S_TRAILER) {
		p->head_bytes = p->window_len;
		begin_section(p, S_TRAILER);
		forget_fields(p);
	}
	return r;
}

long h1_feed(struct h1_parser *p, struct span input, enum h1_event *event_out, struct span *body_out)
{
	size_t used = 0;
	int r = 0;

	*event_out = H1_NEED_MORE;
	*body_out = (struct span){NULL, 0};
	while (r == 0) {
		struct span rest = {input.data + used, input.len - used};

		if (p->state == S_FAILED)
			return p->failure;
		if (p->state == S_END || p->state == S_DONE) {
			p->state = S_DONE;
			*event_out = H1_DONE;
			return (long)used;
		}
		if (rest.len == 0)
			return (long)used;
		if (p->state <= S_TRAILER) {
			r = p->head_len > 0 ? section_gathered(p, rest, &used)
			                    : section_in_place(p, rest, &used);
		} else if (p->state >= S_LENGTH) {
			*event_out = H1_DATA;
			return (long)(used + take_body(p, rest.data, rest.len, body_out));
		} else {
			r = chunk_byte(p, rest.data[0]);
			used++;
		}
	}
	if (r < 0)
		return r;
	*event_out = (enum h1_event)r;
	return (long)used;
}

int h1_eof(struct h1_parser *p)
{
	bool between = p->state == S_START && p->line_start == p->head_len;

	if (p->state == S_FAILED)
		return p->failure;
	if (p->state == S_UNTIL_CLOSE)
		p->state = S_END;
	if (between || p->state == S_END || p->state == S_DONE)
		return 0;
	return REJECT(p, cut_short);
}
