/* What the host takes away: disk space, permissions, the pid namespace. Cases that need root are
 * skipped without it. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/env.h>
#include <weir/error.h>

#include "storage/storage.h"
#include "tests/support/test_dir.h"
#include "tests/support/weir_test.h"
#include "tests/unit/storage/storage_fixture.h"

#define NOBODY      65534
#define BLOCK_BYTES 20000
#define PAGE_BYTES  4096
#define CANNOT      77 /* exit status of a child whose case is not possible here */
#define ROUNDS      3
#define FILES_PAGES 180   /* more than an empty directory needs */
#define LOCK_BEFORE 69632 /* bytes of lock.mdb while it had room for 1,024 readers */

/* Pass on what a child found out: 0, or skip, or fail with its number. */
static void
assert_child(struct fixture *fixture, fixture_child_fn fn)
{
    int status = fixture_run_child(fixture, fn, NULL);

    if (status == CANNOT) {
        fixture_end(fixture);
        skip();
    }
    assert_int_equal(status, 0);
    fixture_end(fixture);
}

/* Write blocks until one fails; *ret_count is how many are there. */
static enum weir_error
fill(struct fixture *fixture, uint64_t *count)
{
    enum weir_error error = WEIR_OK;

    for (int i = 0; error == WEIR_OK && i < 10000; i++) {
        error = fixture_put_block(fixture, *count, BLOCK_BYTES, WI_WRITE_DEFAULT);
        *count += error == WEIR_OK ? 1 : 0;
    }
    return error;
}

static bool
has_all(struct fixture *fixture, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        uint64_t value = 0;

        if (fixture_get(fixture, i, &value) != WEIR_OK || value != i) {
            return false;
        }
    }
    return true;
}

/* --- disk space --- */

static int
fill_up_to_a_file_size_limit(struct fixture *fixture, void *context)
{
    struct rlimit limit;
    uint64_t count = 0;

    (void)context;
    (void)signal(SIGXFSZ, SIG_IGN);
    if (fixture_open(fixture) != WEIR_OK || getrlimit(RLIMIT_FSIZE, &limit) != 0) {
        return 1;
    }
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        limit.rlim_cur = round * 3 * 1024 * 1024;
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0) {
            return 2;
        }
        for (int i = 0; i < ROUNDS; i++) {
            if (fill(fixture, &count) != WEIR_EFULL || !has_all(fixture, count)) {
                return 3;
            }
        }
    }
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0 || fixture_put(fixture, count, count) != WEIR_OK) {
        return 4;
    }
    fixture_close(fixture);
    return fixture_open(fixture) == WEIR_OK && has_all(fixture, count + 1) ? 0 : 5;
}

static void
says_full_at_a_file_size_limit_and_goes_on_behind_it(void **state)
{
    struct fixture fixture;
    (void)state;
    fixture_make(&fixture);

    assert_child(&fixture, fill_up_to_a_file_size_limit);
}

static bool
write_filler(const char *path, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    bool is_written = fd >= 0 && posix_fallocate(fd, 0, (off_t)size) == 0;

    return fd >= 0 && close(fd) == 0 && is_written;
}

static int
fill_a_small_disk(struct fixture *fixture, void *context)
{
    char filler[TEST_DIR_PATH_SIZE];
    char data[TEST_DIR_PATH_SIZE];
    uint64_t count = 0;

    (void)context;
    fixture_path(fixture, "filler", filler);
    fixture_path(fixture, "data", data);
    fixture->options.directory = data;
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("weir-test", fixture->dir.path, "tmpfs", 0, "size=4m") != 0) {
        return CANNOT;
    }
    if (!write_filler(filler, 1 << 20) || fixture_open(fixture) != WEIR_OK) {
        return 1;
    }
    for (int i = 0; i < ROUNDS; i++) {
        if (fill(fixture, &count) != WEIR_EFULL || !has_all(fixture, count)) {
            return 2;
        }
    }
    fixture_close(fixture);
    if (fixture_open(fixture) != WEIR_OK || !has_all(fixture, count)) {
        return 3;
    }
    if (unlink(filler) != 0 ||
        fixture_put_block(fixture, count, BLOCK_BYTES, WI_WRITE_DEFAULT) != WEIR_OK) {
        return 4;
    }
    return has_all(fixture, count + 1) ? 0 : 5;
}

static void
says_full_on_a_full_disk_and_goes_on_when_there_is_space(void **state)
{
    struct fixture fixture;
    (void)state;
    fixture_make(&fixture);

    assert_child(&fixture, fill_a_small_disk);
}

/* Take all space of the disk but `free_bytes`. */
static bool
leave_free(const char *filler, size_t free_bytes)
{
    int fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    off_t size = 0;

    while (fd >= 0 && posix_fallocate(fd, size, PAGE_BYTES) == 0) {
        size += PAGE_BYTES;
    }
    return fd >= 0 && size > (off_t)free_bytes && ftruncate(fd, size - (off_t)free_bytes) == 0 &&
           close(fd) == 0;
}

