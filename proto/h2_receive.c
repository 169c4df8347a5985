/*
 * h2_receive.c - the receiving half: what the library tells of the frames that come in.
 */
#include "proto/h2_inside.h"

enum { CONTINUATIONS_MAX = 8 };

static struct h2_stream *stream_of(nghttp2_session *session, int32_t id)
{
	return nghttp2_session_get_stream_user_data(session, id);
}

/* Every frame, whatever the library makes of it. What carries nothing costs. */
static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *arg)
{
	struct h2 *h2 = arg;
	unsigned cost = 1;

	(void)session;
	h2->continued = hd->type == NGHTTP2_CONTINUATION ? h2->continued + 1 : 0;
	if (h2->continued > CONTINUATIONS_MAX) {
		h2_fail(h2, H2_RULE_head_flood, ERR_LIMIT);
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	}
	if (hd->type == NGHTTP2_SETTINGS)
		h2->settled = true;
	if (hd->type == NGHTTP2_DATA || hd->type == NGHTTP2_HEADERS || hd->type == NGHTTP2_CONTINUATION)
		cost = 0;
	else if (hd->type == NGHTTP2_RST_STREAM)
		cost = H2_RESET_GLITCHES;
	return cost && !h2_spend(h2, cost) ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

/* What a client wishes is checked by the library, then forgotten: all streams are served alike. */
static int forget_priority(nghttp2_session *session, int32_t id)
{
	nghttp2_priority_spec alike;

	nghttp2_priority_spec_default_init(&alike);
	return nghttp2_session_change_stream_priority(session, id, &alike) == NGHTTP2_ERR_NOMEM ? ERR_NOMEM
	                                                                                        : 0;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct h2 *h2 = arg;
	struct h2_stream *s = stream_of(session, frame->hd.stream_id);

	if (!s && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
		s = h2_stream_new(h2, (uint32_t)frame->hd.stream_id);
		if (s && nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, s)) {
			h2_stream_free(s);
			s = NULL;
		}
	}
	if (frame->hd.flags & NGHTTP2_FLAG_PRIORITY && forget_priority(session, frame->hd.stream_id))
		s = NULL;
	if (!s || !h2_head_begin(h2, s->headed))
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	h2->head->of = frame->hd.stream_id;
	return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags, void *arg)
{
	struct h2 *h2 = arg;
	bool first = h2->head && !h2->head->bytes;

	(void)session, (void)frame, (void)flags;
	if (h2->head && !h2_head_add(h2, (struct span){(const char *)name, name_len},
	                             (struct span){(const char *)value, value_len})) {
		h2_fail(h2, H2_RULE_head_flood, ERR_LIMIT);
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	}
	return first ? h2_used(h2, H2_HEAD_PIECES) : 0;
}

/* A byte in a name or a value that the library would leave out: the message is malformed (RFC 9113 8.2.1). */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                             size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                             void *arg)
{
	struct h2 *h2 = arg;
	struct h2_stream *s = stream_of(session, frame->hd.stream_id);

	(void)value, (void)value_len, (void)flags;
	if (s && s->invalid)
		return 0;
	if (s)
		s->invalid =
		        nghttp2_check_header_name(name, name_len) ? H2_RULE_field_value : H2_RULE_field_name;
	if (h2->head) /* what follows is still counted */
		h2->head->rule = H2_RULE_malformed;
	return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, H2_PROTOCOL_ERROR)
	               ? NGHTTP2_ERR_CALLBACK_FAILURE
	               : 0;
}

/* Nothing more of its head will be told. A stream that is refused is none: its reset costs when it is queued,
 * for it may never be sent. */
