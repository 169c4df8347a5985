#include "capture/withdrawn.h"

#include <stdlib.h>

struct withdrawn {
	char *bytes;
	size_t count;
	struct span tokens[]; /* in order */
};

static int by_token(const void *left, const void *right)
{
	const struct span *a = left, *b = right;

	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return memcmp(a->data, b->data, a->len);
}

static size_t lines_of(struct span file)
{
	size_t n = 1;

	for (size_t i = 0; i < file.len; i++)
		n += file.data[i] == '\n';
	return n;
}

static bool is_token(struct span line)
{
	for (size_t i = 0; i < line.len; i++)
		if (line.data[i] <= ' ' || line.data[i] >= 0x7f)
			return false;
	return line.len <= WITHDRAWN_TOKEN_MAX;
}

static int take_lines(struct withdrawn *w, struct span left, unsigned *line_out)
{
	for (*line_out = 1; left.len; ++*line_out) {
		const char *lf = memchr(left.data, '\n', left.len);
		struct span line = {left.data, lf ? (size_t)(lf - left.data) : left.len};

		left = (struct span){left.data + line.len + (lf != NULL), left.len - line.len - (lf != NULL)};
		if (line.len && line.data[line.len - 1] == '\r')
			line.len--;
		if (!line.len || line.data[0] == '#')
			continue;
		if (!is_token(line))
			return ERR_PROTO;
		w->tokens[w->count++] = line;
	}
	return 0;
}

int withdrawn_new(struct span file, struct withdrawn **withdrawn_out, unsigned *line_out)
{
	struct withdrawn *w;
	int err;

	*withdrawn_out = NULL;
	*line_out = 0;
	if (file.len > WITHDRAWN_BYTES_MAX)
		return ERR_LIMIT;
	w = calloc(1, sizeof *w + lines_of(file) * sizeof *w->tokens);
	if (w)
		w->bytes = malloc(file.len + 1);
	if (!w || !w->bytes) {
		withdrawn_free(&w);
		return ERR_NOMEM;
	}
	if (file.len)
		memcpy(w->bytes, file.data, file.len);
	err = take_lines(w, (struct span){w->bytes, file.len}, line_out);
	if (err)
		withdrawn_free(&w);
	else if (w->count)
		qsort(w->tokens, w->count, sizeof *w->tokens, by_token);
	*withdrawn_out = w;
	return err;
}

void withdrawn_free(struct withdrawn **w)
{
	if (*w)
		free((*w)->bytes);
	free(*w);
	*w = NULL;
}

bool withdrawn_has(const struct withdrawn *w, struct span token)
{
	return w && w->count && token.len && bsearch(&token, w->tokens, w->count, sizeof token, by_token);
}
