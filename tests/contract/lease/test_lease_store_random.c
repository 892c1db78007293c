/* Random sequences of operations on both backends at once: memory is the specification of LMDB. */
#include <stdio.h>
#include <string.h>

#include "core/str.h"
#include "tests/contract/lease/lease_fixture.h"
#include "tests/support/weir_test.h"

#define SEEDS      40U
#define OPERATIONS 250U
#define KEYS       4U
#define WORKERS    3U
#define SHORT_TEXT 16U
#define KINDS      18U

/* One random operation; every field is used by some of them. */
struct step {
    unsigned kind;
    char key[SHORT_TEXT];
    char other_key[SHORT_TEXT];
    char owner[SHORT_TEXT];
    char to[SHORT_TEXT];
    uint64_t epoch;
    uint64_t counter;
    uint64_t term;
    uint64_t number;
    bool flag;
};

/* What an operation says, comparable. */
struct outcome {
    enum weir_error error;
    enum weir_error results[2];
    uint64_t value;
};

static uint64_t
draw(uint64_t *seed, uint64_t bound)
{
    *seed += 0x9e3779b97f4a7c15U;
    uint64_t bits = *seed;
    bits = (bits ^ (bits >> 30U)) * 0xbf58476d1ce4e5b9U;
    bits = (bits ^ (bits >> 27U)) * 0x94d049bb133111ebU;
    return (bits ^ (bits >> 31U)) % bound;
}

/* Mostly what the table shows, so that most operations pass their conditions. */
static struct step
draw_step(uint64_t *seed, struct wi_lease_store *store)
{
    struct step step = {.kind = (unsigned)draw(seed, KINDS), .flag = draw(seed, 2) == 0};
    struct wi_lease lease = {.epoch = 0};
    struct wi_leader leader;
    bool as_seen = draw(seed, 8) != 0;

    (void)snprintf(step.key, sizeof step.key, "shard-%u", (unsigned)draw(seed, KEYS));
    (void)snprintf(step.other_key, sizeof step.other_key, "shard-%u", (unsigned)draw(seed, KEYS));
    (void)snprintf(step.owner, sizeof step.owner, "w%u", (unsigned)draw(seed, WORKERS));
    (void)snprintf(step.to, sizeof step.to, "w%u", (unsigned)draw(seed, WORKERS + 1));
    if (draw(seed, 6) == 0) {
        step.to[0] = '\0';
    }
    step.epoch = draw(seed, 6);
    step.counter = draw(seed, 4);
    step.number = draw(seed, 40);
    step.term = draw(seed, 3) == 0 ? draw(seed, 4) : 0;
    if (as_seen && store->ops->get(store->store, step.key, &lease) == WEIR_OK) {
        step.epoch = lease.epoch;
        step.counter = lease.counter;
        if (lease.owner[0] != '\0') {
            assert_true(wi_str_copy(step.owner, sizeof step.owner, wi_str(lease.owner)));
        }
    }
    assert_int_equal(store->ops->get_leader(store->store, &leader), WEIR_OK);
    if (step.term != 0 && as_seen) {
        step.term = leader.term;
    }
    return step;
}

static struct outcome
do_worker_step(struct wi_lease_store *store, const struct step *step)
{
    const struct wi_held_lease held[] = {
        {.lease_key = step->key, .epoch = step->epoch}, {.lease_key = step->other_key, .epoch = 2}};
    struct wi_worker worker = {.max_leases = (uint32_t)step->number, .draining = step->flag};
    struct wi_renew_answer answer = {false};
    struct outcome outcome = {.error = WEIR_OK};
    struct wi_leader leader;

    (void)wi_str_copy(worker.owner, sizeof worker.owner, wi_str(step->owner));
    switch (step->kind) {
    case 0:
        outcome.error = store->ops->put_worker(store->store, &worker);
        break;
    case 1:
        outcome.error = store->ops->remove_worker(store->store, step->owner);
        break;
    case 2:
        outcome.error = store->ops->request_drain(store->store, step->owner);
        break;
    case 3:
        outcome.error = store->ops->get_leader(store->store, &leader);
        outcome.error = store->ops->take_leader(
            store->store, step->owner, leader.term, leader.counter, &outcome.value);
        break;
    case 4:
        outcome.error = store->ops->release_leader(store->store, step->owner, step->term);
        break;
    case 5:
        outcome.error = store->ops->remove_dead_worker(
            store->store,
            step->term,
            step->owner,
            step->flag ? counter_of(store, step->owner) : step->counter);
        break;
    default:
        outcome.error =
            store->ops->renew(store->store, step->owner, held, 2, outcome.results, &answer);
        outcome.value = answer.drain_requested;
        break;
    }
    return outcome;
}

