/*
 * shrink.h - what `understudy shrink` stands on: a stored pair, two endpoints that are asked the same, and
 * what a request looks like as a command line.
 */
#ifndef TOOLS_SHRINK_H
#define TOOLS_SHRINK_H

#include "replay/compare.h"
#include "tools/reach.h"
#include "tools/run.h"

enum { SHRINK_HEADERS_MAX = 16 };

struct shrink_pair { /* of which the request is known */
	char route[NAME_MAX_BYTES];
	struct buf head, body; /* the text form of a HEAD; masked */
	bool foreign;          /* no mirror recorded it: what it does is not known by its route */
};

void shrink_pair_init(struct shrink_pair *);
void shrink_pair_fini(struct shrink_pair *);
/* The first diverged pair of that id, or beginning of one. -1: it is there; else an exit status, all is said.
 */
int shrink_find(const struct run *, const char *id, const char *candidate, struct shrink_pair *);
/* How its answers are compared: as its route in `config` (NULL: none) or in the capture that the run played,
 * and by `protocol` (NULL: as these say). As above. */
int shrink_rules(const struct run *, const char *config, const char *protocol, const struct shrink_pair *,
                 struct plan_route *out);
/* Is it a live endpoint of the run? */
bool shrink_is_live(const struct run *, const struct plan_endpoint *);

struct shrink_side { /* an endpoint, and what it said last */
	struct plan_endpoint endpoint;
	struct tls_context *trust; /* of https */
	struct reach reach;
	struct reach_answer answer;
	int timeout_ms;
};

/* `flag` is who named it. As shrink_find(). */
int shrink_aim(struct shrink_side *, const char *flag, const char *url, const char *ca_file, int timeout_ms);
void shrink_leave(struct shrink_side *);
/* Ask with this head ("name: value" fields of `headers` take the place of its own) and body; `request` is
 * room for it. 0; ERR_*: no answer. */
int shrink_ask(struct shrink_side *, struct span head, struct span body, const char *const *headers,
               unsigned header_count, struct buf *request) MUST_CHECK;
/* What it said last, for compare_pair(). */
struct answer shrink_answer(const struct shrink_side *, struct span head);

/* The request as one command line for a shell. */
void shrink_print_curl(const struct plan_endpoint *, struct span head, struct span body,
                       const char *const *headers, unsigned header_count);
/* 0, ERR_SYS. */
int shrink_write(const char *path, struct span body) MUST_CHECK;

#endif
