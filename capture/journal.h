/*
 * journal.h - which copies of a replay have left: a file to which one word is added before each is sent.
 *
 * What is in it is never sent again, whoever was killed; of what was under way then nobody knows more. Words
 * are native, eight bytes: id << 8 | candidate. Those of copies that leave together are appended together.
 */
#ifndef CAPTURE_JOURNAL_H
#define CAPTURE_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"

uint64_t journal_word(uint64_t id, unsigned candidate);
/* Before these copies are sent. How many of them are noted, the first ones: the others must not be sent. */
size_t journal_note(int fd, const uint64_t *words, size_t count) MUST_CHECK;

enum { JOURNAL_IDS_MAX = 1 << 28 };

struct journal;
/* Read it all; a torn last word is none. 0, ERR_SYS, ERR_NOMEM, ERR_PROTO (no journal). */
int journal_load(int fd, struct journal **out) MUST_CHECK;
void journal_free(struct journal **);
uint32_t journal_sent(const struct journal *, uint64_t id); /* a bit for each candidate; NULL: none */
uint64_t journal_count(const struct journal *);             /* copies */

#endif
