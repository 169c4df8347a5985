#define _GNU_SOURCE
#include "capture/capfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>
#include <zstd.h>

#include "capture/capfile_format.h"
#include "capture/crc32c.h"
#include "capture/mask.h"
#include "proto/base/buf.h"
#include "proto/base/clock.h"
#include "proto/base/version.h"
#include "proto/schema/capture.pb-c.h"

typedef Understudy__Capture__Header Header;
typedef Understudy__Capture__Policy Policy;
typedef Understudy__Capture__Route Route;
typedef Understudy__Capture__Candidate Candidate;
typedef Understudy__Capture__Output Output;
typedef Understudy__Capture__Record Record;
typedef Understudy__Capture__Index Index;
typedef Understudy__Capture__SegmentIndex SegmentIndex;

struct capfile_writer {
	int fd;
	bool broken; /* a torn segment could not be cut off: nothing may follow it */
	uint64_t size, limit_bytes;
	struct buf pending; /* records, encoded as a Segment message */
	SegmentIndex next;  /* describes them */
	uint64_t next_exchanges;
	SegmentIndex *index; /* segments written */
	size_t count, cap;
	uint64_t records, exchanges;
	ZSTD_CCtx *zstd;
};

/* All of it or ERR_SYS; one write() unless the kernel takes less. */
static int write_all(int fd, const uint8_t *bytes, size_t n)
{
	while (n) {
		ssize_t put = write(fd, bytes, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return ERR_SYS;
		bytes += put;
		n -= (size_t)put;
	}
	return 0;
}

/* Append a block; a failed one is cut off again. */
static int put_block(struct capfile_writer *w, const uint8_t *bytes, size_t n)
{
	int saved;

	if (w->broken) {
		errno = EIO;
		return ERR_SYS;
	}
	if (write_all(w->fd, bytes, n) == 0) {
		w->size += n;
		return 0;
	}
	saved = errno;
	w->broken = ftruncate(w->fd, (off_t)w->size) != 0 || lseek(w->fd, (off_t)w->size, SEEK_SET) < 0;
	errno = saved;
	return ERR_SYS;
}

static void fill_outputs(Route *to, const struct plan_route *from, Output *outputs, Output **pointers)
{
	to->answer_after = (char *)from->answer_after;
	to->n_outputs = from->output_count;
	to->outputs = pointers;
	for (size_t i = 0; i < from->output_count; i++) {
		understudy__capture__output__init(&outputs[i]);
		outputs[i].name = (char *)from->outputs[i].name;
		outputs[i].kind = from->outputs[i].kind;
		pointers[i] = &outputs[i];
	}
}

static void fill_masked(Route *to, const struct plan_mask *policy, char **masked)
{
	to->masked = masked;
	for (uint32_t i = 0; i < policy->field_count; i++)
		if (policy->fields[i].place == MASK_PATH && policy->fields[i].with != MASK_KEEP)
			masked[to->n_masked++] = (char *)policy->fields[i].where;
}

static void fill_route(Route *to, const struct plan_route *from, char **ignore, Candidate *candidates,
                       Candidate **pointers)
{
	to->name = (char *)from->name;
	to->protocol = from->protocol;
	to->sample_ppm = from->sample_ppm;
	to->policy = from->mask;
	to->tolerance_abs = from->tolerance_abs;
	to->tolerance_rel = from->tolerance_rel;
	to->n_ignore = from->ignore_count;
	to->ignore = ignore;
	for (size_t i = 0; i < from->ignore_count; i++)
		ignore[i] = (char *)from->ignore[i];
	to->n_candidates = from->candidate_count;
	to->candidates = pointers;
	for (size_t i = 0; i < from->candidate_count; i++) {
		understudy__capture__candidate__init(&candidates[i]);
		candidates[i].name = (char *)from->candidates[i].name;
		candidates[i].baseline = from->candidates[i].baseline;
		candidates[i].sample_ppm = from->candidates[i].sample_ppm;
		pointers[i] = &candidates[i];
	}
}

/* What a Header message points to while it is packed; all of it borrowed from the plan. */
struct header_parts {
	Header header;
	uint8_t file_id[16];
	Policy policies[MASKS_MAX], *policy_at[MASKS_MAX];
	Route routes[ROUTES_MAX], *route_at[ROUTES_MAX];
	char *ignore[ROUTES_MAX][IGNORES_MAX], *masked[ROUTES_MAX][MASK_FIELDS_MAX];
	Candidate candidates[ROUTES_MAX][CANDIDATES_MAX], *candidate_at[ROUTES_MAX][CANDIDATES_MAX];
	Output outputs[ROUTES_MAX][OUTPUTS_MAX], *output_at[ROUTES_MAX][OUTPUTS_MAX];
};

static void fill_header(struct header_parts *p, const struct plan *plan)
{
	Header *h = &p->header;

	understudy__capture__header__init(h);
	h->tool_version = (char *)VERSION;
	h->file_id = (ProtobufCBinaryData){sizeof p->file_id, p->file_id};
	h->created_wall_ns = clock_wall_ns();
	h->created_mono_ns = clock_mono_ns();
	h->run_name = (char *)plan->run_name;
	h->config_hash = (ProtobufCBinaryData){sizeof plan->config_hash, (uint8_t *)plan->config_hash};
	h->n_policies = plan->mask_count;
	h->policies = p->policy_at;
	for (size_t i = 0; i < plan->mask_count; i++) {
		understudy__capture__policy__init(&p->policies[i]);
		p->policies[i].name = (char *)plan->masks[i].name;
		p->policies[i].hash =
		        (ProtobufCBinaryData){sizeof plan->masks[i].hash, (uint8_t *)plan->masks[i].hash};
		p->policies[i].masker = MASK_VERSION;
		p->policy_at[i] = &p->policies[i];
	}
	h->n_routes = plan->route_count;
	h->routes = p->route_at;
	for (size_t i = 0; i < plan->route_count; i++) {
		understudy__capture__route__init(&p->routes[i]);
		fill_route(&p->routes[i], &plan->routes[i], p->ignore[i], p->candidates[i],
		           p->candidate_at[i]);
		fill_masked(&p->routes[i], &plan->masks[plan->routes[i].mask], p->masked[i]);
		fill_outputs(&p->routes[i], &plan->routes[i], p->outputs[i], p->output_at[i]);
		p->route_at[i] = &p->routes[i];
	}
}

static int put_header(struct capfile_writer *w, const struct plan *plan)
{
	struct header_parts *parts = calloc(1, sizeof *parts);
	uint8_t *block = NULL;
	size_t length;
	int err = ERR_NOMEM;

	if (!parts)
		goto out;
	err = ERR_SYS;
	if (getrandom(parts->file_id, sizeof parts->file_id, 0) != sizeof parts->file_id)
		goto out;
	fill_header(parts, plan);
	length = understudy__capture__header__get_packed_size(&parts->header);
	err = ERR_NOMEM;
	block = malloc(CAPFILE_HEADER_FIXED + length + CAPFILE_CRC);
	if (!block)
		goto out;
	memcpy(block, CAPFILE_MAGIC, 8);
	put32(block + 8, CAPFILE_VERSION);
	put32(block + 12, (uint32_t)length);
	understudy__capture__header__pack(&parts->header, block + CAPFILE_HEADER_FIXED);
	length += CAPFILE_HEADER_FIXED;
	put32(block + length, crc32c(0, block, length));
	err = put_block(w, block, length + CAPFILE_CRC);
out:
	free(block);
	free(parts);
	return err;
}

static void pending_reset(struct capfile_writer *w)
{
	buf_reset(&w->pending);
	understudy__capture__segment_index__init(&w->next);
	w->next_exchanges = 0;
}

static void writer_free(struct capfile_writer *w)
{
	if (w->fd >= 0)
		close(w->fd);
	buf_fini(&w->pending);
	free(w->index);
	ZSTD_freeCCtx(w->zstd);
	free(w);
}

/* A file without a name yet; where there is no such thing, one that has its name already. */
static int open_new(const char *path, bool *named_out)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX_BYTES];
	int fd;

	*named_out = false;
	if (snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1,
	             slash ? path : ".") >= (int)sizeof folder) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
		return fd;
	*named_out = true;
	return open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

