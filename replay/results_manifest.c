#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/version.h"
#include "replay/results_inside.h"

enum { MANIFEST_LIMIT_BYTES = 4 << 20, READ_BYTES = 256 << 10, CAPTURES_MAX = 4096 };

static void put_words(struct buf *b, const char *key, const struct plan_words *w)
{
	const char *comma = "";

	buf_printf(b, "\"%s\":[", key);
	for (const char *at = plan_words_next(w, NULL); at; at = plan_words_next(w, at), comma = ",") {
		buf_puts(b, comma);
		buf_json_string(b, span_of(at));
	}
	buf_puts(b, "]");
}

/* Its environment may hold what is nobody's business. */
static void put_sandbox(struct buf *b, const struct plan_sandbox *s)
{
	buf_puts(b, ",\"sandbox\":{");
	put_words(b, "command", &s->command);
	buf_puts(b, ",");
	put_words(b, "ro", &s->ro);
	buf_puts(b, ",");
	put_hex(b, "content_digest", s->content);
	buf_printf(b, ",\"memory_bytes\":%llu,\"pids\":%u,\"cpu_percent\":%u,\"gpu\":%s}",
	           (unsigned long long)s->memory_bytes, s->pids, s->cpu_percent, s->gpu ? "true" : "false");
}

static void put_candidate(struct buf *b, const struct plan_candidate *k)
{
	buf_puts(b, "{");
	put_text(b, "name", k->name);
	buf_puts(b, ",");
	put_text(b, "role", k->baseline ? "baseline" : "candidate");
	buf_puts(b, ",");
	put_text(b, "url", k->endpoint.url);
	buf_puts(b, ",");
	put_text(b, "address", k->endpoint.address);
	buf_puts(b, ",");
	put_text(b, "containment", k->sandbox.on ? "contained" : "remote, not contained by us");
	buf_puts(b, ",");
	if (k->sandbox.on)
		put_hex(b, "digest", k->sandbox.digest);
	else
		buf_puts(b, "\"digest\":null");
	if (k->sandbox.on)
		put_sandbox(b, &k->sandbox);
	buf_puts(b, "}");
}

static void put_route(struct buf *b, const struct plan *plan, const struct plan_route *route)
{
	const struct plan_mask *mask = &plan->masks[route->mask];

	buf_puts(b, "{");
	put_text(b, "name", route->name);
	buf_puts(b, ",");
	put_text(b, "live", route->live.endpoints[0].url);
	buf_puts(b, ",\"live_endpoints\":[");
	for (unsigned i = 0; i < route->live.endpoint_count; i++) {
		buf_puts(b, i ? "," : "");
		buf_json_string(b, span_of(route->live.endpoints[i].url));
	}
	buf_printf(b, "],\"mask\":{\"id\":%u,", route->mask);
	put_text(b, "name", mask->name);
	buf_puts(b, ",");
	put_hex(b, "hash", mask->hash);
	buf_puts(b, "},\"candidates\":[");
	for (unsigned c = 0; c < route->candidate_count; c++) {
		buf_puts(b, c ? "," : "");
		put_candidate(b, &route->candidates[c]);
	}
	buf_puts(b, "]}");
}

/* --- captures --- */

static int hash_file(int directory, const char *name, uint8_t out[32], uint64_t *bytes_out)
{
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	char *chunk = malloc(READ_BYTES);
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), rc = ERR_SYS;
	ssize_t n = -1;

	*bytes_out = 0;
	if (!digest || !chunk || fd < 0 || !EVP_DigestInit_ex(digest, EVP_sha256(), NULL))
		goto out;
	while ((n = read(fd, chunk, READ_BYTES)) > 0) {
		*bytes_out += (uint64_t)n;
		if (!EVP_DigestUpdate(digest, chunk, (size_t)n))
			goto out;
	}
	if (n == 0 && EVP_DigestFinal_ex(digest, out, NULL))
		rc = 0;
