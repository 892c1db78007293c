/*
 * Random lives of one shard, owner after owner, against a model of stream, table and processor:
 * every record in order, none skipped, one final call, nothing after the deadline, known
 * transitions only.
 */
#include "core/mono.h"
#include "core/pcg.h"
#include "core/position.h"
#include "tests/support/weir_test.h"
#include "tests/unit/worker/consumer_fixture.h"

#define SEEDS       3000
#define STEPS_MAX   3000
#define RECORDS_MAX 60
#define BATCH_MAX   7
#define LEASE_MS    4000

/* docs/state-machines-consumer.md, "Shard consumer". */
static const struct {
    enum wi_consumer_state from;
    enum wi_consumer_state to;
} transitions[] = {
    {WI_CONSUMER_WAITING_ON_PARENT_SHARDS, WI_CONSUMER_INITIALIZING},
    {WI_CONSUMER_WAITING_ON_PARENT_SHARDS, WI_CONSUMER_SHUTTING_DOWN},
    {WI_CONSUMER_INITIALIZING, WI_CONSUMER_PROCESSING},
    {WI_CONSUMER_INITIALIZING, WI_CONSUMER_SHUTTING_DOWN},
    {WI_CONSUMER_PROCESSING, WI_CONSUMER_SHUTDOWN_REQUESTED},
    {WI_CONSUMER_PROCESSING, WI_CONSUMER_SHUTTING_DOWN},
    {WI_CONSUMER_SHUTDOWN_REQUESTED, WI_CONSUMER_SHUTTING_DOWN},
    {WI_CONSUMER_SHUTTING_DOWN, WI_CONSUMER_SHUTDOWN_COMPLETE},
};
#define TRANSITIONS (sizeof transitions / sizeof transitions[0])

struct world {
    struct wi_pcg random;
    int64_t now_ms;
    int64_t deadline_ms;
    uint64_t put;             /* records 1 to put are in the stream */
    uint64_t records;         /* and this many will be, then the shard is closed */
    struct weir_position row; /* the table's checkpoint */
    bool was_resolved;        /* `floor` is valid */
    uint64_t floor;           /* records above it are promised */
    bool processed[RECORDS_MAX + 1];
    bool is_quiet; /* no more faults, stops and losses */
    struct wi_consumer consumer;
    /* of one life */
    uint64_t fetched_first;
    uint64_t fetched_last;
    uint64_t next_record; /* that the processor has to see; 0: not known yet */
    unsigned final_calls;
    bool was_initialized;
    bool release_was_sent;
};

static bool
one_in(struct world *world, uint64_t bound)
{
    return wi_pcg_below(&world->random, bound) == 0;
}

static bool
fault_one_in(struct world *world, uint64_t bound)
{
    return !world->is_quiet && one_in(world, bound);
}

static uint64_t
number_of(const struct weir_position *position)
{
    return position->sequence_number.word[3];
}

/* The first record behind a position. */
static uint64_t
record_behind(const struct world *world, const struct weir_position *position)
{
    switch (position->type) {
    case WEIR_TRIM_HORIZON:
        return 1;
    case WEIR_LATEST:
        return world->put + 1;
    case WEIR_AT_SEQUENCE_NUMBER:
        return number_of(position);
    case WEIR_AFTER_SEQUENCE_NUMBER:
        return number_of(position) + 1;
    case WEIR_AT_TIMESTAMP:
    case WEIR_SHARD_END:
        break;
    }
    fail_msg("a position that the model does not know");
    return 0;
}

/* The table accepts a checkpoint: it never goes down, and covers processed records only. */
static void
accept_checkpoint(struct world *world, const struct weir_position *checkpoint, bool is_anchor)
{
    assert_true(wi_checkpoint_compare(&world->row, checkpoint) <= 0);
    if (is_anchor && !world->was_resolved) {
        world->was_resolved = true;
        world->floor = number_of(checkpoint);
    }
    assert_true(world->was_resolved);
    for (uint64_t i = world->floor + 1; i <= number_of(checkpoint); i++) {
        assert_true(world->processed[i]);
    }
    world->row = *checkpoint;
}

