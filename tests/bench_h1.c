/*
 * bench_h1.c - what one head costs: parsed, and written anew for the next hop. Prints ns of CPU per
 * message, the best of several rounds; the figures mean something only beside each other.
 */
#include <stdio.h>
#include <time.h>

#include "proto/h1.h"

enum { ROUNDS = 7, MESSAGES = 100 * 1000 };

static const char request_text[] = "POST /v2/models/digits/versions/3/infer?trace=1 HTTP/1.1\r\n"
                                   "Host: inference.example.net:8080\r\n"
                                   "User-Agent: python-requests/2.31.0\r\n"
                                   "Accept-Encoding: gzip, deflate\r\n"
                                   "Accept: application/json\r\n"
                                   "Connection: keep-alive\r\n"
                                   "Content-Type: application/json\r\n"
                                   "X-Request-Id: 9f1c3c0e-7e1f-4b6f-9a43-0d5f6f9c2f11\r\n"
                                   "Content-Length: 0\r\n\r\n";

static const char response_head[] = "HTTP/1.1 200 OK\r\n"
                                    "Date: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
                                    "Server: uvicorn\r\n"
                                    "Content-Type: application/json\r\n"
                                    "Content-Length: 1024\r\n\r\n";

static char storage[H1_HEAD_MAX], response_text[sizeof(response_head) + 1024];

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void write_head(struct buf *out, const struct http_message *m, enum h1_kind kind)
{
	buf_reset(out);
	if (kind == H1_REQUEST)
		h1_write_request(out, m->method, m->target, m->host);
	else
		h1_write_status(out, m->status);
	h1_write_forward(out, m);
	h1_write_end(out, m->framing, m->content_length);
}

/* One message in pieces of `step` bytes; -1 when it is not accepted. */
static int one_message(struct h1_parser *p, struct span in, size_t step, struct buf *out)
{
	enum h1_event event = H1_NEED_MORE;
	struct span body, piece = {in.data, 0};

	while (event != H1_DONE) {
		if (piece.len == 0) {
			piece.len = in.len < step ? in.len : step;
			in.data += piece.len;
			in.len -= piece.len;
		}
		long n = h1_feed(p, piece, &event, &body);
		if (n < 0 || (event == H1_NEED_MORE && in.len == 0))
			return -1;
		if (event == H1_HEAD && out != NULL)
			write_head(out, &p->message, p->kind);
		piece.data += n;
		piece.len -= (size_t)n;
	}
	h1_next(p);
	return 0;
}

static int measure(const char *what, enum h1_kind kind, struct span in, size_t step, struct buf *out)
{
	static struct h1_parser p;
	double best = 1e18;

	h1_init(&p, kind, storage, sizeof(storage));
	for (int round = 0; round < ROUNDS; round++) {
		double start = now_ns();

		for (int i = 0; i < MESSAGES; i++)
			if (one_message(&p, in, step, out) < 0)
				return 1;
		double each = (now_ns() - start) / MESSAGES;
		best = each < best ? each : best;
	}
	printf("%-44s %7.0f ns\n", what, best);
	return out != NULL && out->err != 0;
}

int main(void)
{
	struct span request = span_of(request_text),
	            response = {response_text, sizeof(response_head) - 1 + 1024};
	struct buf out;
	int r = 0;

	memcpy(response_text, response_head, sizeof(response_head) - 1);
	memset(response_text + sizeof(response_head) - 1, 'x', 1024);
	buf_init(&out, 1 << 20);
	printf("request of %zu bytes, 8 fields; response of %zu bytes\n", request.len, response.len);
	r |= measure("request parsed", H1_REQUEST, request, request.len, NULL);
	r |= measure("request parsed in two pieces", H1_REQUEST, request, request.len / 2, NULL);
	r |= measure("request parsed and written", H1_REQUEST, request, request.len, &out);
	r |= measure("response parsed", H1_RESPONSE, response, response.len, NULL);
	r |= measure("response parsed and its head written", H1_RESPONSE, response, response.len, &out);
	buf_fini(&out);
	return r;
}
