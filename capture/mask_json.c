/*
 * mask_json.c - path rules and detectors on a JSON body: one pass over its tokens.
 *
 * A container in which no rule's step is due is skipped in the scanner, and what stays leaves as spans of the
 * source, so a body costs little more than its scan.
 */
#include "capture/found.h"
#include "capture/mask_join.h"
#include "capture/mask_rules_inside.h"
#include "capture/mask_watch.h"
#include "proto/json.h"
#include "proto/json_edit.h"

enum { NESTED_MAX = 3 };
_Static_assert(MASK_FIELDS_MAX <= 64, "a bit for each rule");

/* Bit i of `due`: steps before i are matched by the keys and indices above, step i is next. */
struct state {
	uint32_t rule, due;
};

struct states { /* in the rules' order, none without a step due */
	unsigned count;
	struct state at[MASK_FIELDS_MAX];
};

struct frame {
	bool object;
	bool kept, dropped; /* members */
	bool elements;      /* a rule may match an element: else scalars are of no interest */
	bool clear;         /* a rule keeps it: only rules act in it */
	uint64_t index;     /* of the next element */
	struct span name;   /* of the member that it is, or that it is in */
	struct states states;
};

struct rewrite {
	const struct mask_rules *rules;
	struct mask_key *key;
	struct json_reader reader;
	struct buf *out;
	struct buf plain;     /* a decoded string */
	struct buf nested;    /* that, with the JSON that it is masked */
	struct buf found;     /* the same with what was found in it masked */
	struct span name;     /* the last member's, without quotes */
	struct rewrite *root; /* of the outermost document */
	unsigned level;       /* of JSON in strings of JSON */
	bool allow, clear;    /* the policy allows; the value under way is in what is kept */
	uint64_t copied;      /* source bytes before it are in `out` or gone */
	uint32_t count;
	bool input_masked, joined;
	size_t place_at; /* of what a witness is told: where the document is */
	uint64_t sought; /* a bit for each rule whose subject was looked for */
	struct span subjects[MASK_FIELDS_MAX];
	const struct plan_mask_field *hit; /* the rule for the value that comes next */
	struct states next;                /* of that value */
	struct frame frames[JSON_DEPTH_MAX];
};

/* A rule that ends here: the first one decides what is done, any one may say that the model reads it. */
static void reach(struct rewrite *w, uint32_t rule, uint32_t due)
{
	const struct path_rule *r = &w->rules->rules[rule];

	if (due >> r->count & 1) {
		if (!w->hit)
			w->hit = r->field;
		w->input_masked |= w->hit->with != MASK_KEEP && r->field->model_input;
	}
	if (due)
		w->next.at[w->next.count++] = (struct state){rule, due};
}

static bool step_matches(const struct path_step *step, const struct frame *in, struct span key_token)
{
	if (in->object)
		return json_string_eq(key_token, step->name);
	return step->kind == STEP_EACH || step->index == in->index;
}

/* The steps that may match a child of an object or of an array. */
static uint32_t steps_into(const struct path_rule *r, bool object)
{
	return object ? r->of_kind[STEP_MEMBER] | r->of_kind[STEP_DEEP]
	              : r->of_kind[STEP_INDEX] | r->of_kind[STEP_EACH];
}

static void enter_child(struct rewrite *w, const struct frame *in, struct span key_token)
{
	w->hit = NULL;
	w->next.count = 0;
	for (unsigned i = 0; i < in->states.count; i++) {
		const struct state *s = &in->states.at[i];
		const struct path_rule *r = &w->rules->rules[s->rule];
		uint32_t due = s->due & r->of_kind[STEP_DEEP];

		for (uint32_t left = s->due & steps_into(r, in->object); left; left &= left - 1) {
			unsigned step = (unsigned)__builtin_ctz(left);
			if (step_matches(&r->steps[step], in, key_token))
				due |= 2u << step;
		}
		reach(w, s->rule, due);
	}
}

/* Look into the container just opened; false: no rule can match in it. */
static bool enter(struct rewrite *w, struct frame *frame, bool object)
{
	frame->object = object;
	frame->name = w->name;
	frame->kept = frame->dropped = false;
	frame->clear = w->clear;
	frame->elements = !object && w->allow && !w->clear;
	frame->index = 0;
	frame->states.count = 0;
	for (unsigned i = 0; i < w->next.count; i++) {
		const struct state *s = &w->next.at[i];
		const struct path_rule *r = &w->rules->rules[s->rule];
		uint32_t here = s->due & steps_into(r, object);

		frame->elements |= !object && here;
		if (here || s->due & r->of_kind[STEP_DEEP])
			frame->states.at[frame->states.count++] = *s;
	}
	frame->elements |= !object && mask_key_watched(w->key);
	return frame->states.count > 0 || ((w->rules->finder || w->allow) && !w->clear);
}

