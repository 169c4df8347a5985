#define _GNU_SOURCE
#include "replay/incident.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "capture/capfile.h"
#include "proto/base/cfg.h"
#include "proto/base/clock.h"
#include "replay/results_inside.h"

enum { PLACE_BYTES = 192, PATH_BYTES = PLACE_BYTES + 16, COPY_MAX = 16 << 20, PLAIN_MAX = 512 };
static const uint64_t SPAN_NS = INCIDENT_SPAN_S * (uint64_t)1000000000u;

/* --- what was --- */

void incidents_init(struct incidents *n, const struct role_env *env, size_t bytes)
{
	char place[PLACE_BYTES];
	struct dirent *e;
	DIR *d;

	*n = (struct incidents){.env = env, .half_bytes = bytes / 2};
	for (unsigned i = 0; i < 2; i++)
		n->halves[i].bytes = malloc(n->half_bytes);
	snprintf(place, sizeof place, "/proc/self/fd/%d/incidents", role_fd(env, "run"));
	d = opendir(place);
	while (d && (e = readdir(d)) && n->count < INCIDENTS_MAX)
		if (e->d_name[0] != '.' && strlen(e->d_name) < INCIDENT_NAME_BYTES)
			strcpy(n->names[n->count++], e->d_name);
	if (d)
		closedir(d);
}

void incidents_fini(struct incidents *n)
{
	for (unsigned i = 0; i < 2; i++)
		free(n->halves[i].bytes);
	*n = (struct incidents){0};
}

static void turn(struct incidents *n)
{
	struct incident_half older = n->halves[1];

	n->halves[1] = n->halves[0];
	older.used = older.since_ns = 0;
	n->halves[0] = older;
}

void incidents_note(struct incidents *n, const struct record *r, const char *payload, uint64_t now_ns)
{
	size_t need = sizeof *r + r->payload_len;
	struct incident_half *half = &n->halves[0];

	if (!n->halves[0].bytes || !n->halves[1].bytes || need > n->half_bytes) {
		n->left_out++;
		return;
	}
	if (half->used + need > n->half_bytes || (half->since_ns && now_ns - half->since_ns > SPAN_NS / 2))
		turn(n);
	memcpy(half->bytes + half->used, r, sizeof *r);
	memcpy(half->bytes + half->used + sizeof *r, payload, r->payload_len);
	half->used += need;
	if (!half->since_ns)
		half->since_ns = now_ns;
}

static int write_half(const struct incident_half *half, uint64_t from_ns, struct capfile_writer *to)
{
	int err = 0;

	for (size_t at = 0; at < half->used && !err;) {
		struct record r;

		memcpy(&r, half->bytes + at, sizeof r);
		if (r.time_ns >= from_ns)
			err = capfile_append(to, &r, half->bytes + at + sizeof r);
		at += sizeof r + r.payload_len;
	}
	return err;
}

static int write_records(const struct incidents *n, const char *place, uint64_t now_ns)
{
	uint64_t from_ns = now_ns > SPAN_NS ? now_ns - SPAN_NS : 0;
	struct capfile_writer *w;
	char path[PATH_BYTES];
	int err, closed;

	snprintf(path, sizeof path, "%s/records.cap", place);
	if (capfile_create(path, n->env->plan, 0, &w))
		return ERR_SYS;
	err = write_half(&n->halves[1], from_ns, w);
	if (!err)
		err = write_half(&n->halves[0], from_ns, w);
	closed = capfile_close(&w);
	return err || closed ? ERR_SYS : 0;
}

/* --- what else is known --- */

static int copy_file(const struct incidents *n, const char *place, const char *name)
{
	int from = openat(role_fd(n->env, "run"), name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), err;
	struct buf text;
	ssize_t got = 0;
	char *room;

	buf_init(&text, COPY_MAX);
	while (from != -1 && (room = buf_room(&text, RECORD_PAYLOAD_MAX)) &&
	       (got = read(from, room, RECORD_PAYLOAD_MAX)) > 0)
		buf_grown(&text, (size_t)got);
	err = from == -1 || got < 0 || text.err ? ERR_SYS : results_write_file(place, name, buf_span(&text));
	if (from != -1)
		close(from);
	buf_fini(&text);
	return err;
}

/* The file may have been changed since it was read; then it is not what was in force. */
static bool write_config(const struct incidents *n, const char *place)
{
	uint8_t hash[32];
	struct buf text;
	bool same;

	buf_init(&text, CFG_FILE_MAX + 4096);
	role_read(n->env, "config", &text);
	same = !text.err && buf_len(&text) &&
	       EVP_Digest(buf_span(&text).data, buf_len(&text), hash, NULL, EVP_sha256(), NULL) == 1 &&
	       !memcmp(hash, n->env->plan->config_hash, sizeof hash) &&
	       !results_write_file(place, "config.yaml", buf_span(&text));
	buf_fini(&text);
	return same;
}

