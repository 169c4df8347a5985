/*
 * detect.c - the scanner: blocks through the sieve, anchors to matchers, matches to hits.
 *
 * Pieces are gathered in a window that slides; a block is sieved once all that its anchors may look at is
 * there, so a text in pieces takes the same way as a whole one. A match waits until no later one can reach
 * back into it.
 */
#include "capture/detect/detect.h"

#include <stddef.h>
#include <stdlib.h>

#include "capture/detect/fold.h"
#include "capture/detect/inside.h"
#include "proto/base/utf8.h"

enum { WINDOW = 4096, WAITING_MAX = 16, NAME_REACH = 64, BEFORE = 64, NEAR = 32 };
_Static_assert(SIEVE_BLOCK + DETECT_AHEAD + DETECT_BEHIND + FOLD_SEQUENCE_MAX <= DETECT_HELD, "what is held");

struct detectors {
	const struct detect_policy *policy;
	const struct gazetteer *gazetteer;
	sieve_sort *sort;
};

struct scan { /* offsets are in the folded text */
	const struct detectors *d;
	detect_found *found;
	void *arg;
	struct detect_set name;
	const unsigned char *text; /* what is there: from base to len */
	uint64_t base, len;
	uint64_t next; /* the block to sieve */
	bool ended;
	struct sieve sieve;
	enum detect_run run; /* the last that waits goes on at its end */
	unsigned dashes, bars;
	const struct fold *fold; /* NULL: offsets are as fed */
	unsigned waiting;
	uint64_t given; /* the end of the last hit that was reported */
	uint64_t given_source;
	struct recent recent;
	struct match_at {
		uint64_t start, end;
		uint64_t source; /* of the start, as fed */
		uint8_t class, score;
	} wait[WAITING_MAX];
};

struct detect {
	struct scan scan;
	struct fold fold;
	unsigned char window[WINDOW];
};

int detectors_new(const struct detect_policy *policy, const struct gazetteer *gazetteer,
                  struct detectors **detectors_out)
{
	struct detectors *d = calloc(1, sizeof *d);

	*detectors_out = d;
	if (!d)
		return ERR_NOMEM;
	d->policy = policy;
	d->gazetteer = gazetteer;
	d->sort = sieve_best();
	words_init();
	rules_init();
	pairs_init();
	return 0;
}

void detectors_free(struct detectors **d)
{
	free(*d);
	*d = NULL;
}

void detectors_portable(struct detectors *d)
{
	d->sort = sieve_sort_portable;
}

/* Words that begin in the last `reach` bytes before the anchor. All that may matter later are read: 22 fit
 * in. */
static void look_back(struct view *v, size_t reach)
{
	struct recent *r = v->recent;
	uint64_t first = v->base + (v->at > BEFORE ? v->at - BEFORE : 0), at = r->read;
	uint64_t from = v->base + (v->at > reach ? v->at - reach : 0);

	if (at < first)
		for (at = first; at > v->base && at < v->base + v->at &&
		                 words_inside(v->text, v->at, (size_t)(at - v->base));)
			at++;
	while (at < v->base + v->at) {
		struct recent_word *w = &r->words[r->count % RECENT_WORDS];
		size_t start, behind;

		w->classes = (struct detect_set){{0, 0}};
		start = words_next(v->text, v->at, (size_t)(at - v->base), &behind, &w->classes);
		if (start == v->at)
			break;
		w->at = v->base + start;
		r->count++;
		at = v->base + behind;
	}
	r->read = v->base + v->at;
	for (uint64_t i = 1; i <= RECENT_WORDS && i <= r->count; i++) {
		const struct recent_word *w = &r->words[(r->count - i) % RECENT_WORDS];

		if (w->at < from)
			break;
		v->around.bits[0] |= w->classes.bits[0];
		v->around.bits[1] |= w->classes.bits[1];
	}
}

/* The words in the 64 bytes before and the 32 behind the number or word at the anchor; what is short, such as
 * an age, must have its word near. */