/* A member's name may be a value, too. */
static void put_name(const struct rewrite *w, struct span name, struct buf *place)
{
	bool plain = !name.len || !memchr(name.data, '\\', name.len);

	buf_puts(place, ".");
	if (plain && !mask_holds(w->rules->finder, name))
		buf_span_put(place, name);
	else
		buf_puts(place, "(a name)");
}

/* The path of the value in hand, for a witness: `parents` containers are open around it. */
static void note_place(struct rewrite *w, int parents)
{
	struct mask_watch *watch = mask_key_watched(w->key);

	if (!watch)
		return;
	watch->place.tail = watch->place.head + w->place_at;
	for (int i = 0; i < parents; i++) {
		const struct frame *in = &w->frames[i];

		if (in->object) {
			put_name(w, i + 1 < parents ? w->frames[i + 1].name : w->name, &watch->place);
		} else {
			buf_printf(&watch->place, "[%llu]",
			           (unsigned long long)(in->index ? in->index - 1 : 0));
		}
	}
}

static void copy_to(struct rewrite *w, uint64_t end)
{
	buf_put(w->out, w->reader.doc.data + w->copied, end - w->copied);
	w->copied = end;
}

static struct span plain_value(struct rewrite *w, enum json_token first, struct span text)
{
	if (first != JSON_STRING)
		return text;
	if (!w->reader.scanner.escaped)
		return (struct span){text.data + 1, text.len - 2};
	buf_reset(&w->plain);
	json_unescape(text, &w->plain);
	return buf_span(&w->plain);
}

/* What is at the path of a rule's subject, looked for once: in the document that holds the value, or else in
 * the one around it. */
static struct span subject_of(struct rewrite *w, const struct plan_mask_field *rule)
{
	size_t n;

	if (!rule->by.subject[0])
		return (struct span){NULL, 0};
	n = (size_t)(rule - w->rules->policy->fields);
	if (!(w->sought >> n & 1)) {
		w->sought |= (uint64_t)1 << n;
		w->subjects[n] = json_at(w->reader.doc, rule->by.subject);
	}
	if (!w->subjects[n].len && w->level)
		return subject_of(w->root, rule);
	return w->subjects[n];
}

static int mask_value(struct rewrite *w, enum json_token first)
{
	uint64_t start = w->reader.scanner.start;
	const struct plan_mask_field *rule = w->hit;
	bool bare = first == JSON_NUMBER || first == JSON_TRUE || first == JSON_FALSE || first == JSON_NULL;
	struct span text;
	int err = json_skip(&w->reader, first);

	if (err)
		return err;
	copy_to(w, start);
	w->copied = w->reader.scanner.end;
	w->count++;
	text = (struct span){w->reader.doc.data + start, w->copied - start};
	note_place(w, w->reader.scanner.depth);
	if (rule->with == MASK_DROP || rule->with == MASK_NULL) {
		mask_watch_rule(w->key, rule, rule->with, text);
		buf_puts(w->out, "null");
		return 0;
	}
	buf_reset(&w->found);
	mask_field(rule, w->key, subject_of(w, rule), plain_value(w, first, text), &bare, &w->found);
	if (bare)
		buf_span_put(w->out, buf_span(&w->found));
	else
		buf_json_string(w->out, buf_span(&w->found));
	if (w->plain.err || w->found.err) /* as if there had been no room for what it becomes */
		err = w->out->err = w->plain.err ? w->plain.err : w->found.err;
	return err;
}

/* The comma before a member goes with it; when all before it went, the one behind. */
static int drop_member(struct rewrite *w, struct frame *in, uint64_t before)
{
	struct span key = w->reader.text;
	enum json_token first;
	uint64_t start;
	int err;

	copy_to(w, before);
	w->name = (struct span){key.data + 1, key.len - 2};
	err = json_next(&w->reader, &first);
	start = w->reader.scanner.start;
	if (!err)
		err = json_skip(&w->reader, first);
	w->copied = w->reader.scanner.end;
	w->count++;
	note_place(w, w->reader.scanner.depth);
	mask_watch_rule(w->key, w->hit, MASK_DROP,
	                (struct span){w->reader.doc.data + start, w->copied - start});
	in->dropped = true;
	return err;
}