/* --- what the actions meet: each fills the event that ends the action --- */

static void
fetch(struct world *world, const struct weir_position *from, struct wi_consumer_event *event)
{
    uint64_t first = record_behind(world, from);
    uint64_t count = 0;
    event->type = WI_CONSUMER_FETCHED;
    if (fault_one_in(world, 6)) {
        event->error = one_in(world, 2) ? WEIR_EIO : WEIR_ECORRUPT;
    }
    if (fault_one_in(world, 20)) {
        event->error = WEIR_EBUSY;
    }
    if (from->type == WEIR_LATEST && world->put < world->records) {
        world->put += wi_pcg_below(&world->random, 2); /* it came while LATEST was looked up */
    }
    if (event->error == WEIR_EIO || event->error == WEIR_EBUSY) {
        return;
    }
    if (first <= world->put) {
        count = 1 + wi_pcg_below(&world->random, BATCH_MAX);
        count = count > world->put - first + 1 ? world->put - first + 1 : count;
    }
    event->count = (size_t)count;
    event->first = after(first);
    event->last = after(first + count - 1);
    event->next = after(first + count - 1);
    event->at_shard_end =
        world->put == world->records && first + count > world->records && event->error == WEIR_OK;
    world->fetched_first = first;
    world->fetched_last = first + count - 1;
}

static void
process(struct world *world, struct wi_consumer_event *event)
{
    uint64_t count = world->fetched_last - world->fetched_first + 1;
    uint64_t done = count;
    event->type = WI_CONSUMER_PROCESSED;
    assert_true(world->row.type != WEIR_LATEST);
    if (world->next_record != 0) {
        assert_true(world->fetched_first == world->next_record);
    }
    if (fault_one_in(world, 4)) {
        event->error = WEIR_EPROCESSOR;
        done = wi_pcg_below(&world->random, count + 1);
        event->processed = (size_t)done;
        event->processed_through = after(world->fetched_first + done - 1);
    }
    for (uint64_t i = 0; i < done; i++) {
        world->processed[world->fetched_first + i] = true;
    }
    world->next_record = world->fetched_first + done;
}

/* A write to the row: accepted, refused, or accepted with an answer that is lost. */
static bool
write_row(struct world *world, struct wi_consumer_event *event)
{
    if (fault_one_in(world, 40)) {
        event->error = WEIR_ELEASELOST;
        return false;
    }
    if (fault_one_in(world, 4)) {
        event->error = WEIR_ETIMEOUT;
        return one_in(world, 2);
    }
    return true;
}

static void
release(
    struct world *world, const struct wi_consumer_action *action, struct wi_consumer_event *event)
{
    event->type = WI_CONSUMER_RELEASED;
    world->release_was_sent = true;
    if (!write_row(world, event)) {
        return;
    }
    if (action->has_checkpoint) {
        accept_checkpoint(world, &action->checkpoint, world->row.type == WEIR_LATEST);
    }
    if (event->error == WEIR_ETIMEOUT && one_in(world, 2)) {
        event->error = WEIR_ELEASELOST; /* the next try would be told so: the row has moved on */
    }
}

static void
call(struct world *world, enum wi_consumer_action_type type, struct wi_consumer_event *event)
{
    event->type =
        type == WI_CONSUMER_CALL_INITIALIZE ? WI_CONSUMER_INITIALIZED : WI_CONSUMER_CALL_RETURNED;
    event->error = fault_one_in(world, 4) ? WEIR_EPROCESSOR : WEIR_OK;
    assert_false(world->release_was_sent);
    if (type == WI_CONSUMER_CALL_INITIALIZE) {
        assert_false(world->was_initialized);
        world->was_initialized = event->error == WEIR_OK;
        return;
    }
    assert_true(world->was_initialized);
    assert_int_equal(world->final_calls, 0);
    world->final_calls += type != WI_CONSUMER_CALL_SHARD_ENDED || event->error == WEIR_OK;
}