static struct outcome
do_owner_step(struct wi_lease_store *store, const struct step *step)
{
    const struct wi_checkpoint_update updates[] = {
        {step->key, step->owner, step->epoch, after(step->number)},
        {step->other_key, step->owner, 2, after(step->number)}};
    const struct wi_release release = {
        .lease_key = step->key,
        .owner = step->owner,
        .epoch = step->epoch,
        .to = step->to,
        .has_checkpoint = step->flag,
        .checkpoint = after(step->number),
        .handed_through = after(step->number + 2),
        .covers_earlier = step->counter == 2};
    const struct wi_lease children[] = {a_lease(step->other_key), a_lease("shard-9")};
    const struct wi_shard_finish finish = {
        step->key, step->owner, step->epoch, children, 1U + (size_t)step->flag};
    struct outcome outcome = {.error = WEIR_OK};

    if (step->kind <= 8) {
        outcome.error = store->ops->checkpoint(store->store, updates, 2, outcome.results);
    } else if (step->kind == 9) {
        outcome.error = store->ops->prepare(
            store->store, updates, (struct weir_bytes){step->owner, step->number % 3});
    } else if (step->kind == 10) {
        outcome.error = store->ops->release(store->store, &release, 1, outcome.results);
    } else if (step->number == 0) {
        outcome.error = store->ops->finish_shard(store->store, &finish);
    }
    return outcome;
}

static struct outcome
do_leader_step(struct wi_lease_store *store, const struct step *step)
{
    const struct wi_lease leases[] = {a_lease(step->key), a_lease(step->other_key)};
    const struct wi_assignment takes[] = {
        {step->key, step->to, step->epoch, step->counter},
        {step->other_key, step->owner, 1, step->counter}};
    struct wi_handoff_request wish = {.lease_key = step->key, .expected_epoch = step->epoch};
    struct outcome outcome = {.error = WEIR_OK};
    size_t created = 0;

    wish.handoff.reason = (enum wi_handoff_reason)(step->number % 4);
    (void)wi_str_copy(wish.handoff.to, sizeof wish.handoff.to, wi_str(step->to));
    if (step->kind == 12) {
        outcome.error = store->ops->create(store->store, step->term, leases, 2, &created);
        outcome.value = created;
    } else if (step->kind == 13) {
        outcome.error = store->ops->remove(store->store, step->term, step->key, step->epoch);
    } else if (step->kind == 14) {
        outcome.error =
            store->ops->request_handoff(store->store, step->term, &wish, 1, outcome.results);
    } else if (step->kind == 15) {
        outcome.error = store->ops->revoke(store->store, step->term, step->key, step->epoch);
    } else {
        outcome.error = store->ops->assign(store->store, step->term, takes, 2, outcome.results);
    }
    return outcome;
}

static struct outcome
do_step(struct wi_lease_store *store, const struct step *step)
{
    if (step->kind <= 6) {
        return do_worker_step(store, step);
    }
    return step->kind <= 11 ? do_owner_step(store, step) : do_leader_step(store, step);
}

static void
assert_same_position(const struct weir_position *a, const struct weir_position *b)
{
    assert_int_equal(a->type, b->type);
    assert_memory_equal(&a->sequence_number, &b->sequence_number, sizeof a->sequence_number);
    assert_int_equal(a->sub_sequence_number, b->sub_sequence_number);
    assert_int_equal(a->timestamp_ms, b->timestamp_ms);
}

static void
assert_same_lease(const struct wi_lease *a, const struct wi_lease *b)
{
    assert_string_equal(a->lease_key, b->lease_key);
    assert_string_equal(a->owner, b->owner);
    assert_int_equal(a->epoch, b->epoch);
    assert_int_equal(a->counter, b->counter);
    assert_int_equal(a->owner_state, b->owner_state);
    assert_same_position(&a->checkpoint, &b->checkpoint);
    assert_int_equal(a->has_pending, b->has_pending);
    assert_same_position(&a->pending_checkpoint, &b->pending_checkpoint);
    assert_int_equal(a->handoff.reason, b->handoff.reason);
    assert_string_equal(a->handoff.to, b->handoff.to);
    assert_int_equal(a->revoked, b->revoked);
    assert_int_equal(a->pinned, b->pinned);
    assert_int_equal(a->replay_exact, b->replay_exact);
    assert_same_position(&a->replay_through, &b->replay_through);
    assert_int_equal(a->owner_switches_since_checkpoint, b->owner_switches_since_checkpoint);
    assert_string_equal(a->child_shard_ids[0], b->child_shard_ids[0]);
    assert_string_equal(a->child_shard_ids[1], b->child_shard_ids[1]);
}

static void
assert_same_worker(const struct wi_worker *a, const struct wi_worker *b)
{
    assert_string_equal(a->owner, b->owner);
    assert_int_equal(a->counter, b->counter);
    assert_int_equal(a->max_leases, b->max_leases);
    assert_int_equal(a->draining, b->draining);
    assert_int_equal(a->state, b->state);
}

