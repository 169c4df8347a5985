#include "capture/mask_text.h"

#include <stdlib.h>

#include <openssl/sha.h>

#include "capture/detect/detect.h"
#include "capture/detect/gazetteer.h"

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
};

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
	char token[25];

	if (m->finder->policy->with != MASK_TOKEN) {
		buf_puts(m->out, "[redacted]");
		return;
	}
	mask_token(m->key, span_of(detect_class_name(hit->class)), value, token);
	buf_puts(m->out, token);
}

static void found(void *arg, const struct detect_hit *hit)
{
	struct masking *m = arg;

	m->count++;
	if (m->finder->policy->with == MASK_DROP)
		return;
	buf_put(m->out, m->text.data + m->copied, (size_t)hit->start - m->copied);
	put_masked(m, hit);
	m->copied = (size_t)hit->end;
}

uint32_t mask_text(const struct mask_finder *f, struct mask_key *key, struct span name, struct span text,
                   struct buf *out, bool *whole_out)
{
	struct masking m = {f, key, text, 0, out, 0};

	*whole_out = f->policy->drop_prose && detect_prose(text);
	if (*whole_out)
		return 1;
	if (f->detectors)
		detect_text(f->detectors, name, text, found, &m);
	*whole_out = m.count && f->policy->with == MASK_DROP;
	if (m.copied)
		buf_put(out, text.data + m.copied, text.len - m.copied);
	return m.count;
}
