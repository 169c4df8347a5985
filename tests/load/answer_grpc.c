/*
 * answer_grpc.c - a gRPC server that costs little: every unary call gets the same message, and status 0.
 *
 *   answer_grpc PORT BYTES      on 127.0.0.1, HTTP/2 in clear text; one message of BYTES
 *
 * What is queued leaves once a turn of its loop; a client that takes nothing is waited for in send().
 */
#include "proto/h2.h"
#include "tests/load/loop.h"

enum { READ_BYTES = 64 * 1024, GENEROUS = 1 << 20, PREFIX_BYTES = 5 };

struct connection {
	int fd;
	struct h2 *h2;
	struct buf out;
};

static struct span message;

static void make_message(size_t bytes)
{
	char *m = calloc(1, bytes + PREFIX_BYTES);

	if (!m)
		give_up("answer_grpc: so many bytes");
	for (unsigned i = 0; i < 4; i++)
		m[1 + i] = (char)(bytes >> (24 - 8 * i));
	message = (struct span){m, bytes + PREFIX_BYTES};
}

static void on_head(void *owner, struct h2_stream *s, const struct http_message *m)
{
	(void)owner, (void)s, (void)m;
}

static void on_refuse(void *owner, struct h2_stream *s, const struct http_message *m, enum h2_rule rule)
{
	(void)owner, (void)m, (void)rule;
	h2_reset(s, H2_PROTOCOL_ERROR);
}

static void on_data(void *owner, struct h2_stream *s, struct span bytes)
{
	(void)owner;
	h2_consumed(s, bytes.len);
}

static void on_end(void *owner, struct h2_stream *s)
{
	struct h2_fields head = {.count = 0}, trailers = {.count = 0};

	(void)owner;
	h2_put(&head, SPAN("content-type"), SPAN("application/grpc"));
	h2_put(&trailers, SPAN("grpc-status"), SPAN("0"));
	h2_respond(s, 200, &head, false);
	h2_data(s, message);
	h2_trailers(s, &trailers);
	h2_end(s);
}

static void on_closed(void *owner, struct h2_stream *s, uint32_t code)
{
	(void)owner, (void)s, (void)code;
}

static void on_broken(void *owner, enum h2_rule rule)
{
	(void)owner, (void)rule;
}

static void on_room(void *owner, struct h2_stream *s)
{
	(void)owner, (void)s;
}

static const struct h2_ops ops = {on_head,   on_refuse, on_data, on_head, on_end,
                                  on_closed, on_broken, on_room, NULL};

static void take(int loop, int fd)
{
	const struct h2_limits limits = {.streams = 10000,
	                                 .connection_window = 1 << 30,
	                                 .glitches = 1 << 30,
	                                 .glitches_a_second = 1 << 20};
	struct connection *c = calloc(1, sizeof *c);

	if (!c || !(c->h2 = h2_new(H2_SERVER, &limits, &ops, c)))
		give_up("answer_grpc: accept");
	c->fd = fd;
	buf_init(&c->out, 2 * GENEROUS);
	loop_watch(loop, fd, c);
}

/* False: it is over. */
static int talk(struct connection *c)
{
	static char in[READ_BYTES];
	ssize_t n = recv(c->fd, in, sizeof in, 0);

	if (n <= 0 || h2_feed(c->h2, (struct span){in, (size_t)n}, 1) || h2_drain(c->h2, &c->out, GENEROUS))
		return 0;
	while (buf_len(&c->out)) {
		n = send(c->fd, buf_span(&c->out).data, buf_len(&c->out), MSG_NOSIGNAL);
		if (n < 0)
			return 0;
		buf_consume(&c->out, (size_t)n);
	}
	return !h2_over(c->h2);
}

static void serve(void *connection)
{
	struct connection *c = connection;

	if (talk(c))
		return;
	close(c->fd);
	h2_free(&c->h2);
	buf_fini(&c->out);
	free(c);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	make_message((size_t)atol(argv[2]));
	loop_run(loop_listen(argv[1]), take, serve, NULL);
}