static void
assert_same_pending(struct wi_lease_store *a, struct wi_lease_store *b, const char *key)
{
    uint8_t a_state[WI_PENDING_STATE_MAX];
    uint8_t b_state[WI_PENDING_STATE_MAX];
    struct weir_position position;
    size_t a_length = 0;
    size_t b_length = 0;

    assert_int_equal(a->ops->get_pending(a->store, key, &position, a_state, &a_length), WEIR_OK);
    assert_int_equal(b->ops->get_pending(b->store, key, &position, b_state, &b_length), WEIR_OK);
    assert_int_equal(a_length, b_length);
    assert_memory_equal(a_state, b_state, a_length);
}

static void
assert_same_table(struct wi_lease_store *a, struct wi_lease_store *b)
{
    struct wi_lease_table a_table;
    struct wi_lease_table b_table;

    assert_int_equal(a->ops->list(a->store, &a_table), WEIR_OK);
    assert_int_equal(b->ops->list(b->store, &b_table), WEIR_OK);
    assert_int_equal(a_table.lease_count, b_table.lease_count);
    for (size_t i = 0; i < a_table.lease_count; i++) {
        assert_same_lease(&a_table.leases[i], &b_table.leases[i]);
        if (a_table.leases[i].has_pending) {
            assert_same_pending(a, b, a_table.leases[i].lease_key);
        }
    }
    assert_int_equal(a_table.worker_count, b_table.worker_count);
    for (size_t i = 0; i < a_table.worker_count; i++) {
        assert_same_worker(&a_table.workers[i], &b_table.workers[i]);
    }
    assert_string_equal(a_table.leader.owner, b_table.leader.owner);
    assert_int_equal(a_table.leader.term, b_table.leader.term);
    assert_int_equal(a_table.leader.counter, b_table.leader.counter);
    assert_int_equal(a_table.leader.owner_state, b_table.leader.owner_state);
    wi_lease_table_free(a->env, &a_table);
    wi_lease_table_free(b->env, &b_table);
}

/* G3, G4, I1: epochs never fall, a checkpoint falls only with its row's deletion. */
struct history {
    uint64_t epochs[KEYS];
    unsigned done[KINDS]; /* operations that were not refused, by kind, over all seeds */
};

static void
assert_epochs_grow(struct wi_lease_store *store, struct history *history)
{
    for (unsigned i = 0; i < KEYS; i++) {
        struct wi_lease lease;
        char key[SHORT_TEXT];
        (void)snprintf(key, sizeof key, "shard-%u", i);
        if (store->ops->get(store->store, key, &lease) == WEIR_OK) {
            assert_true(lease.epoch >= history->epochs[i]);
            history->epochs[i] = lease.epoch;
        }
    }
}

static bool
is_same_outcome(const struct outcome *a, const struct outcome *b)
{
    return a->error == b->error && a->results[0] == b->results[0] &&
           a->results[1] == b->results[1] && a->value == b->value;
}

static void
run_seed(struct lease_fixture *fixture, uint64_t seed, struct history *history)
{
    struct wi_lease_store *memory = lease_fixture_new_store(fixture, LEASE_MEMORY);
    struct wi_lease_store *handles[] = {fixture->store, fixture->second};

    memset(history->epochs, 0, sizeof history->epochs);
    for (unsigned i = 0; i < OPERATIONS; i++) {
        struct step step = draw_step(&seed, memory);
        struct outcome expected = do_step(memory, &step);
        struct outcome found = do_step(handles[draw(&seed, 2)], &step);
        if (!is_same_outcome(&expected, &found)) {
            fail_msg(
                "operation %u (kind %u): memory says %d [%d %d], LMDB %d [%d %d]",
                i,
                step.kind,
                (int)expected.error,
                (int)expected.results[0],
                (int)expected.results[1],
                (int)found.error,
                (int)found.results[0],
                (int)found.results[1]);
        }
        history->done[step.kind] +=
            expected.error == WEIR_OK && expected.results[0] == WEIR_OK ? 1 : 0;
        assert_epochs_grow(memory, history);
        if (i % 10 == 9) {
            assert_same_table(memory, fixture->second);
        }
    }
    wi_lease_store_close(memory);
}

static void
does_in_lmdb_what_memory_does(void **state)
{
    struct history history = {{0}, {0}};

    (void)state;
    for (unsigned seed = 1; seed <= SEEDS; seed++) {
        void *fixture = NULL;
        assert_int_equal(lease_fixture_open(&fixture), 0);
        print_message("seed %u\n", seed);
        run_seed(fixture, seed, &history);
        assert_int_equal(lease_fixture_close(&fixture), 0);
    }
    /* A comparison of refusals alone would show nothing. */
    for (unsigned kind = 0; kind < KINDS; kind++) {
        assert_true(history.done[kind] > SEEDS / 2);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(does_in_lmdb_what_memory_does)};

    return lease_fixture_run_lmdb("lease store: random", tests, 1);
}
