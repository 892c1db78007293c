#include "tests/unit/coordinator/coordinator_world.h"

#include <stdio.h>
#include <string.h>

#include "coordinator/shard_sync.h"
#include "core/mono.h"
#include "lease/lease_store_memory.h"
#include "tests/support/weir_test.h"

/* Most ms that a store takes to answer. */
#define LATENCY_MS 15

static bool
one_in(struct world *world, uint64_t n)
{
    return wi_pcg_below(&world->pcg, n) == 0;
}

static int64_t
below_ms(struct world *world, int64_t bound)
{
    return (int64_t)wi_pcg_below(&world->pcg, (uint64_t)bound);
}

static struct weir_mono
now_of(const struct world *world)
{
    return (struct weir_mono){world->now_ms * WI_NS_PER_MS};
}

static struct weir_shard *
add_shard(struct world *world, const char *parent)
{
    struct weir_shard *shard = &world->shards[world->shard_count];

    *shard = (struct weir_shard){.range = {{0, 0}, {UINT64_MAX, UINT64_MAX}}};
    (void)snprintf(shard->shard_id, sizeof shard->shard_id, "s%03zu", world->shard_count++);
    (void)snprintf(shard->parent_shard_ids[0], sizeof shard->parent_shard_ids[0], "%s", parent);
    return shard;
}

void
world_open(struct world *world, uint64_t seed)
{
    struct wi_application wish = {
        .stream_url = "weir:s",
        .lease_duration_ms = WORLD_DURATION_MS,
        .initial_position = {.type = WEIR_TRIM_HORIZON},
    };

    memset(world, 0, sizeof *world);
    test_env_init(&world->test);
    wi_pcg_seed(&world->pcg, seed, 1);
    world->now_ms = 1;
    assert_int_equal(wi_lease_store_open_memory(&world->test.env, &world->store), WEIR_OK);
    assert_int_equal(
        world->store->ops->open_application(world->store->store, &wish, &wish), WEIR_OK);
    for (size_t i = 0; i < WORLD_SHARDS_FIRST; i++) {
        add_shard(world, "");
    }
}

void
world_close(struct world *world)
{
    for (size_t w = 0; w < WORLD_WORKERS_MAX; w++) {
        wi_coordinator_free(world->workers[w].coordinator);
    }
    wi_lease_table_free(&world->test.env, &world->seen);
    wi_lease_store_close(world->store);
    test_env_assert_no_leak(&world->test);
}

/* ---- processes ---- */

static void
put_row(struct world *world, struct world_worker *worker)
{
    struct wi_worker row = {.draining = worker->draining};

    (void)snprintf(row.owner, sizeof row.owner, "%s", worker->owner);
    (void)world->store->ops->put_worker(world->store->store, &row);
}

static void
start_process(struct world *world, struct world_worker *worker)
{
    struct wi_coordinator_settings settings = {
        .owner = worker->owner,
        .lease_duration_ms = WORLD_DURATION_MS,
        .handoff_timeout_ms = WORLD_HANDOFF_MS,
        .shard_sync_interval_ms = 2000,
    };

    memset(worker, 0, sizeof *worker);
    worker->alive = true;
    (void)snprintf(worker->owner, sizeof worker->owner, "w%u", ++world->incarnations);
    assert_int_equal(
        wi_coordinator_new(&world->test.env, &settings, &worker->coordinator), WEIR_OK);
    put_row(world, worker);
    worker->renew_due_ms = world->now_ms + WORLD_DURATION_MS / 4;
    worker->work_due_ms = world->now_ms;
}

static void
end_process(struct world_worker *worker)
{
    wi_coordinator_free(worker->coordinator);
    memset(worker, 0, sizeof *worker);
}

int
world_join(struct world *world)
{
    for (int w = 0; w < WORLD_WORKERS_MAX; w++) {
        if (!world->workers[w].alive) {
            start_process(world, &world->workers[w]);
            return w;
        }
    }
    return -1;
}

void
world_crash(struct world *world, size_t worker)
{
    wi_lease_store_memory_set_process_gone(world->store, world->workers[worker].owner);
    end_process(&world->workers[worker]);
}

