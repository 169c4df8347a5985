/*
 * secrets.h - the parent's keys, each in memory of its own (capture/secret.h), which only the roles that need
 * it inherit.
 *
 * A key that is in no file lives as long as its descriptor: a further generation takes it from the former, so
 * that tokens, samples and sessions stay what they were.
 */
#ifndef PROXY_SECRETS_H
#define PROXY_SECRETS_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/err.h"

enum { SAMPLE_KEY_BYTES = 16, TICKET_KEY_BYTES = 80 };

/* The mask key: from `file` (32 raw bytes or 64 hex digits); when that is empty, the former's (-1: none),
 * else a new one. 0, ERR_SYS or ERR_CONFIG, said on stderr. */
int secrets_mask_key(const char *file, int former_fd, int *fd_out) MUST_CHECK;
/* What workers sample with: HMAC-SHA-256 of the seed under the mask key, its first 16 bytes. */
int secrets_sample_key(int mask_key_fd, uint64_t seed, int *fd_out) MUST_CHECK;
/* One for all workers, so that a TLS session that one of them began is resumed by another. */
int secrets_ticket_key(int former_fd, int *fd_out) MUST_CHECK;
/* A list of names or of tokens, at most GAZETTEER_BYTES_MAX, which few roles need. 0 or ERR_SYS. */
int secrets_list(const char *file, int *fd_out) MUST_CHECK;

#endif
