/*
 * masker_load.c - what a role masks with, made from the files it was started with: policies with what they
 * find, keys, the list of who has withdrawn.
 */
#include "capture/masker_inside.h"

#include <stdio.h>
#include "capture/detect/gazetteer.h"
#include "capture/mask_text.h"
#include "capture/recogniser_role.h"
#include "capture/secret.h"

static int load_finder(struct masker *m, uint32_t i)
{
	struct buf gazetteer;
	char name[32];
	int err;

	snprintf(name, sizeof name, "gazetteer.%u", i);
	buf_init(&gazetteer, 2 * GAZETTEER_BYTES_MAX);
	role_read(m->env, name, &gazetteer);
	err = mask_finder_new(&m->env->plan->masks[i], buf_span(&gazetteer), &m->finders[i]);
	buf_fini(&gazetteer);
	return err;
}

static int load_schema(struct masker *m, uint32_t i)
{
	char name[32];
	struct buf file;
	int err;

	snprintf(name, sizeof name, "descriptors.%u", i);
	buf_init(&file, 2 * SCHEMA_BYTES_MAX);
	role_read(m->env, name, &file);
	err = file.err ? file.err
	               : mask_schema_open(&m->env->plan->masks[i], buf_span(&file), &m->schemas[i]);
	buf_fini(&file);
	return err;
}

int masker_load_rules(struct masker *m)
{
	const struct plan *plan = m->env->plan;
	int err = 0;

	for (uint32_t i = 0; !err && i < plan->mask_count; i++) {
		err = load_finder(m, i);
		m->finds |= m->finders[i] != NULL;
		if (!err)
			err = recogniser_of_role(m->env, i, &m->recognisers[i]);
		if (!err && m->finders[i])
			mask_finder_ask(m->finders[i], m->recognisers[i]);
		for (uint32_t j = 0; j < plan->masks[i].field_count; j++)
			m->finds |= plan->masks[i].fields[j].with > MASK_REDACT;
		if (!err)
			err = mask_rules_new(&plan->masks[i], &m->rules[i]);
		if (err)
			return err;
		mask_rules_find(m->rules[i], m->finders[i]);
		err = load_schema(m, i);
		if (!err)
			err = mask_rules_describe(m->rules[i], m->schemas[i]);
	}
	return err;
}

int masker_load_withdrawn(struct masker *m)
{
	struct buf list;
	unsigned line;
	int err;

	if (!m->env->plan->withdrawn.file[0])
		return 0;
	buf_init(&list, 2 * WITHDRAWN_BYTES_MAX);
	role_read(m->env, "withdrawn", &list);
	err = list.err ? list.err : withdrawn_new(buf_span(&list), &m->withdrawn, &line);
	buf_fini(&list);
	return err;
}

/* Each policy has a key of its tenant and epoch. */
int masker_load_keys(struct masker *m)
{
	const struct plan *plan = m->env->plan;
	const uint8_t *root;
	int err = secret_map(role_fd(m->env, "mask-key"), 32, &root);

	for (uint32_t i = 0; !err && i < plan->mask_count; i++)
		err = mask_key_of(root, span_of(plan->masks[i].tenant), plan->masks[i].epoch, &m->keys[i]);
	return err;
}
