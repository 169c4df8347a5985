#include "tools/reach.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/h1.h"

enum { SLURP_MAX = 4 << 20 };

socklen_t reach_address(const struct plan_endpoint *at, struct sockaddr_storage *out)
{
	struct sockaddr_un *un = (struct sockaddr_un *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;

	memset(out, 0, sizeof *out);
	if (at->port == 0) {
		un->sun_family = AF_UNIX;
		snprintf(un->sun_path, sizeof un->sun_path, "%s", at->address);
		return at->address[0] ? sizeof *un : 0;
	}
	if (inet_pton(AF_INET6, at->address, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(at->port);
		return sizeof *v6;
	}
	v4->sin_family = AF_INET;
	v4->sin_port = htons(at->port);
	return inet_pton(AF_INET, at->address, &v4->sin_addr) == 1 ? sizeof *v4 : 0;
}

static int wait_for(const struct reach *r, short events)
{
	struct pollfd p = {r->fd, events, 0};
	int n = poll(&p, 1, r->timeout_ms);

	if (n == 0)
		errno = ETIMEDOUT;
	return n > 0 ? 0 : ERR_SYS;
}

static int wait_tls(const struct reach *r)
{
	return wait_for(r, tls_want(r->tls) == TLS_WANT_WRITE ? POLLOUT : POLLIN);
}

/* --- the connection --- */

static int finish_connect(const struct reach *r)
{
	int error = 0;
	socklen_t len = sizeof error;

	if (errno != EINPROGRESS || wait_for(r, POLLOUT) ||
	    getsockopt(r->fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		return ERR_SYS;
	errno = error;
	return error ? ERR_SYS : 0;
}

static int secure(struct reach *r, const char *host, struct tls_context *context)
{
	int rc = tls_new(context, r->fd, host, &r->tls);

	while (!rc && (rc = tls_handshake(r->tls)) == ERR_AGAIN)
		rc = wait_tls(r);
	return rc;
}

int reach_open(struct reach *r, const struct plan_endpoint *to, struct tls_context *context, int timeout_ms)
{
	struct sockaddr_storage address;
	socklen_t len = reach_address(to, &address);
	int rc = 0, error;

	*r = (struct reach){.fd = -1, .timeout_ms = timeout_ms};
	errno = EAFNOSUPPORT;
	if (len)
		r->fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (r->fd == -1)
		return ERR_SYS;
	setsockopt(r->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	if (connect(r->fd, (struct sockaddr *)&address, len) == -1)
		rc = finish_connect(r);
	if (!rc && context)
		rc = secure(r, to->host, context);
	if (rc) {
		error = errno;
		reach_close(r);
		errno = error;
	}
	return rc;
}

void reach_close(struct reach *r)
{
	if (r->tls) {
		tls_close(r->tls);
		tls_free(&r->tls);
	}
	if (r->fd != -1)
		close(r->fd);
	r->fd = -1;
}

/* --- a question --- */

static int send_all(struct reach *r, struct span left)
{
	int rc = 0;

	while (left.len && !rc) {
		ssize_t n = r->tls ? tls_write(r->tls, left.data, left.len)
		                   : send(r->fd, left.data, left.len, MSG_NOSIGNAL);

		if (n > 0) {
			left.data += n;
			left.len -= (size_t)n;
		} else if (r->tls) {
			rc = n == ERR_AGAIN ? wait_tls(r) : (int)n;
		} else {
			rc = errno == EAGAIN ? wait_for(r, POLLOUT) : ERR_SYS;
		}
	}
	return rc;
}

/* Bytes, 0 at the end of the stream, or an error. */
static long receive(struct reach *r, char *to, size_t room)
{
	for (;;) {
		ssize_t n = r->tls ? tls_read(r->tls, to, room) : recv(r->fd, to, room, 0);

		if (n >= 0)
			return n;
		if (r->tls ? n != ERR_AGAIN : errno != EAGAIN)
			return r->tls ? n : ERR_SYS;
		if (r->tls ? wait_tls(r) : wait_for(r, POLLIN))
			return ERR_SYS;
	}
}

static void keep_head(struct reach_answer *a, const struct http_message *m)
{
	a->status = m->status;
	a->keep_alive = m->keep_alive;
	for (size_t i = 0; i < m->field_count; i++) {
		for (size_t k = 0; k < m->fields[i].name.len; k++)
			buf_put(&a->fields, &(char){(char)tolower((unsigned char)m->fields[i].name.data[k])},
			        1);
		buf_puts(&a->fields, ": ");
		buf_span_put(&a->fields, m->fields[i].value);
		buf_puts(&a->fields, "\n");
	}
}

/* 1: the answer is whole; 0: more is needed. */
static int feed(struct h1_parser *parser, struct span in, bool is_head, struct reach_answer *a)
{
	enum h1_event event;

	do {
		struct span data = {0};
		long n = h1_feed(parser, in, &event, &data);

		if (n < 0)
			return (int)n;
		in.data += n;
		in.len -= (size_t)n;
		if (event == H1_HEAD && parser->message.status >= 200)
			keep_head(a, &parser->message);
		if (event == H1_DATA)
			buf_span_put(&a->body, data);
		if (event == H1_DONE && parser->message.status >= 200)
			return in.len ? ERR_PROTO : 1;
		if (event == H1_DONE) {
			h1_next(parser);
			parser->head_request = is_head;
		}
	} while (event != H1_NEED_MORE);
	return 0;
}

void reach_answer_init(struct reach_answer *a)
{
	*a = (struct reach_answer){0};
	buf_init(&a->fields, 1 << 20);
	buf_init(&a->body, REACH_BODY_MAX);
}

void reach_answer_fini(struct reach_answer *a)
{
	buf_fini(&a->fields);
	buf_fini(&a->body);
}

int reach_ask(struct reach *r, struct span request, bool is_head, struct reach_answer *a)
{
	static char head[H1_HEAD_MAX];
	char bytes[16384];
	struct h1_parser parser;
	int rc = send_all(r, request);

	a->status = 0;
	a->keep_alive = false;
	buf_reset(&a->fields);
	buf_reset(&a->body);
	h1_init(&parser, H1_RESPONSE, head, sizeof head);
	parser.head_request = is_head;
	while (!rc) {
		long n = receive(r, bytes, sizeof bytes);

		if (n < 0)
			return (int)n;
		if (n == 0)
			return a->status && h1_eof(&parser) == 0 ? a->body.err : ERR_CLOSED;
		rc = feed(&parser, (struct span){bytes, (size_t)n}, is_head, a);
	}
	if (rc < 0)
		return rc;
	return a->body.err ? a->body.err : a->fields.err;
}

struct span reach_slurp(const char *path, struct buf *out)
{
	FILE *f = path && *path ? fopen(path, "re") : NULL;
	char *room;
	size_t n;

	buf_init(out, SLURP_MAX);
	while (f && (room = buf_room(out, 65536)) && (n = fread(room, 1, 65536, f)) > 0)
		buf_grown(out, n);
	if (f)
		fclose(f);
	return buf_span(out);
}

const char *reach_trust(const char *ca_file, struct tls_context **out, char *room)
{
	const char *file = ca_file ? ca_file : tls_system_ca_file();
	struct tls_client_config config = {.insecure = false};
	char why[TLS_WHY_BYTES] = "";
	struct buf ca;
	int err;

	config.ca_pem = reach_slurp(file, &ca);
	err = tls_client_context(&config, why, sizeof why, out);
	buf_fini(&ca);
	if (!err)
		return NULL;
	snprintf(room, TLS_WHY_BYTES, "%.90s: %.90s", file, why[0] ? why : err_text(err));
	return room;
}
