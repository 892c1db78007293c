/* Power loss while `weir put`, `weir worker` and `weir stream split` work on one data directory: in
 * every state that the disk may be in, what they acknowledged is there, in stream and lease table.
 * $WEIR_TEST_STATES sets the number of states, $WEIR_TEST_PUTS that of records. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <weir/app.h>
#include <weir/stream.h>

#include "core/pcg.h"
#include "core/position.h"
#include "tests/faults/disk_model.h"
#include "tests/faults/power_run.h"
#include "tests/support/weir_test.h"

#define STATES_DEFAULT 200U
#define PUTS_DEFAULT   40U
#define SEED           17U
#define RECORDS_MAX    4096U
#define PUT_EVERY      16U /* states in which one more put is tried */

/* What has been acknowledged so far. */
struct promises {
    bool created;
    bool split;
    bool drained;
    uint64_t issued;
    uint64_t put;
    const struct power_seen *seen; /* NULL: nothing */
};

static struct power_run run;
static struct weir_detail detail;
static char after[TEST_DIR_PATH_SIZE]; /* where states are written */
static size_t opened;                  /* states whose stream could be read */
static size_t tables;                  /* states whose application could be read */

/* Of the C library: a state need not survive anything. */
int fsync(int fd);
int fdatasync(int fd);

__attribute__((visibility("default"))) int
fsync(int fd)
{
    (void)fd;
    return 0;
}

__attribute__((visibility("default"))) int
fdatasync(int fd)
{
    (void)fd;
    return 0;
}

static unsigned
number_from(const char *name, unsigned otherwise)
{
    const char *text = getenv(name); /* NOLINT(concurrency-mt-unsafe) */

    return text == NULL ? otherwise : (unsigned)strtoul(text, NULL, 10);
}

static void
note_promise(struct promises *promises, const struct disk_entry *entry)
{
    switch ((enum power_note)entry->at) {
    case POWER_CREATED:
        promises->created = true;
        break;
    case POWER_ISSUED:
        promises->issued = entry->size;
        break;
    case POWER_PUT:
        promises->put = entry->size;
        break;
    case POWER_DRAINED:
        promises->drained = true;
        promises->seen = &run.seen[entry->size];
        break;
    case POWER_SEEN:
        promises->seen = &run.seen[entry->size];
        break;
    case POWER_SPLIT:
        promises->split = true;
        break;
    }
}

/* --- the stream --- */

static unsigned char found[RECORDS_MAX]; /* how often each record was read */

static void
count_records(const struct weir_batch *batch, const struct promises *promises)
{
    static char data[POWER_DATA_MAX];

    for (size_t i = 0; i < weir_batch_count(batch); i++) {
        const struct weir_record *record = &weir_batch_records(batch)[i];
        const unsigned long put = strtoul(record->data.data, NULL, 10);
        const size_t size = power_fill(data, (unsigned)put);

        assert_true(put < promises->issued && put < RECORDS_MAX);
        assert_int_equal(record->data.length, size);
        assert_memory_equal(record->data.data, data, size);
        found[put]++;
    }
}

static void
read_shard(struct weir_stream *stream, const char *id, const struct promises *promises)
{
    struct weir_position from = {.type = WEIR_TRIM_HORIZON};
    struct weir_batch *batch = NULL;
    struct weir_get_result result;

    assert_int_equal(weir_batch_new(weir_env_default(), &batch), WEIR_OK);
    do {
        const struct weir_get_request request = {
            .shard_id = {id, strlen(id)},
            .from = from,
            .records_max = 10000,
            .bytes_max = 1U << 26U};

        assert_int_equal(weir_stream_get(stream, &request, batch, &result), WEIR_OK);
        count_records(batch, promises);
        from = result.next;
    } while (weir_batch_count(batch) > 0);
    weir_batch_free(batch);
}

static void
try_put(struct weir_stream *stream, uint64_t number)
{
    static char data[POWER_DATA_MAX];
    const size_t size = power_fill(data, (unsigned)number);
    const struct weir_put_entry entry = {.partition_key = {"k", 1}, .data = {data, size}};
    struct weir_put_result result;

    assert_int_equal(weir_stream_put(stream, &entry, 1, &result, &detail), WEIR_OK);
}

