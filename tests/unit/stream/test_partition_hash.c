/* Hash keys are MD5: the values of RFC 1321, A.5, as big-endian numbers. */
#include <openssl/evp.h>
#include <string.h>

#include "stream/partition_hash.h"
#include "tests/support/weir_test.h"

static void
gives_the_values_of_the_rfc(void **state)
{
    static const struct {
        const char *key;
        struct weir_hash_key right;
    } rows[] = {
        {"a", {0x0cc175b9c0f1b6a8, 0x31c399e269772661}},
        {"message digest", {0xf96b697d7cb7938d, 0x525a2f31aaf161d0}},
        {"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
         {0x57edf4a22be3c955, 0xac49da2e2107b67a}},
    };
    EVP_MD *md5 = EVP_MD_fetch(NULL, "MD5", NULL);
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct weir_str key = {rows[i].key, strlen(rows[i].key)};
        struct weir_hash_key found = {0, 0};

        assert_int_equal(wi_partition_hash(md5, context, key, &found), WEIR_OK);
        assert_int_equal(weir_hash_key_compare(found, rows[i].right), 0);
    }
    EVP_MD_CTX_free(context);
    EVP_MD_free(md5);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_values_of_the_rfc),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