static struct wi_consumer_event
perform(struct world *world, const struct wi_consumer_action *action)
{
    struct wi_consumer_event event = {.error = WEIR_OK};
    switch (action->type) {
    case WI_CONSUMER_FETCH:
        fetch(world, &action->position, &event);
        break;
    case WI_CONSUMER_CALL_PROCESS_RECORDS:
        process(world, &event);
        break;
    case WI_CONSUMER_ANCHOR:
        event.type = WI_CONSUMER_ANCHORED;
        if (write_row(world, &event)) {
            accept_checkpoint(world, &action->position, true);
        }
        break;
    case WI_CONSUMER_FINISH_SHARD:
        event.type = WI_CONSUMER_FINISHED;
        if (write_row(world, &event)) {
            world->row = sentinel(WEIR_SHARD_END);
        }
        break;
    case WI_CONSUMER_RELEASE:
        release(world, action, &event);
        break;
    case WI_CONSUMER_CALL_INITIALIZE:
    case WI_CONSUMER_CALL_LEASE_LOST:
    case WI_CONSUMER_CALL_SHARD_ENDED:
    case WI_CONSUMER_CALL_SHUTDOWN_REQUESTED:
        call(world, action->type, &event);
        break;
    case WI_CONSUMER_WAIT:
    case WI_CONSUMER_DONE:
        fail_msg("nothing to perform");
    }
    return event;
}

/* --- driving --- */

static bool
is_path(enum wi_consumer_state from, enum wi_consumer_state to)
{
    bool reached[WI_CONSUMER_STATES] = {false};
    reached[from] = true;
    for (size_t round = 0; round < TRANSITIONS; round++) {
        for (size_t i = 0; i < TRANSITIONS; i++) {
            reached[transitions[i].to] |= reached[transitions[i].from];
        }
    }
    return reached[to];
}

static void
count_transition(enum wi_consumer_state from, enum wi_consumer_state to, size_t counts[TRANSITIONS])
{
    assert_true(is_path(from, to));
    for (size_t i = 0; i < TRANSITIONS; i++) {
        counts[i] += transitions[i].from == from && transitions[i].to == to;
    }
}

/* After the deadline, and after the belief is gone, only the news of the loss may be brought. */
static void
check_action(
    const struct world *world,
    const struct wi_consumer_event *event,
    const struct wi_consumer_action *action)
{
    if (!wi_mono_before(event->now, event->deadline)) {
        assert_true(
            action->type == WI_CONSUMER_WAIT || action->type == WI_CONSUMER_CALL_LEASE_LOST ||
            action->type == WI_CONSUMER_DONE);
    }
    if (action->type == WI_CONSUMER_DONE) {
        assert_int_equal(world->final_calls, world->was_initialized ? 1 : 0);
    }
}

static struct wi_consumer_action
step(struct world *world, struct wi_consumer_event *event, size_t counts[TRANSITIONS])
{
    enum wi_consumer_state before = world->consumer.state;
    struct wi_consumer_action action;
    event->now = at_ms(world->now_ms);
    event->deadline = at_ms(world->deadline_ms);
    action = wi_consumer_step(&world->consumer, event);
    count_transition(before, world->consumer.state, counts);
    check_action(world, event, &action);
    return action;
}

/* Something from outside; the automatic checkpoints of the runtime too. */
static struct wi_consumer_event
news(struct world *world)
{
    struct wi_consumer_event event = {.type = WI_CONSUMER_STEP};
    struct wi_checkpoint_tracker *tracker = &world->consumer.tracker;
    if (world->put < world->records && one_in(world, 2)) {
        world->put++;
        event.type = WI_CONSUMER_WAKE;
    } else if (one_in(world, 3)) {
        event.type = WI_CONSUMER_PARENTS_FINISHED;
    } else if (fault_one_in(world, 60)) {
        event.type = WI_CONSUMER_STOP;
    } else if (fault_one_in(world, 120)) {
        event.type = WI_CONSUMER_LEASE_LOST;
    } else if (
        one_in(world, 4) && world->consumer.in_flight != WI_CONSUMER_RELEASE &&
        !world->consumer.lease_lost && wi_checkpoint_tracker_is_dirty(tracker) &&
        world->row.type != WEIR_SHARD_END) {
        accept_checkpoint(world, &tracker->processed, false);
        wi_checkpoint_tracker_written(tracker, &tracker->processed);
    }
    return event;
}

