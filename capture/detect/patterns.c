#include "capture/detect/patterns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/detect/hits.h"
#include "proto/base/utf8.h"

#ifdef HAVE_HYPERSCAN

#include <dlfcn.h>
#include <hs.h>

#define ENGINE_TABLE(X)                                                                                      \
	X(hs_compile_multi)                                                                                  \
	X(hs_free_compile_error)                                                                             \
	X(hs_free_database)                                                                                  \
	X(hs_alloc_scratch)                                                                                  \
	X(hs_free_scratch)                                                                                   \
	X(hs_scan)                                                                                           \
	X(hs_valid_platform)

static struct {
	void *library;
#define X(name) __typeof__(name) *name;
	ENGINE_TABLE(X)
#undef X
} engine;

struct patterns {
	hs_database_t *database;
	hs_scratch_t *scratch;
};

/* Who has no patterns has no part of it in memory. */
static bool load_engine(void)
{
	void *library = dlopen("libhs.so.5", RTLD_NOW | RTLD_LOCAL);

	if (!library)
		return false;
#define X(name)                                                                                              \
	*(void **)&engine.name = dlsym(library, #name);                                                      \
	if (!engine.name)                                                                                    \
		return false;
	ENGINE_TABLE(X)
#undef X
	engine.library = library;
	return true;
}

bool patterns_engine(const char **why_out)
{
	if (!engine.library && !load_engine())
		*why_out = "apt-get install libhyperscan5 (or libvectorscan5)";
	else if (engine.hs_valid_platform() != HS_SUCCESS)
		*why_out = "its engine, Hyperscan, needs a processor with SSSE3";
	else
		return true;
	return false;
}

static int compile(struct patterns *p, const struct detect_pattern *all, unsigned count, char *why)
{
	const char *texts[DETECT_PATTERNS];
	unsigned flags[DETECT_PATTERNS], ids[DETECT_PATTERNS];
	hs_compile_error_t *error = NULL;

	for (unsigned i = 0; i < count; i++) {
		texts[i] = all[i].regex;
		flags[i] = HS_FLAG_SOM_LEFTMOST | HS_FLAG_UTF8;
		ids[i] = i;
	}
	if (engine.hs_compile_multi(texts, flags, ids, count, HS_MODE_BLOCK, NULL, &p->database, &error)) {
		snprintf(why, PATTERN_WHY_BYTES, "%s", error ? error->message : "there is no memory");
		engine.hs_free_compile_error(error);
		return ERR_CONFIG;
	}
	return engine.hs_alloc_scratch(p->database, &p->scratch) ? ERR_NOMEM : 0;
}

int patterns_new(const struct detect_pattern *all, unsigned count, struct patterns **patterns_out,
                 char why[PATTERN_WHY_BYTES])
{
	const char *lacks;
	struct patterns *p;
	int err;

	*patterns_out = NULL;
	*why = '\0';
	if (count > DETECT_PATTERNS)
		return ERR_LIMIT;
	if (!patterns_engine(&lacks)) {
		snprintf(why, PATTERN_WHY_BYTES, "%s", lacks);
		return ERR_UNSUPPORTED;
	}
	p = calloc(1, sizeof *p);
	if (!p)
		return ERR_NOMEM;
	err = compile(p, all, count, why);
	if (err)
		patterns_free(&p);
	*patterns_out = p;
	return err;
}

void patterns_free(struct patterns **p)
{
	if (!*p)
		return;
	engine.hs_free_scratch((*p)->scratch);
	engine.hs_free_database((*p)->database);
	free(*p);
	*p = NULL;
}

struct finding {
	struct buf *hits;
	size_t floor;
};

/* Each end of a match is told, the shorter ones first. */
static int found(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *arg)
{
	struct finding *f = arg;

	(void)flags;
	if (to > from)
		hits_add(f->hits, f->floor,
		         (struct detect_hit){from, to, (uint8_t)(DETECT_PATTERN + id), 100});
	return f->hits->err != 0;
}

/* The engine trusts that it is given UTF-8. */
static void put_clean(struct span text, struct buf *out)
{
	for (size_t i = 0, len; i < text.len; i += len ? len : 1) {
		len = utf8_len((const unsigned char *)text.data + i, text.len - i);
		buf_put(out, len ? text.data + i : "?", len ? len : 1);
	}
}

void patterns_find(const struct patterns *p, struct span text, struct buf *hits)
{
	struct finding f = {hits, buf_len(hits) / sizeof(struct detect_hit)};
	struct buf clean;

	buf_init(&clean, text.len + 1);
	if (!utf8_valid(text.data, text.len)) {
		put_clean(text, &clean);
		text = buf_span(&clean);
	}
	if (clean.err)
		hits->err = clean.err;
	else if (text.len > UINT32_MAX)
		hits->err = ERR_LIMIT;
	else if (text.len &&
	         engine.hs_scan(p->database, text.data, (unsigned)text.len, 0, p->scratch, found, &f) !=
	                 HS_SUCCESS &&
	         !hits->err)
		hits->err = ERR_NOMEM;
	buf_fini(&clean);
}

#else

bool patterns_engine(const char **why_out)
{
	*why_out = "this build has no engine for them: apt-get install libhyperscan-dev, and build again";
	return false;
}

int patterns_new(const struct detect_pattern *all, unsigned count, struct patterns **patterns_out,
                 char why[PATTERN_WHY_BYTES])
{
	const char *lacks;

	(void)all;
	(void)count;
	*patterns_out = NULL;
	patterns_engine(&lacks);
	snprintf(why, PATTERN_WHY_BYTES, "%s", lacks);
	return ERR_UNSUPPORTED;
}

void patterns_free(struct patterns **p)
{
	*p = NULL;
}

void patterns_find(const struct patterns *p, struct span text, struct buf *hits)
{
	(void)p;
	(void)text;
	hits->err = ERR_UNSUPPORTED;
}

#endif
