/*
 * CBOR (RFC 8949) read item by item, without a tree and without an allocation: libcbor's streaming
 * decoder, asked for one item at a time. Strings are views into the answer. Pure.
 *
 * The bytes are what some server sent: nothing in them is believed, no length and no depth.
 */
#ifndef WI_AWS_CBOR_READER_H
#define WI_AWS_CBOR_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/types.h>

/* Depth of values within values that are skipped. */
#define WI_CBOR_DEPTH_MAX 32U

enum wi_cbor_kind {
    WI_CBOR_UNSIGNED,
    WI_CBOR_NEGATIVE,
    WI_CBOR_FLOAT,
    WI_CBOR_BYTES,
    WI_CBOR_TEXT,
    WI_CBOR_ARRAY,
    WI_CBOR_MAP,
    WI_CBOR_TAG,
    WI_CBOR_BOOLEAN,
    WI_CBOR_NULL, /* undefined as well */
    WI_CBOR_BREAK
};

/* One item, or the head of an array or map; a tag stands before its item as one of its own. */
struct wi_cbor_token {
    enum wi_cbor_kind kind;
    bool is_indefinite; /* array, map: a break ends it; strings are put together already */
    uint64_t number;    /* value; NEGATIVE: -1 - value; items of an array, pairs of a map; tag */
    double real;
    struct weir_str text; /* of BYTES and TEXT, which is not checked to be UTF-8 */
};

/* A place in the bytes; `p` never passes `end`. */
struct wi_cbor_reader {
    char *begin;
    char *p;
    char *end;
    const char *wrong; /* the first thing that was, static; NULL: nothing */
};

/* What is left of an array or map. */
struct wi_cbor_items {
    uint64_t left; /* items, or pairs */
    bool is_indefinite;
};

/* The bytes change where a string comes in pieces: it is moved together. */
void wi_cbor_init(struct wi_cbor_reader *reader, char *bytes, size_t length);

/* A map begins like this, and no JSON does. */
bool wi_cbor_is_map(struct weir_str bytes);

/* All of the following: false, and `wrong` is set, if what comes is something else. */

bool wi_cbor_next(struct wi_cbor_reader *reader, struct wi_cbor_token *ret);
bool wi_cbor_take_text(struct wi_cbor_reader *reader, struct weir_str *ret);
/* `kind` is ARRAY or MAP. */
bool wi_cbor_enter(
    struct wi_cbor_reader *reader, enum wi_cbor_kind kind, struct wi_cbor_items *ret);
/* Whether an item or pair follows; if not, the end has been taken, or `wrong` is set. */
bool wi_cbor_more(struct wi_cbor_reader *reader, struct wi_cbor_items *items);
/* Take a null, if one comes: false, and nothing is wrong, if not. */
bool wi_cbor_take_null(struct wi_cbor_reader *reader);
/* Whether a text comes next; nothing is taken. */
bool wi_cbor_next_is_text(const struct wi_cbor_reader *reader);
/* A value that nobody needs, with all that is in it. */
bool wi_cbor_skip(struct wi_cbor_reader *reader);

/* Note what is wrong, unless something was before; false. */
bool wi_cbor_fail(struct wi_cbor_reader *reader, const char *wrong);

#endif
