#include "replay/llm.h"

#include <openssl/evp.h>
#include <stddef.h>
#include <stdlib.h>

#include "proto/sse.h"
#include "replay/llm_inside.h"

/* Beside what grows with the body: buffers start at 256 bytes. */
enum { FIXED_BYTES = (3 * LLM_CHOICES_MAX + 2 * LLM_TOOLS_MAX) * 256 };
/* Texts in doubled buffers, the joined data of an event, and where pieces ended. */
enum { BYTES_PER_BYTE = 5 };

struct llm_choice *llm_choice(struct llm_answer *a, uint64_t index)
{
	if (index >= LLM_CHOICES_MAX)
		return NULL;
	while (a->choice_count <= index) {
		a->choices[a->choice_count].refused = false;
		buf_init(&a->choices[a->choice_count].text, a->limit_bytes);
		buf_init(&a->choices[a->choice_count].tokens, SIZE_MAX / 2);
		buf_init(&a->choices[a->choice_count++].finish, a->limit_bytes);
	}
	return &a->choices[index];
}

struct llm_tool *llm_tool(struct llm_answer *a, uint64_t choice, uint64_t index)
{
	struct llm_tool *t;

	for (unsigned i = 0; i < a->tool_count; i++)
		if (a->tools[i].choice == choice && a->tools[i].index == index)
			return &a->tools[i];
	if (a->tool_count == LLM_TOOLS_MAX)
		return NULL;
	t = &a->tools[a->tool_count++];
	t->choice = choice;
	t->index = index;
	t->id = 0;
	buf_init(&t->name, a->limit_bytes);
	buf_init(&t->arguments, a->limit_bytes);
	return t;
}

void llm_append(struct buf *to, struct span value)
{
	if (value.len && value.data[0] == '"')
		json_unescape(value, to);
}

void llm_replace(struct buf *to, struct span value)
{
	if (value.len <= 2)
		return;
	buf_consume(to, buf_len(to));
	llm_append(to, value);
}

uint64_t llm_number(struct span value, uint64_t otherwise)
{
	uint64_t n = 0;

	for (size_t i = 0; i < value.len; i++) {
		if (value.data[i] < '0' || value.data[i] > '9' || n > UINT64_MAX / 10 - 1)
			return otherwise;
		n = n * 10 + (uint64_t)(value.data[i] - '0');
	}
	return value.len ? n : otherwise;
}

/* Room for one element more than `count`. */
static int grow(struct llm_answer *a, size_t count)
{
	size_t room = a->room ? 2 * a->room : 16;
	double *more;

	if (count < a->room)
		return 0;
	if (count >= OIP_ELEMENTS_MAX)
		return ERR_LIMIT;
	more = room > a->room_max ? NULL : realloc(a->embedding, room * sizeof *more);
	if (!more)
		return ERR_NOMEM;
	a->embedding = more;
	a->room = room;
	return 0;
}

static int add_element(struct llm_answer *a, size_t *width, double value)
{
	size_t count = a->vectors * a->width + *width;
	int err = grow(a, count);

	if (err)
		return err;
	a->embedding[count] = value;
	++*width;
	return 0;
}

static int read_numbers(struct llm_answer *a, struct span array, size_t *width)
{
	struct json_elements e;
	struct span text;
	double value;
	int err;

	json_elements_init(&e, array, JSON_NONFINITE);
	while ((err = json_elements_next(&e, &text)) > 0) {
		err = json_double(text, &value);
		if (!err)
			err = add_element(a, width, value);
		if (err)
			break;
	}
	return err;
}

static int read_base64(struct llm_answer *a, struct span value, size_t *width)
{
	unsigned char bytes[3];
	unsigned have = 0;
	uint32_t word = 0;
	float number;

	value = (struct span){value.data + 1, value.len - 2};
	if (value.len % 4)
		return ERR_PROTO;
	for (size_t i = 0; i < value.len; i += 4) {
		int n = EVP_DecodeBlock(bytes, (const unsigned char *)value.data + i, 4);
		int err = n == 3 ? 0 : ERR_PROTO;

		n -= (value.data[i + 2] == '=') + (value.data[i + 3] == '=');
		for (int k = 0; k < n && !err; k++) {
			word |= (uint32_t)bytes[k] << 8 * have++;
			if (have < 4)
				continue;
			memcpy(&number, &word, sizeof number);
			err = add_element(a, width, (double)number);
			word = have = 0;
		}
		if (err)
			return err;
	}
	return have ? ERR_PROTO : 0;
}

