/*
 * catalogue.h - the models that a candidate says it serves, asked before it is sent a copy that names one.
 *
 *   a copy names a model --> GET /v1/models, /api/tags, /v2 in turn, until one lists some
 *     the one asked for is among them            sent as it is; so too when nothing is listed
 *     one, and it is another                     $.model is rewritten to it, and the log says so
 *     several, and none is the one asked for     refused: candidate_model, and the log says so
 *
 * Bounded: names of at most CATALOGUE_NAME bytes, CATALOGUE_NAMES of them; past either, nothing is rewritten
 * or refused. A candidate that did not answer is asked again a minute later. Only letters, digits and
 * "._:/@-" of what it lists ever reach the log.
 */
#ifndef REPLAY_CATALOGUE_H
#define REPLAY_CATALOGUE_H

#include "proto/net/client.h"
#include "replay/request.h"

enum { CATALOGUE_NAMES = 32, CATALOGUE_NAME = 128, CATALOGUE_BYTES = 256 * 1024, CATALOGUE_PLACES = 3 };

struct catalogue_names {
	unsigned count;
	bool beyond;                                 /* there are more, or longer ones */
	char names[CATALOGUE_NAMES][CATALOGUE_NAME]; /* JSON strings, with their quotes */
};

/* Adds what an answer of that place (0 to CATALOGUE_PLACES - 1) lists. Pure. */
void catalogue_read(struct catalogue_names *, unsigned place, struct span body);
/* What becomes of a request for `model` (a JSON string): 0 with the name to send (empty: as it is), or
 * OUTCOME_CANDIDATE_MODEL. Pure. */
uint8_t catalogue_fit(const struct catalogue_names *, struct span model, struct span *rename_out);
/* The model that a request names in its body, a JSON string in it; empty: none. */
struct span catalogue_model(const struct leg *request);

struct catalogue {
	const struct plan_candidate *plan;
	struct client *client;
	const struct request_to *to;
	enum { CATALOGUE_UNKNOWN, CATALOGUE_ASKING, CATALOGUE_KNOWN } state;
	unsigned place, status;
	uint64_t again_ns; /* not asked before that */
	bool told;         /* the log has said what is done */
	struct buf body;
	struct catalogue_names names;
};

void catalogue_init(struct catalogue *, const struct plan_candidate *, struct client *,
                    const struct request_to *);
/* True when the candidate is being asked, from now on or already: a copy that names a model must wait. */
bool catalogue_asks(struct catalogue *, uint64_t now_ns);
/* As catalogue_fit(), and says it once. */
uint8_t catalogue_apply(struct catalogue *, struct span model, struct span *rename_out);

#endif
