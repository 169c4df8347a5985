#include "proto/coding.h"

#include <stdint.h>

#include <brotli/decode.h>
#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

enum {
	STEP_BYTES = 16 * 1024,
	FREE_BYTES = 1 << 20,
	RATIO_MAX = 256,
	ZLIB_OR_GZIP = 15 + 32, /* inflateInit2: the largest window, either header */
	ZLIB = 15,
	GZIP = 15 + 16,
	ZSTD_WINDOW_LOG = 23,
	ZSTD_LEVEL = 3,
	BROTLI_LEVEL = 4,
};

enum coding { NONE, CODING_GZIP, CODING_DEFLATE, CODING_ZSTD, CODING_BROTLI };

static enum coding coding_of(struct span name)
{
	if (span_eq_nocase(name, SPAN("gzip")) || span_eq_nocase(name, SPAN("x-gzip")))
		return CODING_GZIP;
	if (span_eq_nocase(name, SPAN("deflate")))
		return CODING_DEFLATE;
	if (span_eq_nocase(name, SPAN("br")))
		return CODING_BROTLI;
	return span_eq_nocase(name, SPAN("zstd")) ? CODING_ZSTD : NONE;
}

bool coding_known(struct span coding)
{
	return coding_of(coding) != NONE;
}

/* True while `made` bytes may come of `taken`. */
static bool plausible(uint64_t made, uint64_t taken)
{
	return made <= FREE_BYTES || made / RATIO_MAX <= taken;
}

/* One step into the buffer; when it is full, into a byte that may not come. */
static int inflate_step(z_stream *z, struct buf *out)
{
	size_t left = out->limit_bytes - buf_len(out);
	size_t step = left < STEP_BYTES ? left : STEP_BYTES;
	char beyond, *room = step ? buf_room(out, step) : &beyond;
	int rc;

	if (!room)
		return out->err;
	z->next_out = (Bytef *)room;
	z->avail_out = step ? (uInt)step : 1;
	rc = inflate(z, Z_NO_FLUSH);
	if (step)
		buf_grown(out, step - z->avail_out);
	else if (z->avail_out == 0)
		return ERR_LIMIT;
	if (rc == Z_STREAM_END)
		return z->avail_in ? ERR_PROTO : 1;
	return rc == Z_OK ? 0 : rc == Z_MEM_ERROR ? ERR_NOMEM : ERR_PROTO;
}

static int inflate_all(z_stream *z, struct buf *out)
{
	int rc = 0;

	while (!rc) {
		rc = inflate_step(z, out);
		if (!plausible(z->total_out, z->total_in))
			return ERR_LIMIT;
	}
	return rc < 0 ? rc : 0;
}

static int inflate_body(struct span bytes, struct buf *out)
{
	z_stream z = {.next_in = (Bytef *)bytes.data, .avail_in = (uInt)bytes.len};
	int err;

	if (bytes.len > UINT32_MAX)
		return ERR_LIMIT;
	if (inflateInit2(&z, ZLIB_OR_GZIP) != Z_OK)
		return ERR_NOMEM;
	err = inflate_all(&z, out);
	inflateEnd(&z);
	return err;
}

/* One step; 1: the frame ends where the input does. */
static int zstd_step(ZSTD_DCtx *ctx, ZSTD_inBuffer *in, struct buf *out)
{
	size_t left = out->limit_bytes - buf_len(out), step = left < STEP_BYTES ? left : STEP_BYTES,
	       had = in->pos;
	char beyond, *room = step ? buf_room(out, step) : &beyond;
	ZSTD_outBuffer to = {room, step ? step : 1, 0};
	size_t rc;

	if (!room)
		return out->err;
	rc = ZSTD_decompressStream(ctx, &to, in);
	if (ZSTD_isError(rc))
		return ERR_PROTO;
	if (!step && to.pos)
		return ERR_LIMIT;
	buf_grown(out, step ? to.pos : 0);
	if (rc == 0)
		return in->pos == in->size ? 1 : ERR_PROTO;
	return in->pos == had && !to.pos ? ERR_PROTO : 0;
}

static int zstd_body(struct span bytes, struct buf *out)
{
	ZSTD_DCtx *ctx = ZSTD_createDCtx();
	ZSTD_inBuffer in = {bytes.data, bytes.len, 0};
	size_t before = buf_len(out);
	int rc = 0;

	if (!ctx || ZSTD_isError(ZSTD_DCtx_setParameter(ctx, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG)))
		rc = ERR_NOMEM;
	while (!rc) {
		rc = zstd_step(ctx, &in, out);
		if (rc >= 0 && !plausible(buf_len(out) - before, in.pos))
			rc = ERR_LIMIT;
	}
	ZSTD_freeDCtx(ctx);
	return rc < 0 ? rc : 0;
}

