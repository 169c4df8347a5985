/*
 * h2_send.c - the sending half: heads, bodies from the queues of their streams, and what the library has to
 * say by itself. DATA goes from the queue to the output in one copy.
 */
#include "proto/h2_inside.h"

#include <stdlib.h>

enum { FRAME_HEADER_BYTES = 9 };

/* Trailers wait behind the body: the library sends a head before DATA. */
struct h2_kept {
	size_t count;
	nghttp2_nv list[];
};

static nghttp2_nv pair(struct span name, struct span value)
{
	return (nghttp2_nv){(uint8_t *)name.data, (uint8_t *)value.data, name.len, value.len,
	                    NGHTTP2_NV_FLAG_NONE};
}

/* The stream ends here, of our own want. */
static void give_up(struct h2_stream *s, int err)
{
	if (err)
		h2_reset(s, H2_INTERNAL_ERROR);
}

static size_t list_of(const struct h2_fields *f, nghttp2_nv *to)
{
	for (size_t i = 0; i < f->count; i++)
		to[i] = pair(f->list[i].name, f->list[i].value);
	return f->count;
}

static void submit_trailers(struct h2_stream *s)
{
	give_up(s, nghttp2_submit_trailer(s->h2->session, (int32_t)s->id, s->trailers->list,
	                                  s->trailers->count));
	free(s->trailers);
	s->trailers = NULL;
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *to, size_t room, uint32_t *flags,
                         nghttp2_data_source *source, void *arg)
{
	struct h2_stream *s = source->ptr;
	size_t n = buf_len(&s->out);

	(void)session, (void)id, (void)to, (void)arg;
	if (n == 0 && s->cut) {
		s->ours = true;
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	}
	s->deferred = n == 0 && !s->ended;
	if (s->deferred)
		return NGHTTP2_ERR_DEFERRED;
	*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	if (n > room)
		return (ssize_t)room;
	if (s->ended)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	if (s->ended && s->trailers) {
		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
		submit_trailers(s);
	}
	return (ssize_t)n;
}

/* Where there are many, the empty ones hold no memory. */
static void give_back(struct buf *queue)
{
	size_t limit = queue->limit_bytes;

	buf_fini(queue);
	buf_init(queue, limit);
}

static int send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t length,
                     nghttp2_data_source *source, void *arg)
{
	struct h2_stream *s = source->ptr;
	struct h2 *h2 = arg;

	(void)session, (void)frame;
	if (buf_len(h2->out) >= h2->up_to)
		return NGHTTP2_ERR_WOULDBLOCK;
	buf_put(h2->out, head, FRAME_HEADER_BYTES);
	buf_put(h2->out, buf_span(&s->out).data, length);
	buf_consume(&s->out, length);
	s->sent += length;
	h2->queued -= length;
	h2_earn(h2, length);
	if (!buf_len(&s->out) && h2->open > H2_SPARE_STREAMS)
		give_back(&s->out);
	return h2->out->err ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

/* A reset that is not ours names what the peer did; of the library's own only INTERNAL_ERROR says that it was
 * memory that lacked. */
static enum h2_rule blame(const struct h2_stream *s, uint32_t code)
{
	if (s && s->invalid)
		return s->invalid;
	return code == H2_PROTOCOL_ERROR ? H2_RULE_malformed : H2_RULE_stream;
}

static void reset_sent(struct h2 *h2, const struct h2_stream *s, uint32_t code)
{
	/* counted when it was queued; a want of memory is ours */
	if (code == H2_INTERNAL_ERROR || (s ? s->ours : code == H2_REFUSED_STREAM))
		return;
	h2->ops->broken(h2->owner, blame(s, code));
	(void)h2_spend(h2, H2_RESET_GLITCHES);
}

static void goaway_sent(struct h2 *h2, uint32_t code)
{
	if (code == H2_INTERNAL_ERROR)
		h2_fail(h2, H2_RULE_none, ERR_NOMEM);
	else if (code != H2_NO_ERROR)
		h2_fail(h2, H2_RULE_connection, ERR_PROTO);
}

/* An answer before the end of its request: the rest is not wanted (RFC 9113 8.1). */
static void answered(struct h2 *h2, struct h2_stream *s)
{
	if (h2->side == H2_CLIENT)
		return;
	if (s && !s->refused)
		h2_earn(h2, H2_MESSAGE_BYTES);
	if (s && !s->heard)
		h2_reset(s, H2_NO_ERROR);
}

/* The library knows the stream from its head on, and until our settings are acknowledged by a window that is
 * not limits.window: only the difference stands for itself. */
static void open_window(struct h2_stream *s)
{
	nghttp2_session *session = s->h2->session;
	int32_t id = (int32_t)s->id;
	int64_t now = nghttp2_session_get_stream_effective_local_window_size(session, id);
	int64_t wanted = now + s->window - s->h2->limits.window;

	if (nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, id, (int32_t)wanted))
		h2_fail(s->h2, H2_RULE_none, ERR_NOMEM);
	s->window = 0;
}

