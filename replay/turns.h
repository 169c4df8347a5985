/*
 * turns.h - in which order the candidates of an exchange are sent their copies: drawn anew for each exchange.
 *
 * Who is sent to first is a little ahead, on the wire and at the processor. So that no side, the baseline
 * neither, is ahead always, every order is as likely as another. Pure: from the run's seed and the exchange.
 */
#ifndef REPLAY_TURNS_H
#define REPLAY_TURNS_H

#include <stdint.h>

#include "capture/record.h"

/* The first `count` of `order_out` become a permutation of 0 to count - 1; count <= CANDIDATES_MAX. */
void turns_draw(uint64_t seed, uint64_t id, unsigned count, uint8_t order_out[CANDIDATES_MAX]);

#endif
