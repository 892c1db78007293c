/* Damage, full disks, missing permissions, failed allocations: said loudly, never data, never loss
 * of what was acknowledged. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <weir/stream.h>

#include "stream/stream_format.h"
#include "tests/support/test_dir.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

#define FIRST_SHARD ((struct weir_str){"shardId-000000000000", 20})
#define DATA_SIZE   1000U
#define LARGE_SIZE  50000U

static struct test_env test;
static struct test_dir dir;
static struct weir_stream *stream;
static struct weir_batch *batch;
static struct weir_get_result result;
static struct weir_detail detail;
static char bytes[LARGE_SIZE];

static void
open_stream(const struct weir_stream_options *options)
{
    assert_int_equal(
        weir_stream_open(&test.env, dir.path, "s", options, &stream, &detail), WEIR_OK);
}

static void
given_stream(uint32_t shards)
{
    struct weir_stream_create_options options = WEIR_STREAM_CREATE_OPTIONS_INIT;

    test_env_init(&test);
    test_dir_make(&dir);
    memset(bytes, 'x', sizeof bytes);
    options.shards = shards;
    assert_int_equal(weir_stream_create(&test.env, dir.path, "s", &options, &detail), WEIR_OK);
    open_stream(NULL);
    assert_int_equal(weir_batch_new(&test.env, &batch), WEIR_OK);
}

static void
end(void)
{
    weir_batch_free(batch);
    weir_stream_close(stream);
    batch = NULL;
    stream = NULL;
    test_dir_remove(&dir);
    test_env_assert_no_leak(&test);
}

static enum weir_error
put(const void *data, size_t size, uint64_t hash_high)
{
    const struct weir_put_entry entry = {
        .partition_key = {"key", 3},
        .data = {data, size},
        .explicit_hash_key = {hash_high, 0},
        .has_explicit_hash_key = true};
    struct weir_put_result put_result = {.error = WEIR_OK};
    const enum weir_error error = weir_stream_put(stream, &entry, 1, &put_result, &detail);

    return error == WEIR_OK ? put_result.error : error;
}

static enum weir_error
get(struct weir_str shard, struct weir_position from)
{
    const struct weir_get_request request = {
        .shard_id = shard, .from = from, .records_max = 10000, .bytes_max = 1U << 30};

    return weir_stream_get(stream, &request, batch, &result);
}

static const struct weir_position horizon = {.type = WEIR_TRIM_HORIZON};

/* --- damage --- */

/* Change one byte of the data file wherever `marker` stands, `distance` bytes after its start: LMDB
 * keeps older copies of a page, and which one counts is its own affair. */
static void
damage(const char *marker, long distance)
{
    char path[TEST_DIR_PATH_SIZE];
    struct stat status;
    unsigned found = 0;

    test_dir_join(&dir, "streams/s/data.mdb", path, sizeof path);
    const int fd = open(path, O_RDWR);
    assert_true(fd >= 0 && fstat(fd, &status) == 0);
    const size_t size = (size_t)status.st_size;
    char *file = malloc(size);
    assert_int_equal(pread(fd, file, size, 0), size);
    for (const char *at = file;
         (at = memmem(at, size - (size_t)(at - file), marker, strlen(marker))) != NULL;
         at++) {
        const char changed = (char)(at[distance] ^ 0x40);

        assert_int_equal(pwrite(fd, &changed, 1, at - file + distance), 1);
        found++;
    }
    assert_true(found > 0);
    free(file);
    close(fd);
}

static void
put_marked(const char *const *texts, size_t count)
{
    struct weir_put_entry entries[8];
    struct weir_put_result results[8];

    for (size_t i = 0; i < count; i++) {
        entries[i] = (struct weir_put_entry){.partition_key = {"key", 3},
                                             .data = {texts[i], strlen(texts[i])},
                                             .has_explicit_hash_key = true};
    }
    assert_int_equal(weir_stream_put(stream, entries, count, results, &detail), WEIR_OK);
}

static void
close_damage_open(const char *marker, long distance)
{
    weir_stream_close(stream);
    stream = NULL;
    damage(marker, distance);
    open_stream(NULL);
}

