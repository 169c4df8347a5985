/*
 * replay_import.c - what is no capture becomes one: requests, and answers as recorded or as --against gives
 * them, one after the other.
 *
 * Its heads are masked on their way; what is asked is what was masked.
 */
#include <errno.h>
#include <libgen.h>
#include <math.h>
#include <signal.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/capfile.h"
#include "capture/gor.h"
#include "capture/har.h"
#include "capture/head.h"
#include "capture/lines.h"
#include "capture/mask.h"
#include "replay/effects.h"
#include "proto/base/clock.h"
#include "proto/base/siphash.h"
#include "proxy/config.h"
#include "proto/json_edit.h"
#include "proxy/config_endpoint.h"
#include "replay/request.h"
#include "tools/commands.h"
#include "tools/reach.h"
#include "tools/replay.h"
#include "tools/replay_batch.h"
#include "tools/replay_outline.h"
#include "tools/replay_subject.h"

static const uint64_t TOLD_NS = 10000000000u, TOLD_TTY_NS = 250000000u;
enum {
	INTERRUPTED = 130,
	ASK_MS = 120000,
	CHUNK_BYTES = 64 << 10,
	TOLD_MAX = 10,
	REQUEST_LIMIT = GOR_BYTES_MAX + H1_HEAD_MAX
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

static const uint64_t MOVED_IDS = (uint64_t)1 << 62; /* of exchanges that no source has */

struct import {
	const struct replay_options *options;
	struct source *source;
	struct plan_endpoint live;
	struct tls_context *trust; /* of https; NULL: plain */
	struct reach reach;
	struct reach_answer answer;
	struct mask_key *key;
	struct subject *subject; /* NULL: nobody has withdrawn */
	struct capfile_writer *writer;
	struct buf request, head, body, masked;
	struct plan_move move;
	struct plan plan;            /* what the capture says of itself */
	struct plan_choice choice;   /* what may be asked of live */
	uint64_t start_ns, first_ns; /* now, when the first was recorded; 0: none yet */
	uint64_t moves, sequence, requests, refused, answered, told, said_ns;
	struct outline outline;   /* of a dry run */
	struct batch_file *batch; /* answers that came back in a file; NULL: none */
	bool unanswered;          /* --against, at the first: that ends it, and is said */
};

struct item {                /* a message of an exchange; its head, not masked yet, is in import.head */
	uint64_t number, id; /* in the source; of the exchange */
	uint64_t at_ns;      /* when it was whole, as the capture is to say */
	struct span body;
};

/* --- asking --- */

/* A used connection may have been closed meanwhile: then once more on a fresh one. */
static int ask(struct import *im, bool is_head)
{
	bool used = im->reach.fd != -1;
	int rc = 0;

	if (!used)
		rc = reach_open(&im->reach, &im->live, im->trust, ASK_MS);
	if (!rc)
		rc = reach_ask(&im->reach, buf_span(&im->request), is_head, &im->answer);
	if (rc || !im->answer.keep_alive)
		reach_close(&im->reach);
	return rc && used ? ask(im, is_head) : rc;
}

/* The text form of a HEAD, masked: into im->masked. */
static int mask(struct import *im, uint32_t *count_out)
{
	buf_reset(&im->masked);
	if (im->head.err)
		return im->head.err;
	return mask_head(&im->plan.masks[0], NULL, im->key, buf_span(&im->head), &im->masked, count_out);
}

static void put_request(struct import *im, struct span head, struct span body)
{
	struct span name, value;
	size_t at = 0;

	buf_reset(&im->request);
	h1_write_request(&im->request, head_method(head), head_target(head), span_of(im->live.authority));
	while (head_next(head, &at, &name, &value))
		if (!span_eq(name, SPAN(REQUEST_MOVED)))
			h1_write_field(&im->request, name, value);
	h1_write_end(&im->request, body.len ? HTTP_LENGTH : HTTP_NO_BODY, body.len);
	buf_span_put(&im->request, body);
}

/* --- recording --- */

static int put(struct import *im, const struct item *it, uint8_t leg, uint8_t type, uint32_t masked,
               struct span payload)
{
	struct record r = {.id = it->id,
	                   .time_ns = it->at_ns,
	                   .generation = 1,
	                   .type = type,
	                   .leg = leg,
	                   .flags = RECORD_MASKED,
	                   .policy = 1,
	                   .payload_len = (uint32_t)payload.len,
	                   .mask_count = masked};