/* One step; 1: the stream ends where the input does. */
static int brotli_step(BrotliDecoderState *state, struct span *in, struct buf *out)
{
	size_t left = out->limit_bytes - buf_len(out), step = left < STEP_BYTES ? left : STEP_BYTES,
	       room_left = step ? step : 1;
	char beyond, *room = step ? buf_room(out, step) : &beyond;
	const uint8_t *next = (const uint8_t *)in->data;
	uint8_t *to = (uint8_t *)room;
	BrotliDecoderResult rc;

	if (!room)
		return out->err;
	rc = BrotliDecoderDecompressStream(state, &in->len, &next, &room_left, &to, NULL);
	in->data = (const char *)next;
	if (!step && !room_left)
		return ERR_LIMIT;
	buf_grown(out, step ? step - room_left : 0);
	if (rc == BROTLI_DECODER_RESULT_SUCCESS)
		return in->len ? ERR_PROTO : 1;
	return rc == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT ? 0 : ERR_PROTO;
}

static int brotli_body(struct span bytes, struct buf *out)
{
	BrotliDecoderState *state = BrotliDecoderCreateInstance(NULL, NULL, NULL);
	size_t before = buf_len(out), all = bytes.len;
	int rc = state ? 0 : ERR_NOMEM;

	while (!rc) {
		rc = brotli_step(state, &bytes, out);
		if (rc >= 0 && !plausible(buf_len(out) - before, all - bytes.len))
			rc = ERR_LIMIT;
	}
	BrotliDecoderDestroyInstance(state);
	return rc < 0 ? rc : 0;
}

int coding_decode(struct span coding, struct span bytes, struct buf *out)
{
	switch (coding_of(coding)) {
	case CODING_GZIP:
	case CODING_DEFLATE:
		return inflate_body(bytes, out);
	case CODING_ZSTD:
		return zstd_body(bytes, out);
	case CODING_BROTLI:
		return brotli_body(bytes, out);
	default:
		return ERR_UNSUPPORTED;
	}
}

static int deflate_body(struct span bytes, int window, struct buf *out)
{
	z_stream z = {.next_in = (Bytef *)bytes.data, .avail_in = (uInt)bytes.len};
	size_t most;
	char *room;
	int rc;

	if (bytes.len > UINT32_MAX / 2)
		return ERR_LIMIT;
	if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return ERR_NOMEM;
	most = deflateBound(&z, (uLong)bytes.len);
	room = buf_room(out, most);
	z.next_out = (Bytef *)room;
	z.avail_out = (uInt)most;
	rc = room ? deflate(&z, Z_FINISH) : Z_OK;
	if (room)
		buf_grown(out, most - z.avail_out);
	deflateEnd(&z);
	return !room ? out->err : rc == Z_STREAM_END ? 0 : ERR_NOMEM;
}

static int compress_brotli(struct span bytes, struct buf *out)
{
	size_t most = BrotliEncoderMaxCompressedSize(bytes.len);
	char *room = most ? buf_room(out, most) : NULL;

	if (!room)
		return out->err ? out->err : ERR_LIMIT;
	if (!BrotliEncoderCompress(BROTLI_LEVEL, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_TEXT, bytes.len,
	                           (const uint8_t *)bytes.data, &most, (uint8_t *)room))
		return ERR_NOMEM;
	buf_grown(out, most);
	return 0;
}

static int compress_zstd(struct span bytes, struct buf *out)
{
	size_t most, made;
	char *room;

	most = ZSTD_compressBound(bytes.len);
	room = buf_room(out, most);
	if (!room)
		return out->err;
	made = ZSTD_compress(room, most, bytes.data, bytes.len, ZSTD_LEVEL);
	if (ZSTD_isError(made))
		return ERR_NOMEM;
	buf_grown(out, made);
	return 0;
}

int coding_encode(struct span coding, struct span bytes, struct buf *out)
{
	switch (coding_of(coding)) {
	case CODING_GZIP:
		return deflate_body(bytes, GZIP, out);
	case CODING_DEFLATE:
		return deflate_body(bytes, ZLIB, out);
	case CODING_ZSTD:
		return compress_zstd(bytes, out);
	case CODING_BROTLI:
		return compress_brotli(bytes, out);
	default:
		return ERR_UNSUPPORTED;
	}
}
