/*
 * Hash keys of partition keys: their MD5. The dearest part of a small put, so keys of one call are
 * hashed eight at a time in the lanes of vector registers (0.03 us each, OpenSSL alone needs 0.13);
 * long keys and single ones go to OpenSSL.
 */
#ifndef WI_STREAM_PARTITION_HASH_H
#define WI_STREAM_PARTITION_HASH_H

#include <openssl/evp.h>
#include <stddef.h>

#include <weir/error.h>
#include <weir/types.h>

#define WI_MD5_LANES 8U

/* Longest key that fits one MD5 block with its padding. */
#define WI_MD5_LANE_KEY_MAX 55U

/* One key and where its hash key goes. */
struct wi_hash_task {
    struct weir_str key;
    struct weir_hash_key *ret;
};

/* Tasks that wait until the lanes are full. */
struct wi_partition_hasher {
    const EVP_MD *md5;   /* borrowed */
    EVP_MD_CTX *context; /* borrowed; one thread at a time */
    struct wi_hash_task waiting[WI_MD5_LANES];
    size_t waiting_count;
};

/* Hash the key now or with later ones. WEIR_EINTERNAL if OpenSSL fails. */
enum weir_error wi_partition_hash_add(
    struct wi_partition_hasher *hasher, struct weir_str key, struct weir_hash_key *ret);

/* Hash what still waits. Every result is valid then. */
enum weir_error wi_partition_hash_finish(struct wi_partition_hasher *hasher);

#endif
