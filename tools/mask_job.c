/* A policy made ready for a command. */
#include <stdlib.h>
#include <unistd.h>

#include "capture/detect/gazetteer.h"
#include "capture/mask_why.h"
#include "capture/secret.h"
#include "proxy/config.h"
#include "proxy/secrets.h"
#include "tools/mask.h"
#include "tools/mask_recogniser.h"

static int cannot(const char *what, int err)
{
	fprintf(stderr, "understudy: mask: %s: %s\n", what, err_text(err));
	return 3;
}

static const struct plan_mask *choose(const struct plan *p, const char *file, const char *name)
{
	if (!name && p->mask_count > 2)
		fprintf(stderr, "understudy: mask: %s has %u masks; name one with --mask\n", file,
		        p->mask_count - 1);
	else if (!name)
		return &p->masks[p->mask_count - 1];
	for (uint32_t i = 0; name && i < p->mask_count; i++)
		if (!strcmp(p->masks[i].name, name))
			return &p->masks[i];
	if (name)
		fprintf(stderr, "understudy: mask: %s has no mask '%s'\n", file, name);
	return NULL;
}

static int load_key(struct mask_job *j, const char *key_file)
{
	const char *file = key_file ? key_file : j->plan->mask_key_file;
	const uint8_t *key;
	int fd = -1, err = secrets_mask_key(file, -1, &fd);

	if (err)
		return 3;
	if (!file[0])
		fprintf(stderr,
		        "understudy: mask: the policy has no key_file: tokens are of this run alone\n");
	err = secret_map(fd, 32, &key);
	if (!err)
		err = mask_key_of(key, span_of(j->policy->tenant), j->policy->epoch, &j->key);
	close(fd);
	return err ? cannot("the mask key", err) : 0;
}

static int read_gazetteer(const char *path, struct buf *out)
{
	FILE *f = path[0] ? fopen(path, "re") : NULL;
	size_t n = 1;

	while (f && n) {
		char *room = buf_room(out, 65536);

		n = room ? fread(room, 1, 65536, f) : 0;
		buf_grown(out, n);
	}
	if (f)
		fclose(f);
	return path[0] && !f ? ERR_SYS : out->err;
}

static int load_rules(struct mask_job *j)
{
	struct buf gazetteer;
	int err;

	buf_init(&gazetteer, 2 * GAZETTEER_BYTES_MAX);
	err = read_gazetteer(j->policy->detect.gazetteer_file, &gazetteer);
	if (!err)
		err = mask_finder_new(j->policy, buf_span(&gazetteer), &j->finder);
	buf_fini(&gazetteer);
	if (!err)
		err = mask_rules_new(j->policy, &j->rules);
	if (err)
		return cannot(j->policy->name, err);
	mask_rules_find(j->rules, j->finder);
	if (j->policy->detect.free_text != FREE_TEXT_RECOGNISE)
		return 0;
	err = mask_recogniser_new(&j->policy->recogniser, &j->recogniser);
	mask_finder_ask(j->finder, j->recogniser);
	return err ? cannot("the recogniser", err) : 0;
}

int mask_job_open(struct mask_job *j, const char *file, const char *name, const char *key_file, bool values)
{
	int err;

	*j = (struct mask_job){.file = file};
	buf_init(&j->out, 2 * (size_t)MASK_DOCUMENT_MAX);
	mask_watch_init(&j->watch, values);
	j->plan = calloc(1, sizeof *j->plan);
	err = j->plan ? config_read_masks(file, j->plan, stderr) : ERR_NOMEM;
	if (err == ERR_NOMEM)
		return cannot(file, err);
	if (err)
		return 2;
	j->policy = choose(j->plan, file, name);
	if (!j->policy)
		return 2;
	err = load_key(j, key_file);
	if (!err)
		err = load_rules(j);
	if (!err)
		mask_key_watch(j->key, &j->watch);
	return err;
}

void mask_job_close(struct mask_job *j)
{
	mask_rules_free(&j->rules);
	mask_finder_free(&j->finder);
	mask_recogniser_free(&j->recogniser);
	mask_key_free(&j->key);
	mask_watch_fini(&j->watch);
	buf_fini(&j->out);
	free(j->plan);
}

int mask_job_field(const struct mask_job *j, const struct plan_mask_field *f)
{
	const struct plan_mask_field *all = j->policy->fields;

	return f >= all && f < all + j->policy->field_count ? (int)(f - all) : -1;
}

const char *mask_job_class(const struct mask_job *j, unsigned class)
{
	const struct plan_detect *d = &j->policy->detect;

	return class >= DETECT_PATTERN && class - DETECT_PATTERN < d->pattern_count
	               ? d->patterns[class - DETECT_PATTERN].name
	               : detect_class_name(class);
}

void mask_job_rule(const struct mask_job *j, const struct mask_sight *s, char *out, size_t size)
{
	if (mask_job_field(j, s->rule) >= 0)
		snprintf(out, size, "%s:%u", j->file, s->rule->line);
	else if (s->class >= DETECT_PATTERN)
		snprintf(out, size, "%s: patterns", j->file);
	else if (s->class >= DETECT_PERSON || (s->class && !j->policy->detect.line))
		snprintf(out, size, "%s: recogniser", j->file);
	else if (s->class)
		snprintf(out, size, "%s:%u", j->file, j->policy->detect.line);
	else if (s->prose)
		snprintf(out, size, "%s: free_text", j->file);
	else if (j->policy->allow && s->rule)
		snprintf(out, size, "%s: mode allow", j->file);
	else
		snprintf(out, size, "always");
}

void mask_job_begin(struct mask_job *j)
{
	if (j->recogniser)
		recogniser_begin(j->recogniser);
}

bool mask_job_end(struct mask_job *j)
{
	return !j->recogniser || recogniser_end(j->recogniser);
}

const char *mask_job_run(struct mask_job *j, const struct mask_document *d, uint32_t *count_out)
{
	bool input_masked;
	int err;

	(void)mask_asked(j->key);
	*count_out = 0;
	buf_reset(&j->out);
	mask_watch_forget(&j->watch);
	if (d->head)
		return mask_head(j->policy, j->finder, j->key, d->text, &j->out, count_out) || j->out.err
		               ? mask_why_name(MASK_WHY_HEAD)
		               : NULL;
	if (d->body.form == MASK_PLAIN && !j->finder)
		return "it is a text, and the policy has no detectors that could look into it";
	mask_job_begin(j);
	err = mask_body(&d->body, j->rules, j->key, d->text, NULL, NULL, &j->out, count_out, &input_masked);
	if (!mask_job_end(j))
		return mask_why_name(MASK_WHY_RECOGNISER);
	if (!err && mask_asked(j->key) & MASK_ASKED_DROP)
		return mask_why_name(MASK_WHY_RULE);
	if (!err)
		err = mask_watch_error(&j->watch);
	return err ? mask_why_name(mask_why(&d->body, err, d->text)) : NULL;
}
