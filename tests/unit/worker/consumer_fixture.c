#include "tests/unit/worker/consumer_fixture.h"

#include "tests/support/weir_test.h"

const struct wi_consumer_settings automatic_settings = {
    .automatic_checkpoints = true,
    .retry_base_ms = RETRY_BASE_MS,
    .retry_cap_ms = RETRY_CAP_MS,
    .idle_poll_ms = IDLE_POLL_MS,
};

const struct wi_consumer_settings explicit_settings = {
    .automatic_checkpoints = false,
    .retry_base_ms = RETRY_BASE_MS,
    .retry_cap_ms = RETRY_CAP_MS,
    .idle_poll_ms = IDLE_POLL_MS,
};

struct weir_mono
at_ms(int64_t ms)
{
    return (struct weir_mono){ms * 1000000};
}

struct weir_position
after(uint64_t number)
{
    return (struct weir_position){.type = WEIR_AFTER_SEQUENCE_NUMBER,
                                  .sequence_number = {{0, 0, 0, number}}};
}

struct weir_position
sentinel(enum weir_position_type type)
{
    return (struct weir_position){.type = type};
}

static struct wi_consumer_event
event_at(enum wi_consumer_event_type type, int64_t now_ms)
{
    return (struct wi_consumer_event){
        .type = type, .now = at_ms(now_ms), .deadline = at_ms(DEADLINE_MS)};
}

struct wi_consumer_action
step_at(struct wi_consumer *consumer, enum wi_consumer_event_type type, int64_t now_ms)
{
    struct wi_consumer_event event = event_at(type, now_ms);

    return wi_consumer_step(consumer, &event);
}

struct wi_consumer_action
ended_at(
    struct wi_consumer *consumer,
    enum wi_consumer_event_type type,
    enum weir_error error,
    int64_t now_ms)
{
    struct wi_consumer_event event = event_at(type, now_ms);

    event.error = error;
    return wi_consumer_step(consumer, &event);
}

struct wi_consumer_action
fetched_at(struct wi_consumer *consumer, struct batch batch, int64_t now_ms)
{
    struct wi_consumer_event event = event_at(WI_CONSUMER_FETCHED, now_ms);

    event.count = batch.count;
    event.first = after(batch.first);
    event.last = after(batch.first + batch.count - 1);
    event.next = event.last;
    event.at_shard_end = batch.at_shard_end;
    return wi_consumer_step(consumer, &event);
}

struct wi_consumer_action
fetched_nothing_at(struct wi_consumer *consumer, struct weir_position next, int64_t now_ms)
{
    struct wi_consumer_event event = event_at(WI_CONSUMER_FETCHED, now_ms);

    event.next = next;
    return wi_consumer_step(consumer, &event);
}

struct wi_consumer_action
failed_at(struct wi_consumer *consumer, size_t processed, uint64_t through, int64_t now_ms)
{
    struct wi_consumer_event event = event_at(WI_CONSUMER_PROCESSED, now_ms);

    event.error = WEIR_EPROCESSOR;
    event.processed = processed;
    event.processed_through = after(through);
    return wi_consumer_step(consumer, &event);
}

void
given_waiting(struct wi_consumer *consumer, struct weir_position checkpoint)
{
    wi_consumer_init(consumer, &automatic_settings, &checkpoint, 1);
    assert_int_equal(step_at(consumer, WI_CONSUMER_STEP, 0).type, WI_CONSUMER_WAIT);
}

void
given_fetching(struct wi_consumer *consumer, struct weir_position checkpoint)
{
    given_waiting(consumer, checkpoint);
    assert_int_equal(
        step_at(consumer, WI_CONSUMER_PARENTS_FINISHED, 0).type, WI_CONSUMER_CALL_INITIALIZE);
    assert_int_equal(
        ended_at(consumer, WI_CONSUMER_INITIALIZED, WEIR_OK, 0).type, WI_CONSUMER_FETCH);
}

void
given_processing(struct wi_consumer *consumer)
{
    given_fetching(consumer, after(10));
    assert_int_equal(
        fetched_at(consumer, (struct batch){10, 11, false}, 0).type,
        WI_CONSUMER_CALL_PROCESS_RECORDS);
}

void
given_at_shard_end(struct wi_consumer *consumer)
{
    given_fetching(consumer, after(10));
    assert_int_equal(
        fetched_at(consumer, (struct batch){10, 11, true}, 0).type,
        WI_CONSUMER_CALL_PROCESS_RECORDS);
    assert_int_equal(
        ended_at(consumer, WI_CONSUMER_PROCESSED, WEIR_OK, 0).type, WI_CONSUMER_CALL_SHARD_ENDED);
}
