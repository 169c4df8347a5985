/*
 * batch.h - OpenAI batch files (Batch API): a request a line to be sent later, an answer a line that came of
 * it. Pure.
 *
 *   {"custom_id": "a", "method": "POST", "url": "/v1/...", "body": {}}                 read by lines.h
 *   {"custom_id": "a", "response": {"status_code": 200, "body": {}}, "error": null}    in any order
 */
#ifndef CAPTURE_BATCH_H
#define CAPTURE_BATCH_H

#include "proto/base/buf.h"

struct batch_answer {
	struct span id;   /* custom_id, a string token with quotes */
	unsigned status;  /* of HTTP; 0: there was no answer */
	struct span body; /* JSON; empty: none */
};

/* Read a line of an output file. 0, ERR_PROTO (it is none); spans are of the line. */
int batch_answer(struct span line, struct batch_answer *out) MUST_CHECK;
/* Add a line of an input file. 0; ERR_PROTO: the body is no JSON object, or method or target (whose query
 * goes too) could not stand in one, and nothing is added; the buffer's error. */
int batch_request(struct span id, struct span method, struct span target, struct span body,
                  struct buf *out) MUST_CHECK;

#endif
