#include "capture/detect/gazetteer.h"

#include <stdlib.h>

#include "capture/detect/inside.h"
#include "capture/detect/letters.h"
#include "proto/base/utf8.h"

enum { WORDS_MAX = 6, FIRST_BITS = 1 << 16, BLANKS_MAX = 3 };

struct gazetteer {
	uint64_t first[FIRST_BITS / 64]; /* hashes of first words */
	unsigned entries, slots, bytes;  /* slots: a power of two, at most half of them taken */
	uint32_t *at;                    /* in text, plus one; 0: free */
	char *text;                      /* entries, each with a NUL */
};

static uint64_t hash_more(uint64_t h, unsigned char c)
{
	return (h ^ c) * 1099511628211ull;
}

static const uint64_t HASH_START = 14695981039346656037ull;

static unsigned spread(uint64_t h)
{
	return (unsigned)(h ^ h >> 29);
}

static bool in_word(unsigned char c)
{
	return is_alnum(c) || c > 127;
}

/* A sequence of so many bytes. */
static size_t put_small(const unsigned char *s, size_t len, char *out)
{
	unsigned pair = len == 2 ? letter_small_pair(s[0], s[1]) : 0;

	for (size_t i = 0; i < len; i++)
		out[i] = (char)(len > 2 ? s[i] : letter_small(s[i]));
	if (len == 2) {
		out[0] = (char)(0xc0 | pair >> 6);
		out[1] = (char)(0x80 | (pair & 0x3f));
	}
	return len;
}

/* One line in small letters, with single blanks, without what is no word at its end: its length, or 0 when it
 * cannot be an entry. */
static size_t canonical(struct span line, char out[GAZETTEER_ENTRY + 1])
{
	size_t n = 0, words = 1;

	for (size_t i = 0; i < line.len;) {
		const unsigned char *s = (const unsigned char *)line.data + i;
		size_t len = utf8_len(s, line.len - i);

		if (!len || n + len > GAZETTEER_ENTRY || *s < ' ')
			return 0;
		if (*s == ' ' && n && out[n - 1] == ' ')
			len = 1;
		else
			n += put_small(s, len, out + n);
		words += *s == ' ';
		i += len;
	}
	while (n && !in_word((unsigned char)out[n - 1]))
		n--;
	out[n] = '\0';
	return n >= GAZETTEER_LEAST && words <= WORDS_MAX && in_word((unsigned char)out[0]) ? n : 0;
}

static void add(struct gazetteer *g, const char *entry, size_t len)
{
	uint64_t h = HASH_START;
	unsigned slot;
	bool first = true;

	for (size_t i = 0; i <= len; i++) {
		if (first && !in_word((unsigned char)entry[i])) {
			g->first[spread(h) % FIRST_BITS / 64] |= 1ull << spread(h) % 64;
			first = false;
		}
		if (i < len)
			h = hash_more(h, (unsigned char)entry[i]);
	}
	for (slot = spread(h); g->at[slot % g->slots]; slot++)
		if (strcmp(g->text + g->at[slot % g->slots] - 1, entry) == 0)
			return;
	g->at[slot % g->slots] = g->bytes + 1;
	memcpy(g->text + g->bytes, entry, len + 1);
	g->bytes += (unsigned)len + 1;
	g->entries++;
}

static struct span next_line(struct span *rest)
{
	const char *end = memchr(rest->data, '\n', rest->len);
	struct span line = {rest->data, end ? (size_t)(end - rest->data) : rest->len};

	*rest = (struct span){rest->data + line.len + (end != NULL), rest->len - line.len - (end != NULL)};
	while (line.len && (unsigned char)line.data[line.len - 1] <= ' ')
		line.len--;
	while (line.len && *line.data == ' ')
		line = (struct span){line.data + 1, line.len - 1};
	return line;
}

