#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/capfile.h"
#include "replay/schedule.h"
#include "replay/window.h"
#include "tools/replay.h"
#include "tools/replay_outline.h"

enum { CHUNK_BYTES = 256 << 10 };

int replay_hash_input(const char *path, struct plan_input *out)
{
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	char *chunk = malloc(CHUNK_BYTES);
	FILE *f = fopen(path, "rbe");
	int rc = ERR_SYS;
	size_t n;

	snprintf(out->path, sizeof out->path, "%s", path);
	out->bytes = 0;
	if (!digest || !chunk)
		rc = ERR_NOMEM;
	if (!f || rc == ERR_NOMEM || !EVP_DigestInit_ex(digest, EVP_sha256(), NULL))
		goto out;
	while ((n = fread(chunk, 1, CHUNK_BYTES, f)) > 0) {
		out->bytes += n;
		EVP_DigestUpdate(digest, chunk, n);
	}
	if (!ferror(f) && EVP_DigestFinal_ex(digest, out->hash, NULL))
		rc = 0;
out:
	if (f)
		fclose(f);
	free(chunk);
	EVP_MD_CTX_free(digest);
	return rc;
}

/* --- dry run --- */

enum { WINDOW_BYTES = 256 << 20 };

struct scan {
	struct {
		uint64_t requests, complete, live, bytes;
	} routes[ROUTES_MAX];
	uint64_t requests, not_allowed;
	struct outline_times recorded;
	struct outline planned;
};

static void scan_record(struct scan *s, const struct record *r)
{
	s->routes[r->route].bytes += r->leg == LEG_CLIENT && r->type == RECORD_CHUNK ? r->payload_len : 0;
	s->routes[r->route].live += r->leg == LEG_LIVE && r->type == RECORD_END;
	s->routes[r->route].requests += r->leg == LEG_CLIENT && r->type == RECORD_HEAD;
	s->requests += r->leg == LEG_CLIENT && r->type == RECORD_HEAD;
	if (r->leg != LEG_CLIENT || r->type != RECORD_END)
		return;
	s->routes[r->route].complete++;
	outline_time(&s->recorded, r->time_ns);
}

/* Every pass, as the player reads and times it. */
static int scan_passes(struct scan *s, const char *path, const struct plan *plan)
{
	struct schedule schedule;
	const struct exchange *x;
	struct capfile_reader *reader;
	struct window *w;
	int err = 0;

	schedule_init(&schedule, &plan->replay_schedule, plan->replay_speed, plan->seed);
	for (unsigned pass = 0; pass < plan->replay_schedule.loops; pass++) {
		err = capfile_open(path, &reader, NULL);
		if (err)
			return err;
		w = window_new(reader, plan->route_count, WINDOW_BYTES);
		if (!w) {
			capfile_reader_free(&reader);
			return ERR_NOMEM;
		}
		window_choose(w, &plan->replay_choice, plan->seed);
		while ((err = window_next(w, &x)) == 0) {
			const struct leg *request = x->legs[LEG_CLIENT];

			for (unsigned n = 0; n < plan->replay_schedule.copies || n == 0; n++)
				outline_add(&s->planned, schedule_next(&schedule, request->end_ns),
				            buf_span(&request->head), buf_span(&request->body),
				            buf_span(&x->legs[LEG_LIVE]->body));
		}
		err = window_end(w) == ERR_AGAIN ? err : window_end(w);
		s->not_allowed = window_not_allowed(w);
		window_free(&w);
		if (err != ERR_AGAIN || !s->planned.times.count)
			break;
		schedule_again(&schedule);
	}
	return err == ERR_AGAIN || err == ERR_TORN ? 0 : err;
}

static void print_scan(const struct scan *s, const struct capfile_facts *facts, double speed)
{
	for (unsigned i = 0; i < facts->route_count; i++)
		printf("route %s: %llu requests, %llu complete, %llu answered, %.1f KiB of bodies\n",
		       facts->routes[i].name, (unsigned long long)s->routes[i].requests,
		       (unsigned long long)s->routes[i].complete, (unsigned long long)s->routes[i].live,
		       (double)s->routes[i].bytes / 1024);
	printf("recorded: %llu requests", (unsigned long long)s->requests);
	outline_print_times(&s->recorded);
	printf("this replay: %llu requests to each target", (unsigned long long)s->planned.times.count);
	if (speed > 0)
		outline_print_times(&s->planned.times);
	else
		printf(" as fast as they take them\n");
	outline_print(&s->planned, speed > 0);
	if (s->not_allowed)
		printf("left out, as they may have side effects: %llu; see --allow\n",
		       (unsigned long long)s->not_allowed);
}

int replay_recorded(const char *path, double *mean_out, double *busiest_out)
{
	static struct scan scan;
	struct capfile_reader *reader;
	const char *why = NULL;
	const void *payload;
	struct record r;
	double seconds;
	int err = capfile_open(path, &reader, &why);

	if (err) {
		fprintf(stderr, "understudy: %s: %s\n", path, why ? why : err_text(err));
		return 3;
	}
	while (capfile_next(reader, &r, &payload) == 0)
		scan_record(&scan, &r);
	capfile_reader_free(&reader);
	seconds = (double)(scan.recorded.last_ns - scan.recorded.first_ns) / 1e9;
	*mean_out = seconds > 0 ? (double)scan.recorded.count / seconds : 0;
	*busiest_out = (double)scan.recorded.busiest;
	return 0;
}

int replay_dry_run(const char *path, const struct plan *plan)
{
	static struct scan scan;
	struct capfile_reader *reader;
	const char *why = NULL;
	const void *payload;
	struct record r;
	int err = capfile_open(path, &reader, &why), planned;

	if (err) {
		fprintf(stderr, "understudy: %s: %s\n", path, why ? why : err_text(err));
		return 3;
	}
	while ((err = capfile_next(reader, &r, &payload)) == 0)
		scan_record(&scan, &r);
	planned = scan_passes(&scan, path, plan);
	print_scan(&scan, capfile_facts(reader), plan->replay_speed);
	if (err != ERR_AGAIN)
		printf("the capture ends early: %s\n", err_text(err));
	else if (planned)
		fprintf(stderr, "understudy: %s: %s\n", path, err_text(planned));
	capfile_reader_free(&reader);
	return err == ERR_AGAIN && planned ? 3 : 0;
}
