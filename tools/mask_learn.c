/*
 * `understudy mask learn`: what files hold, path by path, and a policy for it, with a reason a line.
 *
 * A field that a detector knows is named; what is found among other text needs the detector; a name that
 * speaks of a person or a secret is believed. What the proposal rests on are counts: no value is kept.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/random.h>

#include "capture/capfile.h"
#include "capture/fold.h"
#include "capture/learn.h"
#include "proto/json.h"
#include "tools/control_ask.h"
#include "tools/mask.h"

enum { FOLD_LIMIT = 256 << 20, FIELD_SHARE = 50, STEPS_MAX = 256, ENOUGH = 20 };

struct learning {
	struct learn *learn;
	struct fold *fold;
	struct mask_job *diff; /* NULL: propose */
	uint64_t unread;
	uint32_t detectors[DETECT_CLASSES]; /* values in which a class is found among other text */
	unsigned detector_at[DETECT_CLASSES];
	unsigned told;
};

/* --- reading --- */

static int take_document(void *arg, const struct mask_document *d)
{
	struct learning *g = arg;

	g->unread += learn_body(g->learn, &d->body, d->text, MASK_DOCUMENT_MAX) != 0;
	return 0;
}

static void take_leg(struct learning *g, const struct leg *leg)
{
	if (leg && leg->begun)
		g->unread +=
		        !learn_leg(g->learn, buf_span(&leg->head), buf_span(&leg->body), MASK_DOCUMENT_MAX);
}

static void take_exchange(void *arg, struct exchange *e)
{
	struct learning *g = arg;

	take_leg(g, e->legs[LEG_CLIENT]);
	take_leg(g, e->legs[LEG_LIVE]);
	fold_drop(g->fold, &e);
}

static int take_capture(struct learning *g, const char *path)
{
	struct capfile_reader *reader;
	struct exchange *e;
	struct record r;
	const void *payload;
	const char *why;
	int err = capfile_open(path, &reader, &why);

	if (err) {
		fprintf(stderr, "understudy: mask: %s: %s\n", path, why ? why : err_text(err));
		return 3;
	}
	g->fold = fold_new(FOLD_LIMIT);
	while (g->fold && (err = capfile_next(reader, &r, &payload)) == 0)
		if (r.leg <= LEG_LIVE && !fold_add(g->fold, &r, payload, &e) && e->legs[LEG_CLIENT] &&
		    e->legs[LEG_CLIENT]->ended && e->legs[LEG_LIVE] && e->legs[LEG_LIVE]->ended)
			take_exchange(g, e);
	if (g->fold)
		fold_each(g->fold, take_exchange, g);
	fold_free(&g->fold);
	capfile_reader_free(&reader);
	return err == ERR_AGAIN || err == ERR_TORN ? 0 : 3;
}

static int take_file(struct learning *g, const char *path)
{
	struct mask_input in = {.kind = KINDS};
	char magic[8] = "";
	FILE *f = strcmp(path, "-") ? fopen(path, "re") : NULL;
	int status;

	if (f && fread(magic, 1, sizeof magic, f) == sizeof magic &&
	    !memcmp(magic, "UNDRSTDY", sizeof magic)) {
		fclose(f);
		return take_capture(g, path);
	}
	if (f)
		fclose(f);
	status = mask_input_open(&in, path);
	if (!status)
		status = mask_input_each(&in, take_document, g);
	mask_input_close(&in);
	return status;
}

/* --- proposing --- */

static unsigned percent(uint64_t part, uint64_t of)
{
	return of ? (unsigned)((100 * part + of / 2) / of) : 0;
}

/* The class that most of the strings are as a whole. */
static unsigned class_of(const struct learn_place *p)
{
	unsigned best = DETECT_NONE;

	for (unsigned c = 1; c < DETECT_CLASSES; c++)
		if (p->whole[c] && (!best || p->whole[c] > p->whole[best]))
			best = c;
	return best && 100ull * p->whole[best] >= FIELD_SHARE * p->texts ? best : DETECT_NONE;
}

/* What a name says by itself, or NULL: words at its end or its beginning, in either case. */
static const char *name_says(const char *name)
{
	static const char *const rows[][2] = {
	        {"password", "a secret"},    {"passwd", "a secret"},       {"secret", "a secret"},
	        {"apikey", "a secret"},      {"token", "a secret"},        {"firstname", "a person"},
	        {"lastname", "a person"},    {"surname", "a person"},      {"fullname", "a person"},
	        {"username", "a person"},    {"customername", "a person"}, {"patientname", "a person"},
	        {"street", "an address"},    {"address", "an address"},    {"city", "an address"},
	        {"postcode", "an address"},  {"zipcode", "an address"},    {"birthdate", "a person"},
	        {"dateofbirth", "a person"}, {"dob", "a person"},          {"gender", "a person"},
	        {"religion", "a person"},    {"nationality", "a person"},  {"diagnosis", "health"},
	        {"ssn", "a person"},         {"passport", "a person"},     {"phone", "a person"},
	        {"email", "a person"},       {"iban", "an account"},       {"cardnumber", "an account"},
	};
	char plain[LEARN_NAME_BYTES + 1];
	size_t n = 0, len;

	for (const char *c = name; *c; c++)
		if ((*c | 32) >= 'a' && (*c | 32) <= 'z')
			plain[n++] = (char)(*c | 32);
	plain[n] = '\0';
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		len = strlen(rows[i][0]);
		if (n >= len && (!strcmp(plain + n - len, rows[i][0]) || !strncmp(plain, rows[i][0], len)))
			return rows[i][1];
	}
	return NULL;
}

