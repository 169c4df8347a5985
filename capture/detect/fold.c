#include "capture/detect/fold.h"

enum { NOTHING = -1, ITSELF = -2 };

void fold_init(struct fold *f)
{
	f->folded = f->source = 0;
	f->cut_len = 0;
	f->count = 1;
	f->marks[0] = (struct fold_mark){0, 0};
}

bool fold_room(const struct fold *f)
{
	return f->count < FOLD_MARKS_MAX;
}

static size_t sequence(unsigned char lead)
{
	return lead == 0xc2 ? 2 : lead == 0xe2 || lead == 0xe3 || lead == 0xef ? 3 : 1;
}

/* What the character stands for: an ASCII byte, NOTHING, or ITSELF. */
static int stands_for(const unsigned char *s)
{
	unsigned c = s[0] == 0xc2 ? (s[0] & 31u) << 6 | (s[1] & 63u)
	                          : (s[0] & 15u) << 12 | (s[1] & 63u) << 6 | (s[2] & 63u);

	if ((s[1] & 0xc0) != 0x80 || (s[0] != 0xc2 && (s[2] & 0xc0) != 0x80))
		return ITSELF;
	if (c >= 0xff01 && c <= 0xff5e)
		return (int)(c - 0xff01) + '!';
	if (c == 0xa0 || (c >= 0x2000 && c <= 0x200a) || c == 0x202f || c == 0x205f || c == 0x3000)
		return ' ';
	if ((c >= 0x2010 && c <= 0x2015) || c == 0x2212 || c == 0xfe63)
		return '-';
	if (c == 0xad || (c >= 0x200b && c <= 0x200f) || (c >= 0x2060 && c <= 0x2064) || c == 0xfeff)
		return NOTHING;
	return ITSELF;
}

static void mark(struct fold *f)
{
	if (f->marks[f->count - 1].folded != f->folded)
		f->count++;
	f->marks[f->count - 1] = (struct fold_mark){f->folded, f->source};
}

/* A whole sequence: the bytes written. */
static size_t put_sequence(struct fold *f, const unsigned char *s, size_t n, unsigned char *out)
{
	int plain = stands_for(s);

	f->source += n;
	if (plain == ITSELF) {
		memcpy(out, s, n);
		f->folded += n;
		return n;
	}
	if (plain != NOTHING) {
		*out = (unsigned char)plain;
		f->folded++;
	}
	mark(f);
	return plain != NOTHING;
}

/* Up to the next byte that begins a character that may be folded. */
static size_t put_plain(struct fold *f, const unsigned char *s, size_t n, unsigned char *out)
{
	size_t i = 0;

	while (i < n && sequence(s[i]) == 1) {
		out[i] = s[i];
		i++;
	}
	f->source += i;
	f->folded += i;
	return i;
}

/* A character that was cut goes on; or it was none, and its bytes are let out one after the other. */
static size_t put_cut(struct fold *f, unsigned char c, unsigned char *out, bool *took_out)
{
	size_t n;

	*took_out = (c & 0xc0) == 0x80;
	if (*took_out) {
		f->cut[f->cut_len++] = c;
		if (f->cut_len < sequence(f->cut[0]))
			return 0;
		n = put_sequence(f, f->cut, f->cut_len, out);
	} else {
		n = f->cut_len;
		memcpy(out, f->cut, n);
		f->source += n;
		f->folded += n;
	}
	f->cut_len = 0;
	return n;
}

size_t fold_put(struct fold *f, struct span text, unsigned char *out, size_t room, size_t *took_out)
{
	const unsigned char *s = (const unsigned char *)text.data;
	size_t done = 0, at = 0;

	while (at < text.len && room - done >= FOLD_SEQUENCE_MAX && fold_room(f)) {
		size_t left = text.len - at;

		if (f->cut_len) {
			bool took;

			done += put_cut(f, s[at], out + done, &took);
			at += took;
		} else if (sequence(s[at]) == 1) {
			size_t n = put_plain(f, s + at, left < room - done ? left : room - done, out + done);

			done += n;
			at += n;
		} else {
			f->cut[0] = s[at++];
			f->cut_len = 1;
		}
	}
	*took_out = at;
	return done;
}

size_t fold_end(struct fold *f, unsigned char *out)
{
	size_t n = f->cut_len;

	memcpy(out, f->cut, n);
	f->source += n;
	f->folded += n;
	f->cut_len = 0;
	return n;
}

uint64_t fold_source(const struct fold *f, uint64_t folded)
{
	unsigned low = 0, high = f->count;

	while (high - low > 1) {
		unsigned middle = (low + high) / 2;

		if (f->marks[middle].folded <= folded)
			low = middle;
		else
			high = middle;
	}
	return f->marks[low].source + (folded - f->marks[low].folded);
}

void fold_forget(struct fold *f, uint64_t before)
{
	unsigned n = 0;

	while (n + 1 < f->count && f->marks[n + 1].folded <= before)
		n++;
	memmove(f->marks, f->marks + n, (f->count - n) * sizeof *f->marks);
	f->count -= n;
}
