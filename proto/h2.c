/*
 * h2.c - a connection: its life, its streams, its budget.
 */
#include "proto/h2_inside.h"

#include <stdlib.h>

enum {
	GLITCH_BYTES = 256, /* of use that make up for one glitch */
	PIECES_MAX =
	        1000, /* the library counts a CONTINUATION anew for each piece that it comes in: we count */
	OUTBOUND_ACK_MAX = 200, /* PING and SETTINGS to be answered while nothing is read: a client's, */
	SERVER_ACK_MAX = 4000,  /* ... and a server's, all that one read may hold: the budget knows time */
	LENGTH_MAX = 0x7fffffff,
};

static const struct rule {
	const char *name, *text;
	unsigned status;
} rules[H2_RULE_COUNT] = {{"h2_none", "", 0},
#define X(name, status, text) {"h2_" #name, text, status},
                          H2_RULES(X)
#undef X
};

const char *h2_rule_name(enum h2_rule rule)
{
	return rules[rule < H2_RULE_COUNT ? rule : H2_RULE_none].name;
}

const char *h2_rule_text(enum h2_rule rule)
{
	return rules[rule < H2_RULE_COUNT ? rule : H2_RULE_none].text;
}

unsigned h2_rule_status(enum h2_rule rule)
{
	return rules[rule < H2_RULE_COUNT ? rule : H2_RULE_none].status;
}

struct span h2_preface(void)
{
	return (struct span){NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN};
}

void h2_fail(struct h2 *h2, enum h2_rule rule, int err)
{
	bool calm = rule == H2_RULE_glitches || rule == H2_RULE_head_flood || rule == H2_RULE_ack_flood;

	if (h2->failure)
		return;
	h2->failure = err;
	if (rule)
		h2->ops->broken(h2->owner, rule);
	h2_terminate(h2, calm               ? H2_ENHANCE_YOUR_CALM
	                 : err == ERR_NOMEM ? H2_INTERNAL_ERROR
	                                    : H2_PROTOCOL_ERROR);
}

void h2_earn(struct h2 *h2, uint64_t bytes)
{
	uint64_t full = (uint64_t)h2->limits.glitches * GLITCH_BYTES;

	h2->budget = bytes < full - h2->budget ? h2->budget + bytes : full;
}

bool h2_spend(struct h2 *h2, unsigned glitches)
{
	uint64_t cost = (uint64_t)glitches * GLITCH_BYTES;
	uint64_t waited_us = h2->now_ns > h2->refilled_ns ? (h2->now_ns - h2->refilled_ns) / 1000 : 0;

	if (waited_us >= 1000) { /* at most a minute counts: more would fill any bucket */
		uint64_t counted = waited_us < 60000000 ? waited_us : 60000000;

		h2_earn(h2, counted * h2->limits.glitches_a_second * GLITCH_BYTES / 1000000);
		h2->refilled_ns = h2->now_ns;
	}
	if (h2->budget < cost) {
		h2_fail(h2, H2_RULE_glitches, ERR_LIMIT);
		return false;
	}
	h2->budget -= cost;
	return true;
}

struct h2_stream *h2_stream_new(struct h2 *h2, uint32_t id)
{
	struct h2_stream *s = h2->spare;
	struct buf out = {0};

	if (s) {
		h2->spare = s->next;
		h2->spares--;
		out = s->out;
		buf_reset(&out);
	} else {
		s = malloc(sizeof *s);
		buf_init(&out, H2_QUEUE_LIMIT);
	}
	if (!s)
		return NULL;
	*s = (struct h2_stream){.id = id, .h2 = h2, .out = out, .next = h2->first};
	if (h2->first)
		h2->first->prev = s;
	h2->first = s;
	h2->open++;
	return s;
}

