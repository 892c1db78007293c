/* Directories that hold something else than they should: an error, never a crash, never other
 * data. */
#include <dirent.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/env.h>
#include <weir/error.h>

#include "storage/filesystem.h"
#include "storage/storage.h"
#include "tests/support/test_dir.h"
#include "tests/support/weir_test.h"
#include "tests/unit/storage/storage_fixture.h"

#define META_BYTES  168 /* page header and meta of LMDB, and a little more */
#define META_ROOT   128 /* in a meta page: root of the main database */
#define META_COMMIT 144 /* its number */

struct file {
    char path[TEST_DIR_PATH_SIZE];
    unsigned char *bytes;
    size_t size;
};

static struct file
load(const struct fixture *fixture, const char *name)
{
    struct file file = {.bytes = NULL};
    struct stat status;
    int fd;

    fixture_path(fixture, name, file.path);
    fd = open(file.path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &status), 0);
    file.size = (size_t)status.st_size;
    file.bytes = malloc(file.size);
    assert_non_null(file.bytes);
    assert_int_equal(read(fd, file.bytes, file.size), file.size);
    close(fd);
    return file;
}

/* Write the first `size` bytes of the file anew. */
static void
store(const struct file *file, size_t size)
{
    int fd = open(file->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, file->bytes, size), size);
    close(fd);
}

/* A directory with some numbers in it, closed. */
static void
given_data(struct fixture *fixture)
{
    fixture_make(fixture);
    assert_int_equal(fixture_open(fixture), WEIR_OK);
    for (uint64_t i = 0; i < 500; i++) {
        assert_int_equal(fixture_put_block(fixture, i, 100, WI_WRITE_DEFAULT), WEIR_OK);
    }
    fixture_close(fixture);
}