/* ---- a coordinator's actions ---- */

static void step(
    struct world *world, struct world_worker *worker, struct wi_coordinator_event event);

static enum weir_error
carry_out(struct world *world, struct wi_coordinator_event *event, struct world_worker *worker)
{
    static enum weir_error results[WORLD_SHARDS_MAX];
    const struct wi_lease_store_ops *ops = world->store->ops;
    void *store = world->store->store;
    const struct wi_coordinator_action *a = &worker->action;
    size_t created;

    event->results = results;
    switch (a->type) {
    case WI_COORDINATOR_TAKE_LEADER:
        return ops->take_leader(
            store, worker->owner, a->expected_term, a->expected_counter, &event->term);
    case WI_COORDINATOR_RELEASE_LEADER:
        return ops->release_leader(store, worker->owner, a->term);
    case WI_COORDINATOR_CREATE_LEASES:
        return ops->create(store, a->term, a->leases, a->count, &created);
    case WI_COORDINATOR_ASSIGN:
        return ops->assign(store, a->term, a->assignments, a->count, results);
    case WI_COORDINATOR_REQUEST_HANDOFF:
        return ops->request_handoff(store, a->term, a->handoffs, a->count, results);
    case WI_COORDINATOR_REVOKE:
        return ops->revoke(store, a->term, a->lease_key, a->expected_epoch);
    case WI_COORDINATOR_REMOVE_LEASE:
        return ops->remove(store, a->term, a->lease_key, a->expected_epoch);
    case WI_COORDINATOR_REMOVE_WORKER:
        return ops->remove_dead_worker(store, a->term, a->owner, a->expected_counter);
    case WI_COORDINATOR_WAIT:
    case WI_COORDINATOR_READ_TABLE:
    case WI_COORDINATOR_LIST_SHARDS:
        break;
    }
    fail();
    return WEIR_EINTERNAL;
}

static void
note_term(struct world *world, const struct world_worker *worker, uint64_t term)
{
    assert_true(term < WORLD_TERMS_MAX);
    assert_string_equal(world->leader_of_term[term], "");
    (void)memcpy(world->leader_of_term[term], worker->owner, sizeof worker->owner);
}

/* The action in flight ends. A failing store answers without having done anything, or after. */
static void
finish_action(struct world *world, struct world_worker *worker)
{
    struct wi_coordinator_event event = {.type = WI_COORDINATOR_RESULT, .now = now_of(world)};
    enum wi_coordinator_action_type type = worker->action.type;
    bool fails = world->has_faults && one_in(world, 20);
    struct wi_lease_table table = {0};

    if (fails && one_in(world, 2)) {
        event.error = WEIR_EBUSY;
    } else if (type == WI_COORDINATOR_READ_TABLE) {
        assert_int_equal(world->store->ops->list(world->store->store, &table), WEIR_OK);
        event.type = WI_COORDINATOR_TABLE;
        event.table = &table;
    } else if (type == WI_COORDINATOR_LIST_SHARDS) {
        event.type = WI_COORDINATOR_SHARDS;
        event.shards = world->shards;
        event.shard_count = world->shard_count;
    } else {
        event.error = carry_out(world, &event, worker);
        assert_int_not_equal(event.error, WEIR_EINVAL);
        if (type == WI_COORDINATOR_TAKE_LEADER && event.error == WEIR_OK) {
            note_term(world, worker, event.term);
        }
        event.error = fails ? WEIR_ETIMEOUT : event.error;
    }
    worker->action = (struct wi_coordinator_action){.type = WI_COORDINATOR_WAIT};
    step(world, worker, event);
    wi_lease_table_free(&world->test.env, &table);
}

static void
step(struct world *world, struct world_worker *worker, struct wi_coordinator_event event)
{
    struct wi_coordinator_action action = wi_coordinator_step(worker->coordinator, &event);

    if (worker->action.type != WI_COORDINATOR_WAIT) {
        assert_int_equal(action.type, WI_COORDINATOR_WAIT);
        return;
    }
    worker->action = action;
    worker->action_due_ms = action.type == WI_COORDINATOR_WAIT
                                ? action.until.ns / WI_NS_PER_MS
                                : world->now_ms + below_ms(world, LATENCY_MS);
}

