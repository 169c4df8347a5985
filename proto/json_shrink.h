/*
 * json_shrink.h - the smallest part of a JSON document that still has a property: delta debugging (Zeller,
 * Hildebrandt, IEEE TSE 28(2), 2002) level by level over its structure (Misherghi, Su, ICSE 2006).
 *
 *   {"a": [1, 2, {"b": "a text"}], "c": 4}   members and elements of each container, outermost first, all at
 *   {"a": [{"b": "xt"}]}                     once, by halves, by quarters ...; then characters of strings
 *
 * Whatever is asked about is a JSON document without blanks between tokens; escapes and numbers keep their
 * bytes, keys and the kinds of values stay. Rounds go on until one leaves nothing out. Pure but for the
 * question.
 */
#ifndef PROTO_JSON_SHRINK_H
#define PROTO_JSON_SHRINK_H

#include "proto/json.h"

enum { JSON_SHRINK_NODES_MAX = 1 << 18 };

/* 1: it still has the property; 0: it has not; ERR_*: ask no more. */
typedef int json_shrink_test(void *arg, struct span document);

/* Write the smallest document that was found to *out. 0: nothing in it can be left out alone; ERR_AGAIN: the
 * whole document, asked first, has not the property; the test's error, with what is smallest so far.
 * ERR_PROTO, ERR_LIMIT (too many values), ERR_NOMEM: *out is empty. */
int json_shrink(struct span document, json_shrink_test *, void *arg, struct buf *out) MUST_CHECK;

#endif