/* Does the policy of --diff see to it: by a rule for the place, or by the class? */
static bool covered(const struct learning *g, unsigned i, unsigned class)
{
	const struct learn_place *p = learn_at(g->learn, i);
	struct mask_step steps[STEPS_MAX];
	unsigned depth = learn_steps(g->learn, i, steps, STEPS_MAX);
	bool input_masked;

	if (!g->diff)
		return false;
	if (class && detect_set_has(&g->diff->policy->detect.find.classes, class))
		return true;
	for (uint32_t f = 0; f < g->diff->policy->field_count; f++) {
		const struct plan_mask_field *rule = &g->diff->policy->fields[f];

		if (((p->kind == LEARN_HEADER && rule->place == MASK_HEADER) ||
		     (p->kind == LEARN_FORM && rule->place == MASK_FORM)) &&
		    !strcmp(rule->where, p->name))
			return true;
	}
	while (depth && !mask_rules_at(g->diff->rules, SPAN(""), steps, depth, &input_masked))
		depth--;
	return depth > 0;
}

/* One line: a rule and why. A masked parent masks what is below. */
static void put_field(struct learning *g, unsigned i, unsigned class, const char *says)
{
	const struct learn_place *p = learn_at(g->learn, i);
	bool secret = (class && !strcmp(detect_class_group(class), "secret")) ||
	              (says && !strcmp(says, "a secret"));
	struct buf path;
	struct span s;

	buf_init(&path, 65536);
	if (learn_path(g->learn, i, &path) && !covered(g, i, class)) {
		s = buf_span(&path);
		printf("      - {%.*s, with: %s}  # ", (int)s.len, s.data, secret ? "redact" : "token");
		if (class)
			printf("%s in %u %% of %" PRIu64, detect_class_name(class),
			       percent(p->whole[class], p->texts), p->texts);
		else
			printf("its name says %s;", says);
		printf(" values, about %" PRIu64 " different, %" PRIu64 " to %" PRIu64 " bytes\n",
		       learn_different(p), p->least, p->most);
		g->told++;
	}
	buf_fini(&path);
}

static void put_fields(struct learning *g)
{
	for (unsigned i = 0; i < learn_count(g->learn); i++) {
		const struct learn_place *p = learn_at(g->learn, i);
		unsigned class = class_of(p);
		const char *says = name_says(p->name);

		if (p->kind == LEARN_HEADER && mask_is_credential(span_of(p->name)))
			continue;
		if (p->texts && (class || says))
			put_field(g, i, class, class ? NULL : says);
		for (unsigned c = 1; c < DETECT_CLASSES; c++)
			if (p->hits[c] && c != class && !covered(g, i, c) &&
			    (!g->detectors[c] ||
			     p->hits[c] > learn_at(g->learn, g->detector_at[c])->hits[c])) {
				g->detectors[c] += p->hits[c];
				g->detector_at[c] = i;
			} else if (p->hits[c] && c != class && !covered(g, i, c)) {
				g->detectors[c] += p->hits[c];
			}
	}
}

static void put_detectors(struct learning *g)
{
	const char *title = "    detectors:\n";

	for (unsigned c = 1; c < DETECT_CLASSES; c++) {
		struct buf path;
		struct span s;

		if (!g->detectors[c])
			continue;
		buf_init(&path, 65536);
		(void)learn_path(g->learn, g->detector_at[c], &path);
		s = buf_len(&path) ? buf_span(&path) : SPAN("members whose names are values");
		printf("%s      - %s  # in %" PRIu32 " values, most in %.*s\n", title, detect_class_name(c),
		       g->detectors[c], (int)s.len, s.data);
		title = "";
		g->told++;
		buf_fini(&path);
	}
}

/* What counts alone cannot decide. */
static void put_thoughts(const struct learning *g)
{
	for (unsigned i = 0; i < learn_count(g->learn); i++) {
		const struct learn_place *p = learn_at(g->learn, i);
		uint64_t strings = p->texts;
		struct buf path;
		struct span s;

		buf_init(&path, 65536);
		if (strings >= ENOUGH && learn_path(g->learn, i, &path) && !covered(g, i, DETECT_NONE)) {
			s = buf_span(&path);
			if (2 * p->prose > strings)
				printf("    # %.*s: prose in %u %% of %" PRIu64
				       " values: names and addresses in it need free_text: drop\n",
				       (int)s.len, s.data, percent(p->prose, strings), strings);
			else if (2 * learn_different(p) > strings && p->most <= 64 && !class_of(p) &&
			         !name_says(p->name))
				printf("    # - {%.*s, with: token}: about %" PRIu64 " different of %" PRIu64
				       " values: it may tell somebody apart\n",
				       (int)s.len, s.data, learn_different(p), strings);
		}
		buf_fini(&path);
	}
}

