/*
 * compare_llm.c - two answers of a language model: each choice is a row, of embeddings each vector.
 *
 * A third of the working memory reads each side, a third measures.
 */
#include <math.h>

#include "proto/json_pick.h"
#include "replay/compare_inside.h"
#include "replay/llm.h"
#include "replay/text.h"

static const uint32_t protocols[LLM_APIS] = {[LLM_OPENAI] = PROTOCOL_OPENAI,
                                             [LLM_ANTHROPIC] = PROTOCOL_ANTHROPIC,
                                             [LLM_OLLAMA] = PROTOCOL_OLLAMA,
                                             [LLM_TGI] = PROTOCOL_TGI};

uint32_t compare_llm_protocol(enum llm_api api)
{
	return protocols[api];
}

enum llm_api compare_llm_api(uint32_t protocol)
{
	enum llm_api api = 0;

	while (api + 1 < LLM_APIS && protocols[api] != protocol)
		api++;
	return api;
}

static void row_differs(struct job *j, size_t at, enum divergence class)
{
	j->rows[at].diverged = true;
	j->out->counts[class]++;
}

static void compare_text(struct job *j, size_t at, struct span a, struct span b)
{
	size_t same = 0;

	if (span_eq(a, b))
		return;
	while (same < a.len && same < b.len && a.data[same] == b.data[same])
		same++;
	compare_note(j, "choice %zu: text differs from byte %zu", at, same);
	row_differs(j, at, DIVERGENCE_ANSWER_TEXT);
}

/* What is past the bounds of a measure is not measured: NaN. */
static int bounded(int err, double *value)
{
	if (err)
		*value = NAN;
	return err == ERR_LIMIT ? 0 : err;
}

static int measure_text(struct job *j, size_t at, struct span a, struct span b)
{
	struct row *row = &j->rows[at];
	size_t room = j->work_bytes / 3;
	int err;

	row->has_text = span_eq(a, b);
	if (row->has_text) {
		row->edit_distance = 0;
		row->token_f1 = row->rouge_l = row->chrf = row->same_start = row->length_ratio = 1;
		return 0;
	}
	err = bounded(text_edit_distance(a, b, room, &row->edit_distance), &row->edit_distance);

	if (!err)
		err = text_token_f1(a, b, room, &row->token_f1);
	if (!err)
		err = bounded(text_rouge_l(a, b, room, &row->rouge_l), &row->rouge_l);
	if (!err)
		err = bounded(text_chrf(a, b, room, &row->chrf), &row->chrf);
	row->same_start = text_same_start(a, b);
	row->length_ratio = text_length_ratio(a, b);
	row->has_text = !err;
	return err;
}

/* --- the final answer in a text --- */

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct span trim(struct span s)
{
	while (s.len && blank(s.data[0]))
		s = (struct span){s.data + 1, s.len - 1};
	while (s.len && blank(s.data[s.len - 1]))
		s.len--;
	return s;
}

/* What follows `mark` on the last line that begins with it; data NULL: there is none. */
static struct span final_answer(struct span text, struct span mark)
{
	struct span answer = {NULL, 0};

	while (text.len) {
		const char *end = memchr(text.data, '\n', text.len);
		struct span line = {text.data, end ? (size_t)(end - text.data) : text.len};

		if (span_starts(line, mark))
			answer = trim((struct span){line.data + mark.len, line.len - mark.len});
		text = (struct span){text.data + line.len + !!end, text.len - line.len - !!end};
	}
	return answer;
}

/* "1,000" is 1000. */
static bool same_without_commas(struct span a, struct span b)
{
	size_t i = 0, k = 0;

	for (;; i++, k++) {
		while (i < a.len && a.data[i] == ',')
			i++;
		while (k < b.len && b.data[k] == ',')
			k++;
		if (i == a.len || k == b.len)
			return i == a.len && k == b.len;
		if (a.data[i] != b.data[k])
			return false;
	}
}

static void compare_final_answers(struct job *j, size_t at, struct span a, struct span b, struct span mark)
{
	struct span one = final_answer(a, mark), other = final_answer(b, mark);

	if (!one.data == !other.data && same_without_commas(one, other))
		return;
	compare_note(j, "choice %zu: final answer %s", at,
	             !one.data     ? "extra"
	             : !other.data ? "missing"
	                           : "differs");
	row_differs(j, at, DIVERGENCE_ANSWER_FLIP);
}

/* --- structure --- */

static bool is_json(struct span text)
{
	struct span left = text, document;

	return json_document_next(&left, 0, &document) == 1 && json_document_next(&left, 0, &document) == 0;
}