void h2_stream_free(struct h2_stream *s)
{
	struct h2 *h2 = s->h2;

	if (s->prev)
		s->prev->next = s->next;
	else
		h2->first = s->next;
	if (s->next)
		s->next->prev = s->prev;
	h2->open--;
	h2->thirsty -= s->thirsty;
	h2->queued -= buf_len(&s->out);
	free(s->trailers);
	if (h2->spares == H2_SPARE_STREAMS || s->out.cap > H2_SPARE_BYTES) {
		buf_fini(&s->out);
		free(s);
		return;
	}
	s->next = h2->spare;
	h2->spare = s;
	h2->spares++;
}

static const nghttp2_session_callbacks *callbacks(void)
{
	static nghttp2_session_callbacks *c;

	if (c || nghttp2_session_callbacks_new(&c))
		return c;
	h2_use_receiving(c);
	h2_use_sending(c);
	return c;
}

static const nghttp2_option *options(enum h2_side side)
{
	static nghttp2_option *of[2];
	nghttp2_option *o = of[side];

	if (o || nghttp2_option_new(&of[side]))
		return o;
	o = of[side];
	nghttp2_option_set_no_auto_window_update(o, 1);
	nghttp2_option_set_max_continuations(o, PIECES_MAX);
	nghttp2_option_set_stream_reset_rate_limit(o, UINT32_MAX, UINT32_MAX); /* the budget has them */
	nghttp2_option_set_no_closed_streams(o, 1);
	nghttp2_option_set_max_outbound_ack(o, side == H2_SERVER ? OUTBOUND_ACK_MAX : SERVER_ACK_MAX);
	nghttp2_option_set_peer_max_concurrent_streams(o, H2_STREAMS);
	for (unsigned type = NGHTTP2_CONTINUATION + 1; type <= UINT8_MAX; type++)
		nghttp2_option_set_user_recv_extension_type(o, (uint8_t)type);
	return o;
}

static uint32_t chosen(uint32_t wanted, uint32_t otherwise)
{
	return wanted && wanted <= LENGTH_MAX ? wanted : otherwise;
}

static void set_limits(struct h2 *h2, const struct h2_limits *l)
{
	h2->limits = (struct h2_limits){
	        .head = h1_limits_lowered(&l->head),
	        .streams = chosen(l->streams, H2_STREAMS),
	        .window = chosen(l->window, H2_WINDOW_BYTES),
	        .connection_window = chosen(l->connection_window, H2_CONNECTION_WINDOW_BYTES),
	        .glitches = chosen(l->glitches, H2_GLITCHES),
	        .glitches_a_second = chosen(l->glitches_a_second, H2_GLITCHES_A_SECOND),
	        .turn = l->turn,
	};
	h2->budget = (uint64_t)h2->limits.glitches * GLITCH_BYTES;
}

static int begin(struct h2 *h2)
{
	const struct h2_limits *l = &h2->limits;
	bool server = h2->side == H2_SERVER;
	const nghttp2_settings_entry settings[] = {
	        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, l->window},
	        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, l->head.fields_bytes},
	        {server ? NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS : NGHTTP2_SETTINGS_ENABLE_PUSH,
	         server ? l->streams : 0},
	};

	if (nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, settings, 3))
		return ERR_NOMEM;
	return nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0,
	                                             (int32_t)l->connection_window)
	               ? ERR_NOMEM
	               : 0;
}

struct h2 *h2_new(enum h2_side side, const struct h2_limits *limits, const struct h2_ops *ops, void *owner)
{
	const nghttp2_session_callbacks *c = callbacks();
	const nghttp2_option *o = options(side);
	struct h2 *h2 = c && o ? calloc(1, sizeof *h2) : NULL;
	int err;

	if (!h2)
		return NULL;
	h2->side = side;
	h2->ops = ops;
	h2->owner = owner;
	set_limits(h2, limits);
	err = side == H2_SERVER ? nghttp2_session_server_new2(&h2->session, c, h2, o)
	                        : nghttp2_session_client_new2(&h2->session, c, h2, o);
	if (err || begin(h2))
		h2_free(&h2);
	return h2;
}

