/* Hash keys are MD5, whichever way they are computed. */
#include <openssl/evp.h>
#include <string.h>

#include "core/hash_key.h"
#include "stream/partition_hash.h"
#include "tests/support/weir_test.h"

#define KEY_MAX   200U
#define COUNT_MAX ((size_t)2 * WI_MD5_LANES)

static char text[KEY_MAX + WI_MD5_LANES];

static struct weir_hash_key
expected(const char *key, size_t length)
{
    unsigned char digest[EVP_MAX_MD_SIZE];

    assert_int_equal(EVP_Digest(key, length, digest, NULL, EVP_md5(), NULL), 1);
    return wi_hash_key_from_bytes(digest);
}

/* Every length, and every number of keys in one call, against OpenSSL's one-shot function. */
static void
agrees_with_openssl_for_every_length_and_count(void **state)
{
    EVP_MD *md5 = EVP_MD_fetch(NULL, "MD5", NULL);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    struct weir_hash_key found[COUNT_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = (char)(i * 37 + 11);
    }
    for (size_t count = 1; count <= COUNT_MAX; count++) {
        for (size_t length = 1; length + 3 < KEY_MAX; length++) {
            struct wi_partition_hasher hasher = {.md5 = md5, .context = context};

            for (size_t i = 0; i < count; i++) {
                const struct weir_str key = {text + i % WI_MD5_LANES, length + i % 3};

                assert_int_equal(wi_partition_hash_add(&hasher, key, &found[i]), WEIR_OK);
            }
            assert_int_equal(wi_partition_hash_finish(&hasher), WEIR_OK);
            for (size_t i = 0; i < count; i++) {
                const struct weir_hash_key right =
                    expected(text + i % WI_MD5_LANES, length + i % 3);

                assert_int_equal(weir_hash_key_compare(found[i], right), 0);
            }
        }
    }
    EVP_MD_CTX_free(context);
    EVP_MD_free(md5);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_openssl_for_every_length_and_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
