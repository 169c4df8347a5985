/*
 * stability.h - have the answers of a candidate moved? The population stability index (PSI) of its labels:
 * those of the last while against those of its first while. Pure.
 *
 *   PSI = sum over labels (p - q) ln(p / q), each share with half an observation more, less what chance alone
 *   is expected to give, (labels - 1) (1/n + 1/m) (Yurdakul, "Statistical Properties of Population Stability
 *   Index", 2018), and never below 0.
 *
 *   first labels --> reference, until it has lasted for `window_ms` and has STABILITY_LEAST; then
 *   later ones   --> window, of which between a half and a whole `window_ms` is looked at
 */
#ifndef REPLAY_STABILITY_H
#define REPLAY_STABILITY_H

#include <stdbool.h>
#include <stdint.h>

enum { STABILITY_LEAST = 100, STABILITY_BINS = 256 /* the last one takes all labels from 255 on */ };

struct stability { /* all 0 at first */
	uint64_t reference[STABILITY_BINS], window[2][STABILITY_BINS];
	uint64_t begun_ns, turned_ns;
	bool whole; /* the reference */
};

void stability_note(struct stability *, uint32_t window_ms, uint32_t label, uint64_t now_ns);
/* NaN: the reference is not whole, or the window has fewer than STABILITY_LEAST. */
double stability_index(struct stability *, uint32_t window_ms, uint64_t now_ns);

#endif
