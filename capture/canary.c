#define _GNU_SOURCE
#include "capture/canary.h"

#include <stdio.h>
#include <string.h>

#include "capture/mask.h"

void canary_mark(uint64_t run_id, char out[CANARY_MARK_BYTES])
{
	snprintf(out, CANARY_MARK_BYTES, "understudycanary%016llx", (unsigned long long)run_id);
}

bool canary_seen(const char *mark, struct span payload)
{
	return memmem(payload.data, payload.len, mark, strlen(mark)) != NULL;
}

/* No rule has that name: what is called so is masked as usual. */
static bool is_free(const struct plan_mask *policy, enum mask_place place, const char *name)
{
	for (uint32_t i = 0; i < policy->field_count; i++)
		if (policy->fields[i].place == place && strcmp(policy->fields[i].where, name) == 0)
			return false;
	return true;
}

static void free_name(const struct plan_mask *policy, enum mask_place place, char out[NAME_MAX_BYTES])
{
	unsigned n = 0;

	do
		snprintf(out, NAME_MAX_BYTES, "canary%u", n++);
	while (!is_free(policy, place, out));
}

/* The rule hides the header of that name, being the first that names it; the body can still be read. */
static bool hides_header(const struct plan_mask *policy, uint32_t rule, size_t len)
{
	struct span name = span_of(policy->fields[rule].where);

	if (policy->fields[rule].place != MASK_HEADER || span_eq_nocase(name, SPAN("content-encoding")) ||
	    span_eq_nocase(name, SPAN("inference-header-content-length")))
		return false;
	for (uint32_t i = 0; i < rule; i++)
		if (policy->fields[i].place == MASK_HEADER &&
		    span_eq_nocase(name, span_of(policy->fields[i].where)))
			return false;
	return mask_hides(&policy->fields[rule], len);
}

int canary_head(const struct plan_mask *policy, bool request, const char *mark, struct buf *out)
{
	char query[NAME_MAX_BYTES], cookie[NAME_MAX_BYTES];

	free_name(policy, MASK_QUERY, query);
	free_name(policy, MASK_COOKIE, cookie);
	if (request)
		buf_printf(out, "POST /?%s=%s\nauthorization: Bearer %s\ncookie: %s=%s", query, mark, mark,
		           cookie, mark);
	else
		buf_printf(out, "200\nset-cookie: %s=%s", cookie, mark);
	for (uint32_t i = 0; i < policy->field_count; i++)
		if (hides_header(policy, i, strlen(mark)))
			buf_printf(out, "\n%s: %s", policy->fields[i].where, mark);
	buf_puts(out, "\ncontent-type: application/json");
	return out->err;
}

int canary_body(const struct plan_mask *policy, const char *mark, struct buf *out)
{
	struct mask_rules *rules = NULL;
	int err = mask_rules_new(policy, &rules);

	if (!err)
		mask_rules_sample(rules, span_of(mark), out);
	mask_rules_free(&rules);
	return err ? err : out->err;
}

static int put(struct ring *ring, struct record *r, uint8_t type, struct span payload)
{
	r->type = type;
	r->payload_len = (uint32_t)payload.len;
	return payload.len > RECORD_PAYLOAD_MAX ? ERR_LIMIT : ring_put(ring, r, payload.data, 0);
}

int canary_leg(struct ring *ring, struct record *r, uint8_t leg, const struct plan_mask *policy,
               const char *mark, uint64_t now_ns)
{
	struct buf text;
	int err;

	buf_init(&text, 4 * RECORD_PAYLOAD_MAX);
	r->slot = CANARY_SLOT;
	r->flags = RECORD_CANARY;
	r->leg = leg;
	r->time_ns = now_ns;
	err = canary_head(policy, leg == LEG_CLIENT, mark, &text);
	if (!err)
		err = put(ring, r, RECORD_HEAD, buf_span(&text));
	buf_reset(&text);
	if (!err)
		err = canary_body(policy, mark, &text);
	for (struct span left = buf_span(&text); !err && left.len;) { /* a long one comes in pieces */
		size_t n = left.len < RECORD_PAYLOAD_MAX ? left.len : RECORD_PAYLOAD_MAX;

		err = put(ring, r, RECORD_CHUNK, (struct span){left.data, n});
		left = (struct span){left.data + n, left.len - n};
	}
	if (!err)
		err = put(ring, r, RECORD_END, SPAN(""));
	buf_fini(&text);
	return err;
}
