/* Hash keys of partition keys: their MD5, by OpenSSL. The dearest part of a small put: see
 * docs/adr/0007-md5-is-openssls.md before making it faster. */
#ifndef WI_STREAM_PARTITION_HASH_H
#define WI_STREAM_PARTITION_HASH_H

#include <openssl/evp.h>

#include <weir/error.h>
#include <weir/types.h>

/* OpenSSL's MD5; release it with EVP_MD_free(). NULL without memory, or if it is not there. */
EVP_MD *wi_md5_fetch(void);

/* `md5` is fetched once (an implicit fetch costs three times the hash); `context` is used by one
 * thread at a time. WEIR_EINTERNAL if OpenSSL fails. */
enum weir_error wi_partition_hash(
    const EVP_MD *md5, EVP_MD_CTX *context, struct weir_str key, struct weir_hash_key *ret);

#endif
