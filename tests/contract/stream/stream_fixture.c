#include "tests/contract/stream/stream_fixture.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "tests/support/test_dir.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

/* Numbers of Kinesis begin with the second in which the stream was made. */
#define REPLACE_MS 1100
/* A server that gives nothing in so many reads has nothing to give. */
#define READS_MAX 500

/* --- what a stream can do --- */

/* What Kinesis, or only that server of those that WEIR_TEST_KINESIS_SERVER may name, cannot do. */
static const struct lack {
    enum stream_capability capability;
    const char *server;
    const char *reason;
} lacks[] = {
    {STREAM_OWN_CLOCK, NULL, "Kinesis has a clock of its own"},
    {STREAM_WAKES, NULL, "Kinesis wakes nobody: retry_after_ms says when to come back"},
    {STREAM_KEEPS_HASH_KEYS, NULL, "Kinesis forgets the explicit hash key of a record"},
    {STREAM_FUTURE_TIMESTAMPS, NULL, "Kinesis refuses a timestamp in the future"},
    {STREAM_JUDGES_NUMBERS, "kinesis-mock", "kinesis-mock finds no shard for a wrong number"},
    {STREAM_TELLS_END, "kinesis-mock", "kinesis-mock says 2^63 - 1 as EndingSequenceNumber always"},
    {STREAM_EMPTY_TIMES,
     "kinesalite",
     "kinesalite never answers AT_TIMESTAMP if there is no record behind it"},
    {STREAM_SCALES, "kinesalite", "kinesalite has no UpdateShardCount"},
    {STREAM_TELLS_CHILDREN, "kinesalite", "kinesalite has no ChildShards"},
    {STREAM_TELLS_BEHIND, "kinesalite", "kinesalite says 0 as MillisBehindLatest always"},
};

static const char *
reason_without(const struct stream_fixture *f, enum stream_capability capability)
{
    const char *server = getenv("WEIR_TEST_KINESIS_SERVER");

    for (size_t i = 0; f->is_kinesis && i < sizeof lacks / sizeof lacks[0]; i++) {
        if (lacks[i].capability == capability &&
            (lacks[i].server == NULL || (server != NULL && strcmp(server, lacks[i].server) == 0))) {
            return lacks[i].reason;
        }
    }
    return NULL;
}

bool
fixture_has(const struct stream_fixture *f, enum stream_capability capability)
{
    return reason_without(f, capability) == NULL;
}

void
fixture_needs(const struct stream_fixture *f, enum stream_capability capability)
{
    const char *reason = reason_without(f, capability);

    if (reason != NULL) {
        print_message("%s\n", reason);
        skip();
    }
}

void
fixture_needs_single_puts(const struct stream_fixture *f)
{
    if (atomic_load(&f->put_again)) {
        print_message("the server was so slow that a put was sent again\n");
        skip();
    }
}

/* The client of AWS says so when it sends a request again. */
static void
note_repetition(
    void *context, enum weir_log_level level, const char *component, const char *message)
{
    struct stream_fixture *f = context;

    (void)level;
    if (strcmp(component, "aws") == 0 && strstr(message, "PutRecords: attempt") != NULL) {
        atomic_store(&f->put_again, true);
    }
}

/* --- open and close --- */

static struct stream_fixture *
new_fixture(bool is_kinesis)
{
    static unsigned number;
    const struct weir_stream_create_options create = WEIR_STREAM_CREATE_OPTIONS_INIT;
    const struct weir_stream_options open = WEIR_STREAM_OPTIONS_INIT;
    struct stream_fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    f->is_kinesis = is_kinesis;
    f->create = create;
    f->create.shards = 1;
    f->open = open;
    f->open.durability = WEIR_DURABILITY_NONE;
    test_env_init(&f->test);
    test_dir_make(&f->dir);
    (void)snprintf(f->name, sizeof f->name, FIXTURE_STREAM);
    (void)snprintf(f->url, sizeof f->url, FIXTURE_STREAM);
    if (is_kinesis) {
        f->test.env.clock = weir_env_default()->clock;
        f->test.env.logger =
            (struct weir_logger){.context = f, .level = WEIR_LOG_DEBUG, .log = note_repetition};
        (void)snprintf(f->name, sizeof f->name, FIXTURE_STREAM "-%d-%u", (int)getpid(), number++);
        (void)snprintf(
            f->url,
            sizeof f->url,
            "kinesis:%s?region=us-east-1&endpoint=%s&reads_per_second=1000&idle=20ms",
            f->name,
            getenv("WEIR_TEST_KINESIS"));
    }
    return f;
}