out:
	if (fd >= 0)
		close(fd);
	free(chunk);
	EVP_MD_CTX_free(digest);
	return rc;
}

static void put_file(struct buf *b, const char *path, uint64_t bytes, const uint8_t hash[32])
{
	buf_puts(b, "{");
	put_text(b, "file", path);
	buf_puts(b, ",");
	put_integer(b, "bytes", bytes);
	buf_puts(b, ",");
	put_hex(b, "sha256", hash);
	buf_puts(b, "}");
}

/* When and what of the input was played: with the seed, enough to play it again. */
static void put_schedule(struct buf *b, const struct plan *plan)
{
	static const char *const arrivals[] = {"recorded", "constant", "poisson", "burst"};
	static const char *const profiles[] = {"flat", "ramp", "step", "sine"};
	const struct plan_schedule *s = &plan->replay_schedule;

	buf_printf(b, "{\"speed\":%.17g,\"arrivals\":\"%s\",\"rate\":%.17g,\"max_gap_ns\":%llu,\"loops\":%u,",
	           plan->replay_speed, arrivals[s->arrivals], s->rate, (unsigned long long)s->max_gap_ns,
	           s->loops);
	buf_printf(b, "\"cv\":%.17g,\"profile\":\"%s\",\"rate_to\":%.17g,\"period_ns\":%llu,\"copies\":%u,",
	           s->cv, profiles[s->profile], s->rate_to, (unsigned long long)s->period_ns,
	           s->copies ? s->copies : 1);
	buf_printf(b, "\"sample_ppm\":%u,\"from_ns\":%llu,\"until_ns\":%llu,", plan->replay_choice.sample_ppm,
	           (unsigned long long)plan->replay_choice.from_ns,
	           (unsigned long long)plan->replay_choice.until_ns);
	put_text(b, "where", plan->replay_choice.where.text);
	buf_printf(b, ",\"compared\":%s,\"slo_us\":%llu}", plan->replay_uncompared ? "false" : "true",
	           (unsigned long long)(plan->replay_slo_ns / 1000u));
}

/* A replay's input, with the policies that masked it when it was recorded. */
static void put_input(struct buf *b, const struct plan *plan)
{
	const struct plan_input *input = &plan->replay_input;

	buf_puts(b, "{");
	put_text(b, "file", input->path);
	buf_puts(b, ",");
	put_integer(b, "bytes", input->bytes);
	buf_puts(b, ",");
	put_hex(b, "sha256", input->hash);
	buf_puts(b, ",\"played\":");
	put_schedule(b, plan);
	buf_puts(b, ",\"again\":");
	buf_puts(b, plan->replay_again[0] ? plan->replay_again : "null");
	if (plan->replay_repeats[0]) {
		buf_puts(b, ",");
		put_text(b, "repeats", plan->replay_repeats);
	}
	if (plan->replay_resumes[0]) {
		buf_puts(b, ",");
		put_text(b, "resumes", plan->replay_resumes);
		buf_puts(b, ",");
		put_text(b, "journal", plan->replay_journal);
	}
	buf_puts(b, ",\"masks\":[");
	for (unsigned i = 0; i < plan->route_count; i++) {
		buf_puts(b, i ? ",{" : "{");
		put_text(b, "route", plan->routes[i].name);
		buf_puts(b, ",");
		put_text(b, "name", input->routes[i].policy);
		buf_puts(b, ",");
		put_hex(b, "hash", input->routes[i].hash);
		buf_puts(b, "}");
	}
	buf_puts(b, "]}");
}

static int only_captures(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return n > 4 && !strcmp(e->d_name + n - 4, ".cap");
}