static void
coordinate(struct world *world, struct world_worker *worker)
{
    if (world->now_ms < worker->action_due_ms) {
        return;
    }
    if (worker->action.type != WI_COORDINATOR_WAIT) {
        finish_action(world, worker);
    } else {
        step(
            world,
            worker,
            (struct wi_coordinator_event){.type = WI_COORDINATOR_TICK, .now = now_of(world)});
    }
}

/* ---- the worker's own duties: renew, hand over, finish shards, leave ---- */

static void
release(struct world *world, const struct wi_lease *lease, const char *to)
{
    struct wi_release item = {
        .lease_key = lease->lease_key, .owner = lease->owner, .epoch = lease->epoch, .to = to};
    enum weir_error result;

    (void)world->store->ops->release(world->store->store, &item, 1, &result);
}

static void
finish_shard(struct world *world, const struct wi_lease *lease)
{
    struct weir_position start = {.type = WEIR_TRIM_HORIZON};
    struct wi_lease children[2];
    struct wi_shard_finish finish = {
        .lease_key = lease->lease_key,
        .owner = lease->owner,
        .epoch = lease->epoch,
        .children = children,
    };
    size_t shard = 0;

    while (strcmp(world->shards[shard].shard_id, lease->shard_id) != 0) {
        shard++;
    }
    if (!world->shards[shard].closed) {
        world->shards[shard].closed = true;
        add_shard(world, lease->shard_id);
        add_shard(world, lease->shard_id);
    }
    for (size_t i = 0; i < world->shard_count; i++) {
        if (strcmp(world->shards[i].parent_shard_ids[0], lease->shard_id) == 0) {
            wi_lease_for_shard(&world->shards[i], &start, &children[finish.child_count++]);
        }
    }
    (void)world->store->ops->finish_shard(world->store->store, &finish);
}

/* What the owner does about one of its leases; a slow processor leaves a wish unheeded. */
static void
work_on(struct world *world, struct world_worker *worker, const struct wi_lease *lease)
{
    bool is_finished = lease->checkpoint.type == WEIR_SHARD_END;
    bool is_slow = world->has_faults && one_in(world, 2);

    if (is_finished) {
        release(world, lease, "");
    } else if (lease->handoff.reason != WI_HANDOFF_NONE && !lease->revoked && !is_slow) {
        release(world, lease, lease->handoff.to);
    } else if (
        world->has_splits && !worker->draining && one_in(world, 200) &&
        world->shard_count + 2 <= WORLD_SHARDS_MAX) {
        finish_shard(world, lease);
    }
}

static bool
has_left(struct world *world, struct world_worker *worker, size_t held)
{
    if (!worker->draining || held > 0 ||
        wi_coordinator_state(worker->coordinator) != WI_COORDINATOR_STOPPED) {
        return false;
    }
    (void)world->store->ops->remove_worker(world->store->store, worker->owner);
    return true;
}

static void
work(struct world *world, struct world_worker *worker)
{
    struct wi_lease_table table;
    size_t held = 0;

    worker->work_due_ms = world->now_ms + 10 + below_ms(world, 30);
    assert_int_equal(world->store->ops->list(world->store->store, &table), WEIR_OK);
    for (size_t i = 0; i < table.lease_count; i++) {
        if (strcmp(table.leases[i].owner, worker->owner) == 0) {
            held++;
            work_on(world, worker, &table.leases[i]);
        }
    }
    wi_lease_table_free(&world->test.env, &table);
    if (has_left(world, worker, held)) {
        end_process(worker);
    }
}

/* A worker whose session is lost starts anew under another identity. */
static void
renew(struct world *world, struct world_worker *worker)
{
    struct wi_renew_answer answer;
    enum weir_error error =
        world->store->ops->renew(world->store->store, worker->owner, NULL, 0, NULL, &answer);

    worker->renew_due_ms = world->now_ms + WORLD_DURATION_MS / 4;
    if (error != WEIR_OK) {
        end_process(worker);
        start_process(world, worker);
    }
}

