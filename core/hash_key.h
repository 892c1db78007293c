/* Arithmetic of 128-bit hash keys, and ranges of them. */
#ifndef WI_CORE_HASH_KEY_H
#define WI_CORE_HASH_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/types.h>

#define WI_HASH_KEY_MIN ((struct weir_hash_key){0, 0})
#define WI_HASH_KEY_MAX ((struct weir_hash_key){UINT64_MAX, UINT64_MAX})

/* Bytes of a hash key as MD5 writes it. */
#define WI_HASH_KEY_BYTES 16

/* The key whose 16 bytes, most significant first, are an MD5. */
struct weir_hash_key wi_hash_key_from_bytes(const unsigned char bytes[WI_HASH_KEY_BYTES]);

/* Sum and difference modulo 2^128. */
struct weir_hash_key wi_hash_key_add(struct weir_hash_key a, struct weir_hash_key b);
struct weir_hash_key wi_hash_key_sub(struct weir_hash_key a, struct weir_hash_key b);

/* Whether start <= end. */
bool wi_hash_range_is_valid(struct weir_hash_range range);

bool wi_hash_range_contains(struct weir_hash_range range, struct weir_hash_key key);

/* Whether one range begins right after the other ends, in either order; merge needs this. */
bool wi_hash_range_is_adjacent(struct weir_hash_range a, struct weir_hash_range b);

/* First key of the upper half: where an even split cuts. A range of one key cannot be cut; it
 * gives its start. */
struct weir_hash_key wi_hash_range_midpoint(struct weir_hash_range range);

/* Part `index` of `count` parts of all hash keys. They cover everything without hole or overlap,
 * and their sizes differ by at most one. index < count. */
struct weir_hash_range wi_hash_range_even(uint32_t index, uint32_t count);

#endif