static int on_invalid(nghttp2_session *session, const nghttp2_frame *frame, int err, void *arg)
{
	struct h2 *h2 = arg;

	(void)session, (void)frame;
	h2_head_give(h2);
	if (err != NGHTTP2_ERR_REFUSED_STREAM)
		return 0;
	h2->ops->broken(h2->owner, H2_RULE_streams);
	return h2_spend(h2, H2_RESET_GLITCHES) ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static void told_end(struct h2_stream *s)
{
	struct h2 *h2 = s->h2;

	s->heard = true;
	if (h2->side == H2_CLIENT)
		h2_earn(h2, H2_MESSAGE_BYTES);
	if (s->told && !s->refused)
		h2->ops->end(h2->owner, s);
}

/* What the rules say of a head or of trailers, and no status can answer. */
static void reset_for(struct h2_stream *s, enum h2_rule rule)
{
	s->refused = true;
	s->h2->ops->broken(s->h2->owner, rule);
	h2_reset(s, H2_PROTOCOL_ERROR);
	(void)h2_spend(s->h2, H2_RESET_GLITCHES);
}

static void tell_head(struct h2 *h2, struct h2_stream *s, bool end)
{
	struct h2_head *head = h2->head;
	const struct http_message *m = &head->message;

	h2_head_finish(head, h2->side, s, end);
	s->head_request |= h2->side == H2_SERVER && span_eq(m->method, SPAN("HEAD"));
	if (head->rule && (head->trailers || h2->side == H2_CLIENT)) {
		reset_for(s, head->rule);
	} else if (head->rule) {
		s->headed = s->told = s->refused = true;
		h2->ops->refuse(h2->owner, s, m, head->rule);
		(void)h2_spend(h2, H2_RESET_GLITCHES);
	} else if (head->trailers) {
		if (m->field_count && s->told && !s->refused)
			h2->ops->trailers(h2->owner, s, m);
	} else {
		s->headed = h2->side == H2_SERVER || m->status / 100 != 1;
		s->told = true;
		h2->ops->head(h2->owner, s, m);
	}
}

static void on_data_end(struct h2 *h2, const nghttp2_frame *frame)
{
	bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

	if (frame->hd.length == frame->data.padlen && !end)
		(void)h2_spend(h2, 1);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct h2 *h2 = arg;
	struct h2_stream *s = frame->hd.stream_id ? stream_of(session, frame->hd.stream_id) : NULL;
	bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

	if (frame->hd.type == NGHTTP2_HEADERS && s && h2->head) {
		if (!s->invalid)
			tell_head(h2, s, end);
		h2_head_give(h2);
	} else if (frame->hd.type == NGHTTP2_DATA) {
		on_data_end(h2, frame);
	} else if (frame->hd.type == NGHTTP2_PRIORITY) {
		if (forget_priority(session, frame->hd.stream_id))
			return NGHTTP2_ERR_CALLBACK_FAILURE;
	} else if (frame->hd.type == NGHTTP2_GOAWAY) {
		h2->gone = true;
		if (h2->ops->goaway)
			h2->ops->goaway(h2->owner, (uint32_t)frame->goaway.last_stream_id,
			                frame->goaway.error_code);
	}
	if (s && end && (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA))
		told_end(s);
	return h2->failure ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t len,
                   void *arg)
{
	struct h2 *h2 = arg;
	struct h2_stream *s = stream_of(session, id);

	(void)flags;
	h2_earn(h2, len);
	if (!s || !s->told || s->refused) { /* nobody wants it */
		nghttp2_session_consume(session, id, len);
		return h2_used(h2, 1);
	}
	s->received += len;
	s->unconsumed += len;
	if (s->received > h2->limits.head.body_bytes)
		reset_for(s, H2_RULE_body_bytes);
	else
		h2->ops->data(h2->owner, s, (struct span){(const char *)data, len});
	return h2_used(h2, 1);
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
	struct h2 *h2 = arg;
	struct h2_stream *s = stream_of(session, id);

	if (h2->head && h2->head->of == id)
		h2_head_give(h2);
	if (!s)
		return 0;
	if (s->unconsumed)
		nghttp2_session_consume_connection(session, s->unconsumed);
	s->unconsumed = 0;
	nghttp2_session_set_stream_user_data(session, id, NULL);
	if (s->told || h2->side == H2_CLIENT)
		h2->ops->closed(h2->owner, s, code);
	h2_stream_free(s);
	return 0;
}

/* Of a frame that no RFC we follow knows: seen by on_begin_frame(), else ignored (RFC 9113 5.5). */
static int on_unknown(nghttp2_session *session, void **payload, const nghttp2_frame_hd *hd, void *arg)
{
	(void)session, (void)payload, (void)hd, (void)arg;
	return NGHTTP2_ERR_CANCEL;
}

void h2_use_receiving(nghttp2_session_callbacks *c)
{
	nghttp2_session_callbacks_set_unpack_extension_callback(c, on_unknown);
	nghttp2_session_callbacks_set_on_begin_frame_callback(c, on_begin_frame);
	nghttp2_session_callbacks_set_on_begin_headers_callback(c, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(c, on_header);
	nghttp2_session_callbacks_set_on_invalid_header_callback(c, on_invalid_header);
	nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(c, on_invalid);
	nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(c, on_close);
}

void h2_consumed(struct h2_stream *s, size_t bytes)
{
	if (bytes > s->unconsumed)
		bytes = s->unconsumed;
	s->unconsumed -= bytes;
	if (bytes)
		nghttp2_session_consume(s->h2->session, (int32_t)s->id, bytes);
}