static void look_around(struct view *v)
{
	enum { AFTER = 32, BEFORE_SHORT = 32, SHORT = 6 };
	size_t behind = v->at;

	while (behind < v->hi && behind < v->at + AFTER && v->text[behind] != ' ')
		behind++;
	look_back(v, behind - v->at <= SHORT ? BEFORE_SHORT : BEFORE);
	if (behind - v->at > SHORT)
		words_classes(v->text + behind, v->hi - behind < AFTER ? v->hi - behind : AFTER, &v->around);
	v->around_known = true;
}

bool detect_context_any(struct view *v, const struct detect_set *classes)
{
	if (!v->around_known)
		look_around(v);
	return ((v->around.bits[0] & classes->bits[0]) | (v->around.bits[1] & classes->bits[1])) ||
	       (v->name && ((v->name->bits[0] & classes->bits[0]) | (v->name->bits[1] & classes->bits[1])));
}

bool detect_context(struct view *v, unsigned class)
{
	if (v->name && detect_set_has(v->name, class))
		return true;
	if (!v->around_known)
		look_around(v);
	return detect_set_has(&v->around, class);
}

/* From the word to the anchor there is no other number, no end of a line or of a cell. */
static bool leads_here(const struct view *v, uint64_t word)
{
	for (size_t i = (size_t)(word - v->base); i < v->at; i++) {
		unsigned char c = v->text[i];

		if (is_digit(c) || c == '\n' || c == '|' || c == ';')
			return false;
	}
	return true;
}

bool detect_context_near(struct view *v, unsigned class)
{
	const struct recent *r = v->recent;

	if (v->name && detect_set_has(v->name, class))
		return true;
	if (!v->around_known)
		look_around(v);
	if (!detect_set_has(&v->around, class))
		return false;
	for (uint64_t i = 1; i <= RECENT_WORDS && i <= r->count; i++) {
		const struct recent_word *w = &r->words[(r->count - i) % RECENT_WORDS];

		if (w->at + NEAR < v->base + v->at)
			break;
		if (detect_set_has(&w->classes, class))
			return leads_here(v, w->at);
	}
	return false;
}

static unsigned char lower(unsigned char c)
{
	return (unsigned char)(c - 'A') < 26 ? c | 32 : c;
}

static bool same_text(const unsigned char *text, const char *want, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (lower(text[i]) != lower((unsigned char)want[i]))
			return false;
	return true;
}

bool detect_allowed(const struct detect_policy *p, struct span text)
{
	const unsigned char *at = (const unsigned char *)text.data;
	size_t len = text.len;

	for (uint32_t i = 0; i < p->allow_count; i++) {
		const char *want = p->allow[i];
		size_t n = strlen(want);
		bool head = n && want[0] == '*', tail = !head && n && want[n - 1] == '*';

		n -= (size_t)(head || tail);
		if (n > len || (n < len && !head && !tail))
			continue;
		if (same_text(head ? at + len - n : at, want + head, n))
			return true;
	}
	return false;
}

static void take(struct view *v, const struct match *m)
{
	struct match *best = &v->best;
	const struct detect_policy *p = v->d->policy;

	if (m->score < p->min_score)
		return;
	if (best->class && (m->score < best->score ||
	                    (m->score == best->score && m->end - m->start <= best->end - best->start)))
		return;
	if (m->run == RUN_NONE &&
	    detect_allowed(p, (struct span){(const char *)v->text + m->start, m->end - m->start}))
		return;
	*best = *m;
}

void offer(struct view *v, unsigned class, size_t start, size_t end, int alone, int with)
{
	int score = alone;

	if (!detect_wants(v, class))
		return;
	if (with > alone && (with > v->best.score || !v->best.class) && detect_context(v, class))
		score = with;
	if (score < (int)v->d->policy->min_score)
		return;
	take(v, &(struct match){start, end, (uint8_t) class, (uint8_t)score, RUN_NONE});
}