static void
a_damaged_record_is_reported_and_passed_only_on_demand(void **state)
{
    static const char *const texts[] = {"MARK-ONE", "MARK-TWO", "MARK-THREE"};
    (void)state;
    given_stream(2);
    put_marked(texts, 3);
    assert_int_equal(put("other shard", 11, UINT64_MAX), WEIR_OK);
    close_damage_open("MARK-TWO", 3);

    for (int i = 0; i < 2; i++) { /* the same again and again */
        assert_int_equal(get(FIRST_SHARD, horizon), WEIR_ECORRUPT);
        assert_int_equal(weir_batch_count(batch), 1);
        assert_memory_equal(weir_batch_records(batch)[0].data.data, "MARK-ONE", 8);
        assert_int_equal(result.next.type, WEIR_AT_SEQUENCE_NUMBER);
    }
    struct weir_position position = result.next;
    assert_int_equal(get(FIRST_SHARD, position), WEIR_ECORRUPT);
    assert_int_equal(weir_batch_count(batch), 0);
    position.type = WEIR_AFTER_SEQUENCE_NUMBER;
    assert_int_equal(get(FIRST_SHARD, position), WEIR_OK);
    assert_int_equal(weir_batch_count(batch), 1);
    assert_memory_equal(weir_batch_records(batch)[0].data.data, "MARK-THREE", 10);
    assert_int_equal(get((struct weir_str){"shardId-000000000001", 20}, horizon), WEIR_OK);
    assert_int_equal(weir_batch_count(batch), 1);
    end();
}

/* The header of a block stands before the table of one entry and the frame. */
#define BEFORE_DATA                                                                                \
    (-(long)(WI_BLOCK_HEADER_SIZE + WI_BLOCK_TABLE_ENTRY + WI_FRAME_HEADER_SIZE + 16 + 3))

static void
a_damaged_header_covers_its_whole_block(void **state)
{
    static const char *const texts[] = {"MARK-ONE", "MARK-TWO", "MARK-THREE"};
    (void)state;
    given_stream(1);
    put_marked(&texts[0], 1);
    put_marked(&texts[1], 1);
    put_marked(&texts[2], 1);
    close_damage_open("MARK-TWO", BEFORE_DATA + 10);

    assert_int_equal(get(FIRST_SHARD, horizon), WEIR_ECORRUPT);
    assert_int_equal(weir_batch_count(batch), 1);
    struct weir_position position = result.next;
    assert_int_equal(get(FIRST_SHARD, position), WEIR_ECORRUPT);
    position.type = WEIR_AFTER_SEQUENCE_NUMBER;
    assert_int_equal(get(FIRST_SHARD, position), WEIR_OK);
    assert_memory_equal(weir_batch_records(batch)[0].data.data, "MARK-THREE", 10);
    assert_int_equal(put("more", 4, 0), WEIR_OK);
    end();
}

static void
a_damaged_last_block_can_be_passed_too(void **state)
{
    static const char *const texts[] = {"MARK-ONE", "MARK-TWO"};
    (void)state;
    given_stream(1);
    put_marked(&texts[0], 1);
    put_marked(&texts[1], 1);
    close_damage_open("MARK-TWO", BEFORE_DATA + 25);

    assert_int_equal(get(FIRST_SHARD, horizon), WEIR_ECORRUPT);
    struct weir_position position = result.next;
    position.type = WEIR_AFTER_SEQUENCE_NUMBER;
    assert_int_equal(get(FIRST_SHARD, position), WEIR_OK);
    assert_int_equal(weir_batch_count(batch), 0);
    assert_int_equal(put("after", 5, 0), WEIR_OK);
    assert_int_equal(get(FIRST_SHARD, position), WEIR_OK);
    assert_int_equal(weir_batch_count(batch), 1);
    end();
}

/* Retention must not stop at damage. */
static void
damaged_blocks_are_trimmed_with_their_successors(void **state)
{
    static const char *const texts[] = {"MARK-ONE", "MARK-TWO"};
    uint64_t deleted = 0;
    (void)state;
    given_stream(1);
    put_marked(&texts[0], 1);
    put_marked(&texts[1], 1);
    close_damage_open("MARK-ONE", BEFORE_DATA + 8);
    test_env_advance_ms(&test, (int64_t)2 * 86400000);

    assert_int_equal(weir_stream_trim(stream, &deleted, &detail), WEIR_OK);
    assert_int_equal(deleted, 1);
    assert_int_equal(get(FIRST_SHARD, horizon), WEIR_OK);
    assert_int_equal(weir_batch_count(batch), 0);
    end();
}

