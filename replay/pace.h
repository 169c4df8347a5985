/*
 * pace.h - when a streamed answer came: from the marks of its chunks and the ends of its pieces. Pure: no
 * I/O.
 *
 * A chunk is what arrived at once and may hold several pieces, or part of one; a piece is an event that
 * brought text or arguments, and was there when its last byte was. Gaps between chunks are of the network and
 * the server's buffers, gaps between pieces of the model; where pieces came together their gap is 0.
 */
#ifndef REPLAY_PACE_H
#define REPLAY_PACE_H

#include "capture/fold.h"

#define PACE_TABLE(X)                                                                                        \
	X(ttft, "time to the first token", "us")                                                             \
	X(token_gap, "between tokens, 95th percentile of an answer", "us")                                   \
	X(chunk_gap, "between chunks, 95th percentile of an answer", "us")                                   \
	X(tokens_per_second, "tokens a second, after the first", "")

enum pace_figure {
#define X(name, meaning, unit) PACE_##name,
	PACE_TABLE(X)
#undef X
	        PACE_FIGURES
};

enum { PACE_NONE = -1 };

struct pace {
	int64_t figures[PACE_FIGURES]; /* PACE_NONE: there is none */
};

struct pace_source {
	uint64_t asked_ns; /* the last byte of the request was sent */
	const struct leg_mark *marks;
	size_t mark_count;
	bool coded; /* the body was decoded: no mark says where in it a chunk ended */
};

/* Only chunks are known. */
void pace_of_chunks(const struct pace_source *, struct pace *out);
/* Pieces ended at these places of the body, in order. `tokens`: as the answer tells them; 0: a piece is one.
 */
void pace_of_pieces(const struct pace_source *, const size_t *ends, size_t count, uint64_t tokens,
                    struct pace *out);

#endif