/* A token runs on when the view's end cut it. */
void offer_run(struct view *v, unsigned class, size_t start, size_t end, int score, enum detect_run run)
{
	bool on = run == RUN_PEM || (end == v->hi && v->hi == v->at + DETECT_AHEAD);

	if (detect_wants(v, class))
		take(v, &(struct match){start, end, (uint8_t) class, (uint8_t)score,
		                        (uint8_t)(on ? run : RUN_NONE)});
}

static uint64_t source(const struct scan *s, uint64_t at)
{
	return s->fold ? fold_source(s->fold, at) : at;
}

static void report(struct scan *s, const struct match_at *m)
{
	struct detect_hit hit = {m->source, source(s, m->end), m->class, m->score};

	s->given = m->end;
	s->given_source = hit.end;
	s->found(s->arg, &hit);
}

/* Report what ends before `to`. */
static void release(struct scan *s, uint64_t to)
{
	unsigned n = 0;

	while (n < s->waiting && s->wait[n].end <= to)
		report(s, &s->wait[n++]);
	s->waiting -= n;
	memmove(s->wait, s->wait + n, s->waiting * sizeof *s->wait);
}

/* What overlaps becomes one: the larger names it when it holds the other, else the surer. */
static void join(struct match_at *a, const struct match_at *b)
{
	bool a_holds = a->start <= b->start && a->end >= b->end;
	bool b_holds = b->start <= a->start && b->end >= a->end;

	if (b_holds && a_holds ? b->score > a->score : b_holds || (!a_holds && b->score > a->score)) {
		a->class = b->class;
		a->score = b->score;
	}
	a->source = a->source < b->source ? a->source : b->source;
	a->start = a->start < b->start ? a->start : b->start;
	a->end = a->end > b->end ? a->end : b->end;
}

static void put(struct scan *s, const struct match *m)
{
	uint64_t start = s->base + m->start;
	struct match_at new = {start, s->base + m->end, source(s, start), m->class, m->score};

	while (s->waiting && s->wait[s->waiting - 1].end > new.start) {
		join(&new, &s->wait[s->waiting - 1]);
		s->waiting--;
	}
	if (new.start < s->given) {
		new.start = s->given;
		new.source = s->given_source;
	}
	if (s->waiting == WAITING_MAX)
		release(s, s->wait[0].end);
	s->wait[s->waiting++] = new;
	s->run = m->run;
	s->dashes = s->bars = 0;
}

/* Behind the header: the last line begins and ends with dashes. */
static bool in_pem(struct scan *s, unsigned char c)
{
	if (s->bars == 2 && c != '-')
		return false;
	s->dashes = c == '-' ? s->dashes + 1 : 0;
	s->bars += s->dashes == 5;
	return in_token(c) || c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\\' || c == ':' ||
	       c == ',';
}

/* Follow a run behind its view. */
static void run_on(struct scan *s)
{
	struct match_at *m = &s->wait[s->waiting - 1];

	while (m->end < s->len) {
		unsigned char c = s->text[m->end - s->base];

		if (s->run == RUN_TOKEN ? !in_token(c) : !in_pem(s, c))
			break;
		if (m->end - m->start == DETECT_RUN_MAX) {
			struct match_at more = {m->end, m->end, source(s, m->end), m->class, m->score};

			release(s, m->end);
			m = &s->wait[0];
			*m = more;
			s->waiting = 1;
		}
		m->end++;
	}
	if (m->end < s->len || s->ended)
		s->run = RUN_NONE;
}

enum anchor { NUMBER = 1, AT = 2, PAIR = 4, LONG = 8, DASHES = 16, SS = 32, WORD = 64 };

static void match_anchor(struct view *v, unsigned kinds)
{
	if (kinds & NUMBER && !match_short(v)) {
		match_rules(v);
		match_numbers(v);
		match_codes(v);
		match_places(v);
		match_mac(v);
	}
	if (kinds & AT)
		match_at(v);
	if (kinds & PAIR) {
		if (v->text[v->at] == ':')
			match_colon(v);
		match_pair(v);
	}
	if (kinds & LONG)
		match_long(v);
	if (kinds & DASHES)
		match_dashes(v);
	if (kinds & SS)
		match_password(v);
	if (kinds & WORD)
		match_gazetteer(v, v->d->gazetteer);
}

