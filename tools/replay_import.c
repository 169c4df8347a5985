/* Requests without answers become a capture: live is asked each of them, one after the other. */
#include <errno.h>
#include <libgen.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/capfile.h"
#include "capture/head.h"
#include "capture/lines.h"
#include "capture/mask.h"
#include "proto/base/clock.h"
#include "proxy/config_endpoint.h"
#include "tools/commands.h"
#include "tools/reach.h"
#include "tools/replay.h"

enum { ASK_MS = 120000, CHUNK_BYTES = 64 << 10, TOLD_MAX = 10, REQUEST_LIMIT = LINES_BYTES_MAX + 8192 };

struct import {
	const struct replay_options *options;
	const char *name; /* of the input, for people */
	struct plan_endpoint live;
	struct reach reach;
	struct reach_answer answer;
	struct mask_key *key;
	struct capfile_writer *writer;
	struct lines lines;
	struct buf request, head, masked;
	struct plan plan; /* what the capture says of itself */
	uint64_t sequence, answered, told;
};

/* --- asking --- */

/* A used connection may have been closed meanwhile: then once more on a fresh one. */
static int ask(struct import *im, bool is_head)
{
	bool used = im->reach.fd != -1;
	int rc = 0;

	if (!used)
		rc = reach_open(&im->reach, &im->live, NULL, ASK_MS);
	if (!rc)
		rc = reach_ask(&im->reach, buf_span(&im->request), is_head, &im->answer);
	if (rc || !im->answer.keep_alive)
		reach_close(&im->reach);
	return rc && used ? ask(im, is_head) : rc;
}

/* The text form of a HEAD through the built-in policy: into im->masked. */
static int mask(struct import *im, uint32_t *count_out)
{
	buf_reset(&im->masked);
	if (im->head.err)
		return im->head.err;
	return mask_head(&im->plan.masks[0], NULL, im->key, buf_span(&im->head), &im->masked, count_out);
}

static void put_request(struct import *im, struct span head, struct span body)
{
	struct span method = head_method(head), target = head_target(head);

	buf_reset(&im->request);
	buf_printf(&im->request, "%.*s %.*s HTTP/1.1\r\nhost: %s\r\n", (int)method.len, method.data,
	           (int)target.len, target.data, im->live.authority);
	if (body.len)
		buf_printf(&im->request, "content-type: application/json\r\ncontent-length: %zu\r\n",
		           body.len);
	buf_puts(&im->request, "\r\n");
	buf_span_put(&im->request, body);
}

/* --- recording --- */

static int put(struct import *im, uint8_t leg, uint8_t type, uint64_t at_ns, uint32_t masked,
               struct span payload)
{
	struct record r = {.id = im->sequence,
	                   .time_ns = at_ns,
	                   .generation = 1,
	                   .type = type,
	                   .leg = leg,
	                   .flags = RECORD_MASKED,
	                   .payload_len = (uint32_t)payload.len,
	                   .mask_count = masked};

	return capfile_append(im->writer, &r, payload.data);
}

static int put_leg(struct import *im, uint8_t leg, uint64_t at_ns, uint32_t masked, struct span body)
{
	struct span head = buf_span(&im->masked);
	int err = im->masked.err;

	if (!err && head.len > RECORD_PAYLOAD_MAX)
		err = ERR_LIMIT;
	if (!err)
		err = put(im, leg, RECORD_HEAD, at_ns, masked, head);
	while (!err && body.len) {
		size_t n = body.len < RECORD_PAYLOAD_MAX ? body.len : RECORD_PAYLOAD_MAX;

		err = put(im, leg, RECORD_CHUNK, at_ns, 0, (struct span){body.data, n});
		body.data += n;
		body.len -= n;
	}
	return err ? err : put(im, leg, RECORD_END, at_ns, 0, SPAN(""));
}

/* Framing and what concerns one connection is not in a capture. */
static bool is_forwarded(struct span name)
{
	static const char *const not [] = {"connection", "content-length",    "keep-alive", "te",
	                                   "trailer",    "transfer-encoding", "upgrade"};

	for (size_t i = 0; i < sizeof not / sizeof *not ; i++)
		if (span_eq(name, span_of(not [i])))
			return false;
	return true;
}

static int put_broken(struct import *im, uint64_t at_ns)
{
	return put(im, LEG_LIVE, RECORD_ERROR, at_ns, 0, span_of(outcome_name(OUTCOME_LIVE_FAILED)));
}

static int put_answer(struct import *im, uint64_t at_ns)
{
	struct span fields = buf_span(&im->answer.fields);
	uint32_t masked = 0;
	int err;

	buf_reset(&im->head);
	buf_printf(&im->head, "%u", im->answer.status);
	while (fields.len) {
		const char *end = memchr(fields.data, '\n', fields.len);
		size_t n = end ? (size_t)(end - fields.data) : fields.len;
		const char *colon = memchr(fields.data, ':', n);

		if (colon && is_forwarded((struct span){fields.data, (size_t)(colon - fields.data)}))
			buf_printf(&im->head, "\n%.*s", (int)n, fields.data);
		n += end != NULL;
		fields.data += n;
		fields.len -= n;
	}
	err = mask(im, &masked);
	if (err == ERR_PROTO || err == ERR_LIMIT) {
		im->answered--;
		return put_broken(im, at_ns);
	}
	return err ? err : put_leg(im, LEG_LIVE, at_ns, masked, buf_span(&im->answer.body));
}

/* A line that was taken, or was not, is left out. */
static void leave_out(struct import *im, uint64_t number, const char *why)
{
	if (im->told++ < TOLD_MAX)
		fprintf(stderr, "understudy: %s:%llu: left out: %s\n", im->name, (unsigned long long)number,
		        why);
}

