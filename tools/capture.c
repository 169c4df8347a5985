/*
 * capture.c - `understudy capture`: looks into capture files.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <openssl/evp.h>

#include "capture/capfile.h"
#include "capture/fold.h"
#include "capture/found.h"
#include "capture/head.h"
#include "capture/ledger.h"
#include "proto/base/clock.h"
#include "proto/grpc.h"
#include "tools/commands.h"
#include "tools/where.h"

enum { STATUS_OK = 0, STATUS_UNREADABLE = 3 };
enum { FOLD_LIMIT = 256 << 20 };
#define LINE_LIMIT ((size_t)1 << 31)

struct job {
	const char *path;
	struct capfile_reader *reader;
	struct fold *fold; /* cat only */
	struct buf line;
	uint64_t exchanges, strays;
	uint64_t by_policy[MASKS_MAX + 1]; /* records; 0: masked by none */
	int status;
};

static const char *where_text;
static struct where where;

static int cannot(struct job *j, const char *why, const char *hint)
{
	fprintf(stderr, "understudy: %s: %s%s%s\n", j->path, why, hint ? "; " : "", hint ? hint : "");
	return j->status = STATUS_UNREADABLE;
}

static int open_failed(struct job *j, int err, const char *why)
{
	if (err == ERR_SYS && errno == ENOENT)
		return cannot(j, "no such file", "check the path");
	if (err == ERR_SYS)
		return cannot(j, strerror(errno), NULL);
	if (err == ERR_PROTO && why && strncmp(why, "not a", 5) == 0)
		return cannot(j, why, "is it a .cap written by understudy?");
	return cannot(j, why ? why : err_text(err), NULL);
}

/* What the end of the file means, on standard error unless it is the clean one. */
static void report_end(struct job *j, int err, bool torn_is_error)
{
	char text[160];
	int before = j->status;

	if (err == ERR_AGAIN)
		return;
	if (err == ERR_TORN) {
		snprintf(text, sizeof text, "%s: %" PRIu64 " bytes lost; %" PRIu64 " records before are good",
		         capfile_why(j->reader), capfile_lost_bytes(j->reader), capfile_records(j->reader));
		cannot(j, text, NULL);
		j->status = torn_is_error ? STATUS_UNREADABLE : before;
		return;
	}
	snprintf(text, sizeof text, "%s after %" PRIu64 " good records",
	         capfile_why(j->reader) ? capfile_why(j->reader) : err_text(err), capfile_records(j->reader));
	cannot(j, text, NULL);
}

/* Read to the end; `each` may be NULL. */
static void read_all(struct job *j, bool torn_is_error,
                     void (*each)(struct job *, const struct record *, const void *payload))
{
	struct record r;
	const void *payload;
	int err;

	while ((err = capfile_next(j->reader, &r, &payload)) == 0) {
		j->exchanges += r.type == RECORD_HEAD && r.leg == LEG_CLIENT;
		if (each)
			each(j, &r, payload);
	}
	report_end(j, err, torn_is_error);
}

static void verify(struct job *j)
{
	read_all(j, true, NULL);
	if (j->status == STATUS_OK)
		printf("%s: ok, %" PRIu64 " records, %" PRIu64 " exchanges, %" PRIu64
		       " segments, unencrypted\n",
		       j->path, capfile_records(j->reader), j->exchanges, capfile_segments(j->reader));
}

static void put_hash(struct buf *b, const uint8_t hash[32])
{
	for (size_t i = 0; i < 32; i++)
		buf_printf(b, "%02x", hash[i]);
}

static void info_policy(struct buf *b, const struct capfile_policy *p, uint64_t records)
{
	buf_printf(b, "  policy %s: sha256 ", p->name);
	put_hash(b, p->hash);
	if (p->masker)
		buf_printf(b, ", masker %u", p->masker);
	buf_printf(b, ", %" PRIu64 " records\n", records);
}

static void info_route(struct buf *b, const struct capfile_route *r, const char *policy)
{
	static const char *const protocols[] = {
#define X(id, name) name,
	        PROTOCOL_TABLE(X)
#undef X
	};

	buf_printf(b, "  route %s: protocol %s, sample %g %%, masks %s, tolerance abs %g rel %g\n", r->name,
	           protocols[r->protocol], r->sample_ppm / 1e4, policy, r->tolerance_abs, r->tolerance_rel);
	for (uint32_t i = 0; i < r->ignore_count; i++)
		buf_printf(b, "    ignore %s\n", r->ignore[i]);
	for (uint32_t i = 0; i < r->candidate_count; i++)
		buf_printf(b, "    %s %s, sample %g %%\n",
		           r->candidates[i].baseline ? "baseline" : "candidate", r->candidates[i].name,
		           r->candidates[i].sample_ppm / 1e4);
}

