/* `understudy mask score`: what a policy's detectors find, against texts in which somebody marked it. */
#include <inttypes.h>
#include <stdlib.h>

#include "capture/labels.h"
#include "tools/mask.h"

enum { ENTITIES_MAX = 256, ENTITY_NAME_MAX = 64 };

/* What others call the classes; a class by its own name needs no row. */
static const char *const known[] = {
        "CREDIT_CARD=pan",
        "IBAN_CODE=iban",
        "EMAIL_ADDRESS=email",
        "IP_ADDRESS=ipv4,ipv6",
        "PHONE_NUMBER=phone",
        "SSN=us_ssn",
        "US_BANK_NUMBER=bank_account",
        "US_DRIVER_LICENSE=driver_licence",
        "US_PASSPORT=passport",
        "UK_PASSPORT=passport",
        "CRYPTO=btc,eth",
        "MAC_ADDRESS=mac",
        "ZIP_CODE=postcode",
        "MEDICAL_LICENSE=us_dea",
        "DATE_OF_BIRTH=birth_date",
        "IT_FISCAL_CODE=it_fiscal_code",
        "AU_MEDICARE=au_medicare",
        "PERSON=gazetteer,person",
        "LOCATION=gazetteer,place",
        "GPE=gazetteer,place",
        "NRP=special,gazetteer",
        "ORGANIZATION=gazetteer,organisation",
        "SWIFT_CODE=bic",
        "VEHICLE_ID=vin",
        "LICENSE_PLATE=plate",
        "CREDIT_CARD_NUMBER=pan",
        "IP=ipv4,ipv6",
        "ABA_ROUTING_NUMBER=us_routing",
        "DRIVER_LICENSE=driver_licence",
        "PASSPORT_NUMBER=passport",
        "UK_POSTCODE=postcode",
        "SG_NRIC_FIN=sg_nric",
        "IT_VAT_CODE=it_vat",
        "IT_PASSPORT=passport",
        "IT_DRIVER_LICENSE=driver_licence",
        "IN_PASSPORT=passport",
        "IN_VEHICLE_REGISTRATION=plate",
        "FI_PERSONAL_IDENTITY_CODE=fi_hetu",
        "SECRET=secret",
        "CREDENTIAL=secret",
};

struct entity {
	char name[ENTITY_NAME_MAX];
	struct detect_set classes;
	bool labelled;
	uint64_t labels, exact, touched; /* touched: some of it was found, as what it is */
	uint64_t predicted, right;
	uint64_t characters, leaked;
};

struct score {
	struct mask_job *job;
	struct labels labels;
	struct entity entities[ENTITIES_MAX];
	unsigned entity_count;
	uint64_t documents, refused, other; /* other: finds of classes that no label stands for */
};

static bool add_classes(struct detect_set *set, const char *list)
{
	char one[ENTITY_NAME_MAX];

	for (const char *at = list; *at; at += strspn(at, ",")) {
		size_t n = strcspn(at, ",");

		if (n >= sizeof one)
			return false;
		memcpy(one, at, n);
		one[n] = '\0';
		if (!detect_set_add_name(set, one))
			return false;
		at += n;
	}
	return true;
}

static struct entity *find_entity(struct score *s, struct span name)
{
	for (unsigned i = 0; i < s->entity_count; i++)
		if (span_eq(span_of(s->entities[i].name), name))
			return &s->entities[i];
	return NULL;
}

static struct entity *add_entity(struct score *s, struct span name)
{
	struct entity *e = find_entity(s, name);

	if (e || s->entity_count == ENTITIES_MAX || name.len >= ENTITY_NAME_MAX ||
	    memchr(name.data, 0, name.len))
		return e;
	e = &s->entities[s->entity_count++];
	memcpy(e->name, name.data, name.len);
	return e;
}

/* "LABEL=CLASS,..."; it takes the place of what was known of the label. */
static bool map(struct score *s, const char *text)
{
	const char *equals = strchr(text, '=');
	struct entity *e = equals ? add_entity(s, (struct span){text, (size_t)(equals - text)}) : NULL;

	if (!e)
		return false;
	e->classes = (struct detect_set){{0, 0}};
	return add_classes(&e->classes, equals + 1);
}

/* A label that no map names: the class of that name, in either case, or none. */
static struct entity *entity_of(struct score *s, struct span type)
{
	struct entity *e = find_entity(s, type);
	char lower[ENTITY_NAME_MAX];