static void
overwrite(const char *name, const void *data, size_t size)
{
    char path[TEST_DIR_PATH_SIZE];

    test_dir_join(&dir, name, path, sizeof path);
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, size), size);
    close(fd);
}

static void
files_that_are_no_stream_are_refused(void **state)
{
    (void)state;
    given_stream(1);
    weir_stream_close(stream);
    stream = NULL;
    for (size_t size = 0; size <= sizeof bytes; size = size * 3 + 1) {
        overwrite("streams/s/data.mdb", bytes, size);
        const enum weir_error error =
            weir_stream_open(&test.env, dir.path, "s", NULL, &stream, &detail);

        assert_true(error == WEIR_ECORRUPT || error == WEIR_EVERSION);
        assert_true(detail.text[0] != '\0');
    }
    assert_int_equal(weir_stream_delete(&test.env, dir.path, "s", &detail), WEIR_OK);
    end();
}

/* --- space --- */

static unsigned
put_until_it_fails(enum weir_error *ret)
{
    unsigned count = 0;

    for (*ret = WEIR_OK; *ret == WEIR_OK && count < 100000; count++) {
        *ret = put(bytes, DATA_SIZE, 0);
    }
    return count - 1;
}

/* How many records fill it. */
static unsigned
given_a_full_map(void)
{
    struct weir_stream_options options = WEIR_STREAM_OPTIONS_INIT;
    enum weir_error error = WEIR_OK;

    given_stream(1);
    weir_stream_close(stream);
    options.map_bytes_max = (uint64_t)2 * 1024 * 1024;
    options.durability = WEIR_DURABILITY_NONE;
    open_stream(&options);
    const unsigned count = put_until_it_fails(&error);
    assert_true(error == WEIR_EFULL && count > 500);
    return count;
}

static void
a_full_map_refuses_puts_and_loses_nothing(void **state)
{
    struct weir_stream_options options = WEIR_STREAM_OPTIONS_INIT;
    (void)state;
    const unsigned count = given_a_full_map();
    assert_int_equal(put("x", 1, 0), WEIR_EFULL);
    assert_int_equal(get(FIRST_SHARD, horizon), WEIR_OK);
    assert_int_equal(weir_batch_count(batch), count);
    weir_stream_close(stream);
    options.map_bytes_max = (uint64_t)8 * 1024 * 1024;
    open_stream(&options);
    assert_int_equal(put("x", 1, 0), WEIR_OK);
    assert_int_equal(get(FIRST_SHARD, horizon), WEIR_OK);
    assert_int_equal(weir_batch_count(batch), count + 1);
    end();
}

/* Trimming must work when nothing else does: it is the way out. */
static void
a_full_map_can_be_trimmed(void **state)
{
    const unsigned count = given_a_full_map();
    uint64_t deleted = 0;
    (void)state;
    test_env_advance_ms(&test, (int64_t)2 * 86400000);
    assert_int_equal(weir_stream_trim(stream, &deleted, &detail), WEIR_OK);
    assert_int_equal(deleted, count);
    assert_int_equal(put(bytes, DATA_SIZE, 0), WEIR_OK);
    end();
}