static int rewrite_nested(struct rewrite *w, struct span text);

/* The string or key just read: as it is, or as rules for what is in it and the finder leave it. */
static int search(struct rewrite *w, struct span name, enum mask_look how, bool value)
{
	struct span text = plain_value(w, JSON_STRING, w->reader.text);
	uint32_t before = w->count, finds = 0;
	bool whole = false;
	int err = 0;

	if (!w->plain.err && mask_text_plain(w->rules->finder, text) && !(value && mask_looks_json(text)))
		return 0;
	buf_reset(&w->nested);
	buf_reset(&w->found);
	if (w->plain.err)
		return w->out->err = w->plain.err;
	note_place(w, w->reader.scanner.depth);
	if (value && mask_looks_json(text))
		err = rewrite_nested(w, text);
	if (err)
		return err;
	note_place(w, w->reader.scanner.depth);
	if (w->count > before)
		text = buf_span(&w->nested);
	if (w->rules->finder && !w->clear)
		finds = mask_text_deep(w->rules->finder, w->key, how, name, text, &w->found, &whole);
	w->count += finds;
	w->input_masked |= finds > 0;
	if (w->found.err)
		return w->out->err = w->found.err;
	if (w->count == before)
		return 0;
	copy_to(w, w->reader.scanner.start);
	w->copied = w->reader.scanner.end;
	if (whole)
		buf_puts(w->out, "\"[redacted]\"");
	else
		buf_json_string(w->out, finds ? buf_span(&w->found) : text);
	return w->found.err ? (w->out->err = w->found.err) : 0;
}

/* `before`: the end of the token before the key. */
static int on_key(struct rewrite *w, uint64_t before)
{
	struct frame *in = &w->frames[w->reader.scanner.depth - 1];

	enter_child(w, in, w->reader.text);
	if (w->hit && w->hit->with == MASK_DROP)
		return drop_member(w, in, before);
	if (in->dropped && !in->kept)
		w->copied = w->reader.scanner.start;
	in->kept = true;
	w->name = (struct span){w->reader.text.data + 1, w->reader.text.len - 2};
	w->clear = in->clear;
	return w->rules->finder && !w->hit && !in->clear ? search(w, SPAN(""), LOOK_FOUND, false) : 0;
}

/* A piece of a stream was looked at with its neighbours. */
static enum mask_look look_of(const struct rewrite *w)
{
	struct span key = {w->name.data - 1, w->name.len + 2};

	return w->joined && mask_join_streams(key) ? LOOK_FOUND : LOOK_ALL;
}

static int on_value(struct rewrite *w, enum json_token token)
{
	bool opens = token == JSON_OBJECT || token == JSON_ARRAY;
	int parents = w->reader.scanner.depth - opens;
	struct frame *in = parents ? &w->frames[parents - 1] : NULL;
	bool clear = in ? in->clear : w->clear;

	if (in && !in->object) {
		if (!opens && !in->elements) {
			if (token == JSON_STRING) {
				enter_child(w, in, (struct span){NULL, 0});
				w->clear = clear;
				if ((!w->rules->finder || clear) && !w->next.count)
					return 0;
				return search(w, in->name, LOOK_ALL, true);
			}
			if (token == JSON_NUMBER)
				json_skip_numbers(&w->reader);
			return 0;
		}
		enter_child(w, in, (struct span){NULL, 0});
		in->index++;
	}
	clear |= w->hit && w->hit->with == MASK_KEEP;
	if (w->allow && !clear && !w->hit && !opens) {
		w->hit = &mask_unlisted;
		w->input_masked = true;
	}
	if (w->hit && w->hit->with != MASK_KEEP)
		return mask_value(w, token);
	w->clear = clear;
	if (token == JSON_STRING && ((w->rules->finder && !clear) || w->next.count))
		return in && !in->object ? search(w, in->name, LOOK_ALL, true)
		                         : search(w, w->name, in ? look_of(w) : LOOK_ALL, true);
	if (opens && !enter(w, &w->frames[parents], token == JSON_OBJECT))
		return json_skip(&w->reader, token);
	return 0;
}

