/*
 * mask_inside.h - what the readers of bodies share: mask_body.c picks one, mask_form.c reads pairs and parts,
 * mask_stream.c lines and events, mask_join.c what their pieces say together.
 *
 * A reader appends to `out` what its body becomes; what it cannot read is an error, and the copy is dropped.
 */
#ifndef CAPTURE_MASK_INSIDE_H
#define CAPTURE_MASK_INSIDE_H

#include "capture/mask_body.h"
#include "capture/mask_text.h"

struct mask_work {
	const struct mask_rules *rules;
	struct mask_key *key;
	struct buf *out;
	uint32_t count;
	bool input_masked;
	bool joined; /* of a stream: what its pieces say together was looked at */
	/* The first `brought` bytes of the body have become `masked` bytes; may be NULL. */
	void (*due)(void *arg, size_t brought, size_t masked);
	void *arg;
};

static inline void mask_work_due(const struct mask_work *w, size_t brought)
{
	if (w->due)
		w->due(w->arg, brought, buf_len(w->out));
}

const struct mask_finder *mask_rules_finder(const struct mask_rules *);
/* The rule for a field of a form: the first of `form: name` and the paths that end at that member. */
const struct plan_mask_field *mask_rules_form(const struct mask_rules *, struct span name,
                                              bool *input_masked);
/* In a policy that allows, what is done to a value that no rule names. */
extern const struct plan_mask_field mask_unlisted;
bool mask_rules_allow(const struct mask_rules *);
/* Append what a rule puts in place of a value; nothing when it drops it. `subject`: as it stands in the
 * document, or empty. *bare as in mask_operate(). */
void mask_field(const struct plan_mask_field *, struct mask_key *, struct span subject, struct span value,
                bool *bare, struct buf *out);
/* The same, counted, of a text. */
void mask_ruled(struct mask_work *, const struct plan_mask_field *, struct span value);
/* A whole JSON text that is the value of the member `name` (data NULL: of none, a document). */
int mask_json_within(struct mask_work *, struct span name, struct span text) MUST_CHECK;
/* A text that is no JSON; unchanged text is put as it is. A policy that allows leaves only what is called ""
 * (a name). ERR_PROTO: not UTF-8, or nothing looks into texts. */
int mask_plain(struct mask_work *, struct span name, struct span text) MUST_CHECK;
/* JSON, or a text and what a finder, if there is one, leaves of it. */
int mask_either(struct mask_work *, struct span name, struct span text) MUST_CHECK;
/* Bytes that may be a protobuf message, a text or neither, in so many messages. ERR_UNSUPPORTED: something is
 * found where nothing can be masked. */
int mask_guess(struct mask_work *, struct span bytes, unsigned depth) MUST_CHECK;
/* mask_call_id() of a name, "SERVICE/METHOD"; is it one of the Open Inference Protocol's? */
uint32_t mask_call_named(struct span name);
bool mask_call_is_tensor(struct span name);
/* Begins with `{` or `[`, behind blanks. */
bool mask_looks_json(struct span text);

/* The value of a field's parameter, without quotes; data NULL when it is not there. */
struct span mask_parameter(struct span value, struct span name);

int mask_pairs(struct mask_work *, struct span body) MUST_CHECK;
int mask_parts(struct mask_work *, struct span boundary, struct span body) MUST_CHECK;
int mask_lines(struct mask_work *, struct span body) MUST_CHECK;
int mask_events(struct mask_work *, struct span body) MUST_CHECK;

#endif
