#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "capture/capfile.h"
#include "tools/replay.h"

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

struct scan {
	struct {
		uint64_t requests, complete, live, bytes;
	} routes[ROUTES_MAX];
	uint64_t requests, complete, first_ns, last_ns;
	uint64_t second, in_second, busiest; /* requests in the recorded second that is being read */
};

static void scan_record(struct scan *s, const struct record *r)
{
	uint64_t second = r->time_ns / 1000000000u;

	s->routes[r->route].bytes += r->leg == LEG_CLIENT && r->type == RECORD_CHUNK ? r->payload_len : 0;
	s->routes[r->route].live += r->leg == LEG_LIVE && r->type == RECORD_END;
	s->routes[r->route].requests += r->leg == LEG_CLIENT && r->type == RECORD_HEAD;
	s->requests += r->leg == LEG_CLIENT && r->type == RECORD_HEAD;
	if (r->leg != LEG_CLIENT || r->type != RECORD_END)
		return;
	s->complete++;
	s->routes[r->route].complete++;
	if (!s->first_ns || r->time_ns < s->first_ns)
		s->first_ns = r->time_ns;
	if (r->time_ns > s->last_ns)
		s->last_ns = r->time_ns;
	if (second != s->second)
		s->in_second = 0;
	s->second = second;
	if (++s->in_second > s->busiest)
		s->busiest = s->in_second;
}

static void print_scan(const struct scan *s, const struct capfile_facts *facts, double speed)
{
	double seconds = (double)(s->last_ns - s->first_ns) / 1e9;

	for (unsigned i = 0; i < facts->route_count; i++)
		printf("route %s: %llu requests, %llu complete, %llu answered, %.1f KiB of bodies\n",
		       facts->routes[i].name, (unsigned long long)s->routes[i].requests,
		       (unsigned long long)s->routes[i].complete, (unsigned long long)s->routes[i].live,
		       (double)s->routes[i].bytes / 1024);
	printf("recorded: %llu requests in %.3f s", (unsigned long long)s->requests, seconds);
	if (seconds > 0)
		printf(", %.1f requests/s on average", (double)s->complete / seconds);
	printf(", %llu in the busiest second\n", (unsigned long long)s->busiest);
	if (speed > 0)
		printf("this replay: %llu requests to each target in %.3f s, %.1f in the busiest second\n",
		       (unsigned long long)s->complete, seconds / speed, (double)s->busiest * speed);
	else
		printf("this replay: %llu requests to each target as fast as they take them\n",
		       (unsigned long long)s->complete);
}

int replay_dry_run(const char *path, double speed)
{
	static struct scan scan;
	struct capfile_reader *reader;
	const char *why = NULL;
	const void *payload;
	struct record r;
	int err = capfile_open(path, &reader, &why);

	if (err) {
		fprintf(stderr, "understudy: %s: %s\n", path, why ? why : err_text(err));
		return 3;
	}
	while ((err = capfile_next(reader, &r, &payload)) == 0)
		scan_record(&scan, &r);
	print_scan(&scan, capfile_facts(reader), speed);
	if (err != ERR_AGAIN)
		printf("the capture ends early: %s\n", err_text(err));
	capfile_reader_free(&reader);
	return 0;
}