int
stream_fixture_open(void **state)
{
    *state = new_fixture(getenv("WEIR_TEST_KINESIS") != NULL);
    return 0;
}

int
stream_fixture_open_embedded(void **state)
{
    *state = new_fixture(false);
    return 0;
}

int
stream_fixture_close(void **state)
{
    struct stream_fixture *f = *state;

    weir_batch_free(f->batch);
    weir_stream_close(f->second);
    weir_stream_close(f->stream);
    test_dir_remove(&f->dir);
    test_env_assert_no_leak(&f->test);
    free(f);
    return 0;
}

static void
open_handle(struct stream_fixture *f, struct weir_stream **ret)
{
    enum weir_error error;

    f->detail.text[0] = '\0';
    error = weir_stream_open(&f->test.env, f->dir.path, f->url, &f->open, ret, &f->detail);
    assert_string_equal(f->detail.text, "");
    assert_int_equal(error, WEIR_OK);
}

void
fixture_start(struct stream_fixture *f)
{
    enum weir_error error;

    f->detail.text[0] = '\0';
    error = weir_stream_create(&f->test.env, f->dir.path, f->url, &f->create, &f->detail);
    assert_string_equal(f->detail.text, "");
    assert_int_equal(error, WEIR_OK);
    open_handle(f, &f->stream);
    if (f->batch == NULL) {
        assert_int_equal(weir_batch_new(&f->test.env, &f->batch), WEIR_OK);
    }
}

void
given_shards(struct stream_fixture *f, uint32_t shards)
{
    f->create.shards = shards;
    fixture_start(f);
}

void
fixture_reopen(struct stream_fixture *f)
{
    weir_stream_close(f->stream);
    f->stream = NULL;
    open_handle(f, &f->stream);
}

void
fixture_open_second(struct stream_fixture *f)
{
    open_handle(f, &f->second);
}

void
fixture_replace(struct stream_fixture *f)
{
    weir_stream_close(f->stream);
    f->stream = NULL;
    assert_int_equal(weir_stream_delete(&f->test.env, f->dir.path, f->url, &f->detail), WEIR_OK);
    pass_ms(f, f->is_kinesis ? REPLACE_MS : 1);
    fixture_start(f);
}

void
pass_ms(struct stream_fixture *f, int64_t ms)
{
    const struct timespec time = {ms / 1000, (long)(ms % 1000) * 1000000};

    if (fixture_has(f, STREAM_OWN_CLOCK)) {
        test_env_advance_ms(&f->test, ms);
    } else {
        (void)nanosleep(&time, NULL);
    }
}

/* --- shards --- */

/* One of a few texts that are used in turn. */
static char *
next_text(void)
{
    static char text[4][WEIR_NAME_SIZE];
    static unsigned next;

    return text[next++ % 4];
}

struct weir_str
shard_id(uint32_t number)
{
    char *id = next_text();
    const int length = snprintf(id, WEIR_NAME_SIZE, "shardId-%012u", number);

    return (struct weir_str){id, (size_t)length};
}

struct weir_shard
find_shard(struct stream_fixture *f, const char *id)
{
    struct weir_stream_description description;
    struct weir_shard shard = {.shard_id = ""};

    assert_int_equal(weir_stream_describe(f->stream, &description, &f->detail), WEIR_OK);
    for (size_t i = 0; i < description.shard_count; i++) {
        if (strcmp(description.shards[i].shard_id, id) == 0) {
            shard = description.shards[i];
        }
    }
    weir_stream_description_free(f->stream, &description);
    assert_string_equal(shard.shard_id, id);
    return shard;
}

static bool
has_parent(const struct weir_shard *shard, struct weir_str parent)
{
    for (size_t i = 0; i < WEIR_PARENTS_MAX; i++) {
        const char *id = shard->parent_shard_ids[i];

        if (strlen(id) == parent.length && memcmp(id, parent.data, parent.length) == 0) {
            return true;
        }
    }
    return false;
}