/* The captures that this run recorded, by name. */
static void put_recorded(struct buf *b, const char *run)
{
	char path[PATH_MAX_BYTES + 16];
	struct dirent **list = NULL;
	const char *comma = "";
	int directory, n;

	snprintf(path, sizeof path, "%s/capture", run);
	directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	n = directory < 0 ? 0 : scandirat(directory, ".", &list, only_captures, alphasort);
	for (int i = 0; i < n; i++) {
		uint8_t hash[32];
		uint64_t bytes;

		if (i < CAPTURES_MAX && !hash_file(directory, list[i]->d_name, hash, &bytes)) {
			buf_puts(b, comma);
			put_file(b, list[i]->d_name, bytes, hash);
			comma = ",";
		}
		free(list[i]);
	}
	free(list);
	if (directory >= 0)
		close(directory);
}

/* Where the chain of audit.log ends. */
static void put_audit(struct buf *b, const char *run)
{
	int directory = open(run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint8_t hash[32];
	uint64_t bytes;

	if (directory >= 0 && !hash_file(directory, "audit.log", hash, &bytes))
		put_file(b, "audit.log", bytes, hash);
	if (directory >= 0)
		close(directory);
}

/* --- the file --- */

static void put_about(struct buf *b, const struct results *r)
{
	static const char *const keys[] = {"name", "hypothesis", "owner", "ticket"};
	const struct plan *plan = r->plan;
	const char *const texts[] = {plan->run_name, plan->hypothesis, plan->owner, plan->ticket};

	put_text(b, "id", r->run_id);
	if (plan->continues)
		buf_printf(b, ",\"continues\":\"%016llx\"", (unsigned long long)plan->continues);
	for (int i = 0; i < 4; i++) {
		buf_puts(b, ",");
		put_text(b, keys[i], texts[i]);
	}
	buf_puts(b, ",");
	put_text(b, "source", r->source);
	buf_puts(b, ",");
	put_text(b, "started", r->started);
}

static void put_end(struct buf *b, const char *state)
{
	char now[28];

	if (!state) {
		buf_puts(b, ",\"state\":\"running\",\"ended\":null");
		return;
	}
	clock_rfc3339(clock_wall_ns(), now);
	buf_puts(b, ",");
	put_text(b, "state", state);
	buf_puts(b, ",");
	put_text(b, "ended", now);
}

static void put_design(struct buf *b, const struct plan *plan)
{
	buf_printf(b,
	           ",\"versions\":{\"understudy\":\"%s\",\"plan\":%u,\"sqlite\":\"%s\",\"compiler\":\"%s\"},",
	           VERSION, plan->version, sqlite3_libversion(), __VERSION__);
	put_hex(b, "config_hash", plan->config_hash);
	buf_puts(b, ",");
	put_hex(b, "gates_hash", plan->gates_hash);
	buf_printf(b, ",\"alpha\":%g,\"t_opt\":%g,\"seed\":\"%llu\"", GATE_ALPHA, GATE_T_OPT,
	           (unsigned long long)plan->seed);
}

static void put_manifest(struct buf *b, const struct results *r, const char *state)
{
	const struct plan *plan = r->plan;

	buf_puts(b, "{\"schema\":1,");
	put_about(b, r);
	put_end(b, state);
	put_design(b, plan);
	buf_puts(b, ",\"routes\":[");
	for (unsigned i = 0; i < plan->route_count; i++) {
		if (i)
			buf_puts(b, ",");
		put_route(b, plan, &plan->routes[i]);
	}
	buf_puts(b, "],\"input\":[");
	if (plan->replay)
		put_input(b, plan);
	buf_puts(b, "],\"captures\":[");
	if (state)
		put_recorded(b, r->directory);
	buf_puts(b, "],\"audit\":[");
	if (state)
		put_audit(b, r->directory);
	buf_puts(b, "]}\n");
}

int results_manifest(struct results *r, const char *state)
{
	struct buf text;
	int rc;

	buf_init(&text, MANIFEST_LIMIT_BYTES);
	put_manifest(&text, r, state);
	rc = text.err ? text.err : results_write_file(r->directory, "manifest.json", buf_span(&text));
	buf_fini(&text);
	return rc;
}

int results_seal(struct results *r, const char *state)
{
	return results_manifest(r, state);
}