static int
open_with_space_left(struct fixture *fixture, const char *filler, size_t free_bytes)
{
    enum weir_error error;

    if (mount("weir-test", fixture->dir.path, "tmpfs", 0, "size=900k") != 0) {
        return CANNOT;
    }
    if (!leave_free(filler, free_bytes)) {
        return 1;
    }
    error = fixture_open(fixture);
    fixture_close(fixture);
    if ((error != WEIR_OK && error != WEIR_EFULL) || unlink(filler) != 0) {
        return 2;
    }
    error = fixture_open(fixture);
    fixture_close(fixture);
    return error == WEIR_OK && umount(fixture->dir.path) == 0 ? 0 : 3;
}

/* With no byte left even for the pages that are mapped: an error, and no signal. */
static int
open_on_a_full_disk(struct fixture *fixture, void *context)
{
    char data[TEST_DIR_PATH_SIZE];
    char filler[TEST_DIR_PATH_SIZE];
    int status = 0;

    (void)context;
    fixture_path(fixture, "filler", filler);
    fixture_path(fixture, "data", data);
    fixture->options.directory = data;
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        return CANNOT;
    }
    for (size_t pages = 0; pages < FILES_PAGES && status == 0; pages++) {
        status = open_with_space_left(fixture, filler, pages * PAGE_BYTES);
    }
    return status;
}

static void
opens_on_a_disk_of_any_fullness_or_says_full(void **state)
{
    struct fixture fixture;
    (void)state;
    fixture_make(&fixture);

    assert_child(&fixture, open_on_a_full_disk);
}

/* --- a lock file of an earlier version --- */

static off_t
file_size(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 ? status.st_size : -1;
}

/* Open, use and close. */
static bool
can_be_used(struct fixture *fixture)
{
    const bool works = fixture_open(fixture) == WEIR_OK && fixture_put(fixture, 1, 42) == WEIR_OK;

    fixture_close(fixture);
    return works;
}

static bool
can_be_read(struct fixture *fixture)
{
    uint64_t value = 0;
    const bool works =
        fixture_open(fixture) == WEIR_OK && fixture_get(fixture, 1, &value) == WEIR_OK;

    fixture_close(fixture);
    return works && value == 42;
}

static int
open_with_a_small_lock_file(struct fixture *fixture, void *context)
{
    char data[TEST_DIR_PATH_SIZE];
    char filler[TEST_DIR_PATH_SIZE];
    char lock[TEST_DIR_PATH_SIZE];

    (void)context;
    fixture_path(fixture, "filler", filler);
    fixture_path(fixture, "data", data);
    fixture_path(fixture, "data/lock.mdb", lock);
    fixture->options.directory = data;
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("weir-test", fixture->dir.path, "tmpfs", 0, "size=4m") != 0) {
        return CANNOT;
    }
    if (!can_be_used(fixture)) {
        return 1;
    }
    if (truncate(lock, LOCK_BEFORE) != 0 || !leave_free(filler, 0)) {
        return 2;
    }
    if (!can_be_read(fixture) || file_size(lock) != LOCK_BEFORE || unlink(filler) != 0) {
        return 3;
    }
    return can_be_used(fixture) && file_size(lock) > LOCK_BEFORE ? 0 : 4;
}

static void
takes_a_small_lock_file_until_the_disk_has_room_for_a_larger_one(void **state)
{
    struct fixture fixture;
    (void)state;
    fixture_make(&fixture);

    assert_child(&fixture, open_with_a_small_lock_file);
}

/* --- permissions --- */

static bool
become_nobody(const struct fixture *fixture)
{
    return setgid(NOBODY) == 0 && setuid(NOBODY) == 0 && access(fixture->dir.path, X_OK) == 0;
}

static int
use_without_permission_to_write(struct fixture *fixture, void *context)
{
    uint64_t value = 0;
    uint64_t used = 0;
    uint64_t map = 0;

    (void)context;
    if (!become_nobody(fixture)) {
        return CANNOT;
    }
    if (fixture_open(fixture) != WEIR_EACCESS) {
        return 1;
    }
    fixture->options.read_only = true;
    if (fixture_open(fixture) != WEIR_OK || fixture_get(fixture, 1, &value) != WEIR_OK ||
        value != 42) {
        return 2;
    }
    if (wi_storage_wake_wait(fixture->storage, wi_storage_wake_word(fixture->storage), 1) !=
        wi_storage_wake_word(fixture->storage)) {
        return 3;
    }
    wi_storage_wake(fixture->storage, 1);
    wi_storage_wake_interrupt(fixture->storage);
    wi_storage_usage(fixture->storage, &used, &map);
    fixture->options.read_only = false;
    return used > 0 && fixture_open(fixture) == WEIR_EACCESS ? 0 : 4;
}

