#include "tests/integration/stream/stream_workers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/weir_test.h"

#define SHARDS_MAX 4096
#define BATCH_MAX  500U
#define WAIT_MS    60000 /* nothing comes for so long: the test has failed */

pid_t
workers_fork(int (*body)(void *context), void *context)
{
    const pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        _exit(body(context));
    }
    return child;
}

void
workers_join(pid_t child)
{
    int status = 0;

    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

struct weir_stream *
workers_open(const char *data_directory, enum weir_durability durability)
{
    struct weir_stream_options options = WEIR_STREAM_OPTIONS_INIT;
    struct weir_stream *stream = NULL;
    struct weir_detail detail = {""};

    options.durability = durability;
    if (weir_stream_open(
            weir_env_default(), data_directory, WORKERS_STREAM, &options, &stream, &detail) !=
        WEIR_OK) {
        (void)fprintf(stderr, "open: %s\n", detail.text);
        return NULL;
    }
    return stream;
}

enum weir_error
workers_put(struct weir_stream *stream, unsigned producer, unsigned first, unsigned count)
{
    static char data[BATCH_MAX][WORKERS_DATA_MAX];
    static char keys[BATCH_MAX][WORKERS_DATA_MAX];
    static struct weir_put_entry entries[BATCH_MAX];
    static struct weir_put_result results[BATCH_MAX];
    struct weir_detail detail = {""};

    for (unsigned i = 0; i < count; i++) {
        const int size = snprintf(data[i], sizeof data[i], "%u:%u", producer, first + i);
        const int key_size =
            snprintf(keys[i], sizeof keys[i], "key %u of %u", (first + i) % WORKERS_KEYS, producer);

        entries[i] = (struct weir_put_entry){.partition_key = {keys[i], (size_t)key_size},
                                             .data = {data[i], (size_t)size}};
    }
    enum weir_error error = weir_stream_put(stream, entries, count, results, &detail);
    for (unsigned i = 0; error == WEIR_OK && i < count; i++) {
        error = results[i].error;
    }
    if (error != WEIR_OK) {
        (void)fprintf(stderr, "put: %s %s\n", weir_error_name(error), detail.text);
    }
    return error;
}

void
workers_ledger_init(struct workers_ledger *ledger, unsigned producers, unsigned expected)
{
    *ledger = (struct workers_ledger){.producers = producers, .expected = expected};
    ledger->next = calloc((size_t)producers * WORKERS_KEYS, sizeof *ledger->next);
    for (unsigned i = 0; i < producers * WORKERS_KEYS; i++) {
        ledger->next[i] = i % WORKERS_KEYS;
    }
}

void
workers_ledger_free(struct workers_ledger *ledger)
{
    free(ledger->next);
}

/* Numbers of one key must come one after the other: no loss, no repetition, in order. */
static void
enter(struct workers_ledger *ledger, const struct weir_record *record)
{
    char text[WORKERS_DATA_MAX + 1] = "";
    char *colon = NULL;

    if (record->data.length < WORKERS_DATA_MAX) {
        memcpy(text, record->data.data, record->data.length);
    }
    const unsigned producer = (unsigned)strtoul(text, &colon, 10);
    const unsigned number = *colon == ':' ? (unsigned)strtoul(colon + 1, NULL, 10) : UINT32_MAX;
    if (producer >= ledger->producers || number >= ledger->expected) {
        ledger->complaint = "a record that nobody has put";
        return;
    }
    unsigned *next = &ledger->next[producer * WORKERS_KEYS + number % WORKERS_KEYS];
    if (number != *next) {
        ledger->complaint = number < *next ? "a record came twice or late" : "a record is missing";
        return;
    }
    *next += WORKERS_KEYS;
    ledger->total++;
}

struct followed {
    struct weir_shard shard;
    struct weir_position position;
    uint64_t last_number;
    bool is_done;
};

struct follower {
    struct weir_stream *stream;
    struct weir_batch *batch;
    struct followed *shards;
    size_t count;
};

static struct followed *
find(struct follower *follower, const char *id)
{
    for (size_t i = 0; i < follower->count; i++) {
        if (strcmp(follower->shards[i].shard.shard_id, id) == 0) {
            return &follower->shards[i];
        }
    }
    return NULL;
}

static void
add_new_shards(struct follower *follower)
{
    struct weir_stream_description description;
    struct weir_detail detail = {""};

    if (weir_stream_describe(follower->stream, &description, &detail) != WEIR_OK) {
        return;
    }
    for (size_t i = 0; i < description.shard_count && follower->count < SHARDS_MAX; i++) {
        if (find(follower, description.shards[i].shard_id) == NULL) {
            follower->shards[follower->count++] = (struct followed){
                .shard = description.shards[i], .position = {.type = WEIR_TRIM_HORIZON}};
        }
    }
    weir_stream_description_free(follower->stream, &description);
}

static bool
parents_are_done(struct follower *follower, const struct followed *followed)
{
    for (size_t k = 0; k < WEIR_PARENTS_MAX; k++) {
        const struct followed *parent = find(follower, followed->shard.parent_shard_ids[k]);

        if (parent != NULL && !parent->is_done) {
            return false;
        }
    }
    return true;
}

/* Read one page of a shard; true if it brought something. */
static bool
read_page(struct follower *follower, struct followed *followed, struct workers_ledger *ledger)
{
    const struct weir_str id = {followed->shard.shard_id, strlen(followed->shard.shard_id)};
    struct weir_get_result result;

    if (weir_stream_get(
            follower->stream,
            &(struct weir_get_request){.shard_id = id,
                                       .from = followed->position,
                                       .records_max = 300,
                                       .bytes_max = 1U << 20},
            follower->batch,
            &result) != WEIR_OK) {
        ledger->complaint = "get has failed";
        return false;
    }
    const struct weir_record *records = weir_batch_records(follower->batch);
    const size_t count = weir_batch_count(follower->batch);
    for (size_t i = 0; i < count && ledger->complaint == NULL; i++) {
        if (records[i].sequence_number.word[3] <= followed->last_number) {
            ledger->complaint = "sequence numbers do not grow";
        }
        followed->last_number = records[i].sequence_number.word[3];
        enter(ledger, &records[i]);
    }
    followed->position = result.next;
    followed->is_done = result.at_shard_end;
    return count > 0 || result.at_shard_end;
}

static bool
read_everything_once(struct follower *follower, struct workers_ledger *ledger)
{
    bool any = false;

    add_new_shards(follower);
    for (size_t i = 0; i < follower->count && ledger->complaint == NULL; i++) {
        struct followed *followed = &follower->shards[i];

        while (!followed->is_done && parents_are_done(follower, followed) &&
               ledger->complaint == NULL && read_page(follower, followed, ledger)) {
            any = true;
        }
    }
    return any;
}

void
workers_read(struct weir_stream *stream, struct workers_ledger *ledger, unsigned total)
{
    struct follower follower = {.stream = stream};
    bool go_on = true;

    follower.shards = calloc(SHARDS_MAX, sizeof *follower.shards);
    if (weir_batch_new(weir_env_default(), &follower.batch) != WEIR_OK) {
        ledger->complaint = "no batch";
    }
    while (go_on && ledger->complaint == NULL && (total == 0 || ledger->total < total)) {
        const uint64_t seen = weir_stream_version(stream);

        go_on = read_everything_once(&follower, ledger);
        if (!go_on && total != 0 && ledger->complaint == NULL) {
            go_on = weir_stream_wait(stream, seen, WAIT_MS) != seen;
            ledger->complaint = go_on ? NULL : "nothing came any more";
        }
    }
    weir_batch_free(follower.batch);
    free(follower.shards);
}
