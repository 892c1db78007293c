/* Bytes of the rows of the dedupe helpers. Numbers stand with the most significant byte first, so
 * that memcmp() and LMDB order them like the numbers. */
#ifndef WI_WORKER_DEDUPE_BYTES_H
#define WI_WORKER_DEDUPE_BYTES_H

#include <lmdb.h>
#include <stddef.h>
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

/* Bytes that LMDB only reads, in the type that it wants. */
static inline MDB_val
wi_mdb_val(const void *data, size_t size)
{
    union {
        const void *given;
        void *wanted;
    } pointer = {.given = data};

    return (MDB_val){size, pointer.wanted};
}

#endif