/* A header's names may hold anything: no control character reaches the terminal. */
static void print_plain(const struct buf *b)
{
	struct span text = buf_span(b);

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];

		putchar((c < 0x20 && c != '\n') || c == 0x7f ? '?' : c);
	}
}

static void count_policy(struct job *j, const struct record *r, const void *payload)
{
	(void)payload;
	j->by_policy[r->policy]++;
}

static void info(struct job *j)
{
	const struct capfile_facts *f = capfile_facts(j->reader);
	struct buf *b = &j->line;
	char date[28];

	clock_rfc3339(f->created_wall_ns, date);
	buf_printf(b, "capture of run %s\n  created %s by understudy %s\n  file id ", f->run_name, date,
	           f->tool_version);
	for (size_t i = 0; i < sizeof f->file_id; i++)
		buf_printf(b, "%02x", f->file_id[i]);
	buf_puts(b, "\n  encrypted no\n");
	for (uint32_t i = 0; i < f->route_count; i++)
		info_route(b, &f->routes[i], f->policies[f->routes[i].policy_number].name);
	printf("%s: ", j->path);
	print_plain(b);
	buf_reset(b);
	read_all(j, false, count_policy);
	for (uint32_t i = 0; i < f->policy_count; i++)
		if (j->by_policy[i + 1])
			info_policy(b, &f->policies[i], j->by_policy[i + 1]);
	if (j->by_policy[0])
		buf_printf(b, "  not masked: %" PRIu64 " records\n", j->by_policy[0]);
	print_plain(b);
	printf("  %" PRIu64 " records, %" PRIu64 " exchanges, %" PRIu64 " segments, %" PRIu64 " bytes, %s\n",
	       capfile_records(j->reader), j->exchanges, capfile_segments(j->reader), capfile_size(j->reader),
	       capfile_closed(j->reader) ? "closed" : "not closed");
}

/* Valid UTF-8 by RFC 3629: no overlong form, no surrogate, nothing past U+10FFFF. */
static bool is_utf8(struct span s)
{
	const unsigned char *p = (const unsigned char *)s.data, *end = p + s.len;

	while (p < end) {
		unsigned char low = 0x80, high = 0xbf, c = *p++;
		int more = c < 0x80                 ? 0
		           : c >= 0xc2 && c <= 0xdf ? 1
		           : c >> 4 == 0xe          ? 2
		           : c >= 0xf0 && c <= 0xf4 ? 3
		                                    : -1;

		low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : low;
		high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : high;
		if (more < 0 || more > end - p)
			return false;
		for (; more; more--, low = 0x80, high = 0xbf) {
			if (*p < low || *p > high)
				return false;
			p++;
		}
	}
	return true;
}

static void put_text(struct buf *b, const char *key, struct span value)
{
	buf_printf(b, ",\"%s\":", key);
	buf_json_string(b, value);
}

static void put_base64(struct buf *b, struct span bytes)
{
	char *room = buf_room(b, (bytes.len + 2) / 3 * 4 + 1);

	if (room)
		buf_grown(b, (size_t)EVP_EncodeBlock((unsigned char *)room, (const unsigned char *)bytes.data,
		                                     (int)bytes.len));
}

static struct span leg_head(const struct leg *l)
{
	return l && buf_len(&l->head) ? buf_span(&l->head) : SPAN("");
}

static bool is_grpc(const struct leg *l)
{
	return grpc_is(head_field(leg_head(l), SPAN("content-type")));
}

/* Messages of gRPC as they were cut; false: they are not whole. */
static bool put_messages(struct buf *b, const char *key, struct span body)
{
	size_t start = buf_len(b);
	const char *separator = "";
	struct grpc_message m;
	long n = 0;

	buf_printf(b, ",\"%s_messages\":[", key);
	for (; body.len; body = (struct span){body.data + n, body.len - (size_t)n}) {
		n = grpc_next(body, SIZE_MAX, &m);
		if (n <= 0)
			break;
		buf_printf(b, "%s{%s\"base64\":\"", separator, m.compressed ? "\"compressed\":true," : "");
		put_base64(b, m.bytes);
		buf_puts(b, "\"}");
		separator = ",";
	}
	buf_puts(b, "]");
	if (body.len && !b->err)
		b->tail = b->head + start;
	return !body.len;
}

