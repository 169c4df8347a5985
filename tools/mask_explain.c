/* `understudy mask explain`: each span that the policy touches, and why. */
#include <inttypes.h>

#include "proxy/config.h"
#include "tools/mask.h"

struct explain {
	struct mask_job *job;
	bool values, json;
	uint64_t documents, failed, sights;
};

/* A text of the input, without control characters that a terminal would obey. */
static void put_plain(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		putchar((unsigned char)s.data[i] < 0x20 || s.data[i] == 0x7f ? '?' : s.data[i]);
}

static const char *class_of(const struct explain *e, const struct mask_sight *s)
{
	return s->class   ? mask_job_class(e->job, s->class)
	       : s->prose ? "free_text"
	       : s->rule  ? "field"
	                  : "built-in";
}

static void print_text(const struct explain *e, const struct mask_document *d, const struct mask_sight *s)
{
	char rule[TEXT_MAX_BYTES];
	bool listed = mask_job_field(e->job, s->rule) >= 0;

	mask_job_rule(e->job, s, rule, sizeof rule);
	printf("%" PRIu64 "\t", d->lines ? d->number : s->document ? s->document : 1);
	put_plain(mask_watch_text(&e->job->watch, s->place_at, s->place_len));
	printf("\t%zu-%zu\t%s", s->start, s->end, class_of(e, s));
	if (s->class)
		printf(" %u%%", s->score);
	printf("\t%s%s%s\t%s", rule, listed ? " " : "", listed ? s->rule->where : "",
	       config_operator_name(s->with));
	if (e->values) {
		putchar('\t');
		put_plain(mask_watch_text(&e->job->watch, s->value_at, s->value_len));
	}
	putchar('\n');
}

static void print_json(const struct explain *e, const struct mask_document *d, const struct mask_sight *s)
{
	char rule[TEXT_MAX_BYTES];
	struct buf line;
	struct span all;

	mask_job_rule(e->job, s, rule, sizeof rule);
	buf_init(&line, WATCH_BYTES_MAX * 7);
	buf_printf(&line, "{\"document\":%" PRIu64 ",\"place\":",
	           d->lines      ? d->number
	           : s->document ? s->document
	                         : 1);
	buf_json_string(&line, mask_watch_text(&e->job->watch, s->place_at, s->place_len));
	buf_printf(&line, ",\"start\":%zu,\"end\":%zu,\"class\":\"%s\"", s->start, s->end, class_of(e, s));
	if (s->class)
		buf_printf(&line, ",\"score\":%u", s->score);
	buf_puts(&line, ",\"rule\":");
	buf_json_string(&line, span_of(rule));
	if (mask_job_field(e->job, s->rule) >= 0) {
		buf_printf(&line, ",\"field\":%d,\"where\":", mask_job_field(e->job, s->rule));
		buf_json_string(&line, span_of(s->rule->where));
	}
	buf_printf(&line, ",\"with\":\"%s\"", config_operator_name(s->with));
	if (e->values) {
		buf_puts(&line, ",\"value\":");
		buf_json_string(&line, mask_watch_text(&e->job->watch, s->value_at, s->value_len));
	}
	all = buf_span(&line);
	if (!line.err)
		printf("%.*s}\n", (int)all.len, all.data);
	buf_fini(&line);
}

static int explain_one(void *arg, const struct mask_document *d)
{
	struct explain *e = arg;
	const struct mask_sight *sights;
	const char *why;
	uint32_t count;
	size_t n;

	if (!d->text.len)
		return 0;
	e->documents++;
	why = mask_job_run(e->job, d, &count);
	if (why) {
		fprintf(stderr, "understudy: mask: document %" PRIu64 ": %s\n", d->number, why);
		e->failed++;
		return 0;
	}
	sights = mask_watch_sights(&e->job->watch, &n);
	e->sights += n;
	for (size_t i = 0; i < n; i++)
		(e->json ? print_json : print_text)(e, d, &sights[i]);
	return 0;
}

int mask_explain(struct mask_job *job, const struct words *words, bool values, bool json)
{
	struct explain e = {.job = job, .values = values, .json = json};
	struct mask_input in = {.kind = KINDS};
	int status = mask_input_open(&in, words->count ? words->at[0] : "-");

	if (!status)
		status = mask_input_each(&in, explain_one, &e);
	mask_input_close(&in);
	fprintf(stderr, "understudy: mask: %" PRIu64 " spans in %" PRIu64 " documents\n", e.sights,
	        e.documents);
	return status ? status : e.failed ? 3 : 0;
}
