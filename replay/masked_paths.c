#include "replay/masked_paths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json_edit.h"

enum { PATH_BYTES = 512 };

struct align {
	struct ignore_paths paths;
	uint32_t *found;
	struct path_step steps[JSON_DEPTH_MAX + 1]; /* of the value in hand */
	size_t depth;
	unsigned count;
	struct json_edit edits[JSON_EDITS_MAX];
	char texts[JSON_EDITS_MAX][PATH_BYTES];
};

/* Which path names the value in hand: its number, or count. */
static size_t named(const struct align *a)
{
	size_t i = 0;

	while (i < a->paths.count &&
	       !jsondiff_ignored((struct ignore_paths){a->paths.paths + i, 1}, a->steps, a->depth))
		i++;
	return i;
}

/* False: a name in it cannot be written as a path. */
static bool put_path(const struct align *a, char *out)
{
	size_t at = 1;

	out[0] = '$';
	for (size_t i = 0; i < a->depth; i++) {
		const struct path_step *s = &a->steps[i];
		size_t room = PATH_BYTES - at;
		int n;

		if (s->key.data && strcspn(s->key.data, ".[]\"") < s->key.len)
			return false;
		n = s->key.data ? snprintf(out + at, room, ".%.*s", (int)s->key.len, s->key.data)
		                : snprintf(out + at, room, "[%zu]", s->index);
		if (n < 0 || (size_t)n >= room)
			return false;
		at += (size_t)n;
	}
	return a->depth > 0 && !json_edit_check(out);
}

static int take(struct align *a, struct json_reader *in, enum json_token first, size_t path)
{
	size_t start = (size_t)in->scanner.start;
	int err = json_skip(in, first);

	if (err)
		return err;
	if (a->count == JSON_EDITS_MAX || !put_path(a, a->texts[a->count]))
		return ERR_LIMIT;
	a->edits[a->count] = (struct json_edit){a->texts[a->count],
	                                        {in->doc.data + start, (size_t)in->scanner.end - start}};
	a->count++;
	a->found[path]++;
	return 0;
}

/* One token of live's document; a value that is named is taken whole. */
static int step(struct align *a, struct json_reader *in, enum json_token token)
{
	bool inside = a->depth > 0;
	size_t path;

	if (token == JSON_KEY) {
		a->steps[a->depth - 1].key = (struct span){in->text.data + 1, in->text.len - 2};
		return 0;
	}
	if (token == JSON_OBJECT_END || token == JSON_ARRAY_END) {
		a->depth--;
		return 0;
	}
	if (inside && !a->steps[a->depth - 1].key.data)
		a->steps[a->depth - 1].index++;
	path = named(a);
	if (path < a->paths.count)
		return take(a, in, token, path);
	if (token == JSON_OBJECT || token == JSON_ARRAY)
		a->steps[a->depth++] = (struct path_step){
		        token == JSON_OBJECT ? SPAN("") : (struct span){NULL, 0}, SIZE_MAX};
	return 0;
}

int masked_paths_align(struct ignore_paths paths, struct span live, struct span candidate, struct buf *out,
                       uint32_t *found_out)
{
	struct align *a = calloc(1, sizeof *a);
	struct json_reader in;
	enum json_token token;
	unsigned replaced;
	int err;

	if (!a)
		return ERR_NOMEM;
	a->paths = paths;
	a->found = found_out;
	memset(found_out, 0, paths.count * sizeof *found_out);
	json_reader_init(&in, live, JSON_NONFINITE);
	while (!(err = json_next(&in, &token)) && token != JSON_END && !err)
		if ((err = step(a, &in, token)))
			break;
	if (err == ERR_LIMIT && in.scanner.err == ERR_LIMIT)
		err = ERR_PROTO;
	buf_reset(out);
	if (!err && a->count)
		err = json_edit(candidate, a->edits, a->count, out, &replaced);
	else if (!err)
		buf_span_put(out, candidate);
	free(a);
	return err ? err : out->err;
}