static void
drain(struct world *world, struct world_worker *worker)
{
    worker->draining = true;
    put_row(world, worker);
    step(
        world,
        worker,
        (struct wi_coordinator_event){.type = WI_COORDINATOR_LEAVE, .now = now_of(world)});
}

/* ---- time ---- */

static void
cause_fault(struct world *world)
{
    size_t w = (size_t)wi_pcg_below(&world->pcg, WORLD_WORKERS_MAX);
    struct world_worker *worker = &world->workers[w];

    if (!worker->alive) {
        start_process(world, worker);
        return;
    }
    switch (wi_pcg_below(&world->pcg, 4)) {
    case 0:
        world_crash(world, w);
        break;
    case 1:
        worker->hangs_until_ms = world->now_ms + below_ms(world, 3 * WORLD_DURATION_MS);
        break;
    case 2:
        if (!worker->draining) {
            drain(world, worker);
        }
        break;
    default:
        break;
    }
}

static void
run_worker(struct world *world, struct world_worker *worker)
{
    if (!worker->alive || world->now_ms < worker->hangs_until_ms) {
        return;
    }
    if (world->now_ms >= worker->renew_due_ms) {
        renew(world, worker);
    }
    coordinate(world, worker);
    if (world->now_ms >= worker->work_due_ms) {
        work(world, worker);
    }
}

static const struct wi_lease *
find_lease(const struct wi_lease_table *table, const char *key)
{
    for (size_t i = 0; i < table->lease_count; i++) {
        if (strcmp(table->leases[i].lease_key, key) == 0) {
            return &table->leases[i];
        }
    }
    return NULL;
}

/* G3: epochs only grow, and an owner changes only together with its epoch. */
static void
look(struct world *world)
{
    struct wi_lease_table table;

    assert_int_equal(world->store->ops->list(world->store->store, &table), WEIR_OK);
    for (size_t i = 0; i < table.lease_count; i++) {
        const struct wi_lease *lease = &table.leases[i];
        const struct wi_lease *before = find_lease(&world->seen, lease->lease_key);
        bool is_same = before != NULL && before->epoch == lease->epoch;

        assert_true(before == NULL || before->epoch <= lease->epoch);
        assert_true(!is_same || strcmp(before->owner, lease->owner) == 0);
        if (!is_same && lease->checkpoint.type != WEIR_SHARD_END) {
            world->owner_changes++;
        }
    }
    wi_lease_table_free(&world->test.env, &world->seen);
    world->seen = table;
}

void
world_run(struct world *world, int64_t ms)
{
    int64_t end_ms = world->now_ms + ms;

    while (world->now_ms < end_ms) {
        world->now_ms += WORLD_STEP_MS;
        if (world->has_faults && one_in(world, 60)) {
            cause_fault(world);
        }
        for (size_t w = 0; w < WORLD_WORKERS_MAX; w++) {
            run_worker(world, &world->workers[w]);
        }
        if (world->seen.version != world->store->ops->version(world->store->store)) {
            look(world);
        }
    }
    look(world);
}

size_t
world_usable(const struct world *world)
{
    size_t usable = 0;

    for (size_t w = 0; w < WORLD_WORKERS_MAX; w++) {
        usable += world->workers[w].alive && !world->workers[w].draining ? 1 : 0;
    }
    return usable;
}

size_t
world_held(const struct world *world, size_t worker)
{
    size_t held = 0;

    for (size_t i = 0; i < world->seen.lease_count; i++) {
        const struct wi_lease *lease = &world->seen.leases[i];

        held += lease->checkpoint.type != WEIR_SHARD_END &&
                        strcmp(lease->owner, world->workers[worker].owner) == 0
                    ? 1
                    : 0;
    }
    return held;
}

size_t
world_homeless(const struct world *world)
{
    size_t homeless = 0;

    for (size_t i = 0; i < world->seen.lease_count; i++) {
        const struct wi_lease *lease = &world->seen.leases[i];

        homeless += lease->checkpoint.type != WEIR_SHARD_END &&
                            (lease->owner_state != WI_OWNER_ALIVE || lease->revoked)
                        ? 1
                        : 0;
    }
    return homeless;
}