static void put_body(struct buf *b, const char *key, const struct leg *l)
{
	struct span body;

	if (!l || !l->begun)
		return;
	body = buf_len(&l->body) ? buf_span(&l->body) : SPAN("");
	if (is_grpc(l) && put_messages(b, key, body))
		return;
	if (is_utf8(body)) {
		buf_printf(b, ",\"%s_body\":", key);
		buf_json_string(b, body);
		return;
	}
	buf_printf(b, ",\"%s_body_base64\":\"", key);
	put_base64(b, body);
	buf_puts(b, "\"");
}

static void put_grpc(struct buf *b, const struct leg *request, const struct leg *response)
{
	uint64_t timeout_ns;

	if (!grpc_timeout(head_field(leg_head(request), SPAN("grpc-timeout")), &timeout_ns))
		buf_printf(b, ",\"grpc_timeout_us\":%" PRIu64, timeout_ns / 1000);
	if (response && response->ended && is_grpc(request))
		buf_printf(b, ",\"grpc_status\":%u",
		           head_grpc_status(leg_head(response), buf_span(&response->trailers)));
}

static void put_response(struct buf *b, const struct leg *request, const struct leg *response)
{
	unsigned status = head_status(leg_head(response));

	if (status)
		buf_printf(b, ",\"status\":%u", status);
	if (request && request->begun && response && response->ended && response->end_ns >= request->start_ns)
		buf_printf(b, ",\"latency_us\":%" PRIu64, (response->end_ns - request->start_ns) / 1000);
}

static void put_error(struct buf *b, const struct leg *request, const struct leg *response)
{
	uint8_t error = response && response->error ? response->error : request ? request->error : 0;

	if (error)
		put_text(b, "error", span_of(outcome_name(error)));
	else if (!request || !request->ended || !response || !response->ended)
		buf_puts(b, ",\"error\":\"incomplete\"");
}

/* How often each class was found, in request and answer. */
static void put_found(struct buf *b, const struct leg *request, const struct leg *response)
{
	uint64_t counts[DETECT_CLASSES_ALL] = {0};
	const char *comma = "";

	if (request)
		found_count(buf_span(&request->found), counts);
	if (response)
		found_count(buf_span(&response->found), counts);
	buf_puts(b, ",\"found\":{");
	for (unsigned c = DETECT_NONE + 1; c < DETECT_CLASSES; c++) {
		if (!counts[c])
			continue;
		buf_printf(b, "%s\"%s\":%" PRIu64, comma, detect_class_name(c), counts[c]);
		comma = ",";
	}
	for (unsigned c = DETECT_PATTERN; c < DETECT_CLASSES_ALL; c++) {
		if (!counts[c])
			continue;
		buf_printf(b, "%s\"pattern %u\":%" PRIu64, comma, c - DETECT_PATTERN + 1, counts[c]);
		comma = ",";
	}
	buf_puts(b, "}");
}

/* What masked it, which is never masked again. */
static void put_mask(struct buf *b, const struct capfile_policy *p, const struct leg *request,
                     const struct leg *response)
{
	buf_puts(b, ",\"mask\":{\"policy\":");
	buf_json_string(b, span_of(p->name));
	buf_puts(b, ",\"sha256\":\"");
	put_hash(b, p->hash);
	buf_printf(b, "\",\"masker\":%u", p->masker);
	put_found(b, request, response);
	buf_puts(b, "}");
}

/* The policy of its records; NULL: they were not masked. */
static const struct capfile_policy *policy_of(const struct job *j, const struct exchange *e)
{
	const struct leg *leg = e->legs[LEG_CLIENT] ? e->legs[LEG_CLIENT] : e->legs[LEG_LIVE];

	return leg && leg->policy ? &capfile_facts(j->reader)->policies[leg->policy - 1] : NULL;
}

static bool is_meant(const struct job *j, const struct exchange *e)
{
	const struct leg *request = e->legs[LEG_CLIENT];
	struct where_facts facts = {.route = span_of(capfile_facts(j->reader)->routes[e->route].name)};

	if (request && request->begun)
		facts.wall_ns = capfile_wall_ns(j->reader, request->start_ns);
	return where_holds(&where, e, &facts);
}