static int read_lines(struct gazetteer *g, struct span rest, unsigned *line_out)
{
	char entry[GAZETTEER_ENTRY + 1];

	while (rest.len) {
		struct span line = next_line(&rest);
		size_t len;

		++*line_out;
		if (!line.len || *line.data == '#')
			continue;
		len = canonical(line, entry);
		if (!len)
			return ERR_PROTO;
		if (g->entries == GAZETTEER_ENTRIES_MAX)
			return ERR_LIMIT;
		add(g, entry, len);
	}
	return 0;
}

int gazetteer_new(struct span file, struct gazetteer **gazetteer_out, unsigned *line_out)
{
	struct gazetteer *g = file.len <= GAZETTEER_BYTES_MAX ? calloc(1, sizeof *g) : NULL;
	unsigned lines = 1;
	int err = 0;

	*gazetteer_out = NULL;
	*line_out = 0;
	if (!g)
		return file.len <= GAZETTEER_BYTES_MAX ? ERR_NOMEM : ERR_LIMIT;
	for (size_t i = 0; i < file.len; i++)
		lines += file.data[i] == '\n';
	if (lines > GAZETTEER_ENTRIES_MAX)
		lines = GAZETTEER_ENTRIES_MAX;
	for (g->slots = 16; g->slots < 2 * lines + 2; g->slots *= 2)
		;
	g->at = calloc(g->slots, sizeof *g->at);
	g->text = malloc(file.len + 2);
	err = g->at && g->text ? read_lines(g, file, line_out) : ERR_NOMEM;
	if (err)
		gazetteer_free(&g);
	*gazetteer_out = g;
	return err;
}

void gazetteer_free(struct gazetteer **g)
{
	if (!*g)
		return;
	free((*g)->at);
	free((*g)->text);
	free(*g);
	*g = NULL;
}

static bool known(const struct gazetteer *g, uint64_t h, const char *entry)
{
	for (unsigned slot = spread(h); g->at[slot % g->slots]; slot++)
		if (strcmp(g->text + g->at[slot % g->slots] - 1, entry) == 0)
			return true;
	return false;
}

static bool begins_one(const struct gazetteer *g, uint64_t h)
{
	return g->first[spread(h) % FIRST_BITS / 64] >> spread(h) % 64 & 1;
}

/* The blank behind at most BLANKS_MAX of them, or 0. */
static size_t behind_blanks(const struct view *v, size_t at)
{
	for (unsigned i = 0; i <= BLANKS_MAX; i++, at++)
		if (peek(v, at) > ' ')
			return at;
	return 0;
}

/* The byte that stands there when what it is part of is a small letter. */
static unsigned char small_at(struct view *v, size_t at)
{
	unsigned char c = peek(v, at), next = c < 0xc2 ? 0 : peek(v, at + 1), before;

	if (c < 0x80)
		return letter_small(c);
	if (letter_is_pair(c, next))
		return (unsigned char)(0xc0 | letter_small_pair(c, next) >> 6);
	before = c < 0xc0 ? peek(v, at - 1) : 0;
	return letter_is_pair(before, c) ? (unsigned char)(0x80 | (letter_small_pair(before, c) & 0x3f)) : c;
}

/* From the anchor on: at the end of each word, is what was read so far listed? The longest counts. */
void match_gazetteer(struct view *v, const struct gazetteer *g)
{
	char entry[GAZETTEER_ENTRY + 1];
	uint64_t h = HASH_START;
	size_t n = 0, at = v->at;
	unsigned blanks = 0;

	for (bool first = true;; h = hash_more(h, (unsigned char)entry[n++])) {
		unsigned char c = peek(v, at);

		if (!in_word(c) && in_word(peek(v, at - 1))) {
			if (first && !begins_one(g, h))
				return;
			first = false;
			entry[n] = '\0';
			if (known(g, h, entry))
				offer(v, DETECT_GAZETTEER, v->at, at, 80, 80);
		}
		if (c <= ' ') {
			at = c ? behind_blanks(v, at) : 0;
			blanks++;
			c = ' ';
		} else {
			c = small_at(v, at++);
		}
		if (!at || n == GAZETTEER_ENTRY || blanks == WORDS_MAX)
			return;
		entry[n] = (char)c;
	}
}
