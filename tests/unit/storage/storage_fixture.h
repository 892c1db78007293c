/* A storage directory with one database of 64-bit numbers, for the tests of storage/. */
#ifndef WI_TESTS_UNIT_STORAGE_STORAGE_FIXTURE_H
#define WI_TESTS_UNIT_STORAGE_STORAGE_FIXTURE_H

#include <lmdb.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <weir/error.h>

#include "storage/storage.h"
#include "tests/support/test_dir.h"

#define FIXTURE_MAP_BYTES     ((uint64_t)1 << 20U)
#define FIXTURE_MAP_BYTES_MAX ((uint64_t)64 << 20U)

struct fixture {
    struct test_dir dir;
    struct wi_storage_options options;
    struct wi_storage *storage;
    MDB_dbi dbi;
    struct weir_detail detail;
};

/* A new folder and options that fit most tests; nothing is opened. */
void fixture_make(struct fixture *fixture);

/* Open with the default environment, and the database "numbers". */
enum weir_error fixture_open(struct fixture *fixture);
void fixture_close(struct fixture *fixture);

/* Close and remove the folder. */
void fixture_end(struct fixture *fixture);

/* One write or read of a number. */
enum weir_error fixture_put(struct fixture *fixture, uint64_t key, uint64_t value);
enum weir_error fixture_get(struct fixture *fixture, uint64_t key, uint64_t *ret);

/* Add 1 to a number that starts at 0. */
enum weir_error fixture_increment(struct fixture *fixture, uint64_t key);

/* Write a value of `size` bytes under a key. */
enum weir_error fixture_put_block(
    struct fixture *fixture, uint64_t key, size_t size, enum wi_write_flags flags);

/* Full path of a file of the folder. */
void fixture_path(const struct fixture *fixture, const char *name, char path[TEST_DIR_PATH_SIZE]);

/* A child process that runs `fn` and exits with its result, 0 meaning success. Open nothing before:
 * an environment does not survive fork(). */
typedef int (*fixture_child_fn)(struct fixture *fixture, void *context);
pid_t fixture_fork(struct fixture *fixture, fixture_child_fn fn, void *context);

/* Wait for the end of a child and return its exit status, or 256 + the number of its signal. */
int fixture_wait(pid_t pid);

/* fixture_fork() and fixture_wait(). */
int fixture_run_child(struct fixture *fixture, fixture_child_fn fn, void *context);

#endif