static void propose(struct learning *g)
{
	printf("# learned from %" PRIu64 " documents, %u places%s\n", learn_documents(g->learn),
	       learn_count(g->learn), g->diff ? ": what the policy does not see to" : "");
	puts("version: 1\nmasks:\n  learned:\n    fields:");
	put_fields(g);
	if (!g->told)
		puts("      []");
	put_detectors(g);
	put_thoughts(g);
	if (learn_over(g->learn))
		printf("    # %" PRIu64 " values were at places beyond the %u that are kept\n",
		       learn_over(g->learn), (unsigned)LEARN_PLACES_MAX);
}

/* --- all counts, for other tools --- */

static void put_hits(struct buf *b, const struct learn_place *p)
{
	const char *comma = "";

	buf_puts(b, ",\"found\":{");
	for (unsigned c = 1; c < DETECT_CLASSES; c++) {
		if (!p->hits[c])
			continue;
		buf_printf(b, "%s\"%s\":{\"values\":%" PRIu32 ",\"whole\":%" PRIu32 "}", comma,
		           detect_class_name(c), p->hits[c], p->whole[c]);
		comma = ",";
	}
	buf_puts(b, "}");
}

static void print_place(const struct learning *g, unsigned i, struct buf *b)
{
	static const char *const types[] = {"object", "array", "string", "number", "bool", "null"};
	const struct learn_place *p = learn_at(g->learn, i);
	struct buf path;

	buf_init(&path, 65536);
	if (learn_path(g->learn, i, &path) || p->kind == LEARN_BODY || p->kind == LEARN_TEXT) {
		buf_reset(b);
		buf_puts(b, "{\"place\":");
		buf_json_string(b, buf_span(&path));
		buf_printf(b,
		           ",\"documents\":%" PRIu64 ",\"of\":%" PRIu64 ",\"values\":%" PRIu64 ",\"types\":{",
		           p->documents, learn_documents(g->learn), p->values);
		for (unsigned t = 0, n = 0; t < LEARN_TYPES; t++)
			if (p->types[t])
				buf_printf(b, "%s\"%s\":%" PRIu64, n++ ? "," : "", types[t], p->types[t]);
		buf_printf(b, "},\"different\":%" PRIu64, learn_different(p));
		if (p->texts)
			buf_printf(b,
			           ",\"bytes\":{\"least\":%" PRIu64 ",\"most\":%" PRIu64
			           ",\"mean\":%.1f},\"prose\":%" PRIu64,
			           p->least, p->most, (double)p->bytes / (double)p->texts, p->prose);
		put_hits(b, p);
		if (!b->err)
			printf("%.*s}\n", (int)buf_len(b), buf_span(b).data);
	}
	buf_fini(&path);
}

static void print_json(const struct learning *g)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	for (unsigned i = 0; i < learn_count(g->learn); i++)
		print_place(g, i, &b);
	buf_fini(&b);
}

/* What the masker of a running proxy has learned until now. */
static int take_live(struct learning *g, const char *control)
{
	struct reach_answer answer;
	int status, err;

	reach_answer_init(&answer);
	status = control_told(&mask_command, control, "GET", "/learned", &answer);
	if (!status && buf_len(&answer.body)) {
		learn_free(&g->learn);
		err = learn_load(buf_span(&answer.body), &g->learn);
		if (err)
			fprintf(stderr, "understudy: mask: what the proxy says: %s\n", err_text(err));
		status = err ? 3 : 0;
	}
	reach_answer_fini(&answer);
	return status;
}

int mask_learn(const struct words *words, const char *control, struct mask_job *diff, bool json)
{
	unsigned files = control ? 0 : words->count ? words->count : 1;
	struct learning *g = calloc(1, sizeof *g);
	uint8_t key[16];
	int status = 0;

	if (!g || getrandom(key, sizeof key, 0) != sizeof key || learn_new(key, &g->learn)) {
		fprintf(stderr, "understudy: mask: %s\n", strerror(errno));
		free(g);
		return 3;
	}
	g->diff = diff;
	if (control)
		status = take_live(g, control);
	for (unsigned i = 0; !status && i < files; i++)
		status = take_file(g, words->count ? words->at[i] : "-");
	if (!status && json)
		print_json(g);
	else if (!status)
		propose(g);
	if (!status && g->unread)
		fprintf(stderr, "understudy: mask: %" PRIu64 " bodies could not be read\n", g->unread);
	learn_free(&g->learn);
	free(g);
	return status;
}