static void look(struct scan *s, uint64_t at, unsigned kinds)
{
	size_t here = (size_t)(at - s->base);
	struct view v;

	/* inside a number or a word that was found; an @ makes more of it, a key's prefix names it */
	if (s->waiting && s->wait[s->waiting - 1].end > at)
		kinds &= s->run == RUN_NONE ? AT | LONG | DASHES : 0;
	if (!kinds)
		return;
	v.text = s->text;
	v.base = s->base;
	v.at = here;
	v.d = s->d;
	v.wanted = &s->d->policy->classes;
	v.recent = &s->recent;
	v.best = (struct match){0, 0, DETECT_NONE, 0, RUN_NONE};
	v.around_known = false;
	v.around = (struct detect_set){{0, 0}};
	v.lo = here > DETECT_BEHIND ? here - DETECT_BEHIND : 0;
	v.hi = (size_t)(s->len - s->base);
	if (v.hi > here + DETECT_AHEAD)
		v.hi = here + DETECT_AHEAD;
	v.name = at < NAME_REACH ? &s->name : NULL;
	match_anchor(&v, kinds);
	if (v.best.class)
		put(s, &v.best);
	if (s->run != RUN_NONE)
		run_on(s);
}

static void sieve_block(struct scan *s)
{
	unsigned char last[SIEVE_BLOCK] = {0};
	const unsigned char *block = s->text + (s->next - s->base);
	struct sieve_bytes bytes;
	struct sieve_anchors a;
	uint64_t any;

	if (s->len - s->next < SIEVE_BLOCK) {
		memcpy(last, block, (size_t)(s->len - s->next));
		block = last;
	}
	s->d->sort(block, &bytes);
	sieve_next(&s->sieve, &bytes, &a);
	if (!s->d->gazetteer)
		a.word = 0;
	any = a.number | a.at | a.pair | a.longs | a.dashes | a.ss | a.word;
	for (; any; any &= any - 1) {
		unsigned i = (unsigned)__builtin_ctzll(any);

		look(s, s->next + i,
		     (a.number >> i & 1) * NUMBER | (a.at >> i & 1) * AT | (a.pair >> i & 1) * PAIR |
		             (a.longs >> i & 1) * LONG | (a.dashes >> i & 1) * DASHES | (a.ss >> i & 1) * SS |
		             (a.word >> i & 1) * WORD);
	}
	s->next += SIEVE_BLOCK;
}

/* All blocks whose anchors can see as far as they may. */
static void scan_on(struct scan *s)
{
	if (s->run != RUN_NONE)
		run_on(s);
	while (s->next < s->len && (s->ended || s->len - s->next >= SIEVE_BLOCK + DETECT_AHEAD)) {
		sieve_block(s);
		if (s->waiting && s->next > DETECT_BEHIND)
			release(s, s->next - DETECT_BEHIND);
	}
	if (s->ended)
		release(s, UINT64_MAX);
}

static void scan_begin(struct scan *s, const struct detectors *d, struct span name, detect_found *found,
                       void *arg)
{
	memset(s, 0, offsetof(struct scan, recent.words));
	s->d = d;
	s->found = found;
	s->arg = arg;
	if (name.len)
		words_classes((const unsigned char *)name.data, name.len < 64 ? name.len : 64, &s->name);
}

size_t detect_size(void)
{
	return sizeof(struct detect);
}

int detect_new(const struct detectors *d, struct detect **detect_out)
{
	*detect_out = calloc(1, sizeof **detect_out);
	if (!*detect_out)
		return ERR_NOMEM;
	(*detect_out)->scan.d = d;
	return 0;
}

void detect_free(struct detect **t)
{
	free(*t);
	*t = NULL;
}

