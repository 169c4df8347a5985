#include "capture/mask_text.h"

#include <stdlib.h>

#include <openssl/sha.h>

#include "capture/detect/detect.h"
#include "capture/detect/gazetteer.h"
#include "capture/mask_watch.h"

struct mask_finder {
	const struct plan_detect *policy;
	struct detectors *detectors; /* NULL: only prose is looked for */
	struct gazetteer *gazetteer;
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
	struct mask_finder *f;
	int err = 0;

	*finder_out = NULL;
	if (!mask_finds(policy))
		return 0;
	f = calloc(1, sizeof *f);
	if (!f)
		return ERR_NOMEM;
	f->policy = &policy->detect;
	if (policy->detect.gazetteer_file[0])
		err = load_gazetteer(f, gazetteer);
	if (!err && (policy->detect.find.classes.bits[0] | policy->detect.find.classes.bits[1]))
		err = detectors_new(&policy->detect.find, f->gazetteer, &f->detectors);
	if (err)
		mask_finder_free(&f);
	*finder_out = f;
	return err;
}

void mask_finder_free(struct mask_finder **f)
{
	if (!*f)
		return;
	detectors_free(&(*f)->detectors);
	gazetteer_free(&(*f)->gazetteer);
	free(*f);
	*f = NULL;
}

static void put_masked(struct masking *m, const struct detect_hit *hit)
{
	struct span value = {m->text.data + hit->start, (size_t)(hit->end - hit->start)};
	struct mask_deed deed = {
	        .with = m->finder->policy->with, .by = &m->finder->policy->by, .class = hit->class};

	mask_operate(&deed, m->key, value, m->out);
}

static void found(void *arg, const struct detect_hit *hit)
{
	struct masking *m = arg;
	struct span value = {m->text.data + hit->start, (size_t)(hit->end - hit->start)};

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
	put_masked(m, hit);
	settle_cuts(m, (size_t)hit->end, buf_len(m->out), false);
	m->copied = (size_t)hit->end;
}

static bool look(struct masking *m, struct span name)
{
	const struct mask_finder *f = m->finder;

	if (f->policy->drop_prose && detect_prose(m->text)) {
		m->count = 1;
		mask_watch_prose(m->key, m->text);
		return true;
	}
	if (f->detectors)
		detect_text(f->detectors, name, m->text, found, m);
	if (m->count && f->policy->with == MASK_DROP)
		return true;
	settle_cuts(m, m->text.len, buf_len(m->out), true);
	if (m->copied)
		buf_put(m->out, m->text.data + m->copied, m->text.len - m->copied);
	return false;
}

uint32_t mask_text(const struct mask_finder *f, struct mask_key *key, struct span name, struct span text,
                   struct buf *out, bool *whole_out)
{
	struct masking m = {.finder = f, .key = key, .text = text, .out = out};

	*whole_out = look(&m, name);
	return m.count;
}

static void count_find(void *arg, const struct detect_hit *hit)
{
	(void)hit;
	++*(unsigned *)arg;
}

bool mask_holds(const struct mask_finder *f, struct span text)
{
	unsigned finds = 0;

	if (f && f->detectors)
		detect_text(f->detectors, SPAN(""), text, count_find, &finds);
	return finds;
}

uint32_t mask_text_cut(const struct mask_finder *f, struct mask_key *key, struct span name, struct span text,
                       struct buf *out, struct mask_cut *cuts, size_t cut_count)
{
	struct masking m = {
	        .finder = f, .key = key, .text = text, .out = out, .cuts = cuts, .cut_count = cut_count};

	if (look(&m, name)) {
		buf_puts(out, "[redacted]");
		settle_cuts(&m, text.len, buf_len(out), false);
	}
	return m.count;
}