static void put_hash(struct buf *b, const uint8_t hash[32])
{
	for (unsigned i = 0; i < 32; i++)
		buf_printf(b, "%02x", hash[i]);
}

/* Names and sentences are others' text. */
static void put_plain(struct buf *b, const char *text)
{
	buf_markdown(b, text, PLAIN_MAX, "|\\`*~<>[]&");
}

static void put_row(struct buf *b, const char *what, const char *text)
{
	buf_printf(b, "| %s | ", what);
	put_plain(b, *text ? text : "-");
	buf_puts(b, " |\n");
}

static void put_known(const struct incidents *n, const char *sentence, const char *when, bool config,
                      struct buf *b)
{
	const struct plan *p = n->env->plan;

	char run[NAME_MAX_BYTES + 24];

	buf_puts(b, "# Incident: ");
	put_plain(b, sentence);
	buf_puts(b, "\n\n| | |\n|---|---|\n");
	put_row(b, "when", when);
	snprintf(run, sizeof run, "%s %016llx", p->run_name,
	         (unsigned long long)atomic_load(&n->env->page->run_id));
	put_row(b, "run", run);
	put_row(b, "owner", p->owner);
	put_row(b, "ticket", p->ticket);
	buf_puts(b, "| configuration | ");
	put_hash(b, p->config_hash);
	buf_puts(b, config ? " (config.yaml) |\n\n" : " |\n\n");
	buf_printf(
	        b,
	        "records.cap: the masked exchanges of the last %d s (`understudy capture cat`). "
	        "summary.json: counters, gates and safeguards at that moment. ../../audit.log: who changed "
	        "what.\n\n",
	        INCIDENT_SPAN_S);
	if (n->left_out)
		buf_printf(b, "Records that were too large to be kept: %llu.\n\n",
		           (unsigned long long)n->left_out);
}

static int write_postmortem(const struct incidents *n, const char *place, const char *sentence,
                            const char *when, bool config)
{
	struct buf text;
	int err;

	buf_init(&text, RECORD_PAYLOAD_MAX);
	put_known(n, sentence, when, config, &text);
	buf_puts(&text, "## What happened\n\n");
	buf_printf(&text, "%s: ", when);
	put_plain(&text, sentence);
	buf_puts(&text, ". Live traffic was served throughout; what shadowing did and left undone is in "
	                "summary.json.\n\n");
	buf_puts(&text, "## Impact\n\n_On users, on the candidate, on the decision that the run is for._\n\n"
	                "## Cause\n\n_Why the figure rose. What ruled other causes out._\n\n"
	                "## What was done\n\n- the safeguard acted as configured\n- _then_\n\n"
	                "## What follows\n\n| action | owner | by |\n|---|---|---|\n| | | |\n");
	err = text.err ? ERR_SYS : results_write_file(place, "postmortem.md", buf_span(&text));
	buf_fini(&text);
	return err;
}

int incidents_freeze(struct incidents *n, const char *what, const char *sentence, uint64_t now_ns,
                     char name_out[INCIDENT_NAME_BYTES])
{
	time_t now = (time_t)(clock_wall_ns() / 1000000000u);
	char folder[PLACE_BYTES / 2], place[PLACE_BYTES], when[32];
	bool config;
	struct tm tm;
	int err;

	if (n->count == INCIDENTS_MAX)
		return ERR_LIMIT;
	gmtime_r(&now, &tm);
	strftime(when, sizeof when, "%Y%m%dT%H%M%SZ", &tm);
	snprintf(name_out, INCIDENT_NAME_BYTES, "%02u-%s-%.32s", n->count + 1, when, what);
	snprintf(folder, sizeof folder, "/proc/self/fd/%d/incidents", role_fd(n->env, "run"));
	snprintf(place, sizeof place, "%s/%s", folder, name_out);
	mkdir(folder, 0755);
	if (mkdir(place, 0755))
		return ERR_SYS;
	strcpy(n->names[n->count++], name_out);
	strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm);
	err = write_records(n, place, now_ns);
	err |= copy_file(n, place, "summary.json");
	err |= copy_file(n, place, "manifest.json");
	config = write_config(n, place);
	return write_postmortem(n, place, sentence, when, config) || err ? ERR_SYS : 0;
}

void incidents_summary(const struct incidents *n, struct buf *b)
{
	buf_puts(b, "\"incidents\":[");
	for (unsigned i = 0; i < n->count; i++) {
		if (i)
			buf_puts(b, ",");
		buf_json_string(b, span_of(n->names[i]));
	}
	buf_puts(b, "]");
}
