#include "capture/gor.h"

#include <ctype.h>
#include <string.h>

#include "capture/head.h"

static const char MONKEYS[] = "\n\xf0\x9f\x90\xb5\xf0\x9f\x99\x88\xf0\x9f\x99\x89\n";
enum { MONKEYS_LEN = sizeof MONKEYS - 1, NUMBER_DIGITS = 19 };

void gor_init(struct gor *g)
{
	*g = (struct gor){.number = 1};
	buf_init(&g->item, GOR_BYTES_MAX + MONKEYS_LEN);
}

void gor_fini(struct gor *g)
{
	buf_fini(&g->item);
}

/* --- one item --- */

/* The word in front of the next blank or line end; behind it, *line is advanced past one blank. */
static struct span next_word(struct span *line)
{
	struct span word = {line->data, 0};

	while (word.len < line->len && line->data[word.len] != ' ')
		word.len++;
	line->data += word.len + (word.len < line->len);
	line->len -= word.len + (word.len < line->len);
	return word;
}

static bool read_number(struct span word, uint64_t *out)
{
	*out = 0;
	for (size_t i = 0; i < word.len; i++) {
		if (!isdigit((unsigned char)word.data[i]))
			return false;
		*out = *out * 10 + (uint64_t)(word.data[i] - '0');
	}
	return word.len > 0 && word.len <= NUMBER_DIGITS;
}

static bool read_line(struct span line, struct gor_item *out)
{
	struct span kind = next_word(&line);

	if (kind.len != 1 || kind.data[0] < '1' || kind.data[0] > '3')
		return false;
	out->kind = (enum gor_kind)(kind.data[0] - '0');
	out->id = next_word(&line);
	return out->id.len > 0 && out->id.len <= GOR_ID_MAX && read_number(next_word(&line), &out->at_ns);
}

static int refuse(struct gor *g, struct gor_item *out, int err, const char *why)
{
	g->refused++;
	out->why = why;
	return err;
}

static int take_item(struct gor *g, struct gor_item *out)
{
	struct span all = buf_span(&g->item);
	const char *end = memchr(all.data, '\n', all.len);
	size_t first = end ? (size_t)(end - all.data) : 0;

	*out = (struct gor_item){.number = g->number++};
	if (g->too_long)
		return refuse(g, out, ERR_LIMIT, "it is longer than 16 MiB");
	if (first + MONKEYS_LEN >= all.len || !read_line((struct span){all.data, first}, out))
		return refuse(g, out, ERR_PROTO, "its first line is none of GoReplay's");
	out->raw = (struct span){all.data + first + 1, all.len - first - 1 - MONKEYS_LEN};
	return 1;
}

/* --- items --- */

static bool is_whole(const struct gor *g)
{
	struct span all = buf_span(&g->item);

	return all.len >= MONKEYS_LEN && !memcmp(all.data + all.len - MONKEYS_LEN, MONKEYS, MONKEYS_LEN);
}

/* Past the limit only as much as tells the end. */
static int keep(struct gor *g, struct span part)
{
	if (buf_len(&g->item) + part.len > GOR_BYTES_MAX) {
		size_t most = buf_len(&g->item) < MONKEYS_LEN ? buf_len(&g->item) : MONKEYS_LEN;
		char tail[MONKEYS_LEN];

		g->too_long = true;
		memcpy(tail, buf_span(&g->item).data + buf_len(&g->item) - most, most);
		buf_reset(&g->item);
		buf_put(&g->item, tail, most);
	}
	buf_span_put(&g->item, part);
	return g->item.err;
}

int gor_next(struct gor *g, struct span *input, struct gor_item *out)
{
	while (input->len) {
		const char *end = memchr(input->data, '\n', input->len);
		size_t n = end ? (size_t)(end - input->data) + 1 : input->len;
		int err;

		n = n > GOR_BYTES_MAX / 2 ? GOR_BYTES_MAX / 2 : n;
		if (g->given) {
			buf_reset(&g->item);
			g->given = g->too_long = false;
		}
		err = keep(g, (struct span){input->data, n});
		if (err)
			return err;
		input->data += n;
		input->len -= n;
		g->given = is_whole(g);
		if (g->given)
			return take_item(g, out);
	}
	return 0;
}

int gor_end(struct gor *g, struct gor_item *out)
{
	*out = (struct gor_item){.number = g->number};
	if (g->given || !buf_len(&g->item))
		return 0;
	g->given = true;
	return refuse(g, out, ERR_PROTO, "the file ends within it");
}

bool gor_is(struct span begin)
{
	const char *end = memchr(begin.data, '\n', begin.len);
	struct gor_item item;

	return end && read_line((struct span){begin.data, (size_t)(end - begin.data)}, &item);
}

/* --- messages --- */

static int read_message(struct h1_parser *p, struct span raw, enum h1_kind kind, struct buf *head,
                        struct buf *body)
{
	enum h1_event event = H1_NEED_MORE;

	do {
		struct span data = {0};
		long n = h1_feed(p, raw, &event, &data);

		if (n < 0)
			return (int)n;
		raw.data += n;
		raw.len -= (size_t)n;
		if (event == H1_HEAD)
			head_put(head, &p->message, kind);
		else if (event == H1_DATA)
			buf_span_put(body, data);
	} while (event != H1_NEED_MORE && event != H1_DONE);
	if (event == H1_DONE)
		return raw.len ? ERR_PROTO : 0;
	return h1_eof(p);
}

int gor_message(struct span raw, enum h1_kind kind, struct buf *head, struct buf *body)
{
	static char room[H1_HEAD_MAX];
	struct h1_parser p;
	int err;

	h1_init(&p, kind, room, sizeof room);
	err = read_message(&p, raw, kind, head, body);
	if (!err && !buf_len(head))
		err = ERR_PROTO;
	return err ? err : head->err ? head->err : body->err;
}
