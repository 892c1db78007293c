/* Sequence numbers: 256-bit unsigned integers, most significant word first. */
#ifndef WI_CORE_SEQUENCE_NUMBER_H
#define WI_CORE_SEQUENCE_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/error.h>
#include <weir/types.h>
#include <weir/version.h>

#define WI_SEQUENCE_NUMBER_ZERO ((struct weir_sequence_number){{0, 0, 0, 0}})
#define WI_SEQUENCE_NUMBER_MAX                                                                     \
    ((struct weir_sequence_number){{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}})

/* Bytes of a sequence number in a file; memcmp() orders them like the numbers. */
#define WI_SEQUENCE_NUMBER_BYTES 32

/* weir_sequence_number_compare() without a call: -1, 0 or 1. */
static inline int
wi_sequence_number_compare(
    const struct weir_sequence_number *a, const struct weir_sequence_number *b)
{
    for (int i = 0; i < 4; i++) {
        if (a->word[i] != b->word[i]) {
            return a->word[i] < b->word[i] ? -1 : 1;
        }
    }
    return 0;
}

static inline bool
wi_sequence_number_is_zero(const struct weir_sequence_number *number)
{
    return (number->word[0] | number->word[1] | number->word[2] | number->word[3]) == 0;
}

struct weir_sequence_number wi_sequence_number_from_u64(uint64_t value);

/* WEIR_ERANGE if the number is 2^64 or more. */
WEIR_MUST_CHECK enum weir_error wi_sequence_number_to_u64(
    const struct weir_sequence_number *number, uint64_t *ret);

/* Add in place. WEIR_ELIMIT, and nothing changes, if the sum is 2^256 or more. */
WEIR_MUST_CHECK enum weir_error wi_sequence_number_add(
    struct weir_sequence_number *number, uint64_t value);

/* Add 1 in place; WEIR_ELIMIT at 2^256 - 1. */
WEIR_MUST_CHECK enum weir_error wi_sequence_number_increment(struct weir_sequence_number *number);

/* Most significant byte first. */
void wi_sequence_number_to_bytes(
    const struct weir_sequence_number *number, unsigned char bytes[WI_SEQUENCE_NUMBER_BYTES]);
struct weir_sequence_number wi_sequence_number_from_bytes(
    const unsigned char bytes[WI_SEQUENCE_NUMBER_BYTES]);

#endif
