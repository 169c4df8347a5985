#include "capture/journal.h"

#include <stdlib.h>
#include <unistd.h>

#include "capture/record.h"

enum { CANDIDATE_BITS = 8, READ_WORDS = 8192 };

struct journal {
	uint16_t *sent; /* by id */
	uint64_t ids, count;
};

_Static_assert(CANDIDATES_MAX <= 16, "a bit for each");

uint64_t journal_word(uint64_t id, unsigned candidate)
{
	return id << CANDIDATE_BITS | candidate;
}

size_t journal_note(int fd, const uint64_t *words, size_t count)
{
	ssize_t n = write(fd, words, count * sizeof *words);

	return n > 0 ? (size_t)n / sizeof *words : 0;
}

static int room_for(struct journal *j, uint64_t id)
{
	uint64_t ids = j->ids ? j->ids : 1024;
	uint16_t *grown;

	while (ids <= id)
		ids *= 2;
	if (ids == j->ids)
		return 0;
	grown = realloc(j->sent, ids * sizeof *grown);
	if (!grown)
		return ERR_NOMEM;
	for (uint64_t i = j->ids; i < ids; i++)
		grown[i] = 0;
	j->sent = grown;
	j->ids = ids;
	return 0;
}

static int take(struct journal *j, uint64_t word)
{
	uint64_t id = word >> CANDIDATE_BITS;
	unsigned candidate = word & ((1u << CANDIDATE_BITS) - 1);
	int err;

	if (!id || id >= JOURNAL_IDS_MAX || candidate >= CANDIDATES_MAX)
		return ERR_PROTO;
	err = room_for(j, id);
	if (err)
		return err;
	j->count += !(j->sent[id] >> candidate & 1);
	j->sent[id] |= (uint16_t)(1u << candidate);
	return 0;
}

static int load(struct journal *j, int fd)
{
	static uint64_t words[READ_WORDS];
	off_t at = 0;
	int err = 0;
	ssize_t n;

	while (!err && (n = pread(fd, words, sizeof words, at)) >= (ssize_t)sizeof *words) {
		n -= n % (ssize_t)sizeof *words;
		at += n;
		for (ssize_t i = 0; i < n / (ssize_t)sizeof *words && !err; i++)
			err = take(j, words[i]);
	}
	return err ? err : n < 0 ? ERR_SYS : 0;
}

int journal_load(int fd, struct journal **out)
{
	struct journal *j = calloc(1, sizeof *j);
	int err = j ? load(j, fd) : ERR_NOMEM;

	if (err)
		journal_free(&j);
	*out = j;
	return err;
}

void journal_free(struct journal **journal)
{
	if (*journal)
		free((*journal)->sent);
	free(*journal);
	*journal = NULL;
}

uint32_t journal_sent(const struct journal *j, uint64_t id)
{
	return j && id < j->ids ? j->sent[id] : 0;
}

uint64_t journal_count(const struct journal *j)
{
	return j ? j->count : 0;
}
