/* Power loss at any moment of a put: what was acknowledged with durability FULL is there, puts are
 * there wholly or not at all, and no sequence number is given twice. $WEIR_TEST_PUTS sets the
 * number of puts, each gives two states.
 */
#include <fcntl.h>
#include <lmdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "core/pcg.h"
#include "storage/storage.h"
#include "stream/stream_format.h"
#include "stream/stream_lmdb.h"
#include "tests/integration/stream/power_model.h"
#include "tests/support/test_dir.h"
#include "tests/support/weir_test.h"

#define PUTS_DEFAULT  110U
#define EVENTS        9U /* writes and syncs of one put, about */
#define SHARDS        2U
#define DATA_MAX      6000U
#define PUTS_PER_FILE 100U /* then a new stream, so that checking stays cheap */

static struct test_dir dir;
static struct weir_detail detail;
static const char *const ids[SHARDS] = {"shardId-000000000000", "shardId-000000000001"};

/* Record `put` of a shard: its number in front, then as many bytes as the number says. */
static size_t
fill(char data[DATA_MAX], unsigned put)
{
    const int length = snprintf(data, DATA_MAX, "%u:", put);
    const size_t size = (size_t)length + put * 997 % (DATA_MAX - 20);

    memset(data + length, 'a' + (int)(put % 26), size - (size_t)length);
    return size;
}

/* Also the greatest sequence number that was given. */
static enum weir_error
put_and_number(struct weir_stream *stream, unsigned put, struct weir_sequence_number *ret)
{
    static char data[DATA_MAX];
    const size_t size = fill(data, put);
    struct weir_put_entry entries[SHARDS];
    struct weir_put_result results[SHARDS];

    for (unsigned i = 0; i < SHARDS; i++) {
        entries[i] = (struct weir_put_entry){.partition_key = {"key", 3},
                                             .data = {data, size},
                                             .explicit_hash_key = {i == 0 ? 0 : UINT64_MAX, 0},
                                             .has_explicit_hash_key = true};
    }
    const enum weir_error error = weir_stream_put(stream, entries, SHARDS, results, &detail);
    const struct weir_sequence_number *a = &results[0].sequence_number;
    const struct weir_sequence_number *b = &results[1].sequence_number;

    if (error == WEIR_OK) {
        *ret = weir_sequence_number_compare(a, b) > 0 ? *a : *b;
    }
    return error;
}

static enum weir_error
put_to_both(struct weir_stream *stream, unsigned put)
{
    struct weir_sequence_number number;

    return put_and_number(stream, put, &number);
}

static struct weir_stream *
open_in(const char *directory, enum weir_durability durability)
{
    struct weir_stream_options options = WEIR_STREAM_OPTIONS_INIT;
    struct weir_stream *stream = NULL;

    options.durability = durability;
    assert_int_equal(
        weir_stream_open(weir_env_default(), directory, "s", &options, &stream, &detail), WEIR_OK);
    return stream;
}

/* How many puts a shard holds; they must be 0, 1, 2, ... with their bytes. */
static size_t
count_puts(struct weir_stream *stream, const char *id, struct weir_batch *batch)
{
    static char data[DATA_MAX];
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
        const size_t size = fill(data, (unsigned)i);

        assert_int_equal(record->data.length, size);
        assert_memory_equal(record->data.data, data, size);
    }
    return weir_batch_count(batch);
}

static void
write_state(const char *directory, const unsigned char *state, size_t size)
{
    char path[TEST_DIR_PATH_SIZE];
    char from[TEST_DIR_PATH_SIZE];
    char format[4096];
    int fd = -1;

    (void)snprintf(path, sizeof path, "%.900s/streams", directory);
    assert_int_equal(mkdir(directory, 0700), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof path, "%.900s/streams/s", directory);
    assert_int_equal(mkdir(path, 0700), 0);
    test_dir_join(&dir, "streams/s/format", from, sizeof from);
    fd = open(from, O_RDONLY);
    const ssize_t format_size = read(fd, format, sizeof format);
    close(fd);
    (void)snprintf(path, sizeof path, "%.900s/streams/s/format", directory);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(format_size > 0 && write(fd, format, (size_t)format_size) == format_size);
    close(fd);
    (void)snprintf(path, sizeof path, "%.900s/streams/s/data.mdb", directory);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, state, size), size);
    close(fd);
}