	if (e)
		return e;
	e = add_entity(s, type);
	if (!e)
		return NULL;
	for (size_t i = 0; i <= type.len; i++)
		lower[i] = (char)(e->name[i] >= 'A' && e->name[i] <= 'Z' ? e->name[i] | 32 : e->name[i]);
	for (unsigned c = 1; c < DETECT_CLASSES; c++)
		if (!strcmp(detect_class_name(c), lower))
			detect_set_add(&e->classes, c);
	return e;
}

static bool is_mapped(const struct entity *e)
{
	return e->classes.bits[0] | e->classes.bits[1];
}

/* Characters of [from, to). */
static uint64_t characters(struct span text, size_t from, size_t to)
{
	uint64_t n = 0;

	for (size_t i = from; i < to; i++)
		n += ((unsigned char)text.data[i] & 0xc0) != 0x80;
	return n;
}

static bool overlap(const struct mask_sight *m, const struct label *l)
{
	return m->start < l->end && l->start < m->end;
}

static void score_label(struct score *s, struct entity *e, const struct label *l, const struct mask_sight *m,
                        size_t n)
{
	size_t at = l->start;
	bool exact = false, touched = false;

	e->labelled = true;
	e->labels++;
	e->characters += characters(s->labels.text, l->start, l->end);
	for (size_t i = 0; i < n && m[i].start < l->end; i++) {
		bool mine = m[i].class && detect_set_has(&e->classes, m[i].class);

		if (!overlap(&m[i], l))
			continue;
		touched |= mine;
		exact |= mine && m[i].start == l->start && m[i].end == l->end;
		if (m[i].start > at)
			e->leaked += characters(s->labels.text, at, m[i].start);
		at = m[i].end > at ? m[i].end : at;
	}
	if (at < l->end)
		e->leaked += characters(s->labels.text, at, l->end);
	e->exact += exact;
	e->touched += touched;
}

/* Whose find is it: that of the label it touches, if that may be one; else of the first entity that may. */
static void score_find(struct score *s, const struct mask_sight *m)
{
	struct entity *whose = NULL;
	bool right = false;

	for (size_t i = 0; i < s->labels.count && s->labels.at[i].start < m->end; i++) {
		const struct label *l = &s->labels.at[i];
		struct entity *e = overlap(m, l) ? find_entity(s, l->type) : NULL;

		if (!e || !detect_set_has(&e->classes, m->class))
			continue;
		whose = right ? whose : e;
		right |= m->start == l->start && m->end == l->end;
	}
	for (unsigned i = 0; !whose && i < s->entity_count; i++)
		if (detect_set_has(&s->entities[i].classes, m->class))
			whose = &s->entities[i];
	if (!whose) {
		s->other++;
		return;
	}
	whose->predicted++;
	whose->right += right;
}

static int score_one(void *arg, const struct mask_document *d)
{
	struct score *s = arg;
	const struct mask_sight *sights;
	const char *why;
	bool whole;
	size_t n;

	if (!d->text.len)
		return 0;
	if (labels_read(&s->labels, d->text, &why)) {
		if (!s->refused++)
			fprintf(stderr, "understudy: mask: line %" PRIu64 ": %s; it is left out\n", d->number,
			        why ? why : "out of memory");
		return 0;
	}
	s->documents++;
	buf_reset(&s->job->out);
	mask_watch_forget(&s->job->watch);
	mask_job_begin(s->job);
	if (s->job->finder)
		(void)mask_text(s->job->finder, s->job->key, LOOK_ALL, SPAN(""), s->labels.text, &s->job->out,
		                &whole);
	if (!mask_job_end(s->job)) {
		if (!s->refused++)
			fprintf(stderr, "understudy: mask: line %" PRIu64 ": recogniser; it is left out\n",
			        d->number);
		s->documents--;
		return 0;
	}
	sights = mask_watch_sights(&s->job->watch, &n);
	for (size_t i = 0; i < s->labels.count; i++) {
		struct entity *e = entity_of(s, s->labels.at[i].type);

		if (e)
			score_label(s, e, &s->labels.at[i], sights, n);
	}
	for (size_t i = 0; i < n; i++)
		if (sights[i].class)
			score_find(s, &sights[i]);
	return 0;
}

static double share(uint64_t part, uint64_t of)
{
	return of ? (double)part / (double)of : 0;
}

/* F2 = 5PR / (4P + R): recall weighs four times as much. */
static double f2(const struct entity *e)
{
	double p = share(e->right, e->predicted), r = share(e->exact, e->labels);

	return p + r > 0 ? 5 * p * r / (4 * p + r) : 0;
}

