/* Views of text, and a buffer that grows. */
#ifndef WI_CORE_STR_H
#define WI_CORE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>
#include <weir/version.h>

/* View of a string literal. */
#define WI_STR(literal) ((struct weir_str){"" literal, sizeof(literal) - 1})

/* View of zero-terminated text; NULL gives the empty view. */
struct weir_str wi_str(const char *text);

/* Same length and same bytes. */
bool wi_str_equal(struct weir_str a, struct weir_str b);
bool wi_str_equal_z(struct weir_str a, const char *b);
bool wi_str_starts_with(struct weir_str text, struct weir_str prefix);

/* -1, 0 or 1 by unsigned bytes; a prefix is below the longer text. */
int wi_str_compare(struct weir_str a, struct weir_str b);

/* Split at the first `at`: false, and nothing written, if there is none. */
bool wi_str_cut(
    struct weir_str text, char at, struct weir_str *ret_head, struct weir_str *ret_tail);

/* Copy and terminate; false if the text was cut because `size` (at least 1) is too small. */
bool wi_str_copy(char *to, size_t size, struct weir_str from);

/* A zero-terminated copy in memory of `env`; NULL if there is none left. */
char *wi_str_dup(const struct weir_env *env, struct weir_str text);

/* Decimal digits only (the signed form: one '-' may lead). WEIR_EINVAL for anything else, for
 * empty text and for values that do not fit. */
WEIR_MUST_CHECK enum weir_error wi_str_to_u64(struct weir_str text, uint64_t *ret);
WEIR_MUST_CHECK enum weir_error wi_str_to_i64(struct weir_str text, int64_t *ret);

/* For hash tables in memory. The value may change between versions: never store it. */
uint64_t wi_str_hash(struct weir_str text);

/* Most bytes in a buffer; more counts as a failed allocation. */
#define WI_BUFFER_LENGTH_MAX ((size_t)1 << 30)

/* Text or bytes that grow. A failed allocation is remembered: append at will, then look at the
 * outcome once with wi_buffer_error(). After a failure nothing more is appended. */
struct wi_buffer {
    const struct weir_env *env;
    char *data; /* `length` bytes and a zero; NULL while nothing was appended */
    size_t length;
    size_t capacity;
    bool failed;
};

/* An empty buffer without memory. */
void wi_buffer_init(struct wi_buffer *buffer, const struct weir_env *env);

/* Free the memory; the buffer is as after wi_buffer_init(). */
void wi_buffer_free(struct wi_buffer *buffer);

/* Empty the buffer and forget a failure; the memory is kept for the next use. */
void wi_buffer_reset(struct wi_buffer *buffer);

/* Room for `length` more bytes at once, where somebody knows how many will come. */
void wi_buffer_reserve(struct wi_buffer *buffer, size_t length);

void wi_buffer_append(struct wi_buffer *buffer, const void *data, size_t length);
void wi_buffer_append_z(struct wi_buffer *buffer, const char *text);
void wi_buffer_append_str(struct wi_buffer *buffer, struct weir_str text);
void wi_buffer_printf(struct wi_buffer *buffer, const char *format, ...) WEIR_PRINTF(2, 3);

/* WEIR_ENOMEM if something could not be appended since the last reset. */
WEIR_MUST_CHECK enum weir_error wi_buffer_error(const struct wi_buffer *buffer);

/* The content with a final zero; never NULL. Valid until the buffer changes. */
const char *wi_buffer_text(const struct wi_buffer *buffer);

/* The content as a view. Valid until the buffer changes. */
struct weir_str wi_buffer_str(const struct wi_buffer *buffer);

#endif