int llm_vector(struct llm_answer *a, struct span value)
{
	size_t width = 0;
	int err = value.len > 1 && value.data[0] == '"' ? read_base64(a, value, &width)
	                                                : read_numbers(a, value, &width);

	if (err)
		return err;
	if (!width || (a->vectors && width != a->width))
		return ERR_PROTO;
	a->width = width;
	a->vectors++;
	a->told = true;
	return 0;
}

static int add_document(enum llm_api api, struct llm_answer *a, struct span document)
{
	switch (api) {
	case LLM_ANTHROPIC:
		return llm_anthropic(a, document);
	case LLM_OLLAMA:
		return llm_ollama(a, document);
	case LLM_TGI:
		return llm_tgi(a, document);
	default:
		return llm_openai(a, document);
	}
}

/* What has come so far: it grows with each piece. */
static size_t brought(const struct llm_answer *a)
{
	size_t sum = a->thought;

	for (unsigned i = 0; i < a->choice_count; i++)
		sum += buf_len(&a->choices[i].text);
	for (unsigned i = 0; i < a->tool_count; i++)
		sum += buf_len(&a->tools[i].name) + buf_len(&a->tools[i].arguments);
	return sum;
}

/* The document that ends there; what is past LLM_PIECES_MAX is left out. */
static int add_piece(enum llm_api api, struct llm_answer *a, struct span document, size_t end)
{
	size_t before = brought(a);
	int err = add_document(api, a, document);

	if (!err && brought(a) > before && buf_len(&a->pieces) < a->pieces.limit_bytes)
		buf_put(&a->pieces, &end, sizeof end);
	return err;
}

const size_t *llm_pieces(const struct llm_answer *a, size_t *count_out)
{
	*count_out = buf_len(&a->pieces) / sizeof(size_t);
	return (const size_t *)(const void *)buf_span(&a->pieces).data;
}

/* Events whose data is no JSON are marks, as "[DONE]" is, or errors in plain text. */
static int read_events(enum llm_api api, struct span body, struct llm_answer *a)
{
	struct sse_reader r;
	struct sse_event e;
	int err;

	sse_init(&r, body, a->limit_bytes);
	while ((err = sse_next(&r, &e)) > 0) {
		if (span_eq(e.name, SPAN("error")))
			a->failed = true;
		if (span_starts(e.data, SPAN("[DONE]")) || (e.data.data[0] != '{' && a->failed))
			continue;
		err = add_piece(api, a, e.data, body.len - r.left.len);
		if (err)
			break;
	}
	sse_fini(&r);
	return err;
}

static int read_documents(enum llm_api api, struct span body, struct llm_answer *a)
{
	struct span document, left = body;
	int err;

	while ((err = json_document_next(&left, JSON_NONFINITE, &document)) > 0) {
		err = add_piece(api, a, document, body.len - left.len);
		if (err)
			return err;
	}
	return err;
}

/* A JSON body has the wrong content-type often enough; no event stream begins with a brace. */
static bool is_events(struct span body)
{
	size_t i = 0;

	while (i < body.len && strchr(" \t\r\n", body.data[i]))
		i++;
	return i < body.len && body.data[i] != '{' && body.data[i] != '[';
}

static int sticky_error(const struct llm_answer *a)
{
	int err = 0;

	for (unsigned i = 0; i < a->choice_count && !err; i++)
		err = a->choices[i].text.err     ? a->choices[i].text.err
		      : a->choices[i].finish.err ? a->choices[i].finish.err
		                                 : a->choices[i].tokens.err;
	if (!err)
		err = a->pieces.err;
	for (unsigned i = 0; i < a->tool_count && !err; i++)
		err = a->tools[i].name.err ? a->tools[i].name.err : a->tools[i].arguments.err;
	return err;
}

/* Reasons to end that say so: of Anthropic and of OpenAI. */
static void note_refusals(struct llm_answer *a)
{
	for (unsigned i = 0; i < a->choice_count; i++) {
		struct span finish = buf_span(&a->choices[i].finish);

		if (span_eq(finish, SPAN("refusal")) || span_eq(finish, SPAN("content_filter")))
			a->choices[i].refused = true;
	}
}

