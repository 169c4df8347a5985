/* Documents out of a file, told by its content. */
#include <errno.h>
#include <stdlib.h>

#include "capture/capfile_format.h"
#include "proto/base/utf8.h"
#include "proto/json.h"
#include "tools/mask.h"

enum { BLOCK = 65536 };

const char *const mask_kinds[] = {"json", "lines", "events",  "form", "multipart",
                                  "text", "head",  "capture", NULL};

static int broken(const struct mask_input *in, const char *why)
{
	fprintf(stderr, "understudy: mask: %s: %s\n", in->name, why);
	return 3;
}

/* Some more bytes; *end_out: there are none. 0, or 3. */
static int more(struct mask_input *in, struct buf *held, bool *end_out)
{
	char *room = buf_room(held, BLOCK);
	size_t n = room ? fread(room, 1, BLOCK, in->from) : 0;

	if (!room)
		return broken(in, held->err == ERR_LIMIT ? "a document is longer than 64MiB"
		                                         : err_text(held->err));
	buf_grown(held, n);
	*end_out = n == 0;
	return ferror(in->from) ? broken(in, strerror(errno)) : 0;
}

static bool is_json(struct span text)
{
	struct json_reader r;
	enum json_token token = JSON_MORE;

	json_reader_init(&r, text, JSON_NONFINITE);
	while (token != JSON_END)
		if (json_next(&r, &token))
			return false;
	return true;
}

static struct span without_blanks(struct span s)
{
	while (s.len && strchr(" \t\r\n", s.data[s.len - 1]))
		s.len--;
	while (s.len && s.data[0] && strchr(" \t\r\n", s.data[0]))
		s = (struct span){s.data + 1, s.len - 1};
	return s;
}

static struct span first_line(struct span text)
{
	const char *end = text.len ? memchr(text.data, '\n', text.len) : NULL;

	return (struct span){text.data, end ? (size_t)(end - text.data) : text.len};
}

static bool is_event(struct span text)
{
	static const char *const names[] = {"data:", "event:", "id:", "retry:", ":"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (span_starts(text, span_of(names[i])))
			return true;
	return false;
}

static bool is_pairs(struct span text)
{
	bool equals = false;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];

		equals |= c == '=';
		if (c <= ' ' || c >= 0x7f || strchr("\"<>{}\\^`|", c))
			return false;
	}
	return equals;
}

/* `text`: the beginning, with a whole first line at least. */
static enum mask_kind recognise(struct span text)
{
	struct span body = without_blanks(text), line = without_blanks(first_line(body));

	if (span_starts(text, (struct span){CAPFILE_MAGIC, 8}))
		return KIND_CAPTURE;
	if (body.len && (body.data[0] == '{' || body.data[0] == '['))
		return line.len < body.len && is_json(line) ? KIND_LINES : KIND_JSON;
	if (is_event(body))
		return KIND_EVENTS;
	if (line.len > 2 && line.len < body.len && line.len <= MASK_BOUNDARY_MAX + 2 &&
	    span_starts(line, SPAN("--")) && memchr(text.data, '\r', text.len))
		return KIND_PARTS;
	return line.len == body.len && is_pairs(body) ? KIND_PAIRS : KIND_TEXT;
}

static struct mask_body body_of(enum mask_kind kind, struct span text)
{
	static const uint8_t forms[] = {
	        [KIND_JSON] = MASK_JSON,   [KIND_LINES] = MASK_JSON,   [KIND_EVENTS] = MASK_EVENTS,
	        [KIND_PAIRS] = MASK_PAIRS, [KIND_PARTS] = MASK_PARTS,  [KIND_TEXT] = MASK_PLAIN,
	        [KIND_HEAD] = MASK_PLAIN,  [KIND_CAPTURE] = MASK_PLAIN};
	struct mask_body b = {.form = forms[kind], .limit_bytes = MASK_DOCUMENT_MAX};
	struct span line = without_blanks(first_line(text));

	if (kind == KIND_PARTS && line.len > 2 && line.len - 2 <= MASK_BOUNDARY_MAX) {
		b.boundary_len = (uint8_t)(line.len - 2);
		memcpy(b.boundary, line.data + 2, b.boundary_len);
	}
	return b;
}

static int each_line(struct mask_input *in, struct buf *held, bool end, mask_each *each, void *arg)
{
	struct mask_document d = {.lines = true};
	size_t looked = 0;
	int status = 0;

	while (!status && (!end || buf_len(held))) {
		struct span left = buf_span(held);
		const char *lf =
		        left.len > looked ? memchr(left.data + looked, '\n', left.len - looked) : NULL;

		if (!lf && !end) {
			looked = left.len;
			status = more(in, held, &end);
			continue;
		}
		looked = 0;
		d.number++;
		d.text = without_blanks((struct span){left.data, lf ? (size_t)(lf - left.data) : left.len});
		d.body = body_of(KIND_LINES, d.text);
		status = each(arg, &d);
		buf_consume(held, lf ? (size_t)(lf - left.data) + 1 : left.len);
	}
	return status;
}

static int each_in(struct mask_input *in, struct buf *held, mask_each *each, void *arg)
{
	struct mask_document d = {.number = 1};
	bool end = false;
	int status = 0;

	/* a line is needed to tell; one that blanks begin is not */
	while (!status && !end &&
	       !memchr(without_blanks(buf_span(held)).data, '\n', without_blanks(buf_span(held)).len))
		status = more(in, held, &end);
	if (!status && in->kind == KINDS)
		in->kind = recognise(buf_span(held));
	if (status)
		return status;
	if (in->kind == KIND_CAPTURE)
		return in->capture ? in->capture(in, buf_span(held))
		                   : broken(in, "it is a capture: its records are masked");
	if (in->kind == KIND_LINES)
		return each_line(in, held, end, each, arg);
	while (!status && !end)
		status = more(in, held, &end);
	if (status)
		return status;
	d.text = buf_span(held);
	d.head = in->kind == KIND_HEAD;
	if (d.head)
		d.text = without_blanks(d.text);
	d.body = body_of(in->kind, d.text);
	return d.text.len ? each(arg, &d) : 0;
}

int mask_input_each(struct mask_input *in, mask_each *each, void *arg)
{
	struct buf held;
	int status;

	buf_init(&held, MASK_DOCUMENT_MAX);
	status = each_in(in, &held, each, arg);
	buf_fini(&held);
	return status;
}

int mask_input_open(struct mask_input *in, const char *path)
{
	bool standard = !strcmp(path, "-");

	in->name = standard ? "standard input" : path;
	in->from = standard ? stdin : fopen(path, "re");
	return in->from ? 0 : broken(in, strerror(errno));
}

void mask_input_close(struct mask_input *in)
{
	if (in->from && in->from != stdin)
		fclose(in->from);
}