/* As linkat(2) says; never over another file. */
static int give_name(int fd, const char *path)
{
	char self[32];

	snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0 ? 0 : ERR_SYS;
}

int capfile_create(const char *path, const struct plan *plan, uint64_t segment_limit,
                   struct capfile_writer **writer_out)
{
	struct capfile_writer *w = calloc(1, sizeof *w);
	bool named;
	int err, saved;

	if (!w)
		return ERR_NOMEM;
	w->limit_bytes = segment_limit;
	buf_init(&w->pending, CAPFILE_PENDING_MAX);
	pending_reset(w);
	err = ERR_SYS;
	w->fd = open_new(path, &named);
	if (w->fd < 0)
		goto out;
	err = ERR_NOMEM;
	w->zstd = ZSTD_createCCtx();
	if (w->zstd)
		err = put_header(w, plan);
	if (!err && !named)
		err = give_name(w->fd, path);
	if (err && named) {
		saved = errno;
		unlink(path);
		errno = saved;
	}
	if (err)
		goto out;
	*writer_out = w;
out:
	saved = errno;
	if (err)
		writer_free(w);
	errno = saved;
	return err;
}

int capfile_try(const char *path)
{
	static const uint8_t bytes[CAPFILE_TRY_BYTES];
	bool named;
	int saved, err, fd = open_new(path, &named);

	if (fd < 0)
		return ERR_SYS;
	err = write_all(fd, bytes, sizeof bytes);
	saved = errno;
	if (named)
		unlink(path);
	close(fd);
	errno = saved;
	return err;
}