static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct h2 *h2 = arg;
	int32_t id = frame->hd.stream_id;
	struct h2_stream *s = id ? nghttp2_session_get_stream_user_data(session, id) : NULL;

	if (frame->hd.type == NGHTTP2_HEADERS && s && s->window)
		open_window(s);
	if (frame->hd.type == NGHTTP2_RST_STREAM) {
		reset_sent(h2, s, frame->rst_stream.error_code);
	} else if (frame->hd.type == NGHTTP2_GOAWAY) {
		if (!h2->ended)
			goaway_sent(h2, frame->goaway.error_code);
	} else if ((frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) &&
	           frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
		answered(h2, s);
	}
	return 0;
}

void h2_use_sending(nghttp2_session_callbacks *c)
{
	nghttp2_session_callbacks_set_send_data_callback(c, send_data);
	nghttp2_session_callbacks_set_on_frame_send_callback(c, on_sent);
}

static bool take_frames(struct h2 *h2)
{
	const uint8_t *bytes;
	ssize_t n = 0;

	while (buf_len(h2->out) < h2->up_to && (n = nghttp2_session_mem_send(h2->session, &bytes)) > 0)
		buf_put(h2->out, bytes, (size_t)n);
	return n >= 0 && !h2->out->err;
}

/* Something that is queued now would leave. */
static bool flows(const struct h2_stream *s)
{
	nghttp2_session *session = s->h2->session;

	return s->h2->queued < 2 * H2_QUEUED_BYTES &&
	       nghttp2_session_get_stream_remote_window_size(session, (int32_t)s->id) > 0 &&
	       nghttp2_session_get_remote_window_size(session) > 0;
}

static bool has_room(const struct h2_stream *s)
{
	size_t n = buf_len(&s->out);

	return n < H2_QUEUE_BYTES / 2 && (s->h2->queued < H2_QUEUED_BYTES / 2 || (n == 0 && flows(s)));
}

/* The streams that were full and no longer are; true when some were. */
static bool tell_room(struct h2 *h2)
{
	bool some = false;

	for (struct h2_stream *s = h2->first, *next; s && h2->thirsty; s = next) {
		next = s->next;
		if (!s->thirsty || !has_room(s))
			continue;
		s->thirsty = false;
		h2->thirsty--;
		h2->ops->room(h2->owner, s);
		some = true;
	}
	return some;
}

int h2_drain(struct h2 *h2, struct buf *out, size_t up_to)
{
	bool went;

	h2->out = out;
	h2->up_to = up_to;
	do
		went = take_frames(h2);
	while (went && h2->thirsty && tell_room(h2) && buf_len(out) < up_to);
	h2->out = NULL;
	if (!went)
		h2_fail(h2, H2_RULE_none, ERR_NOMEM);
	return h2->failure;
}

static nghttp2_data_provider body_of(struct h2_stream *s)
{
	return (nghttp2_data_provider){.source.ptr = s, .read_callback = read_body};
}

void h2_respond(struct h2_stream *s, unsigned status, const struct h2_fields *fields, bool end)
{
	nghttp2_session *session = s->h2->session;
	nghttp2_data_provider body = body_of(s);
	nghttp2_nv list[H2_FIELDS_MAX + 1];
	char text[3] = {(char)('0' + status / 100 % 10), (char)('0' + status / 10 % 10),
	                (char)('0' + status % 10)};
	size_t n = 1 + list_of(fields, list + 1);
	int err;

	list[0] = pair(SPAN(":status"), (struct span){text, 3});
	if (fields->overflow)
		err = ERR_LIMIT;
	else if (status / 100 == 1)
		err = nghttp2_submit_headers(session, NGHTTP2_FLAG_NONE, (int32_t)s->id, NULL, list, n, NULL);
	else
		err = nghttp2_submit_response(session, (int32_t)s->id, list, n, end ? NULL : &body);
	s->ended |= end;
	give_up(s, err);
}

