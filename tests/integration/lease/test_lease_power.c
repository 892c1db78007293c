/* Power loss at any moment of a checkpoint or a change of owner: what was acknowledged is there,
 * and the rows of one call are there together or not at all. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/pcg.h"
#include "core/str.h"
#include "tests/contract/lease/lease_fixture.h"
#include "tests/integration/stream/power_model.h"
#include "tests/support/weir_test.h"

#define STEPS  60U
#define EVENTS 9U /* writes and syncs of one commit, about */
#define SEED   11U

static const char *const keys[] = {"shard-a", "shard-b"};

/* --- the table: checkpoint i of both leases, or, every fifth time, both change their owner --- */

static bool
is_move(uint64_t step)
{
    return step % 5 == 4;
}

/* What the rows show after `step` steps. */
static uint64_t
epoch_after(uint64_t step)
{
    return 2 + step / 5;
}

static uint64_t
checkpoint_after(uint64_t step)
{
    return step - step / 5;
}

static void
do_step(struct wi_lease_store *store, uint64_t step)
{
    struct wi_checkpoint_update updates[2];
    struct wi_release releases[2];
    enum weir_error results[2];

    for (unsigned i = 0; i < 2; i++) {
        updates[i] = (struct wi_checkpoint_update){
            keys[i], "w1", epoch_after(step), after(checkpoint_after(step) + 1)};
        releases[i] = (struct wi_release){
            .lease_key = keys[i], .owner = "w1", .epoch = epoch_after(step), .to = "w1"};
    }
    assert_int_equal(
        is_move(step) ? store->ops->release(store->store, releases, 2, results)
                      : store->ops->checkpoint(store->store, updates, 2, results),
        WEIR_OK);
    assert_int_equal(results[0], WEIR_OK);
    assert_int_equal(results[1], WEIR_OK);
}

/* --- a state of the disk, as a data directory of its own --- */

/* Zeros at the end stay a hole: most of a map is unused. */
static void
copy_to(const char *directory, const char *name, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    char path[2 * TEST_DIR_PATH_SIZE];
    size_t used = size;
    int fd;

    while (used > 0 && bytes[used - 1] == 0) {
        used--;
    }
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, used), used);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    close(fd);
}

static void
write_state(const struct lease_fixture *fixture, struct test_dir *copy)
{
    static const char *const folders[] = {"", "/apps", "/apps/app", "/apps/app/leases"};
    char path[2 * TEST_DIR_PATH_SIZE];
    char format[4096];
    size_t size = 0;
    unsigned char *state = power_model_state(&size);
    ssize_t format_size;
    int fd;

    test_dir_join(&fixture->dir, "after", copy->path, sizeof copy->path);
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        (void)snprintf(path, sizeof path, "%s%s", copy->path, folders[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    copy_to(path, "data.mdb", state, size);
    free(state);
    test_dir_join(&fixture->dir, "apps/app/leases/format", path, TEST_DIR_PATH_SIZE);
    fd = open(path, O_RDONLY);
    format_size = read(fd, format, sizeof format);
    close(fd);
    assert_true(format_size > 0);
    (void)snprintf(path, sizeof path, "%s/apps/app/leases", copy->path);
    copy_to(path, "format", format, (size_t)format_size);
}

static bool
shows(const struct wi_lease *lease, uint64_t step)
{
    uint64_t checkpoint = lease->checkpoint.type == WEIR_AFTER_SEQUENCE_NUMBER
                              ? lease->checkpoint.sequence_number.word[3]
                              : 0;

    return lease->epoch == epoch_after(step) && checkpoint == checkpoint_after(step);
}

/* Both leases show `least` steps, or both show `most`; then the table works on. */
static void
check_state(const struct lease_fixture *fixture, uint64_t least, uint64_t most)
{
    struct lease_fixture after_loss = {.backend = LEASE_LMDB};
    struct wi_lease_store *store;
    struct wi_lease lease;
    uint64_t step;

    test_env_init(&after_loss.env);
    write_state(fixture, &after_loss.dir);
    store = lease_fixture_new_store(&after_loss, LEASE_LMDB);
    lease = get_lease(store, keys[0]);
    step = shows(&lease, most) ? most : least;
    assert_true(shows(&lease, step));
    lease = get_lease(store, keys[1]);
    assert_true(shows(&lease, step));
    assert_int_equal(store->ops->revoke(store->store, 0, keys[0], lease.epoch), WEIR_OK);
    wi_lease_store_close(store);
    test_env_assert_no_leak(&after_loss.env);
    test_dir_remove(&after_loss.dir);
}

static void
loses_nothing_that_was_acknowledged(void **state)
{
    struct lease_fixture fixture = {.backend = LEASE_LMDB};
    char path[TEST_DIR_PATH_SIZE];
    struct wi_lease_store *store;
    struct wi_pcg pcg;

    (void)state;
    wi_pcg_seed(&pcg, SEED, 2);
    test_env_init(&fixture.env);
    test_dir_make(&fixture.dir);
    store = lease_fixture_new_store(&fixture, LEASE_LMDB);
    (void)given_owned(store, keys[0], "w1");
    (void)given_owned(store, keys[1], "w1");
    wi_lease_store_close(store);
    test_dir_join(&fixture.dir, "apps/app/leases/data.mdb", path, sizeof path);
    power_model_start(path, SEED);
    store = lease_fixture_new_store(&fixture, LEASE_LMDB);
    for (uint64_t i = 0; i < STEPS; i++) {
        power_model_arm(1 + (unsigned)wi_pcg_below(&pcg, EVENTS));
        do_step(store, i);
        assert_int_equal(power_model_unsynced(), 0);
        check_state(&fixture, i, i + 1);     /* at some moment of the call */
        check_state(&fixture, i + 1, i + 1); /* after it */
    }
    wi_lease_store_close(store);
    power_model_stop();
    test_dir_remove(&fixture.dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(loses_nothing_that_was_acknowledged)};

    return cmocka_run_group_tests_name("lease: power loss", tests, NULL, NULL);
}
