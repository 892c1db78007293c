/* Joins and resets beside one another: who has agreed on what when several begin at once. A writer
 * that keeps the lock puts the others into an order. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "core/str.h"
#include "lease/lease_store_lmdb.h"
#include "storage/environment.h"
#include "storage/storage.h"
#include "tests/contract/lease/lease_fixture.h"
#include "tests/support/weir_test.h"

#define SHORT_D_MS 1000

/* --- a writer that keeps its lock --- */

struct holder {
    pthread_t thread;
    struct wi_storage *storage;
    atomic_bool has_begun;
    atomic_bool may_end;
    enum weir_error error;
};

static enum weir_error
hold(MDB_txn *txn, void *context)
{
    struct holder *holder = context;

    (void)txn;
    atomic_store(&holder->has_begun, true);
    while (!atomic_load(&holder->may_end)) {
        sched_yield();
    }
    return WEIR_OK;
}

static void *
hold_once(void *context)
{
    struct holder *holder = context;

    holder->error = wi_storage_write(holder->storage, WI_WRITE_DEFAULT, hold, holder, NULL);
    return NULL;
}

static void
given_holder(struct holder *holder, struct wi_storage *storage)
{
    *holder = (struct holder){.storage = storage};
    assert_int_equal(pthread_create(&holder->thread, NULL, hold_once, holder), 0);
    while (!atomic_load(&holder->has_begun)) {
        sched_yield();
    }
}

static void
let_go(struct holder *holder)
{
    atomic_store(&holder->may_end, true);
    assert_int_equal(pthread_join(holder->thread, NULL), 0);
    assert_int_equal(holder->error, WEIR_OK);
}

/* --- operations that wait for it --- */

struct caller {
    pthread_t thread;
    struct wi_lease_store *store;
    enum weir_error (*call)(struct caller *caller);
    struct wi_application wish;
    struct wi_application agreed;
    enum weir_error error;
    atomic_bool is_done;
};

static enum weir_error
join(struct caller *caller)
{
    return caller->store->ops->open_application(
        caller->store->store, &caller->wish, &caller->agreed);
}

static enum weir_error
reset(struct caller *caller)
{
    const struct weir_position latest = position_of(WEIR_LATEST);

    return caller->store->ops->reset(caller->store->store, &latest);
}

static enum weir_error
register_w1(struct caller *caller)
{
    const struct wi_worker worker = {.owner = "w1", .state = WI_OWNER_ALIVE};

    return caller->store->ops->put_worker(caller->store->store, &worker);
}

static void *
call_once(void *context)
{
    struct caller *caller = context;

    caller->error = caller->call(caller);
    atomic_store(&caller->is_done, true);
    return NULL;
}

/* Looks inside: there is no other way to know without waiting for some time. */
static size_t
count_queued(struct wi_environment *environment)
{
    size_t count;

    pthread_mutex_lock(&environment->mutex);
    count = environment->queue_length;
    pthread_mutex_unlock(&environment->mutex);
    return count;
}

/* Goes on when the call is done, or has become the `place`th that waits for the holder's lock. */
static void
given_caller(
    struct caller *caller,
    struct wi_lease_store *store,
    enum weir_error (*call)(struct caller *caller),
    struct holder *holder,
    size_t place)
{
    caller->store = store;
    caller->call = call;
    atomic_store(&caller->is_done, false);
    assert_int_equal(pthread_create(&caller->thread, NULL, call_once, caller), 0);
    while (!atomic_load(&caller->is_done) && count_queued(holder->storage->environment) < place) {
        sched_yield();
    }
}

static enum weir_error
outcome_of(struct caller *caller)
{
    assert_int_equal(pthread_join(caller->thread, NULL), 0);
    return caller->error;
}

static struct wi_lmdb_store *
inside(struct lease_fixture *fixture)
{
    return fixture->store->store;
}

static void
given_application(struct lease_fixture *fixture)
{
    struct wi_application wish = an_application();

    assert_int_equal(
        fixture->store->ops->open_application(fixture->store->store, &wish, &wish), WEIR_OK);
}

/* --- tests --- */

