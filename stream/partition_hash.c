#include "stream/partition_hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/types.h>
#include <stddef.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/hash_key.h"

EVP_MD *
wi_md5_fetch(void)
{
    /* Without memory for its context OpenSSL 3.0 goes on with one that has no lock, and crashes. */
    return OSSL_LIB_CTX_get0_global_default() == NULL ? NULL : EVP_MD_fetch(NULL, "MD5", NULL);
}

enum weir_error
wi_partition_hash(
    const EVP_MD *md5, EVP_MD_CTX *context, struct weir_str key, struct weir_hash_key *ret)
{
    unsigned char digest[EVP_MAX_MD_SIZE];

    if (EVP_DigestInit_ex2(context, md5, NULL) != 1 ||
        EVP_DigestUpdate(context, key.data, key.length) != 1 ||
        EVP_DigestFinal_ex(context, digest, NULL) != 1) {
        return WEIR_EINTERNAL;
    }
    *ret = wi_hash_key_from_bytes(digest);
    return WEIR_OK;
}