/* Open what the disk holds and look: between `least` and `most` puts, in both shards alike, and the
 * next put works. */
static void
check_state(size_t least, size_t most)
{
    struct test_dir copy;
    struct weir_batch *batch = NULL;
    size_t size = 0;
    unsigned char *state = power_model_state(&size);

    test_dir_join(&dir, "after", copy.path, sizeof copy.path);
    write_state(copy.path, state, size);
    struct weir_stream *stream = open_in(copy.path, WEIR_DURABILITY_NONE);
    assert_int_equal(weir_batch_new(weir_env_default(), &batch), WEIR_OK);
    const size_t count = count_puts(stream, ids[0], batch);
    assert_in_range(count, least, most);
    assert_int_equal(count_puts(stream, ids[1], batch), count);
    assert_int_equal(put_to_both(stream, (unsigned)count), WEIR_OK);
    assert_int_equal(count_puts(stream, ids[0], batch), count + 1);
    weir_batch_free(batch);
    weir_stream_close(stream);
    test_dir_remove(&copy);
    free(state);
}

static void
lose_power_in_every_put(enum weir_durability durability, uint64_t seed, unsigned puts)
{
    struct weir_stream_create_options options = WEIR_STREAM_CREATE_OPTIONS_INIT;
    const size_t may_go = durability == WEIR_DURABILITY_FULL ? 0 : 1;
    char path[TEST_DIR_PATH_SIZE];
    struct wi_pcg pcg;

    wi_pcg_seed(&pcg, seed, 2);
    test_dir_make(&dir);
    options.shards = SHARDS;
    assert_int_equal(
        weir_stream_create(weir_env_default(), dir.path, "s", &options, &detail), WEIR_OK);
    test_dir_join(&dir, "streams/s/data.mdb", path, sizeof path);
    power_model_start(path, seed);
    struct weir_stream *stream = open_in(dir.path, durability);
    for (unsigned i = 0; i < puts; i++) {
        power_model_arm(1 + (unsigned)wi_pcg_below(&pcg, EVENTS));
        assert_int_equal(put_to_both(stream, i), WEIR_OK);
        assert_true(may_go > 0 || power_model_unsynced() == 0);
        check_state(i < may_go ? 0 : i - may_go, (size_t)i + 1);
        check_state((size_t)i + 1 - may_go, (size_t)i + 1);
    }
    weir_stream_close(stream);
    power_model_stop();
    test_dir_remove(&dir);
}

/* --- sequence numbers --- */

static enum weir_error
forget_boot(MDB_txn *txn, void *context)
{
    const struct wi_stream_tables *tables = context;
    struct wi_stream_meta meta;
    const enum weir_error error = wi_meta_read(txn, tables, &meta);

    meta.boot = meta.boot == 0 ? 0 : 1; /* of no host */
    return error == WEIR_OK ? wi_meta_write(txn, tables, &meta) : error;
}

/* As if the host had been started again since the stream was last used. */
static void
reboot(const char *directory)
{
    char path[TEST_DIR_PATH_SIZE];
    struct wi_storage *storage = NULL;
    struct wi_stream_tables tables;

    (void)snprintf(path, sizeof path, "%.900s/streams/s", directory);
    const struct wi_storage_options options = wi_stream_storage_options(path);
    assert_int_equal(
        wi_stream_storage_open(weir_env_default(), &options, &storage, &tables, &detail), WEIR_OK);
    assert_int_equal(
        wi_storage_write(storage, WI_WRITE_DEFAULT, forget_boot, &tables, &detail), WEIR_OK);
    wi_storage_close(storage);
}

/* Start the host again with what the disk holds; the number of the next put. */
static struct weir_sequence_number
number_after(unsigned char *disk, size_t size)
{
    struct test_dir copy;
    struct weir_sequence_number number;

    test_dir_join(&dir, "after", copy.path, sizeof copy.path);
    write_state(copy.path, disk, size);
    reboot(copy.path);
    struct weir_stream *stream = open_in(copy.path, WEIR_DURABILITY_FULL);
    assert_int_equal(put_and_number(stream, 0, &number), WEIR_OK);
    weir_stream_close(stream);
    test_dir_remove(&copy);
    free(disk);
    return number;
}

enum first_change {
    FIRST_PUT_OF_ALL,
    FIRST_PUT_OF_A_BOOT,
    FIRST_SPLIT_OF_A_BOOT
};