/* One waits to replace the agreement when nobody is there, the other registers and adopts. */
static void
two_workers_that_begin_at_once_agree(struct lease_fixture *fixture, const struct wi_application *of)
{
    struct caller newcomer = {.wish = *of};
    struct caller worker = {.wish = an_application()};
    struct holder holder;

    given_application(fixture);
    given_holder(&holder, inside(fixture)->leases);
    given_caller(&newcomer, fixture->second, join, &holder, 1);
    put_worker(fixture->store, "w1");
    given_caller(&worker, fixture->store, join, &holder, 2);
    let_go(&holder);

    assert_int_equal(outcome_of(&worker), WEIR_OK);
    assert_int_equal(worker.agreed.lease_duration_ms, FIXTURE_D_MS);
    if (outcome_of(&newcomer) == WEIR_OK) {
        assert_int_equal(newcomer.agreed.lease_duration_ms, FIXTURE_D_MS);
        assert_string_equal(newcomer.agreed.stream_url, worker.agreed.stream_url);
    } else {
        assert_int_equal(newcomer.error, WEIR_ECONFLICT);
    }
}

/* G1: who renews by a long duration is not watched by a short one. */
static void
agrees_on_one_lease_duration_when_two_workers_begin_at_once(void **state)
{
    struct wi_application wish = an_application();

    wish.lease_duration_ms = SHORT_D_MS;
    two_workers_that_begin_at_once_agree(*state, &wish);
}

static void
agrees_on_one_stream_when_two_workers_begin_at_once(void **state)
{
    struct wi_application wish = an_application();

    (void)wi_str_copy(wish.stream_url, sizeof wish.stream_url, WI_STR("weir:other"));
    two_workers_that_begin_at_once_agree(*state, &wish);
}

/* The other order: the agreement was replaced before the worker registered. */
static void
adopts_what_was_agreed_before_it_registered(void **state)
{
    struct lease_fixture *fixture = *state;
    struct caller newcomer = {.wish = an_application()};
    struct caller worker = {.wish = an_application()};

    newcomer.wish.lease_duration_ms = SHORT_D_MS;
    newcomer.store = fixture->second;
    worker.store = fixture->store;
    given_application(fixture);
    assert_int_equal(join(&newcomer), WEIR_OK);
    put_worker(fixture->store, "w1");
    assert_int_equal(join(&worker), WEIR_OK);
    assert_int_equal(worker.agreed.lease_duration_ms, SHORT_D_MS);
}

static void
resets_nothing_if_a_worker_registers_while_the_reset_waits(void **state)
{
    struct lease_fixture *fixture = *state;
    struct caller boss = {.wish = an_application()};
    struct holder holder;

    given_application(fixture);
    assert_int_equal(create_lease(fixture->store, "shard-a"), WEIR_OK);
    given_holder(&holder, inside(fixture)->leases);
    given_caller(&boss, fixture->second, reset, &holder, 1);
    put_worker(fixture->store, "w1");
    let_go(&holder);

    assert_int_equal(outcome_of(&boss), WEIR_ESTATE);
    assert_string_equal(get_lease(fixture->store, "shard-a").lease_key, "shard-a");
    assert_int_equal(renew_session(fixture->store, "w1"), WEIR_OK);
}

/* Registered after the rows went: its session is none of those that the reset is to drop. */
static void
a_reset_leaves_the_session_of_a_worker_that_registers_meanwhile(void **state)
{
    struct lease_fixture *fixture = *state;
    struct caller worker = {.wish = an_application()};
    struct caller boss = {.wish = an_application()};
    struct holder holder;

    given_application(fixture);
    given_holder(&holder, inside(fixture)->liveness);
    given_caller(&worker, fixture->store, register_w1, &holder, 1);
    given_caller(&boss, fixture->second, reset, &holder, 2);
    let_go(&holder);

    assert_int_equal(outcome_of(&boss), WEIR_OK);
    assert_int_equal(outcome_of(&worker), WEIR_OK);
    assert_int_equal(renew_session(fixture->store, "w1"), WEIR_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LEASE_TEST(agrees_on_one_lease_duration_when_two_workers_begin_at_once),
        LEASE_TEST(agrees_on_one_stream_when_two_workers_begin_at_once),
        LEASE_TEST(adopts_what_was_agreed_before_it_registered),
        LEASE_TEST(resets_nothing_if_a_worker_registers_while_the_reset_waits),
        LEASE_TEST(a_reset_leaves_the_session_of_a_worker_that_registers_meanwhile),
    };

    return lease_fixture_run_lmdb("lease: joining", tests, sizeof tests / sizeof tests[0]);
}
