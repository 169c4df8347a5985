/*
 * version.h - which model was asked for, and which version of it answered: read from every place that tells.
 * Pure: no I/O, no allocation.
 *
 *   asked      /v2/models/NAME, /v1/models/NAME in the path; the gRPC request; $.model of the request
 *   body       model, model_name, model_version, modelVersion, model_spec, model_digest, system_fingerprint,
 * at the top of the first document or event that has one, or in its "message" or "response"; of gRPC
 *              ModelInferResponse.model_name and model_version, PredictResponse.model_spec
 *   header     those of the table in version.c, and the one that the route names
 *   URL        .../versions/V, .../labels/L: what was asked for, of a side whose path is not rewritten
 *
 * Sources: Open Inference Protocol v2, TensorFlow Serving's RESTful and gRPC APIs, OpenAI's, Anthropic's,
 * Ollama's and Gemini's API references, Amazon SageMaker's and Azure ML's invocation headers.
 */
#ifndef REPLAY_VERSION_H
#define REPLAY_VERSION_H

#include "capture/plan.h"
#include "replay/compare.h"

enum { VERSION_BYTES = 96 };

/* Letters, digits and "._:/@-+" of what the sources tell, "?" for others, a blank between them, cut to
 * length; empty: nobody tells. */
struct version {
	char text[VERSION_BYTES];
};

/* The model that a request asks for. */
void version_asked(const struct answer *, struct span request_body, struct version *out);
/* Of a pair: what was asked for, and who answered. */
enum { VERSION_LIVE, VERSION_CANDIDATE, VERSION_BASELINE, VERSION_SIDES };
struct versions {
	struct version asked, sides[VERSION_SIDES];
};

/* What the answer says, and the URL unless it was rewritten. An error tells nothing. */
void version_answered(const struct answer *, struct span response_head, const char *header, bool rewritten,
                      struct version *out);

#endif
