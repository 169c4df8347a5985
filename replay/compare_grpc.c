/*
 * compare_grpc.c - two gRPC answers: their outcomes, then their messages, one by one in their order.
 *
 * A quarter of the working memory inflates each side's message, a quarter decodes it.
 */
#include "proto/grpc.h"
#include "replay/compare_inside.h"
#include "replay/oip_grpc.h"
#include "replay/tfs_grpc.h"

enum what { WHAT_BYTES, WHAT_INFER, WHAT_STREAM_INFER, WHAT_PREDICT, WHAT_CLASSIFY, WHAT_REGRESS };

static const struct {
	const char *service, *method; /* the service's name ends so */
	enum what what;
	uint32_t protocol;
} calls[] = {
        {"GRPCInferenceService", "ModelInfer", WHAT_INFER, PROTOCOL_OPENINFERENCE},
        {"GRPCInferenceService", "ModelStreamInfer", WHAT_STREAM_INFER, PROTOCOL_OPENINFERENCE},
        {"PredictionService", "Predict", WHAT_PREDICT, PROTOCOL_TFSERVING},
        {"PredictionService", "Classify", WHAT_CLASSIFY, PROTOCOL_TFSERVING},
        {"PredictionService", "Regress", WHAT_REGRESS, PROTOCOL_TFSERVING},
};

struct side {
	const struct answer *answer;
	struct span left; /* messages that are still to come */
	bool present;     /* one more came: */
	struct span message;
	struct buf inflated;
	enum oip_grpc_form form; /* of a stream's messages */
};

static enum what what_is_sent(const struct answer *live, uint32_t protocol, uint32_t *read_as)
{
	struct span service, method;

	*read_as = PROTOCOL_BYTES;
	if (!grpc_call(live->target, &service, &method))
		return WHAT_BYTES;
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		struct span suffix = span_of(calls[i].service);

		if ((protocol != PROTOCOL_AUTO && protocol != calls[i].protocol) ||
		    service.len < suffix.len || !span_eq(method, span_of(calls[i].method)) ||
		    !span_eq((struct span){service.data + service.len - suffix.len, suffix.len}, suffix))
			continue;
		*read_as = calls[i].protocol;
		return calls[i].what;
	}
	return WHAT_BYTES;
}

static void side_init(struct side *s, const struct answer *answer, enum what what, size_t work_bytes)
{
	*s = (struct side){.answer = answer,
	                   .left = answer->body,
	                   .form = what == WHAT_STREAM_INFER ? OIP_GRPC_EITHER : OIP_GRPC_BARE};
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

/* The form of all its messages: that of the first which tells. */
static void side_tell_form(struct side *s)
{
	struct span left = s->left;

	while (s->form == OIP_GRPC_EITHER && !side_next(s) && s->present)
		s->form = oip_grpc_form_of(s->message);
	s->left = left;
}

static int read_message(const struct job *j, enum what what, const struct side *s, struct oip_answer *out,
                        bool *failed_out)
{
	*failed_out = false;
	if (what >= WHAT_PREDICT)
		return tfs_grpc_read(s->message, (enum tfs_call)(what - WHAT_PREDICT), j->work_bytes / 4,
		                     out);
	return oip_grpc_read(s->message, s->form, j->work_bytes / 4, out, failed_out);
}

static int compare_infer(struct job *j, enum what what, const struct side *a, const struct side *b)
{
	struct oip_answer live = {0}, candidate = {0};
	bool same = span_eq(a->message, b->message) && a->form == b->form, live_failed, candidate_failed;
	int err = read_message(j, what, a, &live, &live_failed);

	candidate_failed = live_failed;
	if (!err && !same)
		err = read_message(j, what, b, &candidate, &candidate_failed);
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
static int count_rows(struct job *j, enum what what, const struct side *s)
{
	struct oip_answer live = {0};
	size_t rows = 1;
	bool failed;

	if (what != WHAT_BYTES && !read_message(j, what, s, &live, &failed) && !failed)
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
	return a->present ? count_rows(j, what, a) : 0;
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

	side_init(&a, j->live, what, j->work_bytes);
	side_init(&b, j->candidate, what, j->work_bytes);
	side_tell_form(&a);
	side_tell_form(&b);
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
	side_init(&a, j->live, what, j->work_bytes);
	side_tell_form(&a);
	while (!err && !side_next(&a) && a.present)
		err = count_rows(j, what, &a);
	buf_fini(&a.inflated);
	return err == ERR_LIMIT ? 0 : err;
}

int compare_grpc(struct job *j, uint32_t protocol)
{
	enum what what = what_is_sent(j->live, protocol, &j->out->read_as);
	int err = j->live->status != j->candidate->status ? compare_outcomes(j, what)
	                                                  : compare_messages(j, what);

	j->stream = false;
	if (!err && !j->out->row_count)
		err = compare_rows_add(j, 1);
	return err;
}