	return capfile_append(im->writer, &r, payload.data);
}

static int put_leg(struct import *im, const struct item *it, uint8_t leg, uint32_t masked)
{
	struct span head = buf_span(&im->masked), body = it->body;
	int err = im->masked.err;

	if (!err && head.len > RECORD_PAYLOAD_MAX)
		err = ERR_LIMIT;
	if (!err)
		err = put(im, it, leg, RECORD_HEAD, masked, head);
	while (!err && body.len) {
		size_t n = body.len < RECORD_PAYLOAD_MAX ? body.len : RECORD_PAYLOAD_MAX;

		err = put(im, it, leg, RECORD_CHUNK, 0, (struct span){body.data, n});
		body.data += n;
		body.len -= n;
	}
	return err ? err : put(im, it, leg, RECORD_END, 0, SPAN(""));
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

static int put_broken(struct import *im, const struct item *it)
{
	return put(im, it, LEG_LIVE, RECORD_ERROR, 0, span_of(outcome_name(OUTCOME_LIVE_FAILED)));
}

/* The answer whose head is in im->head. */
static int put_answer(struct import *im, const struct item *it)
{
	uint32_t masked = 0;
	int err = mask(im, &masked);

	if (err == ERR_PROTO || err == ERR_LIMIT)
		return put_broken(im, it);
	if (!err)
		err = put_leg(im, it, LEG_LIVE, masked);
	im->answered += !err;
	return err;
}

/* The head of live's answer into im->head. */
static void take_answer(struct import *im)
{
	struct span fields = buf_span(&im->answer.fields);

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
}

/* What was taken, or was not, is left out. */
static int leave_out(struct import *im, uint64_t number, const char *why)
{
	im->refused++;
	if (im->told++ < TOLD_MAX)
		fprintf(stderr, "understudy: %s:%llu: left out: %s\n", im->source->name,
		        (unsigned long long)number, why);
	return 0;
}

/* Live may take its time: who waits is told. */
static void progress(struct import *im)
{
	bool terminal = isatty(STDERR_FILENO);
	uint64_t now = clock_mono_ns();

	if (im->options->quiet || now - im->said_ns < (terminal ? TOLD_TTY_NS : TOLD_NS))
		return;
	im->said_ns = now;
	fprintf(stderr, "%sunderstudy: asking live: %llu answered in %.0f s%s", terminal ? "\r" : "",
	        (unsigned long long)im->answered, (double)(now - im->start_ns) / 1e9, terminal ? " " : "\n");
}

/* Ask live what was masked, and keep what it says. */
static int ask_live(struct import *im, struct item it)
{
	uint64_t begun = clock_mono_ns();
	struct span head = buf_span(&im->masked);
	bool is_head = span_eq(head_method(head), SPAN("HEAD"));
	int asked;

	put_request(im, head, it.body);
	if (im->request.err)
		return put_broken(im, &it);
	progress(im);
	asked = ask(im, is_head);
	if (interrupted)
		return ERR_CLOSED;
	it.at_ns += clock_mono_ns() - begun;
	if (!asked) {
		take_answer(im);
		it.body = buf_span(&im->answer.body);
		return put_answer(im, &it);
	}
	if (im->answered)
		return put_broken(im, &it);
	fprintf(stderr, "understudy: %s does not answer: %s\n", im->live.url,
	        asked == ERR_SYS ? strerror(errno) : err_text(asked));
	im->unanswered = true;
	return asked;
}

/* Live is asked for nothing that a target would not be sent. 0 or ERR_CONFIG. */
static int choose(const struct replay_options *o, const struct source *s, struct plan_choice *out)
{
	*out = (struct plan_choice){.allow_all = o->allow_all,
	                            .allow_count = o->allow_count,
	                            .foreign_routes = s->kind != SOURCE_LINES};
	for (unsigned i = 0; i < o->allow_count; i++)
		if (effects_rule(o->allows[i], &out->allow[i]))
			return ERR_CONFIG;
	return 0;
}

/* The request whose head is in im->head. */
static int take_request(struct import *im, const struct item *it)
{
	struct span head = buf_span(&im->head);
	uint32_t masked = 0;
	int err;

	if (interrupted)
		return ERR_CLOSED;
	err = subject_withdrawn(im->subject, head);
	if (err > 0) {
		leave_out(im, it->number, "its subject has withdrawn");
		return subject_leave(im->subject, it->id);
	}
	if (err)
		return err;
	if (im->options->against && !effects_may_send(&im->choice, 0, head_method(head), head_target(head)))
		return leave_out(im, it->number, "it may have side effects; see --allow");
	if (im->options->dry_run) {
		outline_add(&im->outline, it->at_ns, head, it->body, SPAN(""));
		im->requests++;
		return 0;
	}
	err = mask(im, &masked);
	if (err == ERR_PROTO || err == ERR_LIMIT)
		return leave_out(im, it->number, "its head cannot be masked");
	im->requests++;
	if (!err)
		err = put_leg(im, it, LEG_CLIENT, masked);
	return err || !im->options->against ? err : ask_live(im, *it);
}

/* The head in `was` as that of one of two requests. */
static void tell_moved(struct import *im, const struct buf *was, int moved)
{
	buf_reset(&im->head);
	buf_span_put(&im->head, buf_span(was));
	buf_printf(&im->head, "\n" REQUEST_MOVED ": %llu %d", (unsigned long long)im->moves, moved);
}

/* The request whose head is in im->head and, where it has the number that is to be moved, once more with that
 * moved. */
static int take(struct import *im, const struct item *it)
{
	struct span text = im->move.path[0] ? json_at(it->body, im->move.path) : SPAN("");
	struct json_edit edit = {.path = im->move.path};
	struct buf head, body;
	struct item again = *it;
	unsigned replaced;
	char number[32];
	double value;
	int err;

	if (!text.len || json_double(text, &value) || !isfinite(value + im->move.step))
		return take_request(im, it);
	snprintf(number, sizeof number, "%.17g", value + im->move.step);
	edit.value = span_of(number);
	buf_init(&head, H1_HEAD_MAX);
	buf_init(&body, REQUEST_LIMIT);
	buf_span_put(&head, buf_span(&im->head));
	err = head.err ? head.err : json_edit(it->body, &edit, 1, &body, &replaced);
	if (!err) {
		again.id = MOVED_IDS | ++im->moves;
		again.body = buf_span(&body);
		tell_moved(im, &head, 0);
		err = take_request(im, it);
	}
	if (!err) {
		tell_moved(im, &head, 1);
		err = take_request(im, &again);
	}
	buf_fini(&head);
	buf_fini(&body);
	return err == ERR_PROTO || err == ERR_LIMIT ? leave_out(im, it->number, "it cannot be moved") : err;
}

/* Recorded times go on from now. */
static uint64_t time_of(struct import *im, uint64_t wall_ns)
{
	if (!im->first_ns)
		im->first_ns = wall_ns;
	return im->start_ns + (wall_ns > im->first_ns ? wall_ns - im->first_ns : 0);
}

/* --- JSON lines --- */

/* The answer that came back for that id: how long it took is not known. */
static int take_batched(struct import *im, struct item it, struct span id)
{
	struct batch_answer answer;

	if (!batch_file_find(im->batch, id, &answer) || !answer.status)
		return put_broken(im, &it);
	buf_reset(&im->head);
	buf_printf(&im->head, "%u\ncontent-type: application/json", answer.status);
	it.body = answer.body;
	return put_answer(im, &it);
}

static int take_line(struct import *im, int rc, const struct lines_request *q)
{
	struct item it = {q->number, 0, clock_mono_ns(), q->body};
	const char *target;
	int err;

	if (rc == ERR_PROTO || rc == ERR_LIMIT)
		return leave_out(im, q->number, q->why);
	if (rc != 1)
		return rc;
	it.id = ++im->sequence;
	target = q->target[0] ? q->target : im->options->path;
	if (!target)
		return leave_out(im, q->number, "nothing tells where it goes; give --path");
	buf_reset(&im->head);
	buf_printf(&im->head, "%s %s%s", q->method, target,
	           q->body.len ? "\ncontent-type: application/json" : "");
	if (im->batch && !q->id.len)
		return leave_out(im, q->number, "it has no custom_id to find its answer by");
	err = take(im, &it);
	if (err || !im->batch || im->options->dry_run || subject_left(im->subject, it.id))
		return err;
	return take_batched(im, it, q->id);
}

static int read_lines(struct import *im)
{
	static char chunk[CHUNK_BYTES];
	struct lines_request q = {0};
	struct lines lines;
	int err = 0;
	long n;

	lines_init(&lines);
	while (!err && (n = source_read(im->source, chunk, sizeof chunk)) != 0) {
		struct span part = {chunk, n > 0 ? (size_t)n : 0};

		err = n < 0 ? (int)n : 0;
		while (!err && part.len)
			err = take_line(im, lines_next(&lines, &part, &q), &q);
	}
	if (!err)
		err = take_line(im, lines_end(&lines, &q), &q);
	lines_fini(&lines);
	return err;
}

/* --- GoReplay --- */

/* The exchange that GoReplay's id names: a request and its answer may lie far apart. */
static uint64_t exchange_of(struct span id)
{
	static const uint8_t key[16] = "goreplay's id";
	uint64_t hash = siphash(key, id);

	return hash ? hash : 1;
}

static int take_gor(struct import *im, int rc, const struct gor_item *g)
{
	struct item it = {g->number, 0, 0, {0}};
	bool request = g->kind == GOR_REQUEST;
	int err;

	if (rc == ERR_PROTO || rc == ERR_LIMIT)
		return leave_out(im, g->number, g->why);
	if (rc != 1)
		return rc;
	if (g->kind == GOR_REPLAYED || (!request && im->options->against))
		return 0;
	buf_reset(&im->head);
	buf_reset(&im->body);
	err = gor_message(g->raw, request ? H1_REQUEST : H1_RESPONSE, &im->head, &im->body);
	if (err)
		return err == ERR_NOMEM ? err : leave_out(im, g->number, "it is no whole HTTP/1.1 message");
	it.id = exchange_of(g->id);
	it.at_ns = time_of(im, g->at_ns);
	it.body = buf_span(&im->body);
	if (request)
		return take(im, &it);
	return im->options->dry_run || subject_left(im->subject, it.id) ? 0 : put_answer(im, &it);
}

static int read_gor(struct import *im)
{
	static char chunk[CHUNK_BYTES];
	struct gor_item item = {0};
	struct gor gor;
	int err = 0;
	long n;

	gor_init(&gor);
	while (!err && (n = source_read(im->source, chunk, sizeof chunk)) != 0) {
		struct span part = {chunk, n > 0 ? (size_t)n : 0};

		err = n < 0 ? (int)n : 0;
		while (!err && part.len)
			err = take_gor(im, gor_next(&gor, &part, &item), &item);
	}
	if (!err)
		err = take_gor(im, gor_end(&gor, &item), &item);
	gor_fini(&gor);
	return err;
}

/* --- HAR --- */

static int take_entry(struct import *im, const struct har *h)
{
	struct item it = {h->number, ++im->sequence, time_of(im, h->at_ns), buf_span(&h->request_body)};
	int err;

	buf_reset(&im->head);
	buf_span_put(&im->head, buf_span(&h->request_head));
	err = take(im, &it);
	if (err || im->options->against || im->options->dry_run || !h->answered ||
	    subject_left(im->subject, it.id))
		return err;
	buf_reset(&im->head);
	buf_span_put(&im->head, buf_span(&h->answer_head));
	it.at_ns += h->took_ns;
	it.body = buf_span(&h->answer_body);
	return put_answer(im, &it);
}

static int read_whole(struct import *im, struct buf *document)
{
	long n;

	do {
		char *room = buf_room(document, CHUNK_BYTES);

		n = room ? source_read(im->source, room, CHUNK_BYTES) : document->err;
		buf_grown(document, n > 0 ? (size_t)n : 0);
	} while (n > 0);
	return (int)n;
}

static int read_har(struct import *im)
{
	struct buf document;
	struct har har;
	int err, rc = 0;

	buf_init(&document, HAR_BYTES_MAX);
	err = read_whole(im, &document);
	if (!err) {
		err = har_init(&har, buf_span(&document));
		while (!err && (rc = har_next(&har)) != 0) {
			if (rc == 1)
				err = take_entry(im, &har);
			else if (har.why)
				leave_out(im, har.number, har.why);
			else
				err = rc;
		}
		har_fini(&har);
	}
	buf_fini(&document);
	return err;
}

/* --- all of it --- */

static int prepare(struct import *im, const char *path)
{
	static const char *const names[] = {
	        [SOURCE_LINES] = "lines", [SOURCE_GOR] = "gor", [SOURCE_HAR] = "har"};
	char folder[PATH_MAX_BYTES];
	uint8_t key[32];
	int err = ERR_SYS;

	strcpy(im->plan.routes[0].name, names[im->source->kind]);
	strcpy(im->plan.masks[0].name, "heads");
	strcpy(im->plan.run_name, "replay");
	im->plan.route_count = im->plan.mask_count = 1;
	im->plan.routes[0].sample_ppm = 1000000;
	config_hash(&im->plan);
	snprintf(folder, sizeof folder, "%s", path);
	mkdir(dirname(folder), 0755);
	if (RAND_bytes(key, sizeof key) == 1)
		err = mask_key_new(key, &im->key);
	return err ? err : capfile_create(path, &im->plan, 0, &im->writer);
}

static int read_all(struct import *im)
{
	return im->source->kind == SOURCE_GOR   ? read_gor(im)
	       : im->source->kind == SOURCE_HAR ? read_har(im)
	                                        : read_lines(im);
}

static void say_outline(const struct import *im)
{
	bool timed = im->source->kind != SOURCE_LINES;

	if (im->options->against)
		printf("live would be asked each of them first, one after the other\n");
	if (!im->requests)
		return;
	printf("%.1f KiB of bodies", (double)im->outline.bytes / 1024);
	if (timed)
		outline_print_times(&im->outline.times);
	else
		printf(", without times of their own\n");
	outline_print(&im->outline, timed && !im->options->speed && !im->options->rate);
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static void say(const struct import *im, const char *path)
{
	const char *what = im->source->kind == SOURCE_LINES ? "line" : "item";

	printf("%s: %llu request%s, %llu %s%s left out", im->source->name, (unsigned long long)im->requests,
	       plural(im->requests), (unsigned long long)im->refused, what, plural(im->refused));
	if (im->answered)
		printf("; answered%s: %llu, kept in %s", im->options->against ? " by live" : "",
		       (unsigned long long)im->answered, path);
	puts("");
	if (im->options->dry_run)
		say_outline(im);
	if (!im->requests)
		fprintf(stderr, "understudy: %s: %s\n", im->source->name,
		        im->refused
		                ? "no line of it can be sent; lines of JSON objects are expected, a request "
		                  "each: jq -c . FILE makes one of each document"
		                : "it holds no request");
}

/* What live has answered until then is a capture as good as any. */
static int say_interrupted(const struct import *im, const char *path)
{
	fprintf(stderr, "understudy: interrupted while live was asked, %llu answered",
	        (unsigned long long)im->answered);
	if (im->answered)
		fprintf(stderr, "; these can be played: understudy replay %s --to ...", path);
	fputs("\n", stderr);
	return INTERRUPTED;
}

static int conclude(struct import *im, int err, const char *path)
{
	if (interrupted)
		return say_interrupted(im, path);
	if (err && !im->unanswered)
		fprintf(stderr, "understudy: %s: %s\n", im->source->name,
		        err == ERR_SYS ? strerror(errno) : err_text(err));
	if (!im->unanswered)
		say(im, path);
	if (!err && im->requests && !im->answered && !im->options->dry_run)
		fprintf(stderr, "understudy: %s: no request has an answer: --against URL is expected\n",
		        im->source->name);
	if (err || !im->requests)
		return 3;
	return im->options->dry_run ? 0 : im->answered ? -1 : 3;
}

static int import_all(struct import *im, const char *path)
{
	struct sigaction ours = {.sa_handler = on_signal}, theirs[2];
	int err = im->options->dry_run ? 0 : prepare(im, path), closed = 0;
	bool made;

	sigemptyset(&ours.sa_mask);
	sigaction(SIGINT, &ours, &theirs[0]);
	sigaction(SIGTERM, &ours, &theirs[1]);
	im->said_ns = clock_mono_ns();
	if (!err)
		err = read_all(im);
	sigaction(SIGINT, &theirs[0], NULL);
	sigaction(SIGTERM, &theirs[1], NULL);
	made = im->writer != NULL;
	closed = made ? capfile_close(&im->writer) : 0;
	if (made && !im->answered) /* of no use to anyone */
		unlink(path);
	return conclude(im, err ? err : closed, path);
}

static int trust(struct import *im)
{
	char room[TLS_WHY_BYTES];
	const char *why = reach_trust(im->options->ca_file, &im->trust, room);

	return why ? command_wrong(&replay_command, "--against %s: %s", im->options->against, why) : -1;
}

static int aim(struct import *im)
{
	const struct replay_options *o = im->options;
	const char *why = o->against ? endpoint_from_url(o->against, &im->live) : NULL;

	if (why)
		return command_wrong(&replay_command, "--against %s: %s", o->against, why);
	if (o->path && (o->path[0] != '/' || strpbrk(o->path, " \t\r\n")))
		return command_wrong(&replay_command, "--path %s: it begins with / and has no blanks",
		                     o->path);
	return o->against && im->live.tls ? trust(im) : -1;
}

static int open_batch(struct import *im)
{
	const char *path = im->options->batch_file;
	unsigned long long line;
	int err = path ? batch_file_new(path, &im->batch, &line) : 0;

	if (err == ERR_PROTO)
		fprintf(stderr, "understudy: %s:%llu: it is no answer of an OpenAI batch\n", path, line);
	else if (err)
		fprintf(stderr, "understudy: %s: %s\n", path,
		        err == ERR_SYS ? strerror(errno) : err_text(err));
	return err ? 3 : -1;
}

int replay_import(const struct replay_options *o, struct source *source, const char *path)
{
	static struct import im;
	int status;

	im.options = o;
	im.source = source;
	im.reach.fd = -1;
	im.start_ns = clock_mono_ns();
	if (choose(o, source, &im.choice))
		return command_wrong(&replay_command, "--allow: METHOD or 'METHOD /PREFIX' is expected");
	buf_init(&im.request, REQUEST_LIMIT);
	buf_init(&im.head, RECORD_PAYLOAD_MAX);
	buf_init(&im.body, GOR_BYTES_MAX);
	buf_init(&im.masked, RECORD_PAYLOAD_MAX);
	reach_answer_init(&im.answer);
	status = replay_read_move(o, &im.move);
	if (status < 0)
		status = aim(&im);
	if (status < 0)
		status = open_batch(&im);
	if (status < 0) {
		int err = subject_open(o->config, &im.subject);

		status = err ? err : import_all(&im, path);
	}
	subject_free(&im.subject);
	reach_close(&im.reach);
	reach_answer_fini(&im.answer);
	tls_context_unref(&im.trust);
	buf_fini(&im.masked);
	buf_fini(&im.body);
	buf_fini(&im.head);
	buf_fini(&im.request);
	mask_key_free(&im.key);
	batch_file_free(&im.batch);
	return status;
}
