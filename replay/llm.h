/*
 * llm.h - the answer of a language model, whole or streamed, as one value. Pure: no I/O.
 *
 * An answer is a sequence of JSON documents: one; or the events of an event stream; or, of Ollama, one behind
 * the other. Each is folded into the same value, so that a streamed answer equals the whole one. Sources:
 * OpenAI API reference (chat completions, completions and their streamed chunks, embeddings, responses and
 * their events), Anthropic Messages API reference (messages, streaming), Ollama docs/api.md (generate, chat,
 * embed, embeddings), Text Generation Inference and Triton (generate, generate_stream).
 * Ids, times, model names and fingerprints are skipped (version.h reads the last two); of what a model
 * thought before it answered only that it came is kept.
 */
#ifndef REPLAY_LLM_H
#define REPLAY_LLM_H

#include "proto/base/buf.h"
#include "replay/oip.h"

enum { LLM_CHOICES_MAX = 64, LLM_TOOLS_MAX = 64, LLM_PIECES_MAX = 1 << 16 };

enum llm_api { LLM_OPENAI, LLM_ANTHROPIC, LLM_OLLAMA, LLM_TGI, LLM_APIS };

/* A token that was chosen, and `top` more of these behind it: what else could have been, as far as it is
 * told. */
struct llm_token {
	uint64_t token; /* a hash of its text */
	double logprob; /* natural */
	uint32_t top;
};

struct llm_choice {
	struct buf text, finish; /* UTF-8; finish: the reason, empty when none was given */
	struct buf tokens;       /* struct llm_token; none where no log probabilities came */
	bool refused;            /* it says that it will not, or was kept from it */
};

struct llm_tool {
	uint64_t choice, index;     /* its place in the choice */
	struct buf name, arguments; /* arguments: JSON text, mostly */
	uint64_t id;                /* private: a hash of what it is called; 0: not told */
};

struct llm_answer {
	bool failed; /* an error came, in place of the answer or behind part of it: */
	bool told;   /* anything that the API knows came */
	unsigned choice_count, tool_count;
	uint64_t tokens_in, tokens_out; /* usage, 0 when not told */
	size_t vectors, width;
	double *embedding; /* `vectors` rows of `width`; NULL: none */
	uint64_t thought;  /* bytes of reasoning that came */
	struct buf
	        pieces; /* private: size_t; ends of the documents that brought text, arguments or thought */
	size_t token_room;                  /* private: elements that log probabilities may still take */
	size_t room, room_max, limit_bytes; /* private: elements there is, may be room for; of each buffer */
	/* those there are: */
	struct llm_choice choices[LLM_CHOICES_MAX]; /* by index */
	struct llm_tool tools[LLM_TOOLS_MAX];       /* as they came */
};

/* 0; ERR_PROTO (not of that API, or not JSON), ERR_LIMIT (choices, tools, elements, depth), ERR_NOMEM (also
 * when it may take more than work_bytes). Nothing of the body is borrowed. llm_fini() in every case. */
int llm_read(enum llm_api, struct span body, size_t work_bytes, struct llm_answer *out) MUST_CHECK;
void llm_fini(struct llm_answer *);
/* Where in the body each document of a streamed answer ended that brought text or arguments, the first
 * LLM_PIECES_MAX of them. */
const size_t *llm_pieces(const struct llm_answer *, size_t *count_out);
/* Whose answer this is: by the path of its request, else by what its first document holds; LLM_APIS: nobody's
 * that is known. */
enum llm_api llm_api_of(struct span target, struct span body);

#endif
