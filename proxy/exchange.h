/*
 * exchange.h - one client request and its live response, blind to the version of HTTP on either side.
 *
 * The client's side feeds exchange_begin/data/trailers/end; the live side feeds exchange_response_*.
 * Whatever passes is queued for the other side first and given to the tap after. An exchange ends when
 * the response ended, was refused or was cut; it then holds no live connection. A small body of known length
 * is heard out before live is asked, so that clients who send it by drops hold no live connection; when all
 * of it is there at once nothing waits, and nothing is copied where the front keeps heads. Larger bodies,
 * chunked ones and calls of gRPC begin at once.
 */
#ifndef PROXY_EXCHANGE_H
#define PROXY_EXCHANGE_H

#include "proxy/live_path.h"
#include "proxy/slow.h"
#include "proxy/tap.h"

enum { EXCHANGE_HEARD_BYTES = 16 * 1024 }; /* a body of at most that is heard out */

struct live;

struct front_ops { /* the client's side of whatever version */
	void (*head)(void *front, const struct http_message *, const struct plan_header_edits *);
	void (*data)(void *front, struct span);
	void (*trailers)(void *front, const struct http_message *);
	void (*end)(void *front);
	void (*refuse)(void *front, unsigned status, const char *why); /* a whole answer of ours */
	void (*cut)(void *front);                                      /* the answer breaks off here */
	void (*tunnel)(void *front);                                   /* bytes are bytes from here on */
	bool (*full)(const void *front);                               /* queued over HIGH_BYTES */
	void (*turn_end)(void *front); /* send, publish; the front may be gone afterwards */
};

struct exchange {
	struct worker *worker;
	const struct front_ops *ops;
	void *front;
	const char *client_address; /* text of the peer, for Forwarded */
	uint16_t listen_port;
	bool client_tls;
	uint32_t share; /* bytes held of it on behalf of its client: kept for another try, or answered and not
	                 * taken */
	bool keeps_heads; /* the front keeps what exchange_begin() gets until exchange_end() */
	bool keeps_text;  /* it does not, but a head may be kept as text */

	struct live *live; /* NULL: none, not yet, or no longer */
	uint64_t hearing;  /* bytes that the body of a request has that is being heard out; 0: none */
	const struct http_message *head; /* of that request, where the front keeps it */
	struct buf heard;                /* its body so far, behind a head that is kept as text */
	uint64_t id;
	uint16_t route;
	unsigned tries;
	unsigned unseen; /* tries that nobody acted on */
	LIST_ENTRY(exchange) touched;
	bool is_touched;
	const struct upstream_endpoint *refused_by; /* not to be tried again at once */
	bool active, request_done, response_begun, response_done, tunnel, client_10, head_request;
	bool routed;
	uint64_t begun_ns, progress_ns; /* last byte either way */
	uint64_t asked_ns;              /* the request's end */
	uint64_t deadline_ns;           /* that the client set; 0: none */
	uint64_t added_ns;              /* in our hands so far */
	uint64_t live_ns;               /* request head read to response end read */
	uint64_t bytes_in, bytes_out;
	unsigned status, interim;
	const char *rule; /* why the answer is ours or broke off by us, or NULL */
	char method[HTTP_METHOD_MAX + 1];
	struct tap tap;
	struct slow slow;
};

void exchange_init(struct exchange *, struct worker *, const struct front_ops *, void *front);
/* Route and forward a request head; may refuse it (front_ops.refuse) at once. */
void exchange_begin(struct exchange *, const struct http_message *);
void exchange_data(struct exchange *, struct span);
void exchange_trailers(struct exchange *, const struct http_message *);
void exchange_end(struct exchange *);
/* A head that is none, as far as it was understood: refused, and told as an exchange that ended at once. */
void exchange_refuse(struct exchange *, const struct http_message *, unsigned status, enum reject_rule);
/* Of one under way no more is served, by this rule: `status` while its answer has not begun, else a cut.
 * turn_end follows. */
void exchange_drop(struct exchange *, unsigned status, enum reject_rule);
/* The client is gone, or given up by the rule `why`, else NULL: the live request is cut, nothing is answered.
 * Due before the front goes. */
void exchange_abandon(struct exchange *, const char *why);
/* Something happened to it that was no event of its front: the front's turn end is due. */
void exchange_touch(struct exchange *);
/* The turn ends of the fronts of all that were touched. */
void exchange_settle(struct worker *);
/* True while no more of the request can be taken. */
bool exchange_full(const struct exchange *);
/* Bytes of the request wait for the live side to take them. */
bool exchange_unsent(const struct exchange *);
/* The client's queue has room again. */
void exchange_resume(struct exchange *);
/* Send what is queued for the live side; part of a front's turn end. */
void exchange_flush(struct exchange *);
/* A turn's work for this exchange took so long. */
void exchange_added(struct exchange *, uint64_t ns);
/* Called each tick; `blocked`: the client's connection takes nothing now, so that silence is no fault of
 * live's. */
void exchange_tick(struct exchange *, uint64_t now_ns, bool blocked);

void exchange_response_head(struct exchange *, const struct http_message *);
void exchange_response_data(struct exchange *, struct span);
void exchange_response_trailers(struct exchange *, const struct http_message *);
void exchange_response_end(struct exchange *);
/* The live side gave no whole response; its connection is given up. */
void exchange_live_failed(struct exchange *, enum live_error);

#endif