static void
pass_time(struct world *world)
{
    world->now_ms += (int64_t)wi_pcg_below(&world->random, 300);
    if (fault_one_in(world, 150)) {
        world->now_ms += LEASE_MS; /* the process was stopped */
    } else if (!fault_one_in(world, 8)) {
        world->deadline_ms = world->now_ms + LEASE_MS; /* a renewal */
    }
}

/* One owner's time with the shard. */
static void
live(struct world *world, size_t counts[TRANSITIONS])
{
    struct wi_consumer_action action = {.type = WI_CONSUMER_WAIT};
    struct wi_consumer_action flying = {.type = WI_CONSUMER_WAIT};
    const struct wi_consumer_settings *settings =
        one_in(world, 4) ? &explicit_settings : &automatic_settings;

    wi_consumer_init(&world->consumer, settings, &world->row, wi_pcg_next64(&world->random));
    world->next_record = world->row.type == WEIR_LATEST ? 0 : record_behind(world, &world->row);
    world->final_calls = 0;
    world->was_initialized = false;
    world->release_was_sent = false;
    world->deadline_ms = world->now_ms + LEASE_MS;
    for (int i = 0; i < STEPS_MAX && action.type != WI_CONSUMER_DONE; i++) {
        struct wi_consumer_event event = news(world);
        pass_time(world);
        if (flying.type != WI_CONSUMER_WAIT && one_in(world, 2)) {
            event = perform(world, &flying);
            flying.type = WI_CONSUMER_WAIT;
        }
        action = step(world, &event, counts);
        if (action.type != WI_CONSUMER_WAIT) {
            assert_int_equal(flying.type, WI_CONSUMER_WAIT);
            flying = action;
        }
    }
    assert_int_equal(action.type, WI_CONSUMER_DONE);
}

static void
run_seed(uint64_t seed, size_t counts[TRANSITIONS])
{
    static const enum weir_position_type starts[] = {WEIR_TRIM_HORIZON, WEIR_LATEST};
    struct world world = {.now_ms = 1};
    wi_pcg_seed(&world.random, seed, 7);
    world.records = 1 + wi_pcg_below(&world.random, RECORDS_MAX);
    world.put = wi_pcg_below(&world.random, world.records + 1);
    world.row = sentinel(starts[wi_pcg_below(&world.random, 2)]);
    world.was_resolved = world.row.type == WEIR_TRIM_HORIZON;

    for (int lives = 0; world.row.type != WEIR_SHARD_END; lives++) {
        world.is_quiet = lives > 20;
        assert_true(lives < 30);
        live(&world, counts);
    }
    for (uint64_t i = world.was_resolved ? world.floor + 1 : world.records + 1; i <= world.records;
         i++) {
        assert_true(world.processed[i]);
    }
}

static void
processes_every_record_in_order_whatever_happens(void **state)
{
    uint64_t *seed = *state;
    size_t counts[TRANSITIONS] = {0};

    for (*seed = 0; *seed < SEEDS; ++*seed) {
        run_seed(*seed, counts);
    }
    for (size_t i = 0; i < TRANSITIONS; i++) {
        assert_true(counts[i] > 0);
    }
}

/* A failed seed is named, so that it can be run alone. */
static int
name_seed(void **state)
{
    const uint64_t *seed = *state;

    if (*seed < SEEDS) {
        print_error("seed %llu\n", (unsigned long long)*seed);
    }
    return 0;
}

int
main(void)
{
    uint64_t seed = 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate_setup_teardown(
            processes_every_record_in_order_whatever_happens, NULL, name_seed, &seed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
