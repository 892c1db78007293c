/* Calls of the system that fail inside LMDB and storage: each one once, by functions of the same
 * name in this program. */
#include <errno.h>
#include <lmdb.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <weir/error.h>
#include <weir/version.h>

#include "storage/environment.h"
#include "storage/storage.h"
#include "tests/support/test_dir.h"
#include "tests/support/weir_test.h"
#include "tests/unit/storage/storage_fixture.h"

/* The calls of one kind are counted; number `fail_at` fails with `code`. */
struct fault {
    atomic_size_t calls;
    atomic_size_t fail_at; /* 0: none */
    atomic_int code;
};

/* Where a commit is as its last write ends: its meta page is in the map, and, if that was not
 * synced yet, the commit is not done. */
static struct {
    struct wi_storage *storage; /* NULL: not looked at */
    uint64_t version;           /* of wi_storage_version() at that moment */
} last_write;

/* The linker binds LMDB's calls to the functions of this program, so they must be visible. */
static struct fault write_fault;
static struct fault sync_fault;
static struct fault memory_fault;

WEIR_API ssize_t pwrite(int fd, const void *memory, size_t size, off_t place);
WEIR_API ssize_t pwrite64(int fd, const void *memory, size_t size, off_t place);
WEIR_API ssize_t writev(int fd, const struct iovec *parts, int count);
WEIR_API int fdatasync(int fd);

static bool
is_failing(struct fault *fault)
{
    size_t call = atomic_fetch_add(&fault->calls, 1) + 1;

    if (call != atomic_load(&fault->fail_at)) {
        return false;
    }
    errno = atomic_load(&fault->code);
    return true;
}

static void
fail_call(struct fault *fault, size_t number, int code)
{
    atomic_store(&fault->calls, 0);
    atomic_store(&fault->code, code);
    atomic_store(&fault->fail_at, number);
}

static bool
has_failed(struct fault *fault)
{
    size_t fail_at = atomic_exchange(&fault->fail_at, 0);

    return fail_at != 0 && atomic_load(&fault->calls) >= fail_at;
}

ssize_t
pwrite(int fd, const void *memory, size_t size, off_t place)
{
    if (is_failing(&write_fault)) {
        return -1;
    }
    const ssize_t written = (ssize_t)syscall(SYS_pwrite64, fd, memory, size, place);
    if (last_write.storage != NULL) {
        last_write.version = wi_storage_version(last_write.storage);
    }
    return written;
}

ssize_t
pwrite64(int fd, const void *memory, size_t size, off_t place)
{
    return pwrite(fd, memory, size, place);
}

ssize_t
writev(int fd, const struct iovec *parts, int count)
{
    return is_failing(&write_fault) ? -1 : (ssize_t)syscall(SYS_writev, fd, parts, count);
}

