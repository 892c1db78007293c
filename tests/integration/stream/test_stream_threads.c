/* One handle, many threads: puts share commits, splits run among them, every put is kept. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/stream.h>

#include "tests/support/test_dir.h"
#include "tests/support/weir_test.h"

#define THREADS 6U
#define PUTS    60U

static struct test_dir dir;
static struct weir_stream *stream;

static void
given_stream(enum weir_durability durability)
{
    const struct weir_stream_create_options create = WEIR_STREAM_CREATE_OPTIONS_INIT;
    struct weir_stream_options options = WEIR_STREAM_OPTIONS_INIT;
    struct weir_detail detail;

    test_dir_make(&dir);
    options.durability = durability;
    assert_int_equal(
        weir_stream_create(weir_env_default(), dir.path, "s", &create, &detail), WEIR_OK);
    assert_int_equal(
        weir_stream_open(weir_env_default(), dir.path, "s", &options, &stream, &detail), WEIR_OK);
}

/* Put records of one key; returns how many were refused. */
static void *
put_some(void *context)
{
    const unsigned thread = *(const unsigned *)context;
    uintptr_t refused = 0;
    struct weir_detail detail;
    char key[16];

    const size_t key_size = (size_t)snprintf(key, sizeof key, "key %u", thread);
    for (unsigned i = 0; i < PUTS; i++) {
        const struct weir_put_entry entry = {
            .partition_key = {key, key_size}, .data = {&i, sizeof i}};
        struct weir_put_result result = {.error = WEIR_OK};

        refused += weir_stream_put(stream, &entry, 1, &result, &detail) != WEIR_OK ||
                   result.error != WEIR_OK;
        if (thread == 0 && i % 10 == 5) {
            refused += weir_stream_scale(stream, 1 + i % 7, &detail) != WEIR_OK;
        }
    }
    return (void *)refused; /* NOLINT(performance-no-int-to-ptr) */
}

/* Records of one shard; the numbers of each key must grow by one within and across shards. */
static unsigned
read_shard(const char *id, struct weir_batch *batch, unsigned next[THREADS])
{
    const struct weir_position from = {.type = WEIR_TRIM_HORIZON};
    struct weir_get_result result;

    assert_int_equal(
        weir_stream_get(
            stream,
            &(struct weir_get_request){.shard_id = (struct weir_str){id, strlen(id)},
                                       .from = from,
                                       .records_max = 10000,
                                       .bytes_max = 1U << 30},
            batch,
            &result),
        WEIR_OK);
    for (size_t i = 0; i < weir_batch_count(batch); i++) {
        const struct weir_record *record = &weir_batch_records(batch)[i];
        const unsigned thread = (unsigned)(record->partition_key.data[4] - '0');
        unsigned number = 0;

        memcpy(&number, record->data.data, sizeof number);
        assert_true(thread < THREADS);
        assert_int_equal(number, next[thread]);
        next[thread]++;
    }
    return (unsigned)weir_batch_count(batch);
}

static void
threads_share_one_handle(void **state)
{
    pthread_t threads[THREADS];
    unsigned numbers[THREADS];
    unsigned next[THREADS] = {0};
    unsigned total = 0;
    struct weir_stream_description description;
    struct weir_batch *batch = NULL;
    struct weir_detail detail;
    void *refused = NULL;
    (void)state;
    given_stream(WEIR_DURABILITY_FULL);

    for (unsigned i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, put_some, &numbers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], &refused), 0);
        assert_null(refused);
    }
    assert_int_equal(weir_batch_new(weir_env_default(), &batch), WEIR_OK);
    assert_int_equal(weir_stream_describe(stream, &description, &detail), WEIR_OK);
    for (size_t i = 0; i < description.shard_count; i++) {
        total += read_shard(description.shards[i].shard_id, batch, next);
    }
    assert_int_equal(total, THREADS * PUTS);
    weir_stream_description_free(stream, &description);
    weir_batch_free(batch);
    weir_stream_close(stream);
    test_dir_remove(&dir);
}

static void *
create_and_delete(void *context)
{
    const struct weir_stream_create_options create = WEIR_STREAM_CREATE_OPTIONS_INIT;
    struct weir_detail detail;
    intptr_t *balance = context;

    for (unsigned i = 0; i < 10; i++) {
        enum weir_error error =
            weir_stream_create(weir_env_default(), dir.path, "t", &create, &detail);

        *balance += error == WEIR_OK ? 1 : 0;
        *balance += error != WEIR_OK && error != WEIR_EEXISTS ? 1000 : 0;
        error = weir_stream_delete(weir_env_default(), dir.path, "t", &detail);
        *balance -= error == WEIR_OK ? 1 : 0;
        *balance += error != WEIR_OK && error != WEIR_ENOTFOUND ? 1000 : 0;
    }
    return NULL;
}

/* Each successful delete belongs to one successful create, whoever made it. */
static void
creates_and_deletes_of_one_name_do_not_mix_up(void **state)
{
    pthread_t threads[THREADS];
    intptr_t balances[THREADS] = {0};
    struct weir_detail detail;
    intptr_t sum = 0;
    (void)state;
    given_stream(WEIR_DURABILITY_NONE);

    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, create_and_delete, &balances[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        sum += balances[i];
    }
    sum -= weir_stream_delete(weir_env_default(), dir.path, "t", &detail) == WEIR_OK ? 1 : 0;
    assert_int_equal(sum, 0);
    weir_stream_close(stream);
    test_dir_remove(&dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_share_one_handle),
        cmocka_unit_test(creates_and_deletes_of_one_name_do_not_mix_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