static int rewrite_all(struct rewrite *w)
{
	enum json_token token = JSON_MORE;
	uint64_t before;
	int err = 0;

	while (!err) {
		before = w->reader.scanner.end;
		err = json_next(&w->reader, &token);
		if (err || token == JSON_END)
			break;
		if (token == JSON_KEY)
			err = on_key(w, before);
		else if (token != JSON_OBJECT_END && token != JSON_ARRAY_END)
			err = on_value(w, token);
	}
	if (!err)
		copy_to(w, w->reader.doc.len);
	return err;
}

/* The steps that are due in the value of a member of that name, outermost. */
static void reach_member(struct rewrite *w, struct span name)
{
	for (uint32_t i = 0; i < w->rules->count; i++) {
		const struct path_rule *r = &w->rules->rules[i];
		uint32_t due = r->of_kind[STEP_DEEP] & 1;

		if (r->call.len)
			continue;
		if ((r->of_kind[STEP_MEMBER] | due) & 1 && span_eq(r->steps[0].name, name))
			due |= 2;
		reach(w, i, due);
	}
}

static void rewrite_init(struct rewrite *w, const struct mask_work *work, struct span text)
{
	w->rules = work->rules;
	w->key = work->key;
	w->out = work->out;
	w->copied = w->count = 0;
	w->level = 0;
	w->root = w;
	w->sought = 0;
	w->allow = work->rules->policy->allow;
	w->clear = false;
	w->input_masked = false;
	w->joined = work->joined;
	w->hit = NULL;
	w->next.count = 0;
	w->name = (struct span){"", 0};
	w->place_at = mask_key_watched(w->key) ? buf_len(&mask_key_watched(w->key)->place) : 0;
	buf_init(&w->found, work->out->limit_bytes);
	buf_init(&w->nested, work->out->limit_bytes);
	buf_init(&w->plain, text.len < work->out->limit_bytes ? text.len : work->out->limit_bytes);
	json_reader_init(&w->reader, text, JSON_NONFINITE);
}

static int rewrite_fini(struct rewrite *w, struct mask_work *work, int err)
{
	work->count += w->count;
	work->input_masked |= w->input_masked;
	buf_fini(&w->plain);
	buf_fini(&w->found);
	buf_fini(&w->nested);
	return err ? err : mask_result(w->key, w->out);
}

/* A string that is JSON, as models hand on the arguments of tools: the steps that are due go on in it. */
static int rewrite_nested(struct rewrite *w, struct span text)
{
	struct mask_work work = {.rules = w->rules, .key = w->key, .out = &w->nested};
	struct rewrite inner;
	size_t mark = mask_watch_mark(w->key);
	struct found_mark notes;
	int err;

	if (w->level == NESTED_MAX)
		return ERR_LIMIT;
	mask_notes_keep(w->key, &notes);
	rewrite_init(&inner, &work, text);
	inner.level = w->level + 1;
	inner.root = w->root;
	inner.clear = w->clear;
	inner.next = w->next;
	err = rewrite_fini(&inner, &work, rewrite_all(&inner));
	if (err == ERR_PROTO) { /* it only begins like it: a text */
		mask_watch_back(w->key, mark);
		mask_notes_back(w->key, &notes);
		return 0;
	}
	w->count += work.count;
	w->input_masked |= work.input_masked;
	if (err == ERR_NOMEM || w->nested.err)
		w->out->err = w->nested.err ? w->nested.err : err;
	return err;
}

static void begin_place(struct mask_key *key, struct span name)
{
	struct mask_watch *watch = mask_key_watched(key);

	if (!watch)
		return;
	buf_reset(&watch->place);
	buf_puts(&watch->place, name.data ? "$." : "$");
	buf_span_put(&watch->place, name);
}

int mask_json_within(struct mask_work *work, struct span name, struct span text)
{
	struct rewrite w; /* frames and states are set when they are entered */

	begin_place(work->key, name);
	rewrite_init(&w, work, text);
	if (name.data)
		reach_member(&w, name);
	else
		for (uint32_t i = 0; i < w.rules->count; i++)
			reach(&w, i, !w.rules->rules[i].call.len);
	return rewrite_fini(&w, work, rewrite_all(&w));
}

int mask_json(const struct mask_rules *rules, struct mask_key *key, struct span body, struct buf *out,
              uint32_t *count_out, bool *input_masked_out)
{
	struct mask_work work = {.rules = rules, .key = key, .out = out};
	int err = mask_json_within(&work, (struct span){NULL, 0}, body);

	*count_out = work.count;
	*input_masked_out = work.input_masked;
	return err;
}
