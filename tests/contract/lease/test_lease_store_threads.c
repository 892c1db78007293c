/* The lease table's contract: slots are called from any thread, several at once. Every backend. */
#include <pthread.h>
#include <stdio.h>

#include "tests/contract/lease/lease_fixture.h"
#include "tests/support/weir_test.h"

#define THREADS  4U
#define ROUNDS   100U
#define KEY_SIZE 16U

struct owner_thread {
    pthread_t thread;
    struct wi_lease_store *store;
    char key[KEY_SIZE];
    char owner[KEY_SIZE];
    uint64_t epoch;
    enum weir_error error;
};

static void *
renew_and_checkpoint(void *context)
{
    struct owner_thread *self = context;

    for (uint64_t i = 1; i <= ROUNDS && self->error == WEIR_OK; i++) {
        self->error = renew_lease(self->store, self->key, self->owner, self->epoch);
        if (self->error == WEIR_OK) {
            self->error = checkpoint_at(self->store, self->key, self->owner, self->epoch, i);
        }
    }
    return NULL;
}

static void
given_owner_thread(struct owner_thread *thread, struct wi_lease_store *store, unsigned number)
{
    *thread = (struct owner_thread){.store = store, .error = WEIR_OK};
    (void)snprintf(thread->key, sizeof thread->key, "shard-%u", number);
    (void)snprintf(thread->owner, sizeof thread->owner, "w%u", number);
    thread->epoch = given_owned(store, thread->key, thread->owner);
}

/* Listings go on meanwhile and see whole rows. */
static void
observe(struct wi_lease_store *store)
{
    uint64_t seen[THREADS] = {0};

    for (unsigned round = 0; round < ROUNDS; round++) {
        struct wi_lease_table table;
        assert_int_equal(store->ops->list(store->store, &table), WEIR_OK);
        assert_int_equal(table.lease_count, THREADS);
        assert_int_equal(table.damaged_count, 0);
        for (unsigned i = 0; i < THREADS; i++) {
            uint64_t now = table.leases[i].checkpoint.sequence_number.word[3];
            assert_true(now >= seen[i]);
            seen[i] = now;
        }
        wi_lease_table_free(store->env, &table);
    }
}

static void
serves_many_threads_at_once(void **state)
{
    struct lease_fixture *fixture = *state;
    struct owner_thread threads[THREADS];

    for (unsigned i = 0; i < THREADS; i++) {
        given_owner_thread(&threads[i], i % 2 == 0 ? fixture->store : fixture->second, i);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(
            pthread_create(&threads[i].thread, NULL, renew_and_checkpoint, &threads[i]), 0);
    }
    observe(fixture->store);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i].thread, NULL), 0);
        assert_int_equal(threads[i].error, WEIR_OK);
        assert_int_equal(
            get_lease(fixture->store, threads[i].key).checkpoint.sequence_number.word[3], ROUNDS);
        if (lease_fixture_has(fixture, LEASE_SESSIONS)) {
            assert_int_equal(counter_of(fixture->store, threads[i].owner), ROUNDS + 1);
        }
    }
}

/* Of many who want the same lease under the same epoch, one gets it. */
static void *
try_to_take(void *context)
{
    struct owner_thread *self = context;

    self->error = assign_lease(self->store, "shard-x", self->owner, 1, 0);
    return NULL;
}

static void
gives_a_lease_to_one_of_many_takers(void **state)
{
    struct lease_fixture *fixture = *state;
    struct owner_thread threads[THREADS];
    unsigned winners = 0;

    for (unsigned i = 0; i < THREADS; i++) {
        given_owner_thread(&threads[i], i % 2 == 0 ? fixture->store : fixture->second, i);
    }
    assert_int_equal(create_lease(fixture->store, "shard-x"), WEIR_OK);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i].thread, NULL, try_to_take, &threads[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i].thread, NULL), 0);
        winners += threads[i].error == WEIR_OK ? 1 : 0;
        assert_true(threads[i].error == WEIR_OK || threads[i].error == WEIR_ECONFLICT);
    }
    assert_int_equal(winners, 1);
    assert_int_equal(get_lease(fixture->store, "shard-x").epoch, 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LEASE_TEST(serves_many_threads_at_once),
        LEASE_TEST(gives_a_lease_to_one_of_many_takers),
    };

    return lease_fixture_run("lease store: threads", tests, sizeof tests / sizeof tests[0]);
}