static void describe(struct capfile_writer *w, const struct record *r)
{
	SegmentIndex *s = &w->next;

	if (s->record_count == 0) {
		s->first_id = r->id;
		s->first_time_ns = s->last_time_ns = r->time_ns;
	}
	if (r->time_ns < s->first_time_ns)
		s->first_time_ns = r->time_ns;
	if (r->time_ns > s->last_time_ns)
		s->last_time_ns = r->time_ns;
	s->record_count++;
	w->next_exchanges += r->type == RECORD_HEAD && r->leg == LEG_CLIENT;
}

/* Field 1 of Segment, length-delimited: the tag and the length as a varint. */
static size_t field_prefix(size_t length, uint8_t out[6])
{
	size_t n = 0;

	out[n++] = 1 << 3 | 2;
	for (; length >= 0x80; length >>= 7)
		out[n++] = (uint8_t)(length | 0x80);
	out[n++] = (uint8_t)length;
	return n;
}

int capfile_append(struct capfile_writer *w, const struct record *r, const void *payload)
{
	Record message = UNDERSTUDY__CAPTURE__RECORD__INIT;
	uint8_t prefix[6];
	size_t length, n;
	char *room;
	int err;

	if (r->payload_len > RECORD_PAYLOAD_MAX)
		return ERR_LIMIT;
	message.id = r->id;
	message.time_ns = r->time_ns;
	message.slot = r->slot;
	message.generation = r->generation;
	message.route = r->route;
	message.type = r->type;
	message.leg = r->leg;
	message.flags = r->flags;
	message.mask_count = r->mask_count;
	message.policy = r->policy;
	*(r->type == RECORD_END ? &message.found : &message.payload) =
	        (ProtobufCBinaryData){r->payload_len, (uint8_t *)payload};
	if (r->type == RECORD_HEAD && r->leg == LEG_CLIENT) {
		message.sample_hash = r->sample_hash;
		message.sample_ppm = r->sample_ppm;
	}
	length = understudy__capture__record__get_packed_size(&message);
	n = field_prefix(length, prefix);
	if (buf_len(&w->pending) + n + length > CAPFILE_PENDING_MAX) {
		err = capfile_flush(w);
		if (err)
			return err;
	}
	room = buf_room(&w->pending, n + length);
	if (!room) {
		err = w->pending.err;
		w->pending.err = 0;
		return err;
	}
	memcpy(room, prefix, n);
	understudy__capture__record__pack(&message, (uint8_t *)room + n);
	buf_grown(&w->pending, n + length);
	describe(w, r);
	return 0;
}