static void compare_structure(struct job *j, size_t at, const struct llm_choice *a,
                              const struct llm_choice *b)
{
	struct span one = buf_span(&a->text), other = buf_span(&b->text);

	if (a->refused != b->refused) {
		compare_note(j, "choice %zu: %s refuses", at, a->refused ? "live" : "the candidate");
		row_differs(j, at, DIVERGENCE_REFUSAL);
	}
	if (!span_eq(one, other) && is_json(one) && !is_json(other)) {
		compare_note(j, "choice %zu: no JSON any more", at);
		row_differs(j, at, DIVERGENCE_JSON_BROKEN);
	}
}

/* --- log probabilities --- */

static const double MOST_BITS = 1;

/* The element of `of` and those behind it that has that token; NULL: none has. */
static const struct llm_token *same_token(const struct llm_token *of, uint64_t token)
{
	for (uint32_t i = 1; i <= of->top; i++)
		if (of[i].token == token)
			return &of[i];
	return of->token == token ? of : NULL;
}

/* KL of the tokens that both tell, each side's probabilities made to add up to 1 over them; NaN: fewer than
 * two. A token that is told twice, as chosen and among the others, counts once. */
static double divergence_at(const struct llm_token *a, const struct llm_token *b)
{
	double p = 0, q = 0, sum = 0;
	unsigned shared = 0;

	for (uint32_t i = 0; i <= a->top; i++) {
		const struct llm_token *other = same_token(b, a[i].token);

		if (!other || (i == 0 && a->top && same_token(a, a->token) != a))
			continue;
		shared++;
		p += exp(a[i].logprob);
		q += exp(other->logprob);
		sum += exp(a[i].logprob) * (a[i].logprob - other->logprob);
	}
	if (shared < 2 || !(p > 0) || !(q > 0) || !isfinite(sum))
		return NAN;
	return fmax(0, (sum / p - log(p / q)) / log(2));
}

/* Up to the first token that differs, and there too: what was said before is the same on both sides. */
static void measure_logprobs(struct row *row, const struct llm_choice *live,
                             const struct llm_choice *candidate)
{
	const struct llm_token *a = (const void *)buf_span(&live->tokens).data;
	const struct llm_token *b = (const void *)buf_span(&candidate->tokens).data;
	size_t n = buf_len(&live->tokens) / sizeof *a, m = buf_len(&candidate->tokens) / sizeof *b,
	       positions = 0;
	double sum = 0;
	bool same = true;

	for (size_t i = 0, k = 0; same && i < n && k < m; i += 1 + a[i].top, k += 1 + b[k].top) {
		double bits = divergence_at(&a[i], &b[k]);

		same = a[i].token == b[k].token;
		if (isnan(bits))
			continue;
		sum += bits;
		positions++;
	}
	row->has_logprobs = positions > 0;
	if (positions)
		row->logprob_kl = fmin(MOST_BITS, sum / (double)positions);
}

/* --- tool calls --- */

/* The n-th call of a choice, in the order they came; NULL: it has fewer. */
static const struct llm_tool *tool_of(const struct llm_answer *a, size_t choice, size_t n)
{
	for (unsigned i = 0; i < a->tool_count; i++)
		if (a->tools[i].choice == choice && n-- == 0)
			return &a->tools[i];
	return NULL;
}

/* Nothing stands for no arguments. */
static struct span arguments_of(const struct llm_tool *t)
{
	return buf_len(&t->arguments) ? buf_span(&t->arguments) : SPAN("{}");
}

/* 1 when they mean the same, 0, or ERR_NOMEM. What is no JSON is compared as bytes. */
static int same_tool(struct job *j, const struct llm_tool *a, const struct llm_tool *b)
{
	struct jsondiff_rules rules = j->rules;
	struct jsondiff diff;
	int err;

	if (!a || !b || !span_eq(buf_span(&a->name), buf_span(&b->name)))
		return 0;
	if (span_eq(arguments_of(a), arguments_of(b)))
		return 1;
	rules.ignore = j->declared;
	err = jsondiff_by(arguments_of(a), arguments_of(b), &rules, j->work_bytes / 3, &diff);
	if (err)
		return err == ERR_NOMEM ? err : 0;
	return !(diff.missing || diff.extra || diff.type || diff.value || diff.order);
}

static int compare_tools(struct job *j, size_t at, const struct llm_answer *live,
                         const struct llm_answer *candidate)
{
	const struct llm_tool *a, *b;
	int same;

	for (size_t n = 0;; n++) {
		a = tool_of(live, at, n);
		b = tool_of(candidate, at, n);
		if (!a && !b)
			return 0;
		same = same_tool(j, a, b);
		if (same < 0)
			return same;
		if (same)
			continue;
		compare_note(j, "choice %zu: tool call %zu %s", at, n,
		             !b   ? "missing"
		             : !a ? "extra"
		                  : "differs");
		row_differs(j, at, DIVERGENCE_TOOL_CALLS);
		return 0;
	}
}

