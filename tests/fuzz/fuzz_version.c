/*
 * fuzz_version.c - a hostile answer tells who it is from: what is told is short and made of what names are
 * made of, and the same twice. Input: kind (1 byte), length of the target (1 byte), target, body.
 */
#include <stdint.h>
#include <stdlib.h>

#include "replay/version.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const struct version *v)
{
	size_t n = strnlen(v->text, VERSION_BYTES);

	if (n == VERSION_BYTES)
		abort();
	for (size_t i = 0; i < n; i++)
		if (!strchr("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._:/@-+? ",
		            v->text[i]))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct span calls[] = {SPAN("/inference.GRPCInferenceService/ModelInfer"),
	                             SPAN("/a.PredictionService/Predict")};
	struct version one, two;
	struct answer a = {.status = 200};
	size_t n;

	if (size < 2 || size > 1 << 14)
		return 0;
	n = data[1] < size - 2 ? data[1] : size - 2;
	a.grpc = data[0] & 1;
	a.status = a.grpc ? 0 : 200;
	a.target = a.grpc ? calls[data[0] >> 1 & 1] : (struct span){(const char *)data + 2, n};
	a.body = (struct span){(const char *)data + 2 + n, size - 2 - n};
	a.binary_from = data[0] & 4 ? size / 2 : 0;
	version_answered(&a, SPAN("200\nx-build: 1"), "x-build", data[0] & 8, &one);
	version_answered(&a, SPAN("200\nx-build: 1"), "x-build", data[0] & 8, &two);
	check_text(&one);
	if (strcmp(one.text, two.text))
		abort();
	version_asked(&a, a.body, &one);
	check_text(&one);
	return 0;
}
