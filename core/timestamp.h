/* Wall time as text: RFC 3339 and epoch seconds. Proleptic Gregorian calendar, no time zone of the
 * host, no locale. */
#ifndef WI_CORE_TIMESTAMP_H
#define WI_CORE_TIMESTAMP_H

#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>
#include <weir/types.h>
#include <weir/version.h>

/* Room for any timestamp as text and its final zero. */
#define WI_TIMESTAMP_SIZE 32

/* Longest text that is read; longer is WEIR_EINVAL. */
#define WI_TIMESTAMP_LENGTH_MAX 64

/* Read RFC 3339 ("2024-02-29T12:00:00.5+01:00"; 't', 'z' and a space instead of 'T' are accepted,
 * second 60 is the start of the next minute) or epoch seconds ("1700000000", "-1.5"). What is finer
 * than a millisecond is rounded down, so that no record is skipped. WEIR_EINVAL for anything else.
 */
WEIR_MUST_CHECK enum weir_error wi_timestamp_parse(struct weir_str text, int64_t *ret_ms);

/* "2024-02-29T11:00:00.500Z"; outside the years 0 to 9999 epoch seconds. Returns the length. */
size_t wi_timestamp_format(int64_t ms, char text[WI_TIMESTAMP_SIZE]);

#endif
