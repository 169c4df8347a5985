/*
 * live_inside.h - what live.c and the versions of HTTP under it share.
 *
 * live.c knows endpoints, tries and time; live_h1.c and live_h2.c know connections and bytes. A version
 * embeds a struct live in its own and is called through live_ops.
 */
#ifndef PROXY_LIVE_INSIDE_H
#define PROXY_LIVE_INSIDE_H

#include "proxy/live.h"

struct live_ops {
	void (*head)(struct live *, const struct forward_request *);
	void (*data)(struct live *, struct span);
	void (*trailers)(struct live *, const struct http_message *);
	void (*end)(struct live *);
	void (*text)(
	        struct live *,
	        struct span); /* a request, or its beginning, that another try left or that was heard out */
	void (*flush)(struct live *);
	bool (*full)(const struct live *);
	bool (*unsent)(const struct live *);
	void (*resume)(struct live *);
	void (*release)(struct live *, bool clean);
	/* The text of the request when nobody can have acted on it, or when it may be asked twice; else NULL.
	 */
	struct buf *(*resend)(struct live *, enum live_error why);
};

/* Nothing of the request left: it goes by another connection, `at` that endpoint (NULL: any) if it can. */
void live_anew(struct live *, struct upstream_endpoint *at);
/* Nobody has acted on the request: it is asked again, on whatever connection, a few times. */
void live_unseen(struct live *);
/* The try broke off: another is made, or the exchange has failed. `l` is not to be used afterwards. */
void live_broke(struct live *, enum live_error);
/* May the request be asked twice? (RFC 9110 9.2.2) */
bool live_repeatable(const struct exchange *);
/* Dialling failed at once with errno: tell the endpoint, unless it is we who lack descriptors or memory. */
void live_undialled(struct upstream *, struct upstream_endpoint *, uint64_t now_ns, int err);

/* Each part of the request as HTTP/1.1 text: what a connection of that version sends, and what every version
 * keeps for another try (proto/h2_text.h reads it). */
void live_text_head(struct live *, struct buf *out, const struct forward_request *);
void live_text_data(struct live *, struct buf *out, struct span bytes);
void live_text_trailers(struct live *, struct buf *out, const struct http_message *);
void live_text_end(struct live *, struct buf *out);

/* HTTP/1.1: an idle connection to the endpoint or a new one. NULL: none, and the endpoint was told of it. */
struct live *live_h1_take(struct exchange *, struct upstream *, struct upstream_endpoint *);
void live_h1_tick(struct upstream_endpoint *, uint64_t now_ns);
void live_h1_bury(struct worker *);
/* A connection that turned out to speak HTTP/1.1 goes into the endpoint's pool, or is closed. */
void live_h1_adopt(struct worker *, struct upstream *, struct upstream_endpoint *, struct conn *);

/* HTTP/2: is it spoken there, as far as is known? */
bool live_h2_spoken(const struct upstream *, const struct upstream_endpoint *, uint64_t now_ns);
/* An open connection takes one request more. */
bool live_h2_takes(const struct upstream_endpoint *);
/* A stream of such a connection, or of a new one. NULL as above. */
struct live *live_h2_take(struct exchange *, struct upstream *, struct upstream_endpoint *);
void live_h2_tick(struct upstream_endpoint *, uint64_t now_ns);
void live_h2_bury(struct worker *);

#endif