/* The body runs in a child: a limit of the file size stands in for a full disk. */
static int
put_on_a_full_disk(void)
{
    struct rlimit limit;
    struct rlimit small;
    enum weir_error error = WEIR_OK;

    (void)signal(SIGXFSZ, SIG_IGN);
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0) {
        return 1;
    }
    small = (struct rlimit){.rlim_cur = (rlim_t)3 * 1024 * 1024, .rlim_max = limit.rlim_max};
    if (setrlimit(RLIMIT_FSIZE, &small) != 0 ||
        weir_stream_open(&test.env, dir.path, "s", NULL, &stream, &detail) != WEIR_OK) {
        return 2;
    }
    const unsigned count = put_until_it_fails(&error);
    if (error != WEIR_EFULL || count < 100) {
        (void)fprintf(stderr, "%u puts, then %s\n", count, weir_error_name(error));
        return 3;
    }
    if (get(FIRST_SHARD, horizon) != WEIR_OK || weir_batch_count(batch) != count) {
        return 4;
    }
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0 || put("x", 1, 0) != WEIR_OK) {
        (void)fprintf(stderr, "%s\n", detail.text);
        return 5;
    }
    if (get(FIRST_SHARD, horizon) != WEIR_OK || weir_batch_count(batch) != count + 1) {
        return 6;
    }
    weir_stream_close(stream);
    return 0;
}

static void
a_full_disk_refuses_puts_and_loses_nothing(void **state)
{
    int status = 0;
    (void)state;
    given_stream(1);
    weir_stream_close(stream);
    stream = NULL;

    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(put_on_a_full_disk());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    end();
}

/* --- permissions --- */

static void
a_read_only_handle_gets_and_does_not_put(void **state)
{
    struct weir_stream_options options = WEIR_STREAM_OPTIONS_INIT;
    uint64_t deleted = 0;
    (void)state;
    given_stream(1);
    assert_int_equal(put("x", 1, 0), WEIR_OK);
    weir_stream_close(stream);
    options.read_only = true;
    open_stream(&options);

    assert_int_equal(get(FIRST_SHARD, horizon), WEIR_OK);
    assert_int_equal(weir_batch_count(batch), 1);
    assert_int_equal(put("x", 1, 0), WEIR_ESTATE);
    assert_int_equal(weir_stream_split(stream, FIRST_SHARD, NULL, &detail), WEIR_ESTATE);
    assert_int_equal(weir_stream_scale(stream, 2, &detail), WEIR_ESTATE);
    assert_int_equal(weir_stream_trim(stream, &deleted, &detail), WEIR_ESTATE);
    end();
}

/* As another user, who may read but not write. */
static int
read_without_permission(void)
{
    struct weir_stream_options options = WEIR_STREAM_OPTIONS_INIT;
    const struct weir_stream_create_options create = WEIR_STREAM_CREATE_OPTIONS_INIT;

    if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) {
        return 1;
    }
    if (access(dir.path, R_OK | X_OK) != 0) {
        return 77; /* some folder above is closed to others */
    }
    if (weir_stream_open(&test.env, dir.path, "s", &options, &stream, &detail) != WEIR_EACCESS ||
        weir_stream_create(&test.env, dir.path, "t", &create, &detail) != WEIR_EACCESS) {
        return 2;
    }
    options.read_only = true;
    if (weir_stream_open(&test.env, dir.path, "s", &options, &stream, &detail) != WEIR_OK) {
        (void)fprintf(stderr, "%s\n", detail.text);
        return 3;
    }
    const bool sound = get(FIRST_SHARD, horizon) == WEIR_OK && weir_batch_count(batch) == 1;
    weir_stream_close(stream);
    return sound ? 0 : 4;
}

static void
change_modes(mode_t directory_mode, mode_t file_mode)
{
    static const char *const files[] = {"data.mdb", "lock.mdb", "writer", "wake", "format"};
    char path[TEST_DIR_PATH_SIZE];
    char name[64];

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        (void)snprintf(name, sizeof name, "streams/s/%s", files[i]);
        test_dir_join(&dir, name, path, sizeof path);
        (void)chmod(path, file_mode);
    }
    test_dir_join(&dir, "streams/s", path, sizeof path);
    (void)chmod(path, directory_mode);
    test_dir_join(&dir, "streams", path, sizeof path);
    (void)chmod(path, directory_mode);
    (void)chmod(dir.path, directory_mode);
}