static void print_row(const struct entity *e)
{
	printf("%-20s %8" PRIu64, e->name, e->labels);
	if (is_mapped(e))
		printf(" %8.2f %8.2f %8.2f %8.2f", 100 * share(e->exact, e->labels),
		       100 * share(e->right, e->predicted), 100 * f2(e), 100 * share(e->touched, e->labels));
	else
		printf(" %8s %8s %8s %8s", "-", "-", "-", "-");
	printf(" %8.2f\n", 100 * share(e->leaked, e->characters));
}

static void total(const struct score *s, bool mapped, struct entity *out)
{
	*out = (struct entity){.name = "all"};
	out->classes.bits[0] = mapped;
	for (unsigned i = 0; i < s->entity_count; i++) {
		const struct entity *e = &s->entities[i];

		if (is_mapped(e) != mapped)
			continue;
		out->labels += e->labels;
		out->exact += e->exact;
		out->touched += e->touched;
		out->predicted += e->predicted;
		out->right += e->right;
		out->characters += e->characters;
		out->leaked += e->leaked;
	}
}

static void print_block(const struct score *s, bool mapped)
{
	struct entity all;

	total(s, mapped, &all);
	if (!all.labels && !all.predicted)
		return;
	if (!mapped)
		puts("labels that no detector stands for: they need named fields, a gazetteer or a "
		     "recogniser");
	printf("%-20s %8s %8s %8s %8s %8s %8s\n", "label", "labels", "recall", "precis.", "F2", "touched",
	       "leaked");
	for (unsigned i = 0; i < s->entity_count; i++) {
		const struct entity *e = &s->entities[i];

		if (is_mapped(e) == mapped && (e->labels || e->predicted))
			print_row(e);
	}
	print_row(&all);
}

static void put_json(struct buf *b, const struct entity *e)
{
	buf_puts(b, "{\"label\":");
	buf_json_string(b, span_of(e->name));
	buf_printf(b, ",\"mapped\":%s,\"labels\":%" PRIu64 ",\"exact\":%" PRIu64 ",\"touched\":%" PRIu64,
	           is_mapped(e) ? "true" : "false", e->labels, e->exact, e->touched);
	buf_printf(b, ",\"predicted\":%" PRIu64 ",\"right\":%" PRIu64 ",\"recall\":%.6f,\"precision\":%.6f",
	           e->predicted, e->right, share(e->exact, e->labels), share(e->right, e->predicted));
	buf_printf(b, ",\"f2\":%.6f,\"characters\":%" PRIu64 ",\"leaked\":%" PRIu64 "}", f2(e), e->characters,
	           e->leaked);
}

static void print_json(const struct score *s)
{
	const char *comma = "";
	struct buf b;

	buf_init(&b, 1 << 20);
	buf_printf(&b,
	           "{\"documents\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"other\":%" PRIu64 ",\"labels\":[",
	           s->documents, s->refused, s->other);
	for (unsigned i = 0; i < s->entity_count; i++) {
		if (!s->entities[i].labels && !s->entities[i].predicted)
			continue;
		buf_puts(&b, comma);
		put_json(&b, &s->entities[i]);
		comma = ",";
	}
	printf("%.*s]}\n", (int)buf_len(&b), buf_span(&b).data);
	buf_fini(&b);
}

static int read_maps(struct score *s, const char *const *maps, unsigned count)
{
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		(void)map(s, known[i]);
	for (unsigned i = 0; i < count; i++)
		if (!map(s, maps[i]))
			return command_wrong(&mask_command, "--map %s: LABEL=CLASS,... is expected", maps[i]);
	return 0;
}

int mask_score(struct mask_job *job, const char *path, const char *const *maps, unsigned map_count, bool json)
{
	struct mask_input in = {.kind = KIND_LINES};
	struct score *s = calloc(1, sizeof *s);
	int status = 3;

	if (!s)
		return status;
	s->job = job;
	labels_init(&s->labels);
	status = read_maps(s, maps, map_count);
	if (!status)
		status = mask_input_open(&in, path);
	if (!status)
		status = mask_input_each(&in, score_one, s);
	mask_input_close(&in);
	if (!status && json) {
		print_json(s);
	} else if (!status) {
		print_block(s, true);
		print_block(s, false);
		printf("texts %" PRIu64 ", lines left out %" PRIu64
		       ", finds of classes without a label %" PRIu64 "\n",
		       s->documents, s->refused, s->other);
	}
	status = !status && s->refused ? 3 : status;
	labels_fini(&s->labels);
	free(s);
	return status;
}