static enum weir_error
scan(MDB_txn *txn, void *context)
{
    const struct fixture *fixture = context;
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val value;
    unsigned sum = 0;
    int code = mdb_cursor_open(txn, fixture->dbi, &cursor);

    while (code == 0 && (code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        sum += value.mv_size > 0 ? *(const unsigned char *)value.mv_data : 0;
    }
    mdb_cursor_close(cursor);
    return code == MDB_NOTFOUND && sum != 1 ? WEIR_OK : wi_error_from_lmdb(code);
}

static enum weir_error
open_and_scan(struct fixture *fixture)
{
    enum weir_error error = fixture_open(fixture);

    if (error == WEIR_OK) {
        error = wi_storage_read(fixture->storage, scan, fixture);
    }
    fixture_close(fixture);
    return error;
}

static bool
is_about_data(enum weir_error error)
{
    return error == WEIR_ECORRUPT || error == WEIR_EVERSION;
}

static void
refuses_a_stamp_with_any_bit_changed_or_byte_missing(void **state)
{
    struct fixture fixture;
    struct file file;
    (void)state;
    given_data(&fixture);
    file = load(&fixture, "format");

    for (size_t i = 0; i < file.size * 8; i++) {
        file.bytes[i / 8] ^= (unsigned char)(1U << (i % 8));
        store(&file, file.size);
        file.bytes[i / 8] ^= (unsigned char)(1U << (i % 8));
        assert_true(is_about_data(fixture_open(&fixture)));
        assert_true(fixture.detail.text[0] != '\0');
    }
    for (size_t size = 0; size < file.size; size++) {
        store(&file, size);
        assert_true(is_about_data(fixture_open(&fixture)));
    }
    store(&file, file.size);
    assert_int_equal(open_and_scan(&fixture), WEIR_OK);
    free(file.bytes);
    fixture_end(&fixture);
}

static void
names_both_versions_and_kinds(void **state)
{
    struct fixture fixture;
    (void)state;
    given_data(&fixture);

    fixture.options.format_version = 17;
    assert_int_equal(fixture_open(&fixture), WEIR_EVERSION);
    assert_non_null(strstr(fixture.detail.text, "version 1'"));
    assert_non_null(strstr(fixture.detail.text, "version 17"));
    fixture.options.format_version = 1;
    fixture.options.kind = "leases";
    assert_int_equal(fixture_open(&fixture), WEIR_EVERSION);
    assert_non_null(strstr(fixture.detail.text, "kind test"));
    assert_non_null(strstr(fixture.detail.text, "kind leases"));
    fixture_end(&fixture);
}

static void
refuses_a_stamp_that_is_too_long(void **state)
{
    struct fixture fixture;
    struct file file;
    (void)state;
    given_data(&fixture);
    file = load(&fixture, "data.mdb");
    fixture_path(&fixture, "format", file.path);

    store(&file, 4096);
    assert_int_equal(fixture_open(&fixture), WEIR_ECORRUPT);
    free(file.bytes);
    fixture_end(&fixture);
}

static void
refuses_data_that_was_cut_off_and_keeps_what_was_not(void **state)
{
    struct fixture fixture;
    struct file file;
    size_t refused = 0;
    (void)state;
    given_data(&fixture);
    file = load(&fixture, "data.mdb");

    for (size_t size = 0; size < file.size; size += 1021) {
        enum weir_error error;

        store(&file, size);
        error = open_and_scan(&fixture);
        assert_true(error == WEIR_OK || error == WEIR_ECORRUPT);
        refused += error == WEIR_OK ? 0 : 1;
        assert_true(error != WEIR_OK || refused * 1021 >= 50000); /* 500 blocks of 100 bytes */
    }
    assert_true(refused > 50);
    free(file.bytes);
    fixture_end(&fixture);
}

/* LMDB trusts its meta pages; the changes that we cannot detect must be harmless. */
static void
survives_any_bit_changed_in_the_meta_pages(void **state)
{
    struct fixture fixture;
    struct file file;
    size_t refused = 0;
    (void)state;
    given_data(&fixture);
    file = load(&fixture, "data.mdb");

    for (size_t i = 0; i < 2 * (size_t)META_BYTES * 8; i++) {
        size_t byte = i / 8 < META_BYTES ? i / 8 : i / 8 - META_BYTES + 4096;
        enum weir_error error;

        file.bytes[byte] ^= (unsigned char)(1U << (i % 8));
        store(&file, file.size);
        file.bytes[byte] ^= (unsigned char)(1U << (i % 8));
        error = open_and_scan(&fixture);
        assert_true(error == WEIR_OK || is_about_data(error) || error == WEIR_ENOMEM);
        refused += error == WEIR_OK ? 0 : 1;
    }
    assert_true(refused > META_BYTES);
    free(file.bytes);
    fixture_end(&fixture);
}

/* The root of the main database in meta page `page` behind any page of the file. */
static void
lose_root(struct file *file, unsigned page)
{
    const uint64_t far = 1U << 20U;

    memcpy(file->bytes + (size_t)page * 4096 + META_ROOT, &far, sizeof far);
}

/* A commit whose last write failed leaves its roots in the meta page that does not count. */
static void
only_the_meta_page_that_counts_must_be_sound(void **state)
{
    struct fixture fixture;
    struct file file;
    uint64_t commits[2];
    unsigned older;
    (void)state;
    given_data(&fixture);
    file = load(&fixture, "data.mdb");
    memcpy(&commits[0], file.bytes + META_COMMIT, sizeof commits[0]);
    memcpy(&commits[1], file.bytes + 4096 + META_COMMIT, sizeof commits[1]);
    older = commits[0] < commits[1] ? 0 : 1;

    lose_root(&file, older);
    store(&file, file.size);
    assert_int_equal(open_and_scan(&fixture), WEIR_OK);
    lose_root(&file, 1 - older);
    store(&file, file.size);
    assert_int_equal(open_and_scan(&fixture), WEIR_ECORRUPT);
    free(file.bytes);
    fixture_end(&fixture);
}

static void
refuses_garbage(void **state)
{
    struct fixture fixture;
    struct file file;
    (void)state;
    given_data(&fixture);
    file = load(&fixture, "data.mdb");

    for (size_t i = 0; i < file.size; i++) {
        file.bytes[i] = (unsigned char)(i * 2654435761U >> 13U);
    }
    store(&file, file.size);
    assert_int_equal(fixture_open(&fixture), WEIR_ECORRUPT);
    memset(file.bytes, 0, file.size);
    store(&file, file.size);
    assert_int_equal(fixture_open(&fixture), WEIR_ECORRUPT);
    assert_int_equal(unlink(file.path), 0);
    assert_int_equal(fixture_open(&fixture), WEIR_ECORRUPT);
    assert_non_null(strstr(fixture.detail.text, "data.mdb"));
    free(file.bytes);
    fixture_end(&fixture);
}

static void
refuses_data_without_a_stamp_but_finishes_an_interrupted_start(void **state)
{
    struct fixture fixture;
    struct file empty;
    char stamp[TEST_DIR_PATH_SIZE];
    (void)state;
    fixture_make(&fixture);
    assert_int_equal(
        wi_storage_open(weir_env_default(), &fixture.options, &fixture.storage, &fixture.detail),
        WEIR_OK);
    fixture_close(&fixture);
    fixture_path(&fixture, "format", stamp);
    assert_int_equal(unlink(stamp), 0);
    assert_int_equal(fixture_open(&fixture), WEIR_OK); /* empty data, then a database */
    fixture_close(&fixture);

    assert_int_equal(unlink(stamp), 0);
    assert_int_equal(fixture_open(&fixture), WEIR_ECORRUPT);
    empty = load(&fixture, "data.mdb");
    store(&empty, 0);
    assert_int_equal(fixture_open(&fixture), WEIR_OK);
    free(empty.bytes);
    fixture_end(&fixture);
}

static void
discards_liveness_when_the_boot_has_changed(void **state)
{
    struct fixture fixture;
    struct file page;
    uint64_t value = 0;
    (void)state;
    fixture_make(&fixture);
    fixture.options.discard_at_boot = true;
    assert_int_equal(fixture_open(&fixture), WEIR_OK);
    assert_int_equal(fixture_put(&fixture, 1, 1), WEIR_OK);
    fixture_close(&fixture);
    assert_int_equal(fixture_open(&fixture), WEIR_OK);
    assert_int_equal(fixture_get(&fixture, 1, &value), WEIR_OK); /* same boot: kept */
    fixture_close(&fixture);

    page = load(&fixture, "writer");
    page.bytes[8] ^= 1U; /* the first letter of the boot id */
    store(&page, page.size);
    fixture.options.read_only = true;
    assert_int_equal(fixture_open(&fixture), WEIR_ENOTFOUND);
    store(&page, page.size);
    fixture.options.read_only = false;
    assert_int_equal(fixture_open(&fixture), WEIR_OK);
    assert_int_equal(fixture_get(&fixture, 1, &value), WEIR_ENOTFOUND);
    free(page.bytes);
    fixture_end(&fixture);
}

static void
keeps_everything_else_when_the_boot_has_changed(void **state)
{
    struct fixture fixture;
    struct file page;
    uint64_t value = 0;
    (void)state;
    fixture_make(&fixture);
    assert_int_equal(fixture_open(&fixture), WEIR_OK);
    assert_int_equal(fixture_put(&fixture, 1, 1), WEIR_OK);
    fixture_close(&fixture);

    page = load(&fixture, "writer");
    memset(page.bytes, 0xff, page.size); /* whatever a power loss leaves */
    store(&page, page.size);
    assert_int_equal(fixture_open(&fixture), WEIR_OK);
    assert_int_equal(fixture_get(&fixture, 1, &value), WEIR_OK);
    assert_int_equal(fixture_put(&fixture, 1, 2), WEIR_OK);
    free(page.bytes);
    fixture_end(&fixture);
}

static void
knows_which_file_systems_cannot_hold_locks(void **state)
{
    (void)state;

    assert_string_equal(wi_filesystem_refused(0x6969), "NFS");
    assert_string_equal(wi_filesystem_refused(0xFF534D42), "CIFS");
    assert_string_equal(wi_filesystem_refused(0x65735546), "FUSE");
    assert_null(wi_filesystem_refused(0xEF53));     /* ext4 */
    assert_null(wi_filesystem_refused(0x58465342)); /* XFS */
    assert_null(wi_filesystem_refused(0x9123683E)); /* btrfs */
    assert_null(wi_filesystem_refused(0x01021994)); /* tmpfs */
}

static void
says_what_stands_in_the_way_of_a_directory(void **state)
{
    struct fixture fixture;
    char path[TEST_DIR_PATH_SIZE];
    char long_path[5000];
    (void)state;
    given_data(&fixture);
    fixture_path(&fixture, "format/inside", path);
    memset(long_path, 'x', sizeof long_path - 1);
    long_path[sizeof long_path - 1] = '\0';

    fixture.options.directory = path;
    assert_int_equal(fixture_open(&fixture), WEIR_EINVAL);
    assert_non_null(strstr(fixture.detail.text, "format/inside"));
    fixture.options.directory = long_path;
    assert_int_equal(fixture_open(&fixture), WEIR_EINVAL);
    fixture.options.directory = "/proc/weir-test/a";
    assert_int_equal(fixture_open(&fixture), WEIR_ENOTFOUND);
    fixture_end(&fixture);
}

/* How many descriptors of this process are open on files of the folder; none may outlive exec(). */
static size_t
count_descriptors(const struct fixture *fixture)
{
    DIR *folder = opendir("/proc/self/fd");
    const struct dirent *entry = NULL;
    const char *name = strrchr(fixture->dir.path, '/'); /* links above may have been resolved */
    size_t count = 0;

    assert_non_null(folder);
    assert_non_null(name);
    /* One thread. */
    while ((entry = readdir(folder)) != NULL) { /* NOLINT(concurrency-mt-unsafe) */
        char target[TEST_DIR_PATH_SIZE] = {0};

        if (readlinkat(dirfd(folder), entry->d_name, target, sizeof target - 1) > 0 &&
            strstr(target, name) != NULL) {
            const int fd = (int)strtol(entry->d_name, NULL, 10);

            assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
            count++;
        }
    }
    closedir(folder);
    return count;
}

static void
leaves_no_descriptor_to_other_programs(void **state)
{
    struct fixture fixture;
    struct wi_storage_options reading;
    struct wi_storage *reader = NULL;
    (void)state;
    fixture_make(&fixture);
    reading = fixture.options;
    reading.read_only = true;
    assert_int_equal(fixture_open(&fixture), WEIR_OK);
    assert_int_equal(fixture_put(&fixture, 1, 1), WEIR_OK);
    /* The folder, and data twice, once for meta pages, locks, lock page. */
    assert_true(count_descriptors(&fixture) >= 5);
    fixture_close(&fixture);

    assert_int_equal(
        wi_storage_open(weir_env_default(), &reading, &reader, &fixture.detail), WEIR_OK);
    assert_true(count_descriptors(&fixture) >= 4);
    wi_storage_close(reader);
    assert_int_equal(count_descriptors(&fixture), 0);
    fixture_end(&fixture);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_a_stamp_with_any_bit_changed_or_byte_missing),
        cmocka_unit_test(names_both_versions_and_kinds),
        cmocka_unit_test(refuses_a_stamp_that_is_too_long),
        cmocka_unit_test(refuses_data_that_was_cut_off_and_keeps_what_was_not),
        cmocka_unit_test(survives_any_bit_changed_in_the_meta_pages),
        cmocka_unit_test(only_the_meta_page_that_counts_must_be_sound),
        cmocka_unit_test(refuses_garbage),
        cmocka_unit_test(refuses_data_without_a_stamp_but_finishes_an_interrupted_start),
        cmocka_unit_test(discards_liveness_when_the_boot_has_changed),
        cmocka_unit_test(keeps_everything_else_when_the_boot_has_changed),
        cmocka_unit_test(knows_which_file_systems_cannot_hold_locks),
        cmocka_unit_test(says_what_stands_in_the_way_of_a_directory),
        cmocka_unit_test(leaves_no_descriptor_to_other_programs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