static void
a_stream_can_be_read_without_write_permission(void **state)
{
    int status = 0;
    (void)state;
    given_stream(1);
    assert_int_equal(put("x", 1, 0), WEIR_OK);
    weir_stream_close(stream);
    stream = NULL;
    change_modes(0555, 0444);

    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(read_without_permission());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    change_modes(0700, 0600);
    end();
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- memory --- */

static enum weir_error
use_everything(void)
{
    struct weir_stream_create_options options = WEIR_STREAM_CREATE_OPTIONS_INIT;
    struct weir_stream_description description = {0};
    enum weir_error error = WEIR_OK;

    options.shards = 2;
    error = weir_stream_create(&test.env, dir.path, "t", &options, &detail);
    error = error == WEIR_EEXISTS ? WEIR_OK : error;
    if (error == WEIR_OK) {
        error = weir_stream_open(&test.env, dir.path, "t", NULL, &stream, &detail);
    }
    if (error == WEIR_OK) {
        error = put(bytes, sizeof bytes, 0);
    }
    if (error == WEIR_OK) {
        error = weir_batch_new(&test.env, &batch);
    }
    if (error == WEIR_OK) {
        error = get(FIRST_SHARD, horizon);
    }
    if (error == WEIR_OK) {
        error = weir_stream_scale(stream, 3, &detail);
    }
    if (error == WEIR_OK) {
        error = weir_stream_describe(stream, &description, &detail);
        weir_stream_description_free(stream, &description);
    }
    weir_batch_free(batch);
    weir_stream_close(stream);
    batch = NULL;
    stream = NULL;
    return error;
}

static void
count_name(void *context, const char *name)
{
    (void)name;
    ++*(unsigned *)context;
}

static void
a_stream_survives_every_allocation_failure(void **state)
{
    enum weir_error error = WEIR_OK;
    unsigned names = 0;
    size_t n;
    (void)state;
    test_dir_make(&dir);
    for (n = 1;; n++) {
        test_env_init(&test);
        test.fail_at = n;
        error = use_everything();
        test_env_assert_no_leak(&test);
        if (!test_env_has_failed(&test)) {
            break;
        }
        assert_int_equal(error, WEIR_ENOMEM);
    }
    assert_int_equal(error, WEIR_OK);
    assert_true(n > 10);
    for (n = 1, error = WEIR_ENOMEM; error != WEIR_OK; n++) {
        test_env_init(&test);
        test.fail_at = n;
        error = weir_stream_list(&test.env, dir.path, count_name, &names, &detail);
        test_env_assert_no_leak(&test);
        assert_true(error == WEIR_OK || error == WEIR_ENOMEM);
    }
    assert_int_equal(names, 1);
    end();
}

/* --- leftovers --- */

static void
what_a_killed_create_left_is_cleaned_up_later(void **state)
{
    static const char leftover[] = "streams/t@00000000-4711-1-00000000000000ff";
    char path[TEST_DIR_PATH_SIZE];
    struct stat status;
    (void)state;
    given_stream(1);
    test_dir_join(&dir, leftover, path, sizeof path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(stat(path, &status), 0);
    test.wall.ms = (int64_t)status.st_mtim.tv_sec * 1000 + 60000;

    assert_int_equal(weir_stream_create(&test.env, dir.path, "a", NULL, &detail), WEIR_OK);
    assert_int_equal(stat(path, &status), 0); /* too young to be sure */
    test.wall.ms += (int64_t)3600 * 1000;
    assert_int_equal(weir_stream_create(&test.env, dir.path, "b", NULL, &detail), WEIR_OK);
    assert_int_equal(stat(path, &status), -1);
    end();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_damaged_record_is_reported_and_passed_only_on_demand),
        cmocka_unit_test(a_damaged_header_covers_its_whole_block),
        cmocka_unit_test(a_damaged_last_block_can_be_passed_too),
        cmocka_unit_test(damaged_blocks_are_trimmed_with_their_successors),
        cmocka_unit_test(files_that_are_no_stream_are_refused),
        cmocka_unit_test(a_full_map_refuses_puts_and_loses_nothing),
        cmocka_unit_test(a_full_map_can_be_trimmed),
        cmocka_unit_test(a_full_disk_refuses_puts_and_loses_nothing),
        cmocka_unit_test(a_read_only_handle_gets_and_does_not_put),
        cmocka_unit_test(a_stream_can_be_read_without_write_permission),
        cmocka_unit_test(a_stream_survives_every_allocation_failure),
        cmocka_unit_test(what_a_killed_create_left_is_cleaned_up_later),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
