/* Contract of streams: handles are shared by threads, and several handles are open at once. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "stream/stream_source.h"
#include "tests/contract/stream/stream_fixture.h"
#include "tests/support/weir_test.h"

#define THREADS      4U
#define PUTS         30U
#define PUT_TRIES    100
#define READS_MAX    2000
#define WAIT_MS      60000
#define SHARED_COUNT 60U

static void
pause_ms(int64_t ms)
{
    const struct timespec time = {ms / 1000, (long)(ms % 1000) * 1000000};

    (void)nanosleep(&time, NULL);
}

/* --- putting --- */

struct putter {
    pthread_t thread;
    struct weir_stream *stream;
    char key;
    atomic_uint put; /* so many records */
    bool failed;
};

static bool
put_one(struct putter *p, const char *text, size_t length)
{
    const struct weir_put_entry entry = {.partition_key = {&p->key, 1}, .data = {text, length}};
    struct weir_put_result result = {.error = WEIR_ETHROTTLED};
    struct weir_detail detail;

    for (int i = 0; i < PUT_TRIES && result.error == WEIR_ETHROTTLED; i++) {
        if (weir_stream_put(p->stream, &entry, 1, &result, &detail) != WEIR_OK) {
            return false;
        }
        pause_ms(result.error == WEIR_ETHROTTLED ? 10 : 0);
    }
    return result.error == WEIR_OK;
}

/* Records "0", "1", ... of one key, one after the other. */
static void *
put_key(void *context)
{
    struct putter *p = context;
    char text[8];

    for (unsigned i = 0; i < PUTS && !p->failed; i++) {
        const int length = snprintf(text, sizeof text, "%u", i);

        p->failed = !put_one(p, text, (size_t)length);
        atomic_fetch_add(&p->put, 1);
    }
    return NULL;
}

/* Half of the threads use the one handle, half the other. */
static void
start_putters(struct stream_fixture *f, struct putter putters[THREADS])
{
    fixture_open_second(f);
    for (unsigned i = 0; i < THREADS; i++) {
        putters[i].stream = i % 2 == 0 ? f->stream : f->second;
        putters[i].key = (char)('a' + i);
        atomic_init(&putters[i].put, 0);
        putters[i].failed = false;
        assert_int_equal(pthread_create(&putters[i].thread, NULL, put_key, &putters[i]), 0);
    }
}

static void
join_putters(struct stream_fixture *f, struct putter putters[THREADS])
{
    for (unsigned i = 0; i < THREADS; i++) {
        (void)pthread_join(putters[i].thread, NULL);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_false(putters[i].failed);
    }
    fixture_needs_single_puts(f);
}

/* The records that were read go on where those of their keys have ended. */
static void
check_order(const struct read_record *records, size_t count, unsigned next[THREADS])
{
    char expected[8];

    for (size_t i = 0; i < count; i++) {
        const unsigned key = (unsigned)(records[i].key[0] - 'a');

        assert_true(key < THREADS);
        (void)snprintf(expected, sizeof expected, "%u", next[key]++);
        assert_string_equal(records[i].text, expected);
    }
}

static void
records_of_several_threads_come_once_and_in_order(void **state)
{
    struct stream_fixture *f = *state;
    struct putter putters[THREADS];
    unsigned next[THREADS] = {0};

    given_shards(f, 1);
    start_putters(f, putters);
    join_putters(f, putters);
    read_records(f, shard_id(0), at_horizon(), (size_t)THREADS * PUTS);
    check_order(f->records, f->count, next);
}

/* A reader that follows the tip while records come skips none. */
static void
a_reader_keeps_up_with_the_tip(void **state)
{
    struct stream_fixture *f = *state;
    struct weir_position from = at_horizon();
    struct putter putters[THREADS];
    struct weir_sequence_number last = {{0}};
    unsigned count = 0;
    bool grows = true;

    given_shards(f, 1);
    start_putters(f, putters);
    for (int i = 0; i < READS_MAX && count < THREADS * PUTS; i++) {
        if (get(f, shard_id(0), from, 7) != WEIR_OK) {
            break;
        }
        for (size_t k = 0; k < weir_batch_count(f->batch); k++) {
            const struct weir_record *record = &weir_batch_records(f->batch)[k];

            grows &= weir_sequence_number_compare(&last, &record->sequence_number) < 0;
            last = record->sequence_number;
        }
        count += (unsigned)weir_batch_count(f->batch);
        from = f->result.next;
        pause_ms(weir_batch_count(f->batch) == 0 ? 1 + f->result.retry_after_ms : 0);
    }
    join_putters(f, putters);
    assert_int_equal(count, THREADS * PUTS);
    assert_true(grows);
}

/* Read one batch more; the position moves on. */
static size_t
read_more(
    struct stream_fixture *f,
    struct weir_str shard,
    struct weir_position *from,
    unsigned next[THREADS])
{
    f->count = 0;
    assert_int_equal(get(f, shard, *from, WEIR_GET_RECORDS_MAX), WEIR_OK);
    keep_batch(f);
    check_order(f->records, f->count, next);
    *from = f->result.next;
    return f->count;
}