/* Make the change; the greatest number that it took. */
static struct weir_sequence_number
take_numbers(struct weir_stream *stream, enum first_change change)
{
    struct weir_stream_description description = {0};
    struct weir_sequence_number number;

    if (change != FIRST_SPLIT_OF_A_BOOT) {
        assert_int_equal(put_and_number(stream, 0, &number), WEIR_OK);
        return number;
    }
    assert_int_equal(
        weir_stream_split(stream, (struct weir_str){ids[0], strlen(ids[0])}, NULL, &detail),
        WEIR_OK);
    assert_int_equal(weir_stream_describe(stream, &description, &detail), WEIR_OK);
    number = description.shards[description.shard_count - 1].starting_sequence_number;
    weir_stream_description_free(stream, &description);
    return number;
}

/* A consumer may have the first numbers of a boot in its checkpoint when the power fails. */
static void
lose_the_first(enum first_change change, enum weir_durability durability, uint64_t seed)
{
    struct weir_stream_create_options options = WEIR_STREAM_CREATE_OPTIONS_INIT;
    struct weir_sequence_number seen;
    struct weir_sequence_number next;
    char path[TEST_DIR_PATH_SIZE];
    size_t size = 0;

    test_dir_make(&dir);
    options.shards = SHARDS;
    assert_int_equal(
        weir_stream_create(weir_env_default(), dir.path, "s", &options, &detail), WEIR_OK);
    if (change != FIRST_PUT_OF_ALL) {
        reboot(dir.path);
    }
    test_dir_join(&dir, "streams/s/data.mdb", path, sizeof path);
    power_model_start(path, seed);
    struct weir_stream *stream = open_in(dir.path, durability);
    seen = take_numbers(stream, change);
    /* Without syncs, anything else may be no environment. */
    unsigned char *disk =
        durability == WEIR_DURABILITY_NONE ? power_model_synced(&size) : power_model_state(&size);
    weir_stream_close(stream);
    power_model_stop();
    next = number_after(disk, size);
    assert_true(weir_sequence_number_compare(&next, &seen) > 0);
    test_dir_remove(&dir);
}

static void
gives_no_number_of_a_boot_again_in_the_next(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        lose_the_first(FIRST_PUT_OF_ALL, WEIR_DURABILITY_RELAXED, seed);
        lose_the_first(FIRST_PUT_OF_A_BOOT, WEIR_DURABILITY_RELAXED, seed);
    }
    lose_the_first(FIRST_PUT_OF_ALL, WEIR_DURABILITY_NONE, 1);
    lose_the_first(FIRST_PUT_OF_A_BOOT, WEIR_DURABILITY_NONE, 1);
    lose_the_first(FIRST_SPLIT_OF_A_BOOT, WEIR_DURABILITY_NONE, 1);
    lose_the_first(FIRST_PUT_OF_A_BOOT, WEIR_DURABILITY_FULL, 1);
}

static unsigned
puts_wanted(void)
{
    const char *text = getenv("WEIR_TEST_PUTS"); /* NOLINT(concurrency-mt-unsafe) */

    return text == NULL ? PUTS_DEFAULT : (unsigned)strtoul(text, NULL, 10);
}

static void
full_loses_nothing_that_was_acknowledged(void **state)
{
    const unsigned wanted = puts_wanted();
    (void)state;
    for (unsigned done = 0; done < wanted; done += PUTS_PER_FILE) {
        const unsigned left = wanted - done;

        lose_power_in_every_put(
            WEIR_DURABILITY_FULL, 1 + done, left < PUTS_PER_FILE ? left : PUTS_PER_FILE);
    }
}

static void
relaxed_loses_at_most_the_newest_put(void **state)
{
    const unsigned wanted = puts_wanted() / 4;
    (void)state;
    for (unsigned done = 0; done < wanted; done += PUTS_PER_FILE) {
        const unsigned left = wanted - done;

        lose_power_in_every_put(
            WEIR_DURABILITY_RELAXED, 7 + done, left < PUTS_PER_FILE ? left : PUTS_PER_FILE);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_loses_nothing_that_was_acknowledged),
        cmocka_unit_test(relaxed_loses_at_most_the_newest_put),
        cmocka_unit_test(gives_no_number_of_a_boot_again_in_the_next),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
