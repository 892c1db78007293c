/* Durations and sizes as people write them: "10s", "64MiB". */
#ifndef WI_CORE_QUANTITY_H
#define WI_CORE_QUANTITY_H

#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>
#include <weir/types.h>
#include <weir/version.h>

/* Room for a formatted quantity and its final zero. */
#define WI_QUANTITY_SIZE 32

/* Read digits and one of ms, s, m, h, d; no unit means milliseconds. WEIR_EINVAL for anything
 * else, signs included, and for values above INT64_MAX milliseconds. */
WEIR_MUST_CHECK enum weir_error wi_duration_parse(struct weir_str text, int64_t *ret_ms);

/* Read digits and one of B, KiB, MiB, GiB, TiB; no unit means bytes. Errors as above. */
WEIR_MUST_CHECK enum weir_error wi_size_parse(struct weir_str text, int64_t *ret_bytes);

/* The shortest exact form that the functions above read: 90000 is "90s", 86400000 is "1d", 0 is
 * "0ms" and "0B". Values are not negative. Returns the length. */
size_t wi_duration_format(int64_t ms, char text[WI_QUANTITY_SIZE]);
size_t wi_size_format(int64_t bytes, char text[WI_QUANTITY_SIZE]);

#endif
