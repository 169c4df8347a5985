/*
 * limit.h - what one candidate may be sent: requests, bytes and tokens a second, and bytes that wait for an
 * answer.
 *
 * Pure: times come from the caller. A rate is a token bucket, kept as the time at which it is full again
 * (GCRA, ITU-T I.371): over any T seconds at most rate * (T + LIMIT_BURST_MS / 1000) passes, and one request
 * more. What is refused is not charged, and nothing waits here: full means shed.
 */
#ifndef REPLAY_LIMIT_H
#define REPLAY_LIMIT_H

#include <stddef.h>
#include <stdint.h>

enum { LIMIT_BURST_MS = 250 };
enum limit_answer { LIMIT_PASS, LIMIT_RATE, LIMIT_QUEUE };

struct limit {
	double requests, bytes, tokens; /* a second; 0: no limit */
	uint64_t queue_bytes;           /* of requests that wait for an answer; 0: no limit */
	/* its state */
	uint64_t requests_full_ns, bytes_full_ns, tokens_full_ns, queued_bytes;
};

/* May a request of that size be sent now? LIMIT_PASS charges it. */
enum limit_answer limit_take(struct limit *, size_t bytes, uint64_t now_ns);
/* Tokens are known afterwards: they are charged then, into debt. */
void limit_tokens(struct limit *, uint64_t tokens, uint64_t now_ns);
/* A request that was charged waits no more. */
void limit_give(struct limit *, size_t bytes);

#endif