struct weir_str
child_of(struct stream_fixture *f, struct weir_str parent, size_t i)
{
    struct weir_stream_description description;
    const struct weir_shard *children[WEIR_CHILDREN_MAX] = {NULL, NULL};
    char *id = next_text();
    size_t count = 0;

    assert_int_equal(weir_stream_describe(f->stream, &description, &f->detail), WEIR_OK);
    for (size_t k = 0; k < description.shard_count; k++) {
        if (has_parent(&description.shards[k], parent)) {
            assert_true(count < WEIR_CHILDREN_MAX);
            children[count++] = &description.shards[k];
        }
    }
    assert_true(i < count);
    if (count == 2 &&
        weir_hash_key_compare(children[0]->range.start, children[1]->range.start) > 0) {
        i = 1 - i;
    }
    (void)snprintf(id, WEIR_NAME_SIZE, "%s", children[i]->shard_id);
    weir_stream_description_free(f->stream, &description);
    return (struct weir_str){id, strlen(id)};
}

size_t
count_shards(struct stream_fixture *f, bool all)
{
    struct weir_stream_description description;
    size_t count = 0;

    assert_int_equal(weir_stream_describe(f->stream, &description, &f->detail), WEIR_OK);
    for (size_t i = 0; i < description.shard_count; i++) {
        count += all || !description.shards[i].closed ? 1 : 0;
    }
    weir_stream_description_free(f->stream, &description);
    return count;
}

/* --- put --- */

static struct weir_put_entry
entry_of(const char *key, const char *data)
{
    return (struct weir_put_entry){.partition_key = {key, strlen(key)},
                                   .data = {data, strlen(data)}};
}

/* Put; every record must be accepted. */
static void
put_all(
    struct stream_fixture *f,
    const struct weir_put_entry *entries,
    size_t count,
    struct weir_put_result *results)
{
    enum weir_error error;

    f->detail.text[0] = '\0';
    error = weir_stream_put(f->stream, entries, count, results, &f->detail);
    assert_string_equal(f->detail.text, "");
    assert_int_equal(error, WEIR_OK);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(results[i].error, WEIR_OK);
    }
    fixture_needs_single_puts(f);
}

struct weir_sequence_number
put_text(struct stream_fixture *f, const char *key, const char *data)
{
    const struct weir_put_entry entry = entry_of(key, data);
    struct weir_put_result result;

    put_all(f, &entry, 1, &result);
    return result.sequence_number;
}

void
put_many(struct stream_fixture *f, const char *key, size_t count)
{
    static char data[FIXTURE_RECORDS][8];
    static struct weir_put_entry entries[FIXTURE_RECORDS];
    static struct weir_put_result results[FIXTURE_RECORDS];

    assert_true(count <= FIXTURE_RECORDS);
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(data[i], sizeof data[i], "%u", (unsigned)(i % 1000000));
        entries[i] = entry_of(key, data[i]);
    }
    put_all(f, entries, count, results);
}

struct weir_put_result
put_at_hash(struct stream_fixture *f, struct weir_hash_key hash_key, const char *data)
{
    struct weir_put_entry entry = entry_of("key", data);
    struct weir_put_result result;

    entry.explicit_hash_key = hash_key;
    entry.has_explicit_hash_key = true;
    put_all(f, &entry, 1, &result);
    return result;
}

/* --- positions --- */

struct weir_position
at_horizon(void)
{
    return (struct weir_position){.type = WEIR_TRIM_HORIZON};
}

struct weir_position
at_latest(void)
{
    return (struct weir_position){.type = WEIR_LATEST};
}

struct weir_position
at_timestamp(int64_t ms)
{
    return (struct weir_position){.type = WEIR_AT_TIMESTAMP, .timestamp_ms = ms};
}

struct weir_position
at_number(struct weir_sequence_number number)
{
    return (struct weir_position){.type = WEIR_AT_SEQUENCE_NUMBER, .sequence_number = number};
}

struct weir_position
after_number(struct weir_sequence_number number)
{
    return (struct weir_position){.type = WEIR_AFTER_SEQUENCE_NUMBER, .sequence_number = number};
}

/* --- get --- */

enum weir_error
get_with(struct stream_fixture *f, const struct weir_get_request *request)
{
    enum weir_error error = WEIR_OK;

    for (int i = 0; i < READS_MAX; i++) {
        error = weir_stream_get(f->stream, request, f->batch, &f->result);
        if (error != WEIR_ETHROTTLED || !f->is_kinesis) {
            return error;
        }
        assert_true(f->result.retry_after_ms > 0);
        pass_ms(f, f->result.retry_after_ms);
    }
    return error;
}