int
fdatasync(int fd)
{
    return is_failing(&sync_fault) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWN_MALLOC 0 /* the sanitizers bring theirs */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define OWN_MALLOC 0
#else
#define OWN_MALLOC 1
#endif
#else
#define OWN_MALLOC 1
#endif

#if OWN_MALLOC
WEIR_API void *malloc(size_t size);
WEIR_API void *calloc(size_t count, size_t size);
WEIR_API void *realloc(void *memory, size_t size);
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

void *
malloc(size_t size)
{
    return is_failing(&memory_fault) ? NULL : __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
    return is_failing(&memory_fault) ? NULL : __libc_calloc(count, size);
}

void *
realloc(void *memory, size_t size)
{
    return is_failing(&memory_fault) ? NULL : __libc_realloc(memory, size);
}
#endif

/* --- tests --- */

struct pair {
    MDB_dbi dbi;
    uint64_t value;
};

/* Many keys with one value, over several pages: a torn commit would show. */
static enum weir_error
put_all(MDB_txn *txn, void *context)
{
    struct pair *pair = context;
    int code = 0;

    for (uint64_t i = 0; code == 0 && i < 40; i++) {
        unsigned char block[512] = {0};
        MDB_val key = {sizeof i, &i};
        MDB_val value = {sizeof block, block};

        memcpy(block, &pair->value, sizeof pair->value);
        code = mdb_put(txn, pair->dbi, &key, &value, 0);
    }
    return wi_error_from_lmdb(code);
}

/* The one value that all keys have; fails the test if they differ. */
static uint64_t
read_all(struct fixture *fixture)
{
    uint64_t first = 0;

    assert_int_equal(fixture_get(fixture, 0, &first), WEIR_OK);
    for (uint64_t i = 1; i < 40; i++) {
        uint64_t value = 0;

        assert_int_equal(fixture_get(fixture, i, &value), WEIR_OK);
        assert_true(value == first);
    }
    return first;
}

/* Write 1, then 2 with a fault, then 3: after each step the data is whole, and the fault is no
 * success. Returns the error of the faulty write. */
static enum weir_error
write_with_fault(struct fixture *fixture, struct fault *fault, size_t number, int code)
{
    struct pair pair = {fixture->dbi, 1};
    enum weir_error error;
    uint64_t value;
    bool failed;

    assert_int_equal(wi_storage_write(fixture->storage, 0, put_all, &pair, NULL), WEIR_OK);
    pair.value = 2;
    fail_call(fault, number, code);
    error = wi_storage_write(fixture->storage, 0, put_all, &pair, &fixture->detail);
    failed = has_failed(fault);
    value = read_all(fixture);
    assert_true(error == WEIR_OK ? value == 2 : failed);
    assert_true(error != WEIR_EFULL || value == 1);
    pair.value = 3;
    assert_int_equal(wi_storage_write(fixture->storage, 0, put_all, &pair, NULL), WEIR_OK);
    assert_int_equal(read_all(fixture), 3);
    return failed ? error : WEIR_OK;
}

static void
is_whole_after_every_failed_write(void **state)
{
    struct fixture fixture;
    size_t failures = 0;
    (void)state;
    fixture_make(&fixture);
    fixture.options.sync = WI_SYNC_FULL;
    assert_int_equal(fixture_open(&fixture), WEIR_OK);

    for (size_t number = 1; number <= 6; number++) {
        enum weir_error error = write_with_fault(&fixture, &write_fault, number, EIO);

        assert_true(error == WEIR_OK || error == WEIR_EIO);
        failures += error == WEIR_EIO ? 1 : 0;
    }
    assert_true(failures > 0);
    fixture_end(&fixture);
}

static void
is_whole_after_a_full_disk_at_every_write(void **state)
{
    struct fixture fixture;
    size_t failures = 0;
    (void)state;
    fixture_make(&fixture);
    fixture.options.sync = WI_SYNC_FULL;
    assert_int_equal(fixture_open(&fixture), WEIR_OK);

    for (size_t number = 1; number <= 6; number++) {
        enum weir_error error = write_with_fault(&fixture, &write_fault, number, ENOSPC);

        assert_true(error == WEIR_OK || error == WEIR_EFULL || error == WEIR_EIO);
        failures += error == WEIR_EFULL ? 1 : 0;
    }
    assert_true(failures > 0);
    fixture_end(&fixture);
}

/* A sync that failed must not be tried again and trusted: the environment is opened anew. */
static void
opens_the_environment_again_after_a_failed_sync(void **state)
{
    struct fixture fixture;
    MDB_dbi dbi = 0;
    (void)state;
    fixture_make(&fixture);
    fixture.options.sync = WI_SYNC_FULL;
    assert_int_equal(fixture_open(&fixture), WEIR_OK);
    assert_int_equal(wi_storage_database(fixture.storage, "more", 0, &dbi), WEIR_OK);
    assert_int_equal(fixture_put(&fixture, 1, 1), WEIR_OK);

    fail_call(&sync_fault, 1, EIO);
    assert_int_equal(fixture_put(&fixture, 1, 2), WEIR_EIO);
    assert_true(has_failed(&sync_fault));
    assert_true(atomic_load(&fixture.storage->environment->is_broken));
    assert_int_equal(fixture_put(&fixture, 1, 3), WEIR_OK);
    assert_false(atomic_load(&fixture.storage->environment->is_broken));
    assert_int_equal(write_with_fault(&fixture, &sync_fault, 1, EIO), WEIR_EIO);
    fixture_end(&fixture);
}

static void
says_so_when_the_environment_cannot_be_opened_again(void **state)
{
    struct fixture fixture;
    uint64_t value = 0;
    char path[TEST_DIR_PATH_SIZE];
    char aside[TEST_DIR_PATH_SIZE];
    (void)state;
    fixture_make(&fixture);
    fixture.options.sync = WI_SYNC_FULL;
    assert_int_equal(fixture_open(&fixture), WEIR_OK);
    assert_int_equal(fixture_put(&fixture, 1, 1), WEIR_OK);
    fixture_path(&fixture, "data.mdb", path);
    fixture_path(&fixture, "aside", aside);

    assert_int_equal(rename(path, aside), 0);
    fail_call(&sync_fault, 1, EIO);
    assert_int_equal(fixture_put(&fixture, 1, 2), WEIR_EIO);
    assert_int_equal(fixture_put(&fixture, 1, 3), WEIR_EIO);
    assert_int_equal(fixture_get(&fixture, 1, &value), WEIR_EIO);
    (void)wi_storage_version(fixture.storage);

    assert_int_equal(rename(aside, path), 0);
    assert_int_equal(fixture_get(&fixture, 1, &value), WEIR_OK);
    assert_true(value == 1);
    fixture_end(&fixture);
}

/* Or a reader takes a commit for seen whose records it cannot read yet, and waits for the next. */
static void
tells_of_a_commit_only_once_readers_see_it(void **state)
{
    struct fixture fixture;
    uint64_t before = 0;
    (void)state;
    fixture_make(&fixture);
    fixture.options.sync = WI_SYNC_FULL;
    assert_int_equal(fixture_open(&fixture), WEIR_OK);
    before = wi_storage_version(fixture.storage);

    last_write.storage = fixture.storage;
    assert_int_equal(fixture_put(&fixture, 1, 1), WEIR_OK);
    last_write.storage = NULL;
    assert_true(last_write.version == before);
    assert_true(wi_storage_version(fixture.storage) == before + 1);
    fixture_end(&fixture);
}

static void
opening_survives_every_failed_allocation_of_lmdb(void **state)
{
    struct fixture fixture;
    (void)state;
    if (!OWN_MALLOC) {
        skip();
    }
    fixture_make(&fixture);
    fixture.options.sync = WI_SYNC_FULL;

    for (size_t number = 1;; number++) {
        enum weir_error error;

        fail_call(&memory_fault, number, ENOMEM);
        error = fixture_open(&fixture);
        if (!has_failed(&memory_fault)) {
            assert_int_equal(error, WEIR_OK);
            break;
        }
        assert_true(error == WEIR_ENOMEM || error == WEIR_OK);
        fixture_close(&fixture);
    }
    assert_int_equal(fixture_put(&fixture, 1, 1), WEIR_OK);
    fixture_end(&fixture);
}

static void
reading_and_writing_survive_every_failed_allocation(void **state)
{
    struct fixture fixture;
    uint64_t value = 0;
    bool failed = true;
    (void)state;
    if (!OWN_MALLOC) {
        skip();
    }
    fixture_make(&fixture);
    for (size_t number = 1; failed; number++) {
        enum weir_error error;

        assert_int_equal(fixture_open(&fixture), WEIR_OK);
        fail_call(&memory_fault, number, ENOMEM);
        error = fixture_put(&fixture, 1, number);
        if (error == WEIR_OK) {
            error = fixture_get(&fixture, 1, &value);
        }
        failed = has_failed(&memory_fault);
        assert_int_equal(error, failed ? WEIR_ENOMEM : WEIR_OK);
        assert_int_equal(fixture_put(&fixture, 1, number), WEIR_OK);
        fixture_close(&fixture);
    }
    fixture_end(&fixture);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_whole_after_every_failed_write),
        cmocka_unit_test(is_whole_after_a_full_disk_at_every_write),
        cmocka_unit_test(opens_the_environment_again_after_a_failed_sync),
        cmocka_unit_test(says_so_when_the_environment_cannot_be_opened_again),
        cmocka_unit_test(tells_of_a_commit_only_once_readers_see_it),
        cmocka_unit_test(opening_survives_every_failed_allocation_of_lmdb),
        cmocka_unit_test(reading_and_writing_survive_every_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
