/*
 * compare_grpc.c - two gRPC answers: their outcomes, then their messages, one by one in their order.
 *
 * A quarter of the working memory inflates each side's message, a quarter decodes it.
 */
#include "proto/grpc.h"
#include "replay/compare_inside.h"
#include "replay/oip_grpc.h"

enum what { WHAT_BYTES, WHAT_INFER, WHAT_STREAM_INFER };

struct side {
	const struct answer *answer;
	struct span left; /* messages that are still to come */
	bool present;     /* one more came: */
	struct span message;
	struct buf inflated;
};

static enum what what_is_sent(const struct answer *live, uint32_t protocol)
{
	struct span service, method, suffix = SPAN("GRPCInferenceService");

	if ((protocol != PROTOCOL_AUTO && protocol != PROTOCOL_OPENINFERENCE) ||
	    !grpc_call(live->target, &service, &method) || service.len < suffix.len ||
	    !span_eq((struct span){service.data + service.len - suffix.len, suffix.len}, suffix))
		return WHAT_BYTES;
	return span_eq(method, SPAN("ModelInfer"))         ? WHAT_INFER
	       : span_eq(method, SPAN("ModelStreamInfer")) ? WHAT_STREAM_INFER
	                                                   : WHAT_BYTES;
}

static void side_init(struct side *s, const struct answer *answer, size_t work_bytes)
{
	*s = (struct side){.answer = answer, .left = answer->body};
	buf_init(&s->inflated, work_bytes / 4);
}

/* The next message, as it was before compression. An answer that is not gRPC has none. */
static int side_next(struct side *s)
{
	struct grpc_message m;
	long n;
	int err;

	s->present = s->left.len > 0 && grpc_is(s->answer->content_type);
	if (!s->present)
		return 0;
	n = grpc_next(s->left, SIZE_MAX, &m);
	if (n <= 0)
		return ERR_PROTO;
	s->left = (struct span){s->left.data + n, s->left.len - (size_t)n};
	s->message = m.bytes;
	if (!m.compressed)
		return 0;
	buf_reset(&s->inflated);
	err = grpc_inflate(m.bytes, s->answer->encoding, &s->inflated);
	s->message = buf_span(&s->inflated);
	return err == ERR_LIMIT ? ERR_NOMEM : err == ERR_UNSUPPORTED ? ERR_PROTO : err;
}

/* One has sent an error in place of outputs; both: their texts are for people. */
static int compare_failures(struct job *j, bool live, bool candidate)
{
	if (live != candidate) {
		compare_note(j, "error_message of %s alone", live ? "live" : "the candidate");
		j->out->counts[DIVERGENCE_STATUS] = 1;
	}
	return compare_rows_add(j, 1);
}

static int compare_infer(struct job *j, enum what what, const struct side *a, const struct side *b)
{
	struct oip_answer live = {0}, candidate = {0};
	bool same = span_eq(a->message, b->message), live_failed, candidate_failed;
	bool stream = what == WHAT_STREAM_INFER;
	int err = oip_grpc_read(a->message, stream, j->work_bytes / 4, &live, &live_failed);

	candidate_failed = live_failed;
	if (!err && !same)
		err = oip_grpc_read(b->message, stream, j->work_bytes / 4, &candidate, &candidate_failed);
	if (!err && (live_failed || candidate_failed)) {
		err = compare_failures(j, live_failed, candidate_failed);
	} else if (!err) {
		err = compare_rows_add(j, compare_oip_rows(j, &live));
		if (!err)
			err = compare_oip_outputs(j, &live, same ? &live : &candidate);
	}
	oip_fini(&live);
	oip_fini(&candidate);
	return err;
}

/* Only live has it, or its outcome alone is compared: its rows are counted. */
static int count_rows(struct job *j, enum what what, struct span message)
{
	struct oip_answer live = {0};
	size_t rows = 1;
	bool failed;

	if (what != WHAT_BYTES &&
	    !oip_grpc_read(message, what == WHAT_STREAM_INFER, j->work_bytes / 4, &live, &failed) && !failed)
		rows = compare_oip_rows(j, &live);
	oip_fini(&live);
	return compare_rows_add(j, rows);
}

static int compare_message(struct job *j, enum what what, const struct side *a, const struct side *b)
{
	if (a->present && b->present)
		return what == WHAT_BYTES ? compare_spans(j, a->message, b->message)
		                          : compare_infer(j, what, a, b);
	compare_note(j, a->present ? "missing" : "extra");
	j->out->counts[DIVERGENCE_STRUCTURE] = 1;
	return a->present ? count_rows(j, what, a->message) : 0;
}

/* More than one message on either side, or another number than on the other: say which. */
static bool is_stream(struct span body)
{
	struct grpc_message m;
	long n = grpc_next(body, SIZE_MAX, &m);

	return n <= 0 || (size_t)n != body.len;
}

static int compare_messages(struct job *j, enum what what)
{
	struct side a, b;
	int err = 0;

	side_init(&a, j->live, j->work_bytes);
	side_init(&b, j->candidate, j->work_bytes);
	j->stream = is_stream(a.left) || is_stream(b.left);
	for (j->message = 0; !err; j->message++) {
		err = side_next(&a);
		if (!err)
			err = side_next(&b);
		if (err || (!a.present && !b.present))
			break;
		err = compare_message(j, what, &a, &b);
	}
	buf_fini(&a.inflated);
	buf_fini(&b.inflated);
	return err;
}

/* The rows of live as far as they can be read. */
static int compare_outcomes(struct job *j, enum what what)
{
	unsigned live = j->live->status, candidate = j->candidate->status;
	struct side a;
	int err = 0;

	compare_note(j, "grpc-status %u %s -> %u %s", live, grpc_status_name(live), candidate,
	             grpc_status_name(candidate));
	j->out->counts[DIVERGENCE_STATUS] = 1;
	side_init(&a, j->live, j->work_bytes);
	while (!err && !side_next(&a) && a.present)
		err = count_rows(j, what, a.message);
	buf_fini(&a.inflated);
	return err == ERR_LIMIT ? 0 : err;
}

int compare_grpc(struct job *j, uint32_t protocol)
{
	enum what what = what_is_sent(j->live, protocol);
	int err = j->live->status != j->candidate->status ? compare_outcomes(j, what)
	                                                  : compare_messages(j, what);

	j->stream = false;
	if (!err && !j->out->row_count)
		err = compare_rows_add(j, 1);
	return err;
}
