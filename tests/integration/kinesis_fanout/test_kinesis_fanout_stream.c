/* Handles on subscriptions: what waits, what is read again, and how they end.
 * test_kinesis_fanout_stream.py gives it a server, and looks at that when the program says "held".
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/clock.h"
#include "core/mono.h"
#include "core/str.h"
#include "stream/stream_kinesis.h"
#include "stream/stream_kinesis_fanout.h"
#include "stream/stream_source.h"
#include "tests/support/weir_test.h"

#define EXIT_SKIPPED 77
#define PATIENCE_MS  20000
#define BATCH_BYTES  (4U << 20)
/* The most that ends anything: no limit of time may be what ends it. */
#define PROMPT_MS 700
/* One event of the large shard. */
#define EVENT_BYTES ((size_t)3 << 20)

static const char quick_shard[] = "shardId-000000000000";
static const char large_shard[] = "shardId-000000000001";
static const char quiet_shard[] = "shardId-000000000002";
static const size_t large_records = 800;

static struct weir_mono
now(void)
{
    return wi_mono_now(weir_env_default());
}

static struct weir_stream *
given_stream(void)
{
    struct weir_stream *stream = NULL;
    struct weir_detail detail = {""};
    const char *url = getenv("KINESIS_FANOUT_URL"); /* NOLINT(concurrency-mt-unsafe) */

    if (weir_stream_open(weir_env_default(), "none", url, NULL, &stream, &detail) != WEIR_OK) {
        fail_msg("%s", detail.text);
    }
    return stream;
}

/* A reader of one shard. */
struct place {
    struct weir_stream *stream;
    const char *shard_id;
    struct weir_position from;
    struct weir_batch *batch;
    struct weir_get_result result;
};

static struct place
given_place(struct weir_stream *stream, const char *shard_id)
{
    struct place place = {
        .stream = stream, .shard_id = shard_id, .from = {.type = WEIR_TRIM_HORIZON}};

    assert_int_equal(weir_batch_new(weir_env_default(), &place.batch), WEIR_OK);
    return place;
}

static enum weir_error
get(struct place *place, size_t records_max)
{
    const enum weir_error error = weir_stream_get(
        place->stream,
        &(struct weir_get_request){.shard_id = wi_str(place->shard_id),
                                   .from = place->from,
                                   .records_max = records_max,
                                   .bytes_max = BATCH_BYTES},
        place->batch,
        &place->result);

    if (error == WEIR_OK) {
        assert_true(weir_batch_count(place->batch) > 0 || place->result.retry_after_ms > 0);
    }
    return error;
}

/* Get until there are records. */
static void
get_some(struct place *place, size_t records_max)
{
    const struct weir_mono deadline = wi_mono_add_ms(now(), PATIENCE_MS);

    do {
        const uint32_t word = wi_stream_wake_word(place->stream);

        assert_int_equal(get(place, records_max), WEIR_OK);
        if (weir_batch_count(place->batch) == 0) {
            (void)wi_stream_wait_word(place->stream, word, place->result.retry_after_ms);
        }
        assert_true(wi_mono_before(now(), deadline));
    } while (weir_batch_count(place->batch) == 0);
}

/* The number that the data of the batch's record says it has in its shard. */
static size_t
place_of(const struct place *place, size_t index)
{
    const struct weir_record *record = &weir_batch_records(place->batch)[index];
    char text[64] = "";
    const size_t length = record->data.length < sizeof text ? record->data.length : sizeof text - 1;
    const char *slash;

    memcpy(text, record->data.data, length);
    slash = strchr(text, '/');
    assert_non_null(slash);
    return (size_t)strtoul(slash + 1, NULL, 10);
}

/* Read on, and check that records begin at `next`; where they go on. */
static size_t
read_on(struct place *place, size_t records_max, size_t next)
{
    get_some(place, records_max);
    for (size_t i = 0; i < weir_batch_count(place->batch); i++) {
        assert_int_equal(place_of(place, i), next + i);
    }
    place->from = place->result.next;
    return next + weir_batch_count(place->batch);
}

static void
sleep_ms(long ms)
{
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    nanosleep(&time, NULL);
}

/* Nobody reads for a while: neither here nor in the network does more pile up than is said. */
static void
holds_the_server_back_while_nobody_reads(void **state)
{
    struct weir_stream *stream = given_stream();
    const struct wi_kinesis_stream *kinesis = stream->source;
    struct place place = given_place(stream, large_shard);
    char line[8];
    size_t next = read_on(&place, 1, 0);

    (void)state;
    sleep_ms(700);
    assert_true(atomic_load(kinesis->pages_bytes) < WI_KINESIS_QUEUE_BYTES_MAX + 3 * EVENT_BYTES);
    (void)puts("held");
    (void)fflush(stdout);
    assert_non_null(fgets(line, sizeof line, stdin));
    while (next < large_records) {
        next = read_on(&place, 1000, next);
    }
    assert_int_equal(next, large_records);
    weir_batch_free(place.batch);
    weir_stream_close(stream);
}

