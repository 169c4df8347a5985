#include "capture/capfile.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "capture/capfile_format.h"
#include "capture/crc32c.h"
#include "capture/found.h"
#include "proto/base/err.h"
#include "proto/schema/capture.pb-c.h"

typedef Understudy__Capture__Header Header;
typedef Understudy__Capture__Route Route;
typedef Understudy__Capture__Record Record;
typedef Understudy__Capture__Segment Segment;
typedef Understudy__Capture__Index Index;

enum {
	BLOCK_MAX = CAPFILE_SEGMENT_OVERHEAD + CAPFILE_DATA_MAX,
	WINDOW = 2 * BLOCK_MAX, /* a bad segment and the one after it */
	UNPACK_SPARE = 16 << 20,
	UNPACK_FACTOR = 8,
	ARENA_BYTES = 4 * CAPFILE_RAW_MAX,
};

struct capfile_reader {
	int fd;
	uint64_t size, at;
	uint64_t footer_at; /* 0: none */
	Header *header;
	Index *index; /* of the footer, or NULL */
	struct capfile_facts facts;
	Segment *segment; /* being handed out */
	size_t next;      /* record in it */
	uint64_t segments, records, exchanges, lost_bytes;
	struct found older; /* of an END that has classes alone */
	int end;            /* what every further capfile_next() returns, or 0 */
	const char *why;
	ZSTD_DCtx *zstd;      /* kept: want of memory shows when the file is opened, not as damage in it */
	const uint8_t *block; /* the segment at `at`, in the window */
	uint64_t window_at, window_len; /* of the file */
	struct arena {
		size_t used;
		bool outgrown; /* some of the segment's memory lies elsewhere */
		_Alignas(max_align_t) uint8_t bytes[ARENA_BYTES];
	} arena; /* the segment's */
	uint8_t window[WINDOW], raw[CAPFILE_RAW_MAX];
};

/* Messages made of many empty fields grow when unpacked: memory for one message has a budget. Of those in an
 * arena the little that a sound one takes is there already. */
struct budget {
	size_t left;
	bool nomem; /* the system refused, not the budget */
	struct arena *arena;
};

