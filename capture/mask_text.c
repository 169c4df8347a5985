#include "capture/mask_text.h"

#include <stdlib.h>

#include <openssl/sha.h>

#include "capture/detect/detect.h"
#include "capture/detect/gazetteer.h"
#include "capture/detect/hits.h"
#include "capture/detect/patterns.h"
#include "capture/mask_watch.h"
#include "capture/recogniser.h"

enum { HOLDS_BYTES = 64 << 10 }; /* more hits than that in a name are finds as well */

struct mask_finder {
	const struct plan_detect *policy;
	struct detectors *detectors; /* NULL: only prose is looked for */
	struct gazetteer *gazetteer;
	struct patterns *patterns;
	struct recogniser *recogniser;
	bool asks; /* there is one, or should be */
};

struct masking {
	const struct mask_finder *finder;
	struct mask_key *key;
	struct span text;
	size_t copied;
	struct buf *out;
	uint32_t count;
	struct mask_cut *cuts; /* that are not settled */
	size_t cut_count;
};

/* The pieces that end by `end` of the text end at `at` of what is put out, or so many bytes behind it. */
static void settle_cuts(struct masking *m, size_t end, size_t at, bool apart)
{
	for (; m->cut_count && m->cuts->end <= end; m->cuts++, m->cut_count--)
		m->cuts->masked_end = at + (apart ? m->cuts->end - m->copied : 0);
}

static int load_gazetteer(struct mask_finder *f, struct span file)
{
	uint8_t hash[32];
	unsigned line;
	int err;

	SHA256((const unsigned char *)file.data, file.len, hash);
	if (memcmp(hash, f->policy->gazetteer_hash, sizeof hash) != 0)
		return ERR_CONFIG;
	err = gazetteer_new(file, &f->gazetteer, &line);
	return err == ERR_PROTO ? ERR_CONFIG : err;
}

int mask_finder_new(const struct plan_mask *policy, struct span gazetteer, struct mask_finder **finder_out)
{
	char why[PATTERN_WHY_BYTES];
	struct mask_finder *f;
	int err = 0;

	*finder_out = NULL;
	if (!mask_finds(policy))
		return 0;
	f = calloc(1, sizeof *f);
	if (!f)
		return ERR_NOMEM;
	f->policy = &policy->detect;
	f->asks = policy->detect.free_text == FREE_TEXT_RECOGNISE;
	if (policy->detect.gazetteer_file[0])
		err = load_gazetteer(f, gazetteer);
	if (!err && (policy->detect.find.classes.bits[0] | policy->detect.find.classes.bits[1]))
		err = detectors_new(&policy->detect.find, f->gazetteer, &f->detectors);
	if (!err && policy->detect.pattern_count)
		err = patterns_new(policy->detect.patterns, policy->detect.pattern_count, &f->patterns, why);
	if (err)
		mask_finder_free(&f);
	*finder_out = f;
	return err;
}

void mask_finder_ask(struct mask_finder *f, struct recogniser *r)
{
	f->recogniser = r;
}

bool mask_finder_asks(const struct mask_finder *f)
{
	return f->asks;
}

void mask_finder_free(struct mask_finder **f)
{
	if (!*f)
		return;
	detectors_free(&(*f)->detectors);
	gazetteer_free(&(*f)->gazetteer);
	patterns_free(&(*f)->patterns);
	free(*f);
	*f = NULL;
}

static void put_masked(struct masking *m, const struct detect_hit *hit)
{
	struct span value = {m->text.data + hit->start, (size_t)(hit->end - hit->start)};
	const struct plan_detect *policy = m->finder->policy;
	struct mask_deed deed = {.with = policy->with, .by = &policy->by, .class = hit->class};

	if (hit->class >= DETECT_PATTERN)
		deed.domain = span_of(policy->patterns[hit->class - DETECT_PATTERN].name);
	mask_operate(&deed, m->key, value, m->out);
}

static void found(void *arg, const struct detect_hit *hit)
{
	struct masking *m = arg;
	struct span value = {m->text.data + hit->start, (size_t)(hit->end - hit->start)};
	size_t before;

	if (mask_issued(m->key, hit->class, value))
		return;
	m->count++;
	mask_watch_find(m->key, m->finder->policy->with, hit->class, hit->score, m->text, (size_t)hit->start,
	                (size_t)hit->end);
	if (m->finder->policy->with == MASK_DROP) {
		mask_note(m->key, hit->class, value, SPAN(""));
		return;
	}
	settle_cuts(m, (size_t)hit->start, buf_len(m->out), true);
	buf_put(m->out, m->text.data + m->copied, (size_t)hit->start - m->copied);
	before = buf_len(m->out);
	put_masked(m, hit);
	if (hit->class >= DETECT_PATTERN && !m->out->err) /* of which an operator does not know */
		mask_note(m->key, hit->class, value,
		          (struct span){m->out->base + m->out->head + before, buf_len(m->out) - before});
	settle_cuts(m, (size_t)hit->end, buf_len(m->out), false);
	m->copied = (size_t)hit->end;
}