enum weir_error
get(struct stream_fixture *f, struct weir_str shard, struct weir_position from, size_t records_max)
{
    return get_with(
        f,
        &(struct weir_get_request){.shard_id = shard,
                                   .from = from,
                                   .records_max = records_max,
                                   .bytes_max = FIXTURE_BYTES_MAX});
}

void
get_some(
    struct stream_fixture *f, struct weir_str shard, struct weir_position from, size_t records_max)
{
    for (int i = 0; i < READS_MAX; i++) {
        assert_int_equal(get(f, shard, from, records_max), WEIR_OK);
        if (weir_batch_count(f->batch) > 0 || f->result.at_shard_end) {
            return;
        }
        assert_true(f->is_kinesis); /* the embedded stream has what was put */
        from = f->result.next;
        pass_ms(f, f->result.retry_after_ms);
    }
    fail_msg("nothing came");
}

static void
copy_text(char to[FIXTURE_TEXT_SIZE], const void *data, size_t length)
{
    const size_t copied = length < FIXTURE_TEXT_SIZE ? length : FIXTURE_TEXT_SIZE - 1;

    if (copied > 0) {
        memcpy(to, data, copied);
    }
    to[copied] = '\0';
}

void
keep_batch(struct stream_fixture *f)
{
    for (size_t i = 0; i < weir_batch_count(f->batch); i++) {
        const struct weir_record *record = &weir_batch_records(f->batch)[i];
        struct read_record *copy = &f->records[f->count];

        assert_true(f->count < FIXTURE_RECORDS);
        *copy = (struct read_record){record->sequence_number, record->arrival_ms, "", ""};
        copy_text(copy->key, record->partition_key.data, record->partition_key.length);
        copy_text(copy->text, record->data.data, record->data.length);
        assert_true(
            f->count == 0 ||
            weir_sequence_number_compare(&copy[-1].sequence_number, &copy->sequence_number) < 0);
        f->count++;
    }
}

void
read_records(
    struct stream_fixture *f, struct weir_str shard, struct weir_position from, size_t count)
{
    fixture_needs_single_puts(f);
    f->count = 0;
    while (f->count < count) {
        get_some(f, shard, from, WEIR_GET_RECORDS_MAX);
        keep_batch(f);
        assert_true(f->count >= count || !f->result.at_shard_end);
        assert_true(f->count >= count || f->is_kinesis);
        from = f->result.next;
    }
    assert_int_equal(f->count, count);
    assert_int_equal(get(f, shard, from, WEIR_GET_RECORDS_MAX), WEIR_OK);
    assert_int_equal(weir_batch_count(f->batch), 0);
}

void
read_to_end(
    struct stream_fixture *f, struct weir_str shard, struct weir_position from, size_t count)
{
    fixture_needs_single_puts(f);
    f->count = 0;
    do {
        get_some(f, shard, from, WEIR_GET_RECORDS_MAX);
        keep_batch(f);
        from = f->result.next;
    } while (!f->result.at_shard_end);
    assert_int_equal(f->count, count);
    assert_int_equal(get(f, shard, from, WEIR_GET_RECORDS_MAX), WEIR_OK);
    assert_int_equal(weir_batch_count(f->batch), 0);
    assert_true(f->result.at_shard_end);
}

/* --- assertions --- */

void
assert_record(const struct stream_fixture *f, size_t i, const char *data)
{
    const struct weir_record *record = &weir_batch_records(f->batch)[i];

    assert_true(i < weir_batch_count(f->batch));
    assert_int_equal(record->data.length, strlen(data));
    assert_memory_equal(record->data.data, data, strlen(data));
}

void
assert_text(const struct stream_fixture *f, size_t i, const char *data)
{
    assert_true(i < f->count);
    assert_string_equal(f->records[i].text, data);
}

void
assert_number(
    const struct weir_sequence_number *number, const struct weir_sequence_number *expected)
{
    assert_int_equal(weir_sequence_number_compare(number, expected), 0);
}

uint64_t
low_word(struct weir_sequence_number number)
{
    assert_int_equal(number.word[0] | number.word[1] | number.word[2], 0);
    return number.word[3];
}

struct weir_sequence_number
low_number(uint64_t number)
{
    return (struct weir_sequence_number){{0, 0, 0, number}};
}