static void *arena_alloc(struct arena *a, size_t n)
{
	size_t aligned = (n + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
	void *memory = a->bytes + a->used;

	if (aligned > ARENA_BYTES - a->used) {
		a->outgrown = true;
		return NULL;
	}
	a->used += aligned;
	return memory;
}

static void *budget_alloc(void *budget, size_t n)
{
	struct budget *b = budget;
	void *memory;

	if (n > b->left)
		return NULL;
	b->left -= n;
	memory = b->arena ? arena_alloc(b->arena, n) : NULL;
	if (!memory)
		memory = malloc(n);
	b->nomem |= !memory;
	return memory;
}

static void budget_free(void *budget, void *memory)
{
	const struct budget *b = budget;

	if (!b->arena || (uint8_t *)memory < b->arena->bytes ||
	    (uint8_t *)memory >= b->arena->bytes + ARENA_BYTES)
		free(memory);
}

/* 0, ERR_NOMEM or ERR_PROTO; the message or NULL. It lies in the arena, as far as that goes, or all of it
 * without (NULL). */
static int unpack(const ProtobufCMessageDescriptor *type, size_t length, const uint8_t *bytes,
                  struct arena *arena, void *message_out)
{
	struct budget budget = {UNPACK_SPARE + UNPACK_FACTOR * length, false, arena};
	ProtobufCAllocator allocator = {budget_alloc, budget_free, &budget};
	ProtobufCMessage *message = protobuf_c_message_unpack(type, &allocator, length, bytes);

	memcpy(message_out, &message, sizeof message);
	return message ? 0 : budget.nomem ? ERR_NOMEM : ERR_PROTO;
}

/* All n bytes at `at`. ERR_SYS also when the file has shrunk. */
static int read_at(int fd, uint64_t at, uint8_t *to, size_t n)
{
	while (n) {
		ssize_t got = pread(fd, to, n, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got == 0)
			errno = EIO;
		if (got <= 0)
			return ERR_SYS;
		to += got;
		at += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

static bool crc_good(const uint8_t *block, size_t n)
{
	return crc32c(0, block, n) == get32(block + n);
}

static int fail(struct capfile_reader *r, int err, const char *why)
{
	r->why = why;
	return err;
}

static bool route_sane(const Header *h, const Route *route)
{
	for (size_t i = 0; i < route->n_outputs; i++)
		if (route->outputs[i]->kind >= OUTPUT_KINDS ||
		    strlen(route->outputs[i]->name) >= NAME_MAX_BYTES)
			return false;
	return route->n_outputs <= OUTPUTS_MAX && strlen(route->answer_after) < NAME_MAX_BYTES &&
	       route->n_ignore <= IGNORES_MAX && route->n_masked <= MASK_FIELDS_MAX &&
	       route->n_candidates <= CANDIDATES_MAX && route->policy < h->n_policies &&
	       route->protocol < PROTOCOLS_KNOWN && isfinite(route->tolerance_abs) &&
	       isfinite(route->tolerance_rel) && route->tolerance_abs >= 0 && route->tolerance_rel >= 0;
}

static bool header_sane(const Header *h)
{
	if (h->file_id.len != 16 || h->config_hash.len != 32 || h->n_routes > ROUTES_MAX ||
	    h->n_policies > MASKS_MAX)
		return false;
	for (size_t i = 0; i < h->n_policies; i++) {
		if (h->policies[i]->hash.len != 32)
			return false;
	}
	for (size_t i = 0; i < h->n_routes; i++) {
		if (!route_sane(h, h->routes[i]))
			return false;
	}
	return true;
}

static void route_facts(struct capfile_route *to, const Route *from)
{
	to->name = from->name;
	to->protocol = from->protocol;
	to->sample_ppm = from->sample_ppm;
	to->policy_number = from->policy;
	to->tolerance_abs = from->tolerance_abs;
	to->tolerance_rel = from->tolerance_rel;
	to->ignore_count = (uint32_t)from->n_ignore;
	for (size_t i = 0; i < from->n_ignore; i++)
		to->ignore[i] = from->ignore[i];
	to->masked_count = (uint32_t)from->n_masked;
	for (size_t i = 0; i < from->n_masked; i++)
		to->masked[i] = from->masked[i];
	to->answer_after = from->answer_after;
	to->output_count = (uint32_t)from->n_outputs;
	for (size_t i = 0; i < from->n_outputs; i++) {
		snprintf(to->outputs[i].name, NAME_MAX_BYTES, "%s", from->outputs[i]->name);
		to->outputs[i].kind = from->outputs[i]->kind;
	}
	to->candidate_count = (uint32_t)from->n_candidates;
	for (size_t i = 0; i < from->n_candidates; i++) {
		to->candidates[i].name = from->candidates[i]->name;
		to->candidates[i].baseline = from->candidates[i]->baseline;
		to->candidates[i].sample_ppm = from->candidates[i]->sample_ppm;
	}
}

static void header_facts(struct capfile_facts *to, const Header *h)
{
	to->tool_version = h->tool_version;
	to->run_name = h->run_name;
	to->key_id = h->key_id;
	memcpy(to->file_id, h->file_id.data, sizeof to->file_id);
	memcpy(to->config_hash, h->config_hash.data, sizeof to->config_hash);
	to->created_wall_ns = h->created_wall_ns;
	to->created_mono_ns = h->created_mono_ns;
	to->policy_count = (uint32_t)h->n_policies;
	for (size_t i = 0; i < h->n_policies; i++) {
		to->policies[i].name = h->policies[i]->name;
		to->policies[i].masker = h->policies[i]->masker;
		memcpy(to->policies[i].hash, h->policies[i]->hash.data, sizeof to->policies[i].hash);
	}
	to->route_count = (uint32_t)h->n_routes;
	for (size_t i = 0; i < h->n_routes; i++)
		route_facts(&to->routes[i], h->routes[i]);
}

static int unpack_header(struct capfile_reader *r, const uint8_t *bytes, size_t length)
{
	int err = unpack(&understudy__capture__header__descriptor, length, bytes, NULL, &r->header);

	if (err == ERR_NOMEM)
		return err;
	if (err || !header_sane(r->header))
		return fail(r, ERR_PROTO, "damaged header (its message cannot be read)");
	if (r->header->key_id[0])
		return fail(r, ERR_UNSUPPORTED, "encrypted capture (this understudy reads unencrypted ones)");
	header_facts(&r->facts, r->header);
	return 0;
}

static int read_header(struct capfile_reader *r)
{
	uint8_t fixed[CAPFILE_HEADER_FIXED], *block = NULL;
	size_t length;
	int err;

	if (r->size < 8)
		return fail(r, ERR_PROTO,
		            r->size ? "not a capture file (too short)" : "not a capture file (empty)");
	err = read_at(r->fd, 0, fixed, r->size < sizeof fixed ? 8 : sizeof fixed);
	if (err)
		return err;
	if (memcmp(fixed, CAPFILE_MAGIC, 8) != 0)
		return fail(r, ERR_PROTO, "not a capture file (bad magic)");
	if (r->size < sizeof fixed)
		return fail(r, ERR_PROTO, "damaged header (cut short)");
	if (get32(fixed + 8) != CAPFILE_VERSION)
		return fail(r, ERR_UNSUPPORTED, "unknown capture version (this understudy reads version 1)");
	length = get32(fixed + 12);
	if (length > CAPFILE_HEADER_MAX || sizeof fixed + length + CAPFILE_CRC > r->size)
		return fail(r, ERR_PROTO, "damaged header (cut short)");
	block = malloc(sizeof fixed + length + CAPFILE_CRC);
	if (!block)
		return ERR_NOMEM;
	err = read_at(r->fd, 0, block, sizeof fixed + length + CAPFILE_CRC);
	if (err)
		goto out;
	r->at = sizeof fixed + length + CAPFILE_CRC;
	if (crc_good(block, sizeof fixed + length))
		err = unpack_header(r, block + sizeof fixed, length);
	else
		err = fail(r, ERR_PROTO, "damaged header (checksum)");
out:
	free(block);
	return err;
}

/* Read the footer if a whole one ends the file; none is no error. */
static int read_footer(struct capfile_reader *r)
{
	uint8_t tail[CAPFILE_FOOTER_END], *block;
	uint64_t length;
	int err;

	if (r->size - r->at < CAPFILE_FOOTER_OVERHEAD)
		return 0;
	err = read_at(r->fd, r->size - sizeof tail, tail, sizeof tail);
	if (err)
		return err;
	length = get64(tail);
	if (memcmp(tail + 8, CAPFILE_END, 8) != 0 || length < CAPFILE_FOOTER_OVERHEAD ||
	    length > r->size - r->at || length > CAPFILE_INDEX_MAX + CAPFILE_FOOTER_OVERHEAD)
		return 0;
	block = malloc(length);
	if (!block)
		return ERR_NOMEM;
	err = read_at(r->fd, r->size - length, block, length);
	if (err)
		goto out;
	length -= CAPFILE_FOOTER_OVERHEAD;
	if (memcmp(block, CAPFILE_INDEX, 4) != 0 || get32(block + 4) != length ||
	    !crc_good(block, CAPFILE_INDEX_FIXED + length))
		goto out;
	r->footer_at = r->size - length - CAPFILE_FOOTER_OVERHEAD;
	err = unpack(&understudy__capture__index__descriptor, length, block + CAPFILE_INDEX_FIXED, NULL,
	             &r->index);
	if (err == ERR_PROTO)
		err = fail(r, ERR_PROTO, "damaged footer (its message cannot be read)");
out:
	free(block);
	return err;
}

static int look_at(struct capfile_reader *r)
{
	struct stat st;

	if (r->fd < 0 || fstat(r->fd, &st) != 0)
		return ERR_SYS;
	if (!S_ISREG(st.st_mode))
		return fail(r, ERR_PROTO, "not a capture file (not a regular file)");
	r->size = (uint64_t)st.st_size;
	return 0;
}

int capfile_open(const char *path, struct capfile_reader **reader_out, const char **why_out)
{
	return capfile_open_fd(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), reader_out, why_out);
}

int capfile_open_fd(int fd, struct capfile_reader **reader_out, const char **why_out)
{
	struct capfile_reader *r = calloc(1, sizeof *r);
	int err = ERR_NOMEM, saved;

	if (why_out)
		*why_out = NULL;
	if (!r) {
		if (fd >= 0)
			close(fd);
		return err;
	}
	r->fd = fd;
	err = look_at(r);
	if (!err && !(r->zstd = ZSTD_createDCtx()))
		err = ERR_NOMEM;
	if (!err)
		err = read_header(r);
	if (!err)
		err = read_footer(r);
	if (!err) {
		*reader_out = r;
		return 0;
	}
	saved = errno;
	if (why_out)
		*why_out = r->why;
	capfile_reader_free(&r);
	errno = saved;
	return err;
}

static void segment_free(struct capfile_reader *r)
{
	struct budget budget = {.arena = &r->arena};
	ProtobufCAllocator allocator = {budget_alloc, budget_free, &budget};

	if (r->segment && r->arena.outgrown)
		understudy__capture__segment__free_unpacked(r->segment, &allocator);
	r->segment = NULL;
	r->arena.used = 0;
	r->arena.outgrown = false;
}

void capfile_reader_free(struct capfile_reader **reader)
{
	struct capfile_reader *r = *reader;

	*reader = NULL;
	if (!r)
		return;
	segment_free(r);
	found_fini(&r->older);
	if (r->header)
		understudy__capture__header__free_unpacked(r->header, NULL);
	if (r->index)
		understudy__capture__index__free_unpacked(r->index, NULL);
	if (r->fd >= 0)
		close(r->fd);
	ZSTD_freeDCtx(r->zstd);
	free(r);
}

/* The size of the whole segment that starts at `block`, or 0. */
static size_t whole_segment(const uint8_t *block, size_t n)
{
	size_t length;

	if (n < CAPFILE_SEGMENT_OVERHEAD || memcmp(block, CAPFILE_SEGMENT, 4) != 0)
		return 0;
	length = get32(block + 4);
	if (length > CAPFILE_DATA_MAX || length > n - CAPFILE_SEGMENT_OVERHEAD)
		return 0;
	return crc_good(block, CAPFILE_SEGMENT_FIXED + length + CAPFILE_TAG)
	               ? CAPFILE_SEGMENT_OVERHEAD + length
	               : 0;
}

/* A bad block with whole ones after it is damage; else the writer was cut off in the middle. */
static int bad_block(struct capfile_reader *r, size_t n)
{
	if (r->index)
		return fail(r, ERR_PROTO, "damaged segment (checksum)");
	for (size_t i = 1; i <= BLOCK_MAX && i + CAPFILE_SEGMENT_OVERHEAD <= n; i++) {
		if (memcmp(r->block + i, CAPFILE_SEGMENT, 4) == 0 &&
		    get64(r->block + i + 8) == r->segments + 1 && whole_segment(r->block + i, n - i))
			return fail(r, ERR_PROTO, "damaged segment (checksum)");
	}
	r->lost_bytes = r->size - r->at;
	return fail(r, ERR_TORN, "torn tail");
}

static bool all_zero(const uint8_t *bytes, size_t n)
{
	uint8_t any = 0;

	while (n--)
		any |= *bytes++;
	return any == 0;
}

static bool record_sane(const struct capfile_reader *r, const Record *m)
{
	return m->route < r->facts.route_count && m->type <= UINT8_MAX && m->leg <= UINT8_MAX &&
	       m->payload.len <= RECORD_PAYLOAD_MAX && m->found.len <= RECORD_PAYLOAD_MAX &&
	       m->policy <= r->facts.policy_count;
}

static bool segment_sane(const struct capfile_reader *r)
{
	const Segment *s = r->segment;
	uint64_t n = r->segments;

	if (s->n_records == 0)
		return false;
	for (size_t i = 0; i < s->n_records; i++) {
		if (!record_sane(r, s->records[i]))
			return false;
	}
	return !r->index || (n < r->index->n_segments && r->index->segments[n]->offset == r->at &&
	                     r->index->segments[n]->record_count == s->n_records &&
	                     r->index->segments[n]->first_id == s->records[0]->id);
}

static int unpack_segment(struct capfile_reader *r, size_t length)
{
	const uint8_t *data = r->block + CAPFILE_SEGMENT_FIXED;
	unsigned long long raw = ZSTD_getFrameContentSize(data, length);
	int err;

	if (get64(r->block + 8) != r->segments || get32(r->block + 16) != 0 ||
	    !all_zero(data + length, CAPFILE_TAG))
		return fail(r, ERR_PROTO, "damaged segment (sequence, flags or tag)");
	if (raw > CAPFILE_RAW_MAX || ZSTD_findFrameCompressedSize(data, length) != length ||
	    ZSTD_decompressDCtx(r->zstd, r->raw, sizeof r->raw, data, length) != raw)
		return fail(r, ERR_PROTO, "damaged segment (compression)");
	err = unpack(&understudy__capture__segment__descriptor, (size_t)raw, r->raw, &r->arena, &r->segment);
	if (err == ERR_NOMEM)
		return err;
	if (err || !segment_sane(r))
		return fail(r, ERR_PROTO, "damaged segment (records)");
	return 0;
}

static int clean_end(struct capfile_reader *r)
{
	if (r->index->n_segments != r->segments || r->index->record_count != r->records ||
	    r->index->exchange_count != r->exchanges)
		return fail(r, ERR_PROTO, "damaged footer (totals differ from the segments)");
	return ERR_AGAIN;
}

/* The whole segment at r->at, as r->block. Its size, or 0: there is none in `n` bytes. ERR_SYS. */
static long find_segment(struct capfile_reader *r, size_t n)
{
	uint64_t skip = r->at - r->window_at;
	size_t whole = 0;
	int err;

	if (skip < r->window_len) {
		r->block = r->window + skip;
		whole = whole_segment(r->block, (size_t)(r->window_len - skip));
	}
	if (whole)
		return (long)whole;
	r->window_len = 0;
	err = read_at(r->fd, r->at, r->window, n);
	if (err)
		return err;
	r->window_at = r->at;
	r->window_len = n;
	r->block = r->window;
	return (long)whole_segment(r->block, n);
}

static int next_segment(struct capfile_reader *r)
{
	uint64_t left = (r->index ? r->footer_at : r->size) - r->at;
	size_t n = left < WINDOW ? (size_t)left : WINDOW;
	long whole;
	int err;

	segment_free(r);
	r->next = 0;
	if (left == 0 && r->index)
		return clean_end(r);
	if (left == 0)
		return fail(r, ERR_TORN, "no footer");
	whole = find_segment(r, n);
	if (whole < 0)
		return (int)whole;
	if (!whole)
		return bad_block(r, n);
	err = unpack_segment(r, (size_t)whole - CAPFILE_SEGMENT_OVERHEAD);
	if (err) {
		segment_free(r);
		return err;
	}
	r->at += (uint64_t)whole;
	r->segments++;
	return 0;
}

/* Classes that occur, how often and with what values nobody knows. */
static struct span older_found(struct capfile_reader *r, const Record *m)
{
	const uint64_t bits[2] = {m->found_low, m->found_high};

	found_fini(&r->older);
	found_init(&r->older, 0, 0);
	for (unsigned class = DETECT_NONE + 1; class < DETECT_CLASSES_ALL; class ++)
		if (bits[class / 64] >> class % 64 & 1)
			found_add(&r->older, class, 0, 1, false);
	return buf_span(&r->older.table);
}

static struct span payload_of(struct capfile_reader *r, const Record *m)
{
	struct span payload = {(const char *)m->payload.data, m->payload.len};

	if (m->type == RECORD_END && m->found.len)
		payload = (struct span){(const char *)m->found.data, m->found.len};
	else if (m->type == RECORD_END && (m->found_low || m->found_high))
		payload = older_found(r, m);
	return payload.len ? payload : SPAN("");
}

int capfile_next(struct capfile_reader *r, struct record *out, const void **payload_out)
{
	struct span payload;
	const Record *m;

	if (!r->end && (!r->segment || r->next == r->segment->n_records))
		r->end = next_segment(r);
	if (r->end)
		return r->end;
	m = r->segment->records[r->next++];
	payload = payload_of(r, m);
	*out = (struct record){
	        .id = m->id,
	        .time_ns = m->time_ns,
	        .slot = m->slot,
	        .generation = m->generation,
	        .route = (uint16_t)m->route,
	        .type = (uint8_t)m->type,
	        .leg = (uint8_t)m->leg,
	        .flags = m->flags,
	        .payload_len = (uint32_t)payload.len,
	        .mask_count = m->mask_count,
	        .policy = (uint16_t)(m->policy                  ? m->policy
	                             : m->flags & RECORD_MASKED ? r->facts.routes[m->route].policy_number + 1
	                                                        : 0),
	        .sample_ppm = m->sample_ppm,
	        .sample_hash = m->sample_hash,
	};
	*payload_out = payload.data;
	r->records++;
	r->exchanges += out->type == RECORD_HEAD && out->leg == LEG_CLIENT;
	return 0;
}

const char *capfile_why(const struct capfile_reader *r)
{
	return r->why;
}

uint64_t capfile_lost_bytes(const struct capfile_reader *r)
{
	return r->lost_bytes;
}

const struct capfile_facts *capfile_facts(const struct capfile_reader *r)
{
	return &r->facts;
}

bool capfile_closed(const struct capfile_reader *r)
{
	return r->index != NULL;
}

uint64_t capfile_size(const struct capfile_reader *r)
{
	return r->size;
}

uint64_t capfile_at(const struct capfile_reader *r)
{
	return r->at;
}

uint64_t capfile_segments(const struct capfile_reader *r)
{
	return r->segments;
}

uint64_t capfile_records(const struct capfile_reader *r)
{
	return r->records;
}

uint64_t capfile_wall_ns(const struct capfile_reader *r, uint64_t time_ns)
{
	return time_ns - r->facts.created_mono_ns + r->facts.created_wall_ns;
}