static void gather(void *hits, const struct detect_hit *hit)
{
	buf_put(hits, hit, sizeof *hit);
}

/* Those from the `from`-th on that the policy allows are none. */
static void forget_allowed(const struct detect_policy *p, struct span text, struct buf *hits, size_t from)
{
	size_t count, kept = from;
	struct detect_hit *all = hits_of(hits, &count);

	for (size_t i = from; i < count; i++) {
		struct span value = {text.data + all[i].start, (size_t)(all[i].end - all[i].start)};

		if (!detect_allowed(p, value))
			all[kept++] = all[i];
	}
	hits->tail = hits->head + kept * sizeof *all;
}

/* Where more than detectors look: what each of them found, in one order. */
static void find_all(const struct mask_finder *f, enum mask_look how, struct span name, struct span text,
                     struct buf *hits)
{
	size_t by_detectors;

	if (f->detectors)
		detect_text(f->detectors, name, text, gather, hits);
	hits_of(hits, &by_detectors);
	if (f->patterns)
		patterns_find(f->patterns, text, hits);
	if (f->asks && how == LOOK_ALL && !hits->err && detect_free_text(text) &&
	    (!f->recogniser || recogniser_ask(f->recogniser, text, hits)))
		hits->err = ERR_LIMIT;
	forget_allowed(&f->policy->find, text, hits, by_detectors);
	hits_merge(hits);
}

static void look_all(struct masking *m, enum mask_look how, struct span name)
{
	const struct detect_hit *all;
	struct buf hits;
	size_t count;

	buf_init(&hits, m->out->limit_bytes);
	find_all(m->finder, how, name, m->text, &hits);
	all = hits_of(&hits, &count);
	for (size_t i = 0; i < count; i++)
		found(m, &all[i]);
	m->out->err = m->out->err ? m->out->err : hits.err;
	buf_fini(&hits);
}

/* Free text that goes as a whole, or takes its record along. */
static bool is_dropped(struct masking *m, enum mask_look how)
{
	uint32_t free_text = m->finder->policy->free_text;

	if (free_text != FREE_TEXT_DROP && (free_text != FREE_TEXT_DROP_RECORD || how == LOOK_FOUND))
		return false;
	if (!detect_prose(m->text))
		return false;
	if (free_text == FREE_TEXT_DROP_RECORD)
		mask_ask(m->key, MASK_ASKED_DROP);
	m->count = 1;
	mask_watch_prose(m->key, m->text);
	return true;
}

static bool look(struct masking *m, enum mask_look how, struct span name)
{
	const struct mask_finder *f = m->finder;

	if (is_dropped(m, how))
		return true;
	if (f->patterns || f->asks)
		look_all(m, how, name);
	else if (f->detectors)
		detect_text(f->detectors, name, m->text, found, m);
	if (m->count && f->policy->with == MASK_DROP)
		return true;
	settle_cuts(m, m->text.len, buf_len(m->out), true);
	if (m->copied)
		buf_put(m->out, m->text.data + m->copied, m->text.len - m->copied);
	return false;
}

bool mask_text_plain(const struct mask_finder *f, struct span text)
{
	return !f || (f->detectors && !f->patterns && !f->asks && text.len < MASK_ENCODED_LEAST &&
	              detect_plain(f->detectors, text));
}

uint32_t mask_text(const struct mask_finder *f, struct mask_key *key, enum mask_look how, struct span name,
                   struct span text, struct buf *out, bool *whole_out)
{
	struct masking m = {.finder = f, .key = key, .text = text, .out = out};

	*whole_out = look(&m, how, name);
	return m.count;
}

bool mask_holds(const struct mask_finder *f, struct span text)
{
	struct buf hits;
	bool holds;

	if (!f)
		return false;
	buf_init(&hits, HOLDS_BYTES);
	find_all(f, LOOK_FOUND, SPAN(""), text, &hits);
	holds = buf_len(&hits) || hits.err;
	buf_fini(&hits);
	return holds;
}

uint32_t mask_text_cut(const struct mask_finder *f, struct mask_key *key, struct span name, struct span text,
                       struct buf *out, struct mask_cut *cuts, size_t cut_count)
{
	struct masking m = {
	        .finder = f, .key = key, .text = text, .out = out, .cuts = cuts, .cut_count = cut_count};

	if (look(&m, LOOK_ALL, name)) {
		buf_puts(out, "[redacted]");
		settle_cuts(&m, text.len, buf_len(out), false);
	}
	return m.count;
}
