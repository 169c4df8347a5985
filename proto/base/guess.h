/*
 * guess.h - what a wrong name may have meant, out of the names that are known. Pure.
 */
#ifndef PROTO_BASE_GUESS_H
#define PROTO_BASE_GUESS_H

#include <stddef.h>

enum { GUESS_HINT_BYTES = 256 };

struct guess { /* begins zeroed */
	const char *name;
	size_t distance;
	char all[200];
};

/* One of the known names; it must live as long as the guess. */
void guess_add(struct guess *, const char *wrong, const char *name);
/* "did you mean 'x'?" when something is near, else the whole list. */
void guess_hint(const struct guess *, const char *wrong, char out[GUESS_HINT_BYTES]);

#endif