static int compare_choice(struct job *j, size_t at, const struct llm_answer *live,
                          const struct llm_answer *candidate)
{
	const struct llm_choice *a = &live->choices[at], *b = &candidate->choices[at];
	int err;

	if (!span_eq(buf_span(&a->finish), buf_span(&b->finish))) {
		compare_note(j, "choice %zu: finish reason differs", at);
		row_differs(j, at, DIVERGENCE_FINISH_REASON);
	}
	err = compare_tools(j, at, live, candidate);
	if (err)
		return err;
	compare_structure(j, at, a, b);
	compare_content(j, at, buf_span(&a->text), buf_span(&b->text));
	measure_logprobs(&j->rows[at], a, b);
	err = compare_schema(j, at, buf_span(&a->text), buf_span(&b->text));
	if (err)
		return err;
	if (j->route->answer_after[0])
		compare_final_answers(j, at, buf_span(&a->text), buf_span(&b->text),
		                      span_of(j->route->answer_after));
	else
		compare_text(j, at, buf_span(&a->text), buf_span(&b->text));
	return measure_text(j, at, buf_span(&a->text), buf_span(&b->text));
}

static int compare_choices(struct job *j, const struct llm_answer *live, const struct llm_answer *candidate)
{
	size_t both =
	        live->choice_count < candidate->choice_count ? live->choice_count : candidate->choice_count;
	int err = 0;

	if (live->choice_count != candidate->choice_count) {
		compare_note(j, "choices: %u -> %u", live->choice_count, candidate->choice_count);
		j->out->counts[DIVERGENCE_STRUCTURE] = 1;
	}
	for (size_t at = 0; at < both && !err; at++)
		err = compare_choice(j, at, live, candidate);
	return err;
}

/* A tensor of float values, a row each. */
static struct oip_answer as_tensor(const struct llm_answer *a)
{
	return (struct oip_answer){.count = 1,
	                           .plain = true,
	                           .tensors = {{.name = SPAN("embedding"),
	                                        .datatype = SPAN("FP32"),
	                                        .rank = 2,
	                                        .shape = {a->vectors, a->width},
	                                        .count = a->vectors * a->width,
	                                        .values = a->embedding}}};
}

static int compare_embeddings(struct job *j, const struct llm_answer *live,
                              const struct llm_answer *candidate)
{
	struct oip_answer a = as_tensor(live), b = as_tensor(candidate);

	j->embedding = true;
	return compare_oip_outputs(j, &a, &b);
}

static size_t rows_of(const struct llm_answer *a)
{
	size_t rows = a->embedding ? a->vectors : a->choice_count;

	return rows ? rows : 1;
}

static int compare_answers(struct job *j, const struct llm_answer *live, const struct llm_answer *candidate)
{
	int err = compare_rows_add(j, rows_of(live));

	if (err)
		return err;
	if (live->failed != candidate->failed) {
		compare_note(j, "an error in the answer of %s alone",
		             live->failed ? "live" : "the candidate");
		j->out->counts[DIVERGENCE_STATUS] = 1;
		return 0;
	}
	if (live->failed)
		return 0;
	if (live->embedding && candidate->embedding)
		return compare_embeddings(j, live, candidate);
	if (!live->embedding && !candidate->embedding)
		return compare_choices(j, live, candidate);
	compare_note(j, "an embedding from %s alone", live->embedding ? "live" : "the candidate");
	j->out->counts[DIVERGENCE_STRUCTURE] = 1;
	return 0;
}

static void tell_pace(const struct answer *from, const struct llm_answer *read, struct pace *out)
{
	size_t count;
	const size_t *ends = llm_pieces(read, &count);

	pace_of_pieces(&from->pace, ends, count, read->tokens_out, out);
}

int compare_llm(struct job *j, enum llm_api api)
{
	struct llm_answer live, candidate;
	bool both = false, same = span_eq(j->live->body, j->candidate->body);
	int err = llm_read(api, j->live->body, j->work_bytes / 3, &live);

	if (!err && !same) {
		both = true;
		err = llm_read(api, j->candidate->body, j->work_bytes / 3, &candidate);
	}
	if (!err)
		err = compare_answers(j, &live, same ? &live : &candidate);
	if (!err) {
		tell_pace(j->live, &live, &j->out->live_pace);
		tell_pace(j->candidate, same ? &live : &candidate, &j->out->candidate_pace);
	}
	llm_fini(&live);
	if (both)
		llm_fini(&candidate);
	return err;
}
