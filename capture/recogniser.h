/*
 * recogniser.h - a process beside the masker that names what is found in free text: our end of it.
 *
 *   to it    {"id":7,"text":"Ada lives in Paris"}
 *   from it  {"id":7,"spans":[[0,3,"PERSON"],[13,18,"LOCATION"]]}
 *
 * A line each, in UTF-8; start and end count characters of the text. It is asked for one text at a time,
 * within one deadline for all texts of a body. Late, dead, or with an answer that is none: all of that body
 * has failed, its copy must go, and whoever keeps the process is told to start it anew. Until it serves again
 * nothing waits for it. Bytes that are no UTF-8 are asked as '?'. Who keeps it asks a first question, of an
 * even id and no text, and it serves once that is answered; ours are odd.
 */
#ifndef CAPTURE_RECOGNISER_H
#define CAPTURE_RECOGNISER_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/buf.h"

enum {
	RECOGNISER_TEXT_MAX = 256 << 10, /* bytes; a longer one is not asked, it fails */
	RECOGNISER_LINE_MAX = 1 << 20,   /* of an answer */
	RECOGNISER_SPANS_MAX = 4096
};

/* Who is at the other end; descriptors do not block. */
struct recogniser_peer {
	int to, from;
	uint64_t serving; /* which start of it this is; 0: it does not serve */
};
struct recogniser_keeper {
	/* Who serves now. Called before each text and while one is waited for. */
	void (*look)(void *arg, struct recogniser_peer *);
	/* What was asked last is lost: that start of it serves no more. */
	void (*give_up)(void *arg);
	void *arg;
};

struct recogniser;
int recogniser_new(const struct recogniser_keeper *, uint32_t deadline_ms,
                   struct recogniser **recogniser_out) MUST_CHECK;
void recogniser_free(struct recogniser **);

/* A body begins: its deadline runs from its first text on. */
void recogniser_begin(struct recogniser *);
/* Append what it finds (struct detect_hit, by bytes, in any order) to hits. ERR_*: it has failed, and so will
 * all until the next body; outside of one always. */
int recogniser_ask(struct recogniser *, struct span text, struct buf *hits) MUST_CHECK;
/* The body ends. False: it has failed, and nothing of it may leave. */
bool recogniser_end(struct recogniser *) MUST_CHECK;

/* The line that asks; and an answer to it, of that text. ERR_PROTO: it is none; ERR_AGAIN: of another id. */
void recogniser_question(uint64_t id, struct span text, struct buf *out);
int recogniser_answer(struct span line, uint64_t id, struct span text, struct buf *hits) MUST_CHECK;
/* What an answer calls a class: one of detect/classes.h, by its name or by a usual one; else ENTITY. */
unsigned recogniser_class(struct span name);

#endif