static void
given_data_that_others_may_read(struct fixture *fixture)
{
    static const char *const names[] = {"data.mdb", "lock.mdb", "format", "writer", "wake"};

    fixture_make(fixture);
    assert_int_equal(fixture_open(fixture), WEIR_OK);
    assert_int_equal(fixture_put(fixture, 1, 42), WEIR_OK);
    fixture_close(fixture);
    assert_int_equal(chmod(fixture->dir.path, 0755), 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[TEST_DIR_PATH_SIZE];

        fixture_path(fixture, names[i], path);
        assert_int_equal(chmod(path, 0644), 0);
    }
}

static void
reads_where_it_may_not_write(void **state)
{
    struct fixture fixture;
    (void)state;
    given_data_that_others_may_read(&fixture);

    assert_child(&fixture, use_without_permission_to_write);
}

static int
read_without_permission_to_write(struct fixture *fixture, void *context)
{
    uint64_t value = 0;
    enum weir_error error;

    (void)context;
    if (!become_nobody(fixture)) {
        return CANNOT;
    }
    fixture->options.read_only = true;
    error =
        wi_storage_open(weir_env_default(), &fixture->options, &fixture->storage, &fixture->detail);
    if (error != WEIR_OK) {
        return 1;
    }
    return fixture_get(fixture, 1, &value) == WEIR_EACCESS ? 0 : 2;
}

/* A reader that cannot enter itself in LMDB's table must keep away while others write. */
static void
does_not_read_without_permission_while_others_write(void **state)
{
    struct fixture fixture;
    uint64_t value = 0;
    pid_t child;
    int status;
    (void)state;
    given_data_that_others_may_read(&fixture);
    assert_int_equal(fixture_open(&fixture), WEIR_OK);

    child = fork();
    if (child == 0) {
        struct fixture own = fixture;

        own.storage = NULL;
        _exit(read_without_permission_to_write(&own, NULL));
    }
    status = fixture_wait(child);
    assert_int_equal(fixture_get(&fixture, 1, &value), WEIR_OK);
    assert_int_equal(fixture_put(&fixture, 1, 1), WEIR_OK);
    fixture_end(&fixture);
    if (status == CANNOT) {
        skip();
    }
    assert_int_equal(status, 0);
}

/* --- pid namespaces --- */

static int
open_in_own_namespace(struct fixture *fixture, void *context)
{
    enum weir_error *expected = context;
    enum weir_error error;

    if (mount("proc", "/proc", "proc", 0, NULL) != 0) {
        return CANNOT;
    }
    error = fixture_open(fixture);
    if (error != *expected) {
        return 1;
    }
    return error == WEIR_OK || strstr(fixture->detail.text, "pid namespace") != NULL ? 0 : 2;
}

static int
enter_namespace(struct fixture *fixture, void *context)
{
    if (unshare(CLONE_NEWPID | CLONE_NEWNS) != 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        return CANNOT;
    }
    return fixture_run_child(fixture, open_in_own_namespace, context);
}

static void
refuses_a_second_pid_namespace_but_not_the_next_one(void **state)
{
    enum weir_error expected = WEIR_EPLATFORM;
    struct fixture fixture;
    struct fixture other;
    int status;
    (void)state;
    fixture_make(&fixture);
    other = fixture;
    assert_int_equal(fixture_open(&fixture), WEIR_OK);

    status = fixture_run_child(&other, enter_namespace, &expected);
    fixture_close(&fixture);
    if (status == 0) {
        expected = WEIR_OK;
        status = fixture_run_child(&other, enter_namespace, &expected);
    }
    assert_int_equal(fixture_open(&fixture), WEIR_OK);
    fixture_end(&fixture);
    if (status == CANNOT) {
        skip();
    }
    assert_int_equal(status, 0);
}

static int
open_with_a_foreign_proc(struct fixture *fixture, void *context)
{
    (void)context;
    return fixture_open(fixture) == WEIR_EPLATFORM ? 0 : 1;
}

static int
enter_namespace_without_proc(struct fixture *fixture, void *context)
{
    return unshare(CLONE_NEWPID) == 0
               ? fixture_run_child(fixture, open_with_a_foreign_proc, context)
               : CANNOT;
}

static void
refuses_a_proc_that_shows_another_namespace(void **state)
{
    struct fixture fixture;
    (void)state;
    fixture_make(&fixture);

    assert_child(&fixture, enter_namespace_without_proc);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_full_at_a_file_size_limit_and_goes_on_behind_it),
        cmocka_unit_test(says_full_on_a_full_disk_and_goes_on_when_there_is_space),
        cmocka_unit_test(opens_on_a_disk_of_any_fullness_or_says_full),
        cmocka_unit_test(takes_a_small_lock_file_until_the_disk_has_room_for_a_larger_one),
        cmocka_unit_test(reads_where_it_may_not_write),
        cmocka_unit_test(does_not_read_without_permission_while_others_write),
        cmocka_unit_test(refuses_a_second_pid_namespace_but_not_the_next_one),
        cmocka_unit_test(refuses_a_proc_that_shows_another_namespace),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