int llm_read(enum llm_api api, struct span body, size_t work_bytes, struct llm_answer *out)
{
	int err;

	memset(out, 0, offsetof(struct llm_answer, choices));
	out->limit_bytes = body.len;
	if (work_bytes < FIXED_BYTES || (work_bytes - FIXED_BYTES) / BYTES_PER_BYTE < body.len)
		return ERR_NOMEM;
	buf_init(&out->pieces, LLM_PIECES_MAX * sizeof(size_t));
	out->room_max = (work_bytes - FIXED_BYTES - BYTES_PER_BYTE * body.len) / sizeof(double);
	out->token_room =
	        out->room_max * sizeof(double) / (2 * sizeof(struct llm_token)); /* buffers double */
	err = is_events(body) ? read_events(api, body, out) : read_documents(api, body, out);
	if (!err)
		err = sticky_error(out);
	note_refusals(out);
	return !err && !out->told && !out->failed ? ERR_PROTO : err;
}

void llm_fini(struct llm_answer *a)
{
	for (unsigned i = 0; i < a->choice_count; i++) {
		buf_fini(&a->choices[i].text);
		buf_fini(&a->choices[i].finish);
		buf_fini(&a->choices[i].tokens);
	}
	for (unsigned i = 0; i < a->tool_count; i++) {
		buf_fini(&a->tools[i].name);
		buf_fini(&a->tools[i].arguments);
	}
	buf_fini(&a->pieces);
	free(a->embedding);
	a->embedding = NULL;
	a->choice_count = a->tool_count = 0;
}

static bool ends(struct span path, struct span with)
{
	return path.len >= with.len &&
	       span_eq((struct span){path.data + path.len - with.len, with.len}, with);
}

static enum llm_api api_of_path(struct span target)
{
	static const struct {
		const char *path;
		enum llm_api api;
	} known[] = {{"/chat/completions", LLM_OPENAI}, {"/completions", LLM_OPENAI},
	             {"/embeddings", LLM_OPENAI},       {"/v1/messages", LLM_ANTHROPIC},
	             {"/api/chat", LLM_OLLAMA},         {"/api/generate", LLM_OLLAMA},
	             {"/api/embed", LLM_OLLAMA},        {"/api/embeddings", LLM_OLLAMA},
	             {"/v1/responses", LLM_OPENAI},     {"/generate", LLM_TGI},
	             {"/generate_stream", LLM_TGI}};
	const char *query = memchr(target.data ? target.data : "", '?', target.len);
	size_t best = 0;
	enum llm_api api = LLM_APIS;

	if (query)
		target.len = (size_t)(query - target.data);
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strlen(known[i].path) > best && ends(target, span_of(known[i].path))) {
			best = strlen(known[i].path);
			api = known[i].api;
		}
	return api;
}

static enum llm_api api_of_document(struct span document)
{
	static const char *const names[] = {"object", "choices",  "type",  "content",        "message",
	                                    "done",   "response", "model", "generated_text", "token"};
	struct span m[10], object, type;

	if (document.data[0] == '[') {
		struct json_elements e;

		json_elements_init(&e, document, JSON_NONFINITE);
		if (json_elements_next(&e, &document) <= 0)
			return LLM_APIS;
		return json_pick(document, JSON_NONFINITE, names + 8, 1, m) || !m[0].len ? LLM_APIS : LLM_TGI;
	}
	if (json_pick(document, JSON_NONFINITE, names, 10, m))
		return LLM_APIS;
	object = m[0];
	type = m[2];
	if (m[1].len && (json_string_eq(object, SPAN("chat.completion")) ||
	                 json_string_eq(object, SPAN("chat.completion.chunk")) ||
	                 json_string_eq(object, SPAN("text_completion"))))
		return LLM_OPENAI;
	if (llm_is_response(object, type))
		return LLM_OPENAI;
	if ((m[3].len && json_string_eq(type, SPAN("message"))) ||
	    (m[4].len && json_string_eq(type, SPAN("message_start"))))
		return LLM_ANTHROPIC;
	if (m[7].len && m[5].len && (m[4].len || m[6].len) && (m[5].data[0] == 't' || m[5].data[0] == 'f'))
		return LLM_OLLAMA;
	return m[8].len || (m[9].len && m[9].data[0] == '{') ? LLM_TGI : LLM_APIS;
}

enum llm_api llm_api_of(struct span target, struct span body)
{
	enum llm_api api = api_of_path(target);
	struct span document;
	struct sse_reader r;
	struct sse_event e;

	if (api != LLM_APIS)
		return api;
	if (!is_events(body))
		return json_document_next(&body, JSON_NONFINITE, &document) > 0 ? api_of_document(document)
		                                                                : LLM_APIS;
	sse_init(&r, body, body.len);
	if (sse_next(&r, &e) > 0)
		api = api_of_document(e.data);
	sse_fini(&r);
	return api;
}