void h2_free(struct h2 **h2_in)
{
	struct h2 *h2 = *h2_in;

	*h2_in = NULL;
	if (!h2)
		return;
	nghttp2_session_del(h2->session);
	while (h2->first)
		h2_stream_free(h2->first);
	for (struct h2_stream *s; (s = h2->spare);) {
		h2->spare = s->next;
		buf_fini(&s->out);
		free(s);
	}
	h2_head_give(h2);
	free(h2);
}

/* What a failure of the library's own stands for. */
static void library_failed(struct h2 *h2, ssize_t err)
{
	if (err == NGHTTP2_ERR_FLOODED)
		h2_fail(h2, H2_RULE_ack_flood, ERR_LIMIT);
	else if (err == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS)
		h2_fail(h2, H2_RULE_head_flood, ERR_LIMIT);
	else if (err == NGHTTP2_ERR_BAD_CLIENT_MAGIC)
		h2_fail(h2, H2_RULE_preface, ERR_PROTO);
	else if (err == NGHTTP2_ERR_NOMEM || err == NGHTTP2_ERR_CALLBACK_FAILURE)
		h2_fail(h2, H2_RULE_none, ERR_NOMEM);
	else
		h2_fail(h2, H2_RULE_connection, ERR_PROTO);
}

int h2_feed(struct h2 *h2, struct span input, uint64_t now_ns)
{
	ssize_t n;

	if (h2->failure)
		return h2->failure;
	if (!h2->refilled_ns)
		h2->refilled_ns = now_ns;
	h2->now_ns = now_ns;
	h2->pieces = 0;
	h2->paused = false;
	n = nghttp2_session_mem_recv(h2->session, (const uint8_t *)input.data, input.len);
	if (n < 0)
		library_failed(h2, n);
	h2->unfed = h2->paused && !h2->failure ? input.len - (size_t)n : 0;
	return h2->failure;
}

int h2_used(struct h2 *h2, unsigned pieces)
{
	h2->pieces += pieces;
	h2->paused = h2->limits.turn && h2->pieces >= (uint64_t)h2->limits.turn * H2_HEAD_PIECES;
	return h2->paused ? NGHTTP2_ERR_PAUSE : 0;
}

void h2_enough(struct h2 *h2)
{
	h2->pieces = h2->limits.turn * H2_HEAD_PIECES;
}

bool h2_unfed(const struct h2 *h2, size_t *bytes_out)
{
	*bytes_out = h2->unfed;
	return h2->paused && !h2->failure;
}

bool h2_over(const struct h2 *h2)
{
	return !nghttp2_session_want_read(h2->session) && !nghttp2_session_want_write(h2->session);
}

bool h2_pending(const struct h2 *h2)
{
	return nghttp2_session_want_write(h2->session) != 0;
}

bool h2_midway(const struct h2 *h2)
{
	return !h2->failure && (h2->head || !h2->settled);
}

void h2_shutdown(struct h2 *h2, bool final)
{
	if (!h2->noticed && !final && h2->side == H2_SERVER)
		nghttp2_submit_shutdown_notice(h2->session);
	h2->noticed = true;
	if (final && !h2->finished)
		nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE,
		                      nghttp2_session_get_last_proc_stream_id(h2->session), H2_NO_ERROR, NULL,
		                      0);
	h2->finished |= final;
}

void h2_terminate(struct h2 *h2, enum h2_code code)
{
	if (!h2->ended)
		nghttp2_session_terminate_session(h2->session, code);
	h2->ended = h2->finished = true;
}

unsigned h2_streams(const struct h2 *h2)
{
	return h2->open;
}

size_t h2_queued(const struct h2 *h2)
{
	return h2->queued;
}

struct h2_stream *h2_next(const struct h2 *h2, const struct h2_stream *s)
{
	return s ? s->next : h2->first;
}