static int index_room(struct capfile_writer *w)
{
	size_t cap = w->cap ? w->cap * 2 : 64;
	SegmentIndex *to;

	if (w->count < w->cap)
		return 0;
	to = realloc(w->index, cap * sizeof *to);
	if (!to)
		return ERR_NOMEM;
	w->index = to;
	w->cap = cap;
	return 0;
}

int capfile_flush(struct capfile_writer *w)
{
	uint8_t block[CAPFILE_SEGMENT_OVERHEAD + CAPFILE_DATA_MAX];
	struct span raw = buf_span(&w->pending);
	size_t length, end;
	int err;

	if (raw.len == 0)
		return 0;
	err = index_room(w);
	if (err)
		goto out;
	err = ERR_NOMEM;
	length = ZSTD_compressCCtx(w->zstd, block + CAPFILE_SEGMENT_FIXED, CAPFILE_DATA_MAX, raw.data,
	                           raw.len, 1);
	if (ZSTD_isError(length))
		goto out;
	memcpy(block, CAPFILE_SEGMENT, 4);
	put32(block + 4, (uint32_t)length);
	put64(block + 8, w->count);
	put32(block + 16, 0);
	end = CAPFILE_SEGMENT_FIXED + length;
	memset(block + end, 0, CAPFILE_TAG);
	end += CAPFILE_TAG;
	put32(block + end, crc32c(0, block, end));
	w->next.offset = w->size;
	err = put_block(w, block, end + CAPFILE_CRC);
	if (err)
		goto out;
	w->index[w->count++] = w->next;
	w->records += w->next.record_count;
	w->exchanges += w->next_exchanges;
out:
	pending_reset(w);
	return err;
}

static int put_footer(struct capfile_writer *w)
{
	Index message = UNDERSTUDY__CAPTURE__INDEX__INIT;
	uint8_t *block = NULL;
	size_t length, end;
	int err = ERR_NOMEM;

	message.record_count = w->records;
	message.exchange_count = w->exchanges;
	message.n_segments = w->count;
	message.segments = calloc(w->count + 1, sizeof(*message.segments));
	if (!message.segments)
		goto out;
	for (size_t i = 0; i < w->count; i++)
		message.segments[i] = &w->index[i];
	length = understudy__capture__index__get_packed_size(&message);
	err = ERR_LIMIT;
	if (length > CAPFILE_INDEX_MAX)
		goto out;
	err = ERR_NOMEM;
	block = malloc(length + CAPFILE_FOOTER_OVERHEAD);
	if (!block)
		goto out;
	memcpy(block, CAPFILE_INDEX, 4);
	put32(block + 4, (uint32_t)length);
	understudy__capture__index__pack(&message, block + CAPFILE_INDEX_FIXED);
	end = CAPFILE_INDEX_FIXED + length;
	put32(block + end, crc32c(0, block, end));
	put64(block + end + 4, length + CAPFILE_FOOTER_OVERHEAD);
	memcpy(block + end + 12, CAPFILE_END, 8);
	err = put_block(w, block, length + CAPFILE_FOOTER_OVERHEAD);
out:
	free(block);
	free(message.segments);
	return err;
}

int capfile_finish(struct capfile_writer **writer, int *fd_out)
{
	struct capfile_writer *w = *writer;
	int err = capfile_flush(w), saved = errno, footer_err = put_footer(w);

	if (!err) {
		err = footer_err;
		saved = errno;
	}
	*writer = NULL;
	*fd_out = w->fd;
	w->fd = -1;
	writer_free(w);
	errno = saved;
	return err;
}

int capfile_close(struct capfile_writer **writer)
{
	int fd, err, saved;

	if (!*writer)
		return 0;
	err = capfile_finish(writer, &fd);
	if (!err && fdatasync(fd) != 0)
		err = ERR_SYS;
	saved = errno;
	close(fd);
	errno = saved;
	return err;
}

uint64_t capfile_pending(const struct capfile_writer *w)
{
	return w->next.record_count;
}

uint64_t capfile_written(const struct capfile_writer *w)
{
	return w->records;
}

bool capfile_full(const struct capfile_writer *w)
{
	return (w->limit_bytes && w->size + buf_len(&w->pending) >= w->limit_bytes) ||
	       w->count >= CAPFILE_SEGMENTS_FULL;
}