unsigned h2_streams_max(const struct h2 *h2)
{
	uint32_t most =
	        nghttp2_session_get_remote_settings(h2->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);

	return !h2->settled && most > H2_STREAMS ? H2_STREAMS : most;
}

unsigned h2_room(const struct h2 *h2)
{
	unsigned most = h2_streams_max(h2);

	if (h2->gone || h2->finished || h2->failure || !nghttp2_session_check_request_allowed(h2->session) ||
	    h2->open >= most)
		return 0;
	return most - h2->open;
}

struct h2_stream *h2_request(struct h2 *h2, const struct h2_request *r, void *user)
{
	nghttp2_nv list[H2_FIELDS_MAX + 4];
	size_t n = 4;
	struct h2_stream *s = h2_room(h2) && !r->fields->overflow ? h2_stream_new(h2, 0) : NULL;
	nghttp2_data_provider body = body_of(s);
	int32_t id;

	if (!s)
		return NULL;
	list[0] = pair(SPAN(":method"), r->method);
	list[1] = pair(SPAN(":scheme"), r->scheme);
	list[2] = pair(SPAN(":authority"), r->authority);
	list[3] = pair(SPAN(":path"), r->path);
	n += list_of(r->fields, list + n);
	id = nghttp2_submit_request(h2->session, NULL, list, n, r->end ? NULL : &body, s);
	if (id < 0) {
		h2_stream_free(s);
		return NULL;
	}
	s->id = (uint32_t)id;
	s->user = user;
	s->ended = r->end;
	s->window = r->window > h2->limits.window ? r->window : 0;
	s->head_request = span_eq(r->method, SPAN("HEAD"));
	return s;
}

static void wake(struct h2_stream *s)
{
	if (!s->deferred)
		return;
	s->deferred = false;
	give_up(s, nghttp2_session_resume_data(s->h2->session, (int32_t)s->id));
}

void h2_data(struct h2_stream *s, struct span bytes)
{
	if (!bytes.len || s->ended || s->out.err)
		return;
	buf_span_put(&s->out, bytes);
	if (s->out.err) {
		h2_reset(s, H2_INTERNAL_ERROR);
		return;
	}
	s->h2->queued += bytes.len;
	wake(s);
}

/* One block: the list, then the text that it points to. */
static struct h2_kept *keep(const struct h2_fields *f)
{
	size_t bytes = 0;
	struct h2_kept *k;
	char *text;

	for (size_t i = 0; i < f->count; i++)
		bytes += f->list[i].name.len + f->list[i].value.len;
	k = malloc(sizeof *k + f->count * sizeof *k->list + bytes);
	if (!k)
		return NULL;
	k->count = list_of(f, k->list);
	text = (char *)(k->list + k->count);
	for (size_t i = 0; i < 2 * f->count; i++) {
		nghttp2_nv *nv = &k->list[i / 2];
		uint8_t **at = i & 1 ? &nv->value : &nv->name;
		size_t len = i & 1 ? nv->valuelen : nv->namelen;

		if (len)
			memcpy(text, *at, len);
		*at = (uint8_t *)text;
		text += len;
	}
	return k;
}

void h2_trailers(struct h2_stream *s, const struct h2_fields *fields)
{
	if (s->ended || s->trailers || !fields->count)
		return;
	s->trailers = fields->overflow ? NULL : keep(fields);
	give_up(s, s->trailers ? 0 : ERR_NOMEM);
}

void h2_end(struct h2_stream *s)
{
	if (s->ended)
		return;
	s->ended = true;
	wake(s);
}

void h2_cut(struct h2_stream *s)
{
	if (s->ended)
		return;
	s->cut = true;
	wake(s);
}

void h2_reset(struct h2_stream *s, enum h2_code code)
{
	if (s->ours)
		return;
	s->ours = true;
	if (nghttp2_submit_rst_stream(s->h2->session, NGHTTP2_FLAG_NONE, (int32_t)s->id, code))
		h2_fail(s->h2, H2_RULE_none, ERR_NOMEM);
}

bool h2_full(struct h2_stream *s)
{
	size_t n = buf_len(&s->out);
	bool full = n >= H2_QUEUE_BYTES || (s->h2->queued >= H2_QUEUED_BYTES && (n || !flows(s)));

	if (full && !s->thirsty) {
		s->thirsty = true;
		s->h2->thirsty++;
	}
	return full;
}

size_t h2_waiting(const struct h2_stream *s)
{
	return buf_len(&s->out);
}
