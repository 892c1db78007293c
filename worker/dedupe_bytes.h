/* Numbers in the rows of the dedupe helpers: most significant byte first, so that memcmp() and LMDB
 * order them like the numbers. */
#ifndef WI_WORKER_DEDUPE_BYTES_H
#define WI_WORKER_DEDUPE_BYTES_H

#include <stdint.h>

#define WI_U64_BYTES 8

static inline void
wi_put_u64(unsigned char bytes[WI_U64_BYTES], uint64_t number)
{
    for (unsigned i = 0; i < WI_U64_BYTES; i++) {
        bytes[WI_U64_BYTES - 1 - i] = (unsigned char)(number >> (8 * i) & 0xffU);
    }
}

static inline uint64_t
wi_get_u64(const unsigned char bytes[WI_U64_BYTES])
{
    uint64_t number = 0;

    for (unsigned i = 0; i < WI_U64_BYTES; i++) {
        number = number << 8 | bytes[i];
    }
    return number;
}

#endif