static void
gives_a_failed_batch_again_and_then_goes_on(void **state)
{
    struct weir_stream *stream = given_stream();
    struct place place = given_place(stream, quick_shard);
    size_t next = read_on(&place, 2, 0);

    (void)state;
    for (int i = 0; i < 3; i++) {
        get_some(&place, 2); /* from the same position each time */
        assert_int_equal(place_of(&place, 0), next);
    }
    while (next < 40) {
        next = read_on(&place, 10, next);
    }
    weir_batch_free(place.batch);
    weir_stream_close(stream);
}

/* Somebody goes back to the beginning: what the old subscription has queued is not mixed in. */
static void
begins_anew_at_another_position(void **state)
{
    struct weir_stream *stream = given_stream();
    struct place place = given_place(stream, quick_shard);
    size_t next = 0;

    (void)state;
    while (next < 20) {
        next = read_on(&place, 10, next);
    }
    place.from.type = WEIR_TRIM_HORIZON;
    for (next = 0; next < 40;) {
        next = read_on(&place, 10, next);
    }
    weir_batch_free(place.batch);
    weir_stream_close(stream);
}

/* As when a lease moves before its last owner has noticed: each takes the shard from the other, and
 * neither misses or doubles anything of its own. */
static void
two_handles_take_a_shard_from_each_other(void **state)
{
    struct weir_stream *streams[2] = {given_stream(), given_stream()};
    struct place places[2] = {
        given_place(streams[0], quick_shard), given_place(streams[1], quick_shard)};
    size_t next[2] = {0, 0};

    (void)state;
    next[0] = read_on(&places[0], 10, next[0]);
    while (next[1] < 30) {
        next[1] = read_on(&places[1], 10, next[1]);
    }
    while (next[0] < 60) {
        next[0] = read_on(&places[0], 10, next[0]);
    }
    for (size_t i = 0; i < WI_ARRAY_LENGTH(streams); i++) {
        weir_batch_free(places[i].batch);
        weir_stream_close(streams[i]);
    }
}

static void
closes_at_once_whatever_its_subscriptions_do(void **state)
{
    struct weir_stream *stream = given_stream();
    struct place quick = given_place(stream, quick_shard);
    struct place large = given_place(stream, large_shard);
    struct place quiet = given_place(stream, quiet_shard);
    struct weir_mono begin;

    (void)state;
    (void)read_on(&quick, 1, 0);
    (void)read_on(&large, 1, 0); /* blocked by its full queue */
    assert_int_equal(get(&quiet, 10), WEIR_OK);
    assert_int_equal(weir_batch_count(quiet.batch), 0);
    begin = now();
    weir_batch_free(quick.batch);
    weir_batch_free(large.batch);
    weir_batch_free(quiet.batch);
    weir_stream_close(stream);
    assert_true(wi_mono_elapsed_ms(begin, now()) < PROMPT_MS);
}

static void *
interrupt_soon(void *argument)
{
    sleep_ms(200);
    wi_stream_interrupt(argument);
    return NULL;
}

static void
an_interrupt_ends_a_read_that_waits(void **state)
{
    struct weir_stream *stream = given_stream();
    struct place place = given_place(stream, quiet_shard);
    const struct weir_mono begin = now();
    pthread_t thread;
    enum weir_error error;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, interrupt_soon, stream), 0);
    error = get(&place, 10);
    assert_true(error == WEIR_OK || error == WEIR_ECANCELED);
    assert_true(wi_mono_elapsed_ms(begin, now()) < PROMPT_MS);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(get(&place, 10), WEIR_ECANCELED);
    weir_batch_free(place.batch);
    weir_stream_close(stream);
}

/* A look, as `weir app describe` takes it, is no reason to take the shard from who reads it. */
static void
a_look_at_one_record_does_not_subscribe(void **state)
{
    struct weir_stream *stream = given_stream();
    struct place place = given_place(stream, quick_shard);

    (void)state;
    assert_int_equal(
        weir_stream_get(
            stream,
            &(struct weir_get_request){.shard_id = wi_str(place.shard_id),
                                       .from = place.from,
                                       .records_max = 1,
                                       .bytes_max = 1},
            place.batch,
            &place.result),
        WEIR_OK);
    assert_null(((const struct wi_kinesis_stream *)stream->source)->subscriptions);
    weir_batch_free(place.batch);
    weir_stream_close(stream);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_look_at_one_record_does_not_subscribe),
        cmocka_unit_test(holds_the_server_back_while_nobody_reads),
        cmocka_unit_test(gives_a_failed_batch_again_and_then_goes_on),
        cmocka_unit_test(begins_anew_at_another_position),
        cmocka_unit_test(two_handles_take_a_shard_from_each_other),
        cmocka_unit_test(closes_at_once_whatever_its_subscriptions_do),
        cmocka_unit_test(an_interrupt_ends_a_read_that_waits),
    };

    if (getenv("KINESIS_FANOUT_URL") == NULL) { /* NOLINT(concurrency-mt-unsafe) */
        (void)fputs("skipped: test_kinesis_fanout_stream.py gives it a server\n", stderr);
        return EXIT_SKIPPED;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