static void
check_stream(const struct promises *promises, bool with_put)
{
    struct weir_stream_options options = WEIR_STREAM_OPTIONS_INIT;
    struct weir_stream_description description;
    struct weir_stream *stream = NULL;
    enum weir_error error =
        weir_stream_open(weir_env_default(), after, "s", &options, &stream, &detail);

    if (error != WEIR_OK) {
        if (promises->created) {
            fail_msg("the stream is gone: %s; %s", weir_error_text(error), detail.text);
        }
        assert_true(error == WEIR_ENOTFOUND || detail.text[0] != '\0');
        return;
    }
    opened++;
    memset(found, 0, sizeof found);
    assert_int_equal(weir_stream_describe(stream, &description, &detail), WEIR_OK);
    assert_true(description.shard_count == (promises->split ? 4U : 2U) || !promises->split);
    for (size_t i = 0; i < description.shard_count; i++) {
        read_shard(stream, description.shards[i].shard_id, promises);
    }
    weir_stream_description_free(stream, &description);
    for (size_t i = 0; i < RECORDS_MAX; i++) {
        assert_in_range(found[i], i < promises->put ? 1 : 0, 1);
    }
    if (with_put) {
        try_put(stream, promises->issued);
    }
    weir_stream_close(stream);
}

/* --- the application --- */

static void
check_lease(
    const struct weir_app_description *app, const char *id, const struct weir_position *least)
{
    for (size_t i = 0; i < app->shard_count; i++) {
        if (strcmp(app->shards[i].shard_id, id) == 0) {
            assert_true(wi_checkpoint_compare(&app->shards[i].checkpoint, least) >= 0);
            return;
        }
    }
    fail_msg("the lease of %s is gone", id);
}

static void
check_application(const struct promises *promises)
{
    struct weir_app_description app = {.shards = NULL};
    const enum weir_error error = weir_app_describe(weir_env_default(), after, "a", &app, &detail);

    if (error != WEIR_OK) {
        if (promises->seen != NULL) {
            fail_msg("the application is gone: %s; %s", weir_error_text(error), detail.text);
        }
        assert_true(error == WEIR_ENOTFOUND || detail.text[0] != '\0');
        return;
    }
    tables++;
    assert_int_equal(app.damaged_rows, 0);
    for (size_t i = 0; promises->seen != NULL && i < promises->seen->count; i++) {
        check_lease(&app, promises->seen->shard_id[i], &promises->seen->checkpoint[i]);
    }
    weir_app_description_free(weir_env_default(), &app);
}

static void
check_state(struct disk_model *model, const struct promises *promises, bool with_put)
{
    struct test_dir copy;

    (void)snprintf(copy.path, sizeof copy.path, "%s", after);
    disk_model_write_state(model, after);
    check_stream(promises, with_put);
    check_application(promises);
    test_dir_remove(&copy);
}

static void
everything_that_was_acknowledged_survives(void **state)
{
    const unsigned wanted = number_from("WEIR_TEST_STATES", STATES_DEFAULT);
    struct promises promises = {.created = false};
    const struct disk_entry *entry;
    struct disk_model *model;
    size_t entries = 0;
    size_t states = 0;

    (void)state;
    power_run(&run, number_from("WEIR_TEST_PUTS", PUTS_DEFAULT));
    (void)snprintf(after, sizeof after, "%.1000s/after", run.dir.path);
    model = disk_model_new(run.log, SEED);
    while ((entry = disk_model_next(model)) != NULL) {
        if (entry->event == DISK_NOTE) {
            note_promise(&promises, entry);
        }
        for (entries++; states < entries * wanted / disk_model_count(model); states++) {
            check_state(model, &promises, states % PUT_EVERY == 0);
        }
    }
    disk_model_free(model);
    print_message(
        "%zu states after %zu entries: %zu with the stream, %zu with the lease table\n",
        states,
        entries,
        opened,
        tables);
    assert_true(promises.drained && opened > 0 && tables > 0);
    power_run_free(&run);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(everything_that_was_acknowledged_survives)};

    return cmocka_run_group_tests_name("power loss of the program", tests, NULL, NULL);
}
