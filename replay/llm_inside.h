/*
 * llm_inside.h - what the readers of each API's documents share (llm.h). Each takes one document, a whole
 * answer or a part of a streamed one, and adds it to the answer.
 */
#ifndef REPLAY_LLM_INSIDE_H
#define REPLAY_LLM_INSIDE_H

#include "proto/json_pick.h"
#include "replay/llm.h"

/* The choice, or the tool call of a choice, made when it is new. NULL: too many. */
struct llm_choice *llm_choice(struct llm_answer *, uint64_t index);
struct llm_tool *llm_tool(struct llm_answer *, uint64_t choice, uint64_t index);
/* Append what a string token says; another value or none adds nothing. */
void llm_append(struct buf *, struct span value);
/* In place of what is there. */
void llm_replace(struct buf *, struct span value);
/* What a string, or each of the parts of a list that has a "text", says. 0, ERR_PROTO. */
int llm_content(struct buf *to, struct span value) MUST_CHECK;
/* Count what a string token says as thought. */
void llm_think(struct llm_answer *, struct span value);
/* Log probabilities behind those that are there; what is past the room is left out. OpenAI's, Ollama's: a
 * list of {token or text, logprob, top_logprobs}; those of completions: {tokens, token_logprobs,
 * top_logprobs}. 0, ERR_PROTO, ERR_LIMIT. */
int llm_logprobs(struct llm_answer *, struct llm_choice *, struct span list) MUST_CHECK;
int llm_logprobs_by_list(struct llm_answer *, struct llm_choice *, struct span lists) MUST_CHECK;
/* One token with what else could have been, which may be empty. */
int llm_logprob(struct llm_answer *, struct llm_choice *, struct span item, struct span top) MUST_CHECK;
/* A hash of what a string token says; 0 of nothing. */
uint64_t llm_hash(struct span value);
/* A whole number, or `otherwise`. */
uint64_t llm_number(struct span value, uint64_t otherwise);
/* An embedding behind those that are there: an array of numbers, or base64 of little-endian floats. 0,
 * ERR_PROTO (also of another width), ERR_LIMIT, ERR_NOMEM. */
int llm_vector(struct llm_answer *, struct span value) MUST_CHECK;

/* 0, ERR_PROTO, ERR_LIMIT, ERR_NOMEM. */
int llm_openai(struct llm_answer *, struct span document) MUST_CHECK;
int llm_anthropic(struct llm_answer *, struct span document) MUST_CHECK;
int llm_ollama(struct llm_answer *, struct span document) MUST_CHECK;
int llm_tgi(struct llm_answer *, struct span document) MUST_CHECK;
/* OpenAI's responses, which llm_openai() hands on. */
int llm_responses(struct llm_answer *, struct span document) MUST_CHECK;
/* By the members "object" and "type" of a document. */
bool llm_is_response(struct span object, struct span type);

#endif