static int take(struct import *im, const struct lines_request *q)
{
	uint64_t begun = clock_mono_ns();
	const char *target = q->target[0] ? q->target : im->options->path;
	uint32_t masked = 0;
	int err, asked;

	im->sequence++;
	buf_reset(&im->head);
	buf_printf(&im->head, "%s %s%s", q->method, target,
	           q->body.len ? "\ncontent-type: application/json" : "");
	err = mask(im, &masked);
	if (err == ERR_PROTO || err == ERR_LIMIT) {
		im->lines.taken--;
		im->lines.refused++;
		leave_out(im, q->number, "its first line cannot be masked");
		return 0;
	}
	if (!err) {
		put_request(im, buf_span(&im->masked), q->body);
		err = im->request.err;
	}
	if (!err)
		err = put_leg(im, LEG_CLIENT, begun, masked, q->body);
	if (err)
		return err;
	asked = ask(im, !strcmp(q->method, "HEAD"));
	im->answered += !asked;
	if (!asked)
		return put_answer(im, clock_mono_ns());
	if (!im->answered)
		fprintf(stderr, "understudy: %s does not answer: %s\n", im->live.url,
		        asked == ERR_SYS ? strerror(errno) : err_text(asked));
	if (!im->answered)
		return asked;
	return put_broken(im, clock_mono_ns());
}

/* --- reading --- */

static int take_line(struct import *im, int rc, struct lines_request *q)
{
	if (rc == 1 && !q->target[0] && !im->options->path) {
		im->lines.taken--;
		im->lines.refused++;
		q->why = "nothing tells where it goes; give --path";
		rc = ERR_PROTO;
	}
	if (rc == 1)
		return im->options->dry_run ? 0 : take(im, q);
	if (rc == ERR_PROTO || rc == ERR_LIMIT)
		leave_out(im, q->number, q->why);
	return rc == ERR_NOMEM ? rc : 0;
}

static int read_lines(struct import *im, FILE *f)
{
	static char chunk[CHUNK_BYTES];
	struct lines_request q = {0};
	int err = 0;
	size_t n;

	while (!err && (n = fread(chunk, 1, sizeof chunk, f)) > 0) {
		struct span part = {chunk, n};

		while (!err && part.len)
			err = take_line(im, lines_next(&im->lines, &part, &q), &q);
	}
	if (!err && ferror(f))
		err = ERR_SYS;
	return err ? err : take_line(im, lines_end(&im->lines, &q), &q);
}

/* --- all of it --- */

static int prepare(struct import *im, const char *path)
{
	char folder[PATH_MAX_BYTES];
	uint8_t key[32];
	int err = ERR_SYS;

	strcpy(im->plan.routes[0].name, "lines");
	strcpy(im->plan.masks[0].name, "builtin");
	strcpy(im->plan.run_name, "replay");
	im->plan.route_count = im->plan.mask_count = 1;
	im->plan.routes[0].sample_ppm = 1000000;
	snprintf(folder, sizeof folder, "%s", path);
	mkdir(dirname(folder), 0755);
	if (RAND_bytes(key, sizeof key) == 1)
		err = mask_key_new(key, &im->key);
	return err ? err : capfile_create(path, &im->plan, 0, &im->writer);
}

static int import_all(struct import *im, FILE *f, const char *path)
{
	int err = im->options->dry_run ? 0 : prepare(im, path), closed;
	bool made;

	if (!err)
		err = read_lines(im, f);
	made = im->writer != NULL;
	closed = made ? capfile_close(&im->writer) : 0;
	if (made && !im->answered) /* of no use to anyone */
		unlink(path);
	err = err ? err : closed;
	if (err)
		fprintf(stderr, "understudy: %s: %s\n", im->name,
		        err == ERR_SYS ? strerror(errno) : err_text(err));
	printf("%s: %llu requests, %llu lines left out", im->name, (unsigned long long)im->lines.taken,
	       (unsigned long long)im->lines.refused);
	if (im->options->dry_run)
		puts("; live would be asked each of them, one after the other");
	else
		printf("; answered by live: %llu, kept in %s\n", (unsigned long long)im->answered, path);
	return err || !im->lines.taken ? 3 : im->options->dry_run ? 0 : -1;
}

bool replay_is_lines(FILE *f)
{
	int c;

	while ((c = getc(f)) == ' ' || c == '\t' || c == '\r' || c == '\n')
		;
	if (c != EOF)
		ungetc(c, f);
	return c == '{';
}

int replay_import(const struct replay_options *o, FILE *f, const char *path)
{
	static struct import im;
	const char *why = endpoint_from_url(o->against, &im.live);
	int status;

	if (!why && im.live.tls)
		why = "http:// or unix: is expected";
	if (why)
		return command_wrong(&replay_command, "--against %s: %s", o->against, why);
	if (o->path && (o->path[0] != '/' || strpbrk(o->path, " \t\r\n")))
		return command_wrong(&replay_command, "--path %s: it begins with / and has no blanks",
		                     o->path);
	im.options = o;
	im.name = strcmp(o->input, "-") ? o->input : "standard input";
	im.reach.fd = -1;
	lines_init(&im.lines);
	buf_init(&im.request, REQUEST_LIMIT);
	buf_init(&im.head, RECORD_PAYLOAD_MAX);
	buf_init(&im.masked, RECORD_PAYLOAD_MAX);
	reach_answer_init(&im.answer);
	status = import_all(&im, f, path);
	reach_close(&im.reach);
	reach_answer_fini(&im.answer);
	buf_fini(&im.masked);
	buf_fini(&im.head);
	buf_fini(&im.request);
	lines_fini(&im.lines);
	mask_key_free(&im.key);
	return status;
}
