/*
 * masker_inside.h - what the files behind masker.h share; no one else.
 *
 *   masker.c        the roles: their loop, and which record is whose
 *   masker_leg.c    a leg's head, trailers and end; withdrawal and consent
 *   masker_body.c   bodies: held, masked, released
 *   masker_track.c  what is held of open legs; records that leave, cells that are settled
 *   masker_load.c   policies, keys and lists, from the files of the role
 *
 * A record's payload is in `payload`. Whoever fails leaves the leg to masker.c, which drops it and settles
 * its exchange by the error: ERR_NOMEM it does not fit, ERR_DENIED a rule drops it, any other it cannot be
 * masked, for the reason in `why`.
 */
#ifndef CAPTURE_MASKER_INSIDE_H
#define CAPTURE_MASKER_INSIDE_H

#include "capture/found.h"
#include "capture/hold.h"
#include "capture/mask_body.h"
#include "capture/mask_schema.h"
#include "capture/mask_why.h"
#include "capture/masker_learn.h"
#include "capture/role.h"
#include "capture/withdrawn.h"

enum { TRACK_BUCKETS = 4096, ENCODING_MAX = 8 };

struct track { /* one leg: its HEAD was seen, or, of an answer, what was found in its request */
	uint64_t id;
	struct record last;
	uint8_t leg;
	bool begun, holding;
	struct mask_call call;
	struct mask_body form;
	bool asks;                   /* whether its request consents is not known before its end */
	struct record head_record;   /* of what then has not left */
	struct buf head;             /* its payload */
	bool trailed;                /* its trailers came: the body is whole, and released */
	char encoding[ENCODING_MAX]; /* grpc-encoding; empty: one that is not known */
	size_t bytes;                /* charged */
	size_t whole;                /* bytes of the hold's body that are whole messages */
	uint32_t mask_count;         /* of what was held */
	struct found found;          /* in the head and in what was held */
	struct buf known;            /* in the request of an answer */
	size_t found_bytes;          /* charged for these, and for `head` */
	bool input_masked;
	struct hold hold;
	struct track *next;
};

struct masker {
	const struct role_env *env;
	struct mask_key *keys[MASKS_MAX];
	struct mask_rules *rules[MASKS_MAX];
	struct mask_schema *schemas[MASKS_MAX]; /* NULL: no descriptors */
	struct mask_finder *finders[MASKS_MAX];
	struct recogniser *recognisers[MASKS_MAX];
	struct withdrawn *withdrawn; /* NULL: no list */
	struct masker_learn *learn;  /* NULL: no route learns */
	bool answers, finds;         /* finds: some policy looks into texts, or leaves parts of them */
	struct ring *in[WORKERS_MAX];
	int wake[WORKERS_MAX];
	unsigned in_count;
	struct ring *to_shadow, *to_judge, *to_recorder;
	enum mask_why why; /* of what failed last */
	struct track *tracks[TRACK_BUCKETS];
	size_t bytes, limit_bytes; /* of all tracks; scratch takes from what is left */
	struct buf scratch;
	char payload[RECORD_PAYLOAD_MAX];
};

static inline bool masker_is_last(const struct record *r)
{
	return r->type == RECORD_END || r->type == RECORD_ERROR;
}

static inline struct mask_key *masker_key(const struct masker *m, uint16_t route)
{
	return m->keys[m->env->plan->routes[route].mask];
}

/* --- what is held --- */

/* Where the leg's track is, or would be. */
struct track **masker_track_at(struct masker *, uint64_t id, uint8_t leg);
/* Of the record's leg, new. NULL: out of memory. */
struct track *masker_track_new(struct masker *, const struct record *);
void masker_track_free(struct masker *, struct track **at);
/* False: it does not fit. */
bool masker_charge(struct masker *, struct track *, size_t bytes);
/* What was found takes memory, too. 0 or ERR_NOMEM. */
int masker_charge_found(struct masker *, struct track *);
/* Its body has left. */
void masker_uncharge_body(struct masker *, struct track *);
/* Empty, with a part of what the tracks leave: masking needs a second such buffer for long strings, and a
 * third for what is found in them. Heads always find room. */
struct buf *masker_scratch(struct masker *);
/* Forget legs whose exchange was settled elsewhere (a shed end, a dead worker). */
void masker_sweep(struct masker *);

/* --- what leaves, what is settled --- */

/* A record that did not fit leaves a hole: what lies behind that ring has no use for the rest. Rings shed
 * independently: capture never waits for shadow or judge. */
void masker_emit(struct masker *, struct record *, const void *payload);
/* The cells of a leg are at the writer's stage until its end is there to be read, then at this one. */
void masker_settle_candidates(struct masker *, const struct record *, uint8_t outcome);
/* The copy of this exchange ends here: settle whatever this role may still own. */
void masker_give_up(struct masker *, const struct record *, uint8_t outcome);
/* An answer whose request's copy was dropped: what it answers is not known, and nobody waits for it. */
bool masker_is_remainder(const struct masker *, const struct record *);

/* --- bodies --- */

/* ERR_PROTO, and why. */
int masker_fail(struct masker *, enum mask_why);
/* What the values of a record asked for beside being masked. 0, or ERR_DENIED: the copy ends here. */
int masker_heed(struct masker *, const struct record *);
/* Its chunk waits; messages leave as soon as the last one of those that are held is whole. 0, ERR_NOMEM,
 * ERR_LIMIT, ERR_PROTO, ERR_DENIED. */
int masker_hold(struct masker *, struct track *, const struct record *, const char *payload);
/* Lay what is masked over the held chunk records: same records, same times, other bytes. 0, ERR_NOMEM,
 * ERR_PROTO, ERR_DENIED. */
int masker_release(struct masker *, struct track *);

/* --- legs --- */

/* Each takes a record of one type: 0, ERR_NOMEM, ERR_PROTO, ERR_DENIED. */

/* An answer will come to a request in which that was found. */
int masker_known(struct masker *, const struct record *);
int masker_begin(struct masker *, struct record *);
/* They stay behind the body, which is whole when they come. */
int masker_trailers(struct masker *, struct track *, struct record *);
/* Its end, or an error; the track is freed. */
int masker_finish(struct masker *, struct track **at, struct record *);
/* Nothing of an exchange leaves before its request is whole and agrees. An answer that comes before cannot
 * wait for that. True: it is settled, and the record is of no use. */
bool masker_refuses_consent(struct masker *, struct track *, const struct record *);

/* --- what a role masks with --- */

/* 0, or ERR_*: the role cannot begin. */
int masker_load_rules(struct masker *) MUST_CHECK;
int masker_load_keys(struct masker *) MUST_CHECK;
int masker_load_withdrawn(struct masker *) MUST_CHECK; /* nothing where the plan names no list */

#endif
