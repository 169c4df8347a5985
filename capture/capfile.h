/*
 * capfile.h - capture files (.cap): append-only writer, and a reader that trusts nothing it reads.
 *
 * The bytes are described in capture/FORMAT.md. Both sides block on file I/O only. A record reported
 * as written is in the kernel's hands (it survives kill -9, not a power loss before fdatasync).
 */
#ifndef CAPTURE_CAPFILE_H
#define CAPTURE_CAPFILE_H

#include "capture/plan.h"
#include "capture/record.h"

struct capfile_writer;

/* A new file at `path` (mode 0600; one that exists is ERR_SYS with errno EEXIST): where the file system can,
 * it gets its name when its header is written. segment_limit: bytes after which capfile_full() says to begin
 * another file, 0 for no limit. 0, ERR_SYS (errno set) or ERR_NOMEM. The plan is not kept. */
int capfile_create(const char *path, const struct plan *, uint64_t segment_limit,
                   struct capfile_writer **writer_out) MUST_CHECK;
/* Buffer one record; writes the pending ones first when they would pass 64 KiB together.
 * 0, ERR_LIMIT (payload too large), or capfile_flush()'s errors: then this record is not added. */
int capfile_append(struct capfile_writer *, const struct record *, const void *payload) MUST_CHECK;
/* Write pending records as one segment, with one write(). 0; or ERR_SYS (errno set), ERR_NOMEM: the
 * pending records are gone, the file is cut back to its last good segment and may be appended to. */
int capfile_flush(struct capfile_writer *) MUST_CHECK;
/* Flush, write the footer, sync, free, set NULL (also on failure). 0, ERR_SYS, ERR_NOMEM, or ERR_LIMIT: an
 * index too large to write (the records are safe, the file has no footer). */
int capfile_close(struct capfile_writer **);
/* The same without the sync: *fd_out is the caller's, for fdatasync() elsewhere; also on failure. */
int capfile_finish(struct capfile_writer **, int *fd_out) MUST_CHECK;
/* Would the folder of that path take CAPFILE_TRY_BYTES more? They are written to a file without a name, or
 * one that loses it at once. 0, ERR_SYS (errno set). */
enum { CAPFILE_TRY_BYTES = 256 << 10 };
int capfile_try(const char *path) MUST_CHECK;
uint64_t capfile_pending(const struct capfile_writer *); /* records buffered, not yet written */
uint64_t capfile_written(const struct capfile_writer *); /* records in the file */
/* Reached segment_limit, or has as many segments as an index should hold: its memory is bounded. */
bool capfile_full(const struct capfile_writer *);

struct capfile_reader;

/* 0; ERR_SYS (errno set), ERR_NOMEM, ERR_PROTO (foreign or damaged), ERR_UNSUPPORTED (another version). On
 * failure there is no reader and *why_out (may be NULL) says what is wrong, a constant, or NULL. */
int capfile_open(const char *path, struct capfile_reader **reader_out, const char **why_out) MUST_CHECK;
/* The same of an open file, which is taken, also on failure. */
int capfile_open_fd(int fd, struct capfile_reader **reader_out, const char **why_out) MUST_CHECK;
void capfile_reader_free(struct capfile_reader **);
/* The next record; `payload` is valid until the next call. Each that was masked names its policy. 0, or from
 * then on the same one of: ERR_AGAIN clean end; ERR_TORN no footer, capfile_lost_bytes() after the last good
 * segment; ERR_PROTO damaged; ERR_SYS, ERR_NOMEM. Type and leg are bounded in size only: fold_add() checks.
 */
int capfile_next(struct capfile_reader *, struct record *, const void **payload_out) MUST_CHECK;
const char *capfile_why(const struct capfile_reader *); /* what capfile_next() found wrong; or NULL */
uint64_t capfile_lost_bytes(const struct capfile_reader *);

struct capfile_candidate {
	const char *name;
	bool baseline;
	uint32_t sample_ppm;
};

struct capfile_policy {
	const char *name;
	uint8_t hash[32]; /* SHA-256 of its rules */
	uint32_t masker;  /* MASK_VERSION; 0: not known */
};

struct capfile_route {
	const char *name;
	enum protocol protocol;
	uint32_t sample_ppm;
	uint32_t policy_number; /* in policies */
	double tolerance_abs, tolerance_rel;
	uint32_t ignore_count, candidate_count, output_count;
	struct plan_output outputs[OUTPUTS_MAX];
	const char *answer_after;
	const char *ignore[IGNORES_MAX];
	uint32_t masked_count;
	const char *masked[MASK_FIELDS_MAX]; /* JSON paths whose values its policy replaced */
	struct capfile_candidate candidates[CANDIDATES_MAX];
};

/* The header; strings live as long as the reader and are as hostile as the file. */
struct capfile_facts {
	const char *tool_version, *run_name;
	const char *key_id; /* "": not encrypted */
	uint8_t file_id[16], config_hash[32];
	uint64_t created_wall_ns, created_mono_ns;
	uint32_t policy_count;
	struct capfile_policy policies[MASKS_MAX];
	uint32_t route_count;
	struct capfile_route routes[ROUTES_MAX];
};

const struct capfile_facts *capfile_facts(const struct capfile_reader *);
bool capfile_closed(const struct capfile_reader *); /* a whole footer ends the file */
uint64_t capfile_size(const struct capfile_reader *);
uint64_t capfile_at(const struct capfile_reader *);       /* bytes read so far */
uint64_t capfile_segments(const struct capfile_reader *); /* read so far */
uint64_t capfile_records(const struct capfile_reader *);  /* returned so far */
/* A record's time as nanoseconds since the epoch, by the header's two clocks. */
uint64_t capfile_wall_ns(const struct capfile_reader *, uint64_t time_ns);

#endif
