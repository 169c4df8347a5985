#include "tools/replay_batch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/capfile.h"
#include "capture/head.h"
#include "proto/base/siphash.h"
#include "replay/window.h"

enum { WINDOW_BYTES = 256 << 20, LINE_MAX_BYTES = 64 << 20 };

struct entry {
	uint64_t hash;
	struct span line;
};

struct batch_file {
	struct span text; /* mapped */
	struct entry *entries;
	size_t count, room;
};

static uint64_t hash_of(struct span id)
{
	static const uint8_t key[16] = "custom_id";

	return siphash(key, id);
}

static int by_hash(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return (x->hash > y->hash) - (x->hash < y->hash);
}

static int add(struct batch_file *f, struct span line)
{
	struct batch_answer answer;

	if (batch_answer(line, &answer))
		return ERR_PROTO;
	if (f->count == f->room) {
		size_t room = f->room ? 2 * f->room : 64;
		struct entry *more = realloc(f->entries, room * sizeof *more);

		if (!more)
			return ERR_NOMEM;
		f->entries = more;
		f->room = room;
	}
	f->entries[f->count++] = (struct entry){hash_of(answer.id), line};
	return 0;
}

static bool is_blank(const char *at, size_t n)
{
	while (n && memchr(" \t\r", *at, 3)) {
		at++;
		n--;
	}
	return !n;
}

static int read_lines(struct batch_file *f, unsigned long long *line_out)
{
	struct span left = f->text;
	int err = 0;

	for (*line_out = 0; left.len && !err;) {
		const char *end = memchr(left.data, '\n', left.len);
		size_t n = end ? (size_t)(end - left.data) : left.len;

		++*line_out;
		if (!is_blank(left.data, n))
			err = add(f, (struct span){left.data, n});
		n += end != NULL;
		left = (struct span){left.data + n, left.len - n};
	}
	if (!err)
		qsort(f->entries, f->count, sizeof *f->entries, by_hash);
	return err;
}

static int map(const char *path, struct span *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *at = MAP_FAILED;

	*out = SPAN("");
	if (fd != -1 && !fstat(fd, &st) && st.st_size)
		at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (at != MAP_FAILED)
		*out = (struct span){at, (size_t)st.st_size};
	if (fd != -1)
		close(fd);
	return at == MAP_FAILED && (fd == -1 || st.st_size) ? ERR_SYS : 0;
}

int batch_file_new(const char *path, struct batch_file **out, unsigned long long *line_out)
{
	struct batch_file *f = calloc(1, sizeof *f);
	int err = f ? map(path, &f->text) : ERR_NOMEM;

	*line_out = 0;
	if (!err)
		err = read_lines(f, line_out);
	*out = f;
	if (err)
		batch_file_free(out);
	return err;
}

void batch_file_free(struct batch_file **file)
{
	struct batch_file *f = *file;

	if (f && f->text.len)
		munmap((void *)f->text.data, f->text.len);
	free(f ? f->entries : NULL);
	free(f);
	*file = NULL;
}

bool batch_file_find(const struct batch_file *f, struct span id, struct batch_answer *out)
{
	struct entry want = {.hash = hash_of(id)}, *at;

	at = f->count ? bsearch(&want, f->entries, f->count, sizeof want, by_hash) : NULL;
	while (at && at > f->entries && at[-1].hash == want.hash)
		at--;
	for (; at && at < f->entries + f->count && at->hash == want.hash; at++)
		if (!batch_answer(at->line, out) && span_eq(out->id, id))
			return true;
	return false;
}

/* --- writing --- */

struct writing {
	FILE *to;
	struct buf line;
	unsigned long long written, left_out;
};

static int write_one(struct writing *w, const struct exchange *x)
{
	struct span head = buf_span(&x->legs[LEG_CLIENT]->head);
	char id[17];
	int err;

	snprintf(id, sizeof id, "%016" PRIx64, x->id);
	buf_reset(&w->line);
	err = batch_request(span_of(id), head_method(head), head_target(head),
	                    buf_span(&x->legs[LEG_CLIENT]->body), &w->line);
	if (err == ERR_PROTO) {
		w->left_out++;
		return 0;
	}
	if (!err && fwrite(buf_span(&w->line).data, 1, buf_len(&w->line), w->to) != buf_len(&w->line))
		err = ERR_SYS;
	w->written += !err;
	return err;
}

static int write_all(struct writing *w, const char *input, const struct plan *plan)
{
	struct capfile_reader *reader;
	const struct exchange *x;
	struct window *window;
	int err = capfile_open(input, &reader, NULL);

	if (err)
		return err;
	window = window_new(reader, plan->route_count, WINDOW_BYTES);
	if (!window) {
		capfile_reader_free(&reader);
		return ERR_NOMEM;
	}
	window_choose(window, &plan->replay_choice, plan->seed);
	while (!(err = window_next(window, &x)))
		if ((err = write_one(w, x)))
			break;
	w->left_out += window_left_out(window) + window_not_allowed(window);
	window_free(&window);
	return err == ERR_AGAIN ? 0 : err;
}

int replay_batch_write(const char *input, const char *path, const struct plan *plan)
{
	struct writing w = {.to = fopen(path, "wxe")};
	int err;

	if (!w.to) {
		fprintf(stderr, "understudy: %s: %s\n", path, strerror(errno));
		return 3;
	}
	buf_init(&w.line, LINE_MAX_BYTES);
	err = write_all(&w, input, plan);
	buf_fini(&w.line);
	if (fclose(w.to) && !err)
		err = ERR_SYS;
	if (err) {
		fprintf(stderr, "understudy: %s: %s\n", path,
		        err == ERR_SYS ? strerror(errno) : err_text(err));
		unlink(path);
		return 3;
	}
	printf("%s: %llu requests, %llu left out (no JSON object, no answer, or not allowed)\n", path,
	       w.written, w.left_out);
	return w.written ? 0 : 3;
}