static void print_exchange(void *arg, struct exchange *e)
{
	struct job *j = arg;
	struct buf *b = &j->line;
	const struct leg *request = e->legs[LEG_CLIENT], *response = e->legs[LEG_LIVE];
	char date[28];

	if (!is_meant(j, e)) {
		fold_drop(j->fold, &e);
		return;
	}
	buf_reset(b);
	buf_printf(b, "{\"id\":\"%016" PRIx64 "\"", e->id);
	if (request && request->begun) {
		clock_rfc3339(capfile_wall_ns(j->reader, request->start_ns), date);
		buf_printf(b, ",\"time\":\"%s\"", date);
	}
	put_text(b, "route", span_of(capfile_facts(j->reader)->routes[e->route].name));
	if (request && request->begun) {
		put_text(b, "method", head_method(leg_head(request)));
		put_text(b, "target", head_target(leg_head(request)));
	}
	if (e->sample_ppm)
		buf_printf(b, ",\"sample_hash\":\"%016" PRIx64 "\",\"inclusion_probability\":%.6g",
		           e->sample_hash, e->sample_ppm / 1e6);
	put_response(b, request, response);
	put_grpc(b, request, response);
	put_body(b, "request", request);
	put_body(b, "response", response);
	buf_printf(b, ",\"masked\":%" PRIu32,
	           (request ? request->mask_count : 0) + (response ? response->mask_count : 0));
	if (policy_of(j, e))
		put_mask(b, policy_of(j, e), request, response);
	put_error(b, request, response);
	buf_puts(b, "}\n");
	if (b->err)
		cannot(j, err_text(b->err), NULL);
	else
		fwrite(b->base + b->head, 1, buf_len(b), stdout);
	fold_drop(j->fold, &e);
}

/* Client and live legs only: candidates' answers belong to the comparison. */
static void cat_record(struct job *j, const struct record *r, const void *payload)
{
	struct exchange *e;
	int err;

	if (r->leg > LEG_LIVE)
		return;
	err = fold_add(j->fold, r, payload, &e);
	if (err == ERR_PROTO)
		j->strays++;
	else if (err && e)
		print_exchange(j, e);
	else if (err)
		cannot(j, err_text(err), NULL);
	else if (e->legs[LEG_CLIENT] && e->legs[LEG_CLIENT]->ended && e->legs[LEG_LIVE] &&
	         e->legs[LEG_LIVE]->ended)
		print_exchange(j, e);
}

static void cat(struct job *j)
{
	j->fold = fold_new(FOLD_LIMIT);
	if (!j->fold) {
		cannot(j, err_text(ERR_NOMEM), NULL);
		return;
	}
	read_all(j, false, cat_record);
	fold_each(j->fold, print_exchange, j);
	if (j->strays)
		fprintf(stderr, "understudy: %s: %" PRIu64 " records belong to no exchange in this file\n",
		        j->path, j->strays);
	fold_free(&j->fold);
}

static int run_file(void (*look)(struct job *), const char *path)
{
	struct job j = {.path = path};
	const char *why;
	int err = capfile_open(path, &j.reader, &why);

	if (err)
		return open_failed(&j, err, why);
	buf_init(&j.line, LINE_LIMIT);
	look(&j);
	buf_fini(&j.line);
	capfile_reader_free(&j.reader);
	return j.status;
}

static int run_files(void (*look)(struct job *), const struct words *files)
{
	int status = STATUS_OK;

	for (unsigned i = 0; i < files->count; i++)
		if (run_file(look, files->at[i]) != STATUS_OK)
			status = STATUS_UNREADABLE;
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "understudy: standard output: %s\n", strerror(errno));
		status = STATUS_UNREADABLE;
	}
	return status;
}

static int cat_only(void)
{
	return command_wrong(&capture_command, "--where goes with cat");
}

static int run_info(const struct words *files)
{
	return where_text ? cat_only() : run_files(info, files);
}

static int run_cat(const struct words *files)
{
	int status = where_read(&capture_command, where_text, where_fields, &where);

	return status >= 0 ? status : run_files(cat, files);
}

static int run_verify(const struct words *files)
{
	return where_text ? cat_only() : run_files(verify, files);
}

static const struct command_verb verbs[] = {
        {"info", "FILE...", "when and under what it was recorded, how much is in it", run_info},
        {"cat", "FILE...", "one exchange a line, as JSON", run_cat},
        {"verify", "FILE...", "reads everything; one line a file", run_verify},
        {0},
};

static const struct command_flag flags[] = {WHERE_FLAG(&where_text), {0}};

const struct command capture_command = {
        .name = "capture",
        .does = "info, cat or verify capture files",
        .usage = "info|cat|verify FILE... [flags]",
        .about = "Looks into capture files (.cap) written by understudy.\n"
                 "A torn tail (the recorder was killed) is an error for verify only; info and cat\n"
                 "use what is good and say so on standard error.",
        .flags = flags,
        .verbs = verbs,
        .manual = where_manual,
        .status = "0 done, 2 usage, 3 a file could not be read",
        .examples = "understudy capture verify run/capture/*.cap\n"
                    "understudy capture info run/capture/00001.cap\n"
                    "understudy capture cat run/capture/*.cap | jq .latency_us | sort -n | tail -1\n"
                    "understudy capture cat run/capture/*.cap --where 'status>=500'",
};