void detect_begin(struct detect *t, struct span name, detect_found *found, void *arg)
{
	scan_begin(&t->scan, t->scan.d, name, found, arg);
	fold_init(&t->fold);
	t->scan.text = t->window;
	t->scan.fold = &t->fold;
}

/* Keep what a later anchor may look back at. */
static void slide(struct detect *t)
{
	struct scan *s = &t->scan;
	uint64_t keep = s->next < s->len ? s->next : s->len;
	size_t n;

	keep = keep > s->base + DETECT_BEHIND ? keep - DETECT_BEHIND : s->base;
	n = (size_t)(keep - s->base);
	memmove(t->window, t->window + n, (size_t)(s->len - keep));
	fold_forget(&t->fold, keep);
	s->base = keep;
}

void detect_feed(struct detect *t, struct span text)
{
	struct scan *s = &t->scan;

	while (text.len) {
		size_t used = (size_t)(s->len - s->base), took;

		if (WINDOW - used < FOLD_SEQUENCE_MAX || !fold_room(&t->fold)) {
			slide(t);
			used = (size_t)(s->len - s->base);
		}
		s->len += fold_put(&t->fold, text, t->window + used, WINDOW - used, &took);
		text.data += took;
		text.len -= took;
		scan_on(s);
	}
}

void detect_end(struct detect *t)
{
	struct scan *s = &t->scan;

	if (WINDOW - (size_t)(s->len - s->base) < FOLD_SEQUENCE_MAX || !fold_room(&t->fold))
		slide(t);
	s->len += fold_end(&t->fold, t->window + (s->len - s->base));
	s->ended = true;
	scan_on(s);
}

uint64_t detect_settled(const struct detect *t)
{
	const struct scan *s = &t->scan;
	uint64_t at = s->next > DETECT_BEHIND ? s->next - DETECT_BEHIND : 0;

	if (s->ended)
		return fold_source(&t->fold, s->len);
	if (s->waiting && s->wait[0].start < at)
		return s->wait[0].source;
	return at < s->given ? s->given_source : fold_source(&t->fold, at);
}

bool detect_plain(const struct detectors *d, struct span text)
{
	if (text.len >= SIEVE_LONG || d->gazetteer)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];

		if ((unsigned char)(c - '0') <= '@' - '0' || c > 127 || c == ' ') /* : and = are in between */
			return false;
	}
	return true;
}

void detect_text(const struct detectors *d, struct span name, struct span text, detect_found *found,
                 void *arg)
{
	const unsigned char *bytes = (const unsigned char *)text.data;

	if (detect_plain(d, text))
		return;
	if (sieve_foldable(bytes, text.len)) {
		struct detect t;

		t.scan.d = d;
		detect_begin(&t, name, found, arg);
		detect_feed(&t, text);
		detect_end(&t);
	} else {
		struct scan s;

		scan_begin(&s, d, name, found, arg);
		s.text = bytes;
		s.len = text.len;
		s.ended = true;
		scan_on(&s);
	}
}

static bool is_wordy(char c)
{
	return is_letter((unsigned char)c) || c & 128;
}

bool detect_prose(struct span text)
{
	unsigned words = 0;

	for (size_t i = 1; i + 1 < text.len; i++)
		words += text.data[i] == ' ' && is_wordy(text.data[i - 1]) && is_wordy(text.data[i + 1]);
	return words >= 2;
}

bool detect_free_text(struct span text)
{
	unsigned wide = 0; /* sequences of three bytes and more in a row */

	for (size_t i = 0, n; i < text.len; i += n ? n : 1) {
		bool blank = text.data[i] == ' ' || text.data[i] == '\n' || text.data[i] == '\t';

		n = utf8_len((const unsigned char *)text.data + i, text.len - i);
		wide = n > 2 ? wide + 1 : 0;
		if (wide == 2 || (blank && i && i + 1 < text.len && is_wordy(text.data[i - 1]) &&
		                  is_wordy(text.data[i + 1])))
			return true;
	}
	return false;
}