/* The order of a key holds from a closed shard to its children. */
static void
a_split_among_puts_loses_nothing(void **state)
{
    struct stream_fixture *f = *state;
    struct weir_position from[3] = {at_horizon(), at_horizon(), at_horizon()};
    struct putter putters[THREADS];
    unsigned next[THREADS] = {0};
    enum weir_error error;
    size_t total = 0;

    given_shards(f, 1);
    start_putters(f, putters);
    while (atomic_load(&putters[0].put) < PUTS / 3) {
        pause_ms(1);
    }
    error = weir_stream_split(f->second, shard_id(0), NULL, &f->detail);
    join_putters(f, putters);
    assert_int_equal(error, WEIR_OK);

    for (int i = 0; i < READS_MAX && !f->result.at_shard_end; i++) {
        total += read_more(f, shard_id(0), &from[2], next);
    }
    assert_true(f->result.at_shard_end);
    assert_in_range(total, PUTS / 3, (size_t)THREADS * PUTS);
    for (int i = 0; i < READS_MAX && total < (size_t)THREADS * PUTS; i++) {
        total += read_more(f, child_of(f, shard_id(0), (size_t)i % 2), &from[i % 2], next);
    }
    assert_int_equal(total, (size_t)THREADS * PUTS);
}

/* --- reading --- */

struct reader {
    pthread_t thread;
    struct weir_stream *stream;
    const struct weir_env *env;
    size_t records_max;
    size_t count;
    bool in_order;
};

static void
check_batch(struct reader *r, const struct weir_batch *batch)
{
    char expected[8];

    for (size_t i = 0; i < weir_batch_count(batch); i++) {
        const struct weir_record *record = &weir_batch_records(batch)[i];
        const int length = snprintf(expected, sizeof expected, "%zu", r->count);

        r->in_order &= record->data.length == (size_t)length &&
                       memcmp(record->data.data, expected, (size_t)length) == 0;
        r->count++;
    }
}

/* Read SHARED_COUNT records "0", "1", ... of shard 0. */
static void *
read_shard(void *context)
{
    struct reader *r = context;
    struct weir_get_request request = {
        .shard_id = {"shardId-000000000000", 20},
        .from = {.type = WEIR_TRIM_HORIZON},
        .records_max = r->records_max,
        .bytes_max = FIXTURE_BYTES_MAX};
    struct weir_get_result result = {.retry_after_ms = 0};
    struct weir_batch *batch = NULL;
    enum weir_error error = weir_batch_new(r->env, &batch);

    for (int i = 0; i < READS_MAX && error == WEIR_OK && r->count < SHARED_COUNT; i++) {
        error = weir_stream_get(r->stream, &request, batch, &result);
        if (error == WEIR_OK) {
            check_batch(r, batch);
            request.from = result.next;
        }
        if (error == WEIR_ETHROTTLED) {
            error = WEIR_OK;
            pause_ms(result.retry_after_ms);
        }
    }
    r->in_order &= error == WEIR_OK;
    weir_batch_free(batch);
    return NULL;
}

static void
threads_read_one_shard_each_for_itself(void **state)
{
    struct stream_fixture *f = *state;
    struct reader readers[THREADS];

    given_shards(f, 1);
    put_many(f, "k", SHARED_COUNT);
    for (unsigned i = 0; i < THREADS; i++) {
        readers[i] = (struct reader){.stream = f->stream,
                                     .env = &f->test.env,
                                     .records_max = 5 + (size_t)i * 4,
                                     .in_order = true};
        assert_int_equal(pthread_create(&readers[i].thread, NULL, read_shard, &readers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        (void)pthread_join(readers[i].thread, NULL);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_true(readers[i].in_order);
        assert_int_equal(readers[i].count, SHARED_COUNT);
    }
}

/* --- waiting --- */

struct waiter {
    struct weir_stream *stream;
    uint32_t word;
    atomic_bool done;
};

static void *
wait_long(void *context)
{
    struct waiter *w = context;

    (void)wi_stream_wait_word(w->stream, w->word, WAIT_MS);
    atomic_store(&w->done, true);
    return NULL;
}

/* A worker that ends does not wait for its threads to come back by themselves. */
static void
a_wait_can_be_interrupted(void **state)
{
    struct stream_fixture *f = *state;
    struct waiter waiter;
    struct timespec begin;
    struct timespec end;
    pthread_t thread;

    given_shards(f, 1);
    waiter.stream = f->stream;
    waiter.word = wi_stream_wake_word(f->stream);
    atomic_init(&waiter.done, false);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    assert_int_equal(pthread_create(&thread, NULL, wait_long, &waiter), 0);
    pause_ms(10);
    while (!atomic_load(&waiter.done)) {
        wi_stream_interrupt(f->stream);
        pause_ms(1);
    }
    (void)pthread_join(thread, NULL);
    clock_gettime(CLOCK_MONOTONIC, &end);
    assert_true(end.tv_sec - begin.tv_sec < WAIT_MS / 1000 / 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        STREAM_TEST(records_of_several_threads_come_once_and_in_order),
        STREAM_TEST(a_reader_keeps_up_with_the_tip),
        STREAM_TEST(a_split_among_puts_loses_nothing),
        STREAM_TEST(threads_read_one_shard_each_for_itself),
        STREAM_TEST(a_wait_can_be_interrupted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
