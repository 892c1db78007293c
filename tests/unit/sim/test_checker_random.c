/* The checker on histories that a model writes: the good ones hold, and hardly any change to one
 * goes unnoticed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/pcg.h"
#include "sim/checker.h"
#include "sim/history.h"
#include "sim/history_text.h"
#include "tests/support/weir_test.h"
#include "tests/unit/sim/history_fixture.h"
#include "tests/unit/sim/history_model.h"

#define SEEDS 300
#define STEPS 1500

static void
every_history_of_the_model_holds(void **state)
{
    size_t events = 0;
    (void)state;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct history_model_result result;
        struct wi_violation violation;

        history_model_run(seed, STEPS, &result);
        if (!history_holds(&result.settings, result.events, result.count, &violation)) {
            fail_msg(
                "seed %u: event %u of %u breaks %s: %s",
                (unsigned)seed,
                (unsigned)violation.event,
                (unsigned)result.count,
                violation.property,
                violation.text);
        }
        events += result.count;
        free(result.events);
    }
    print_message("%zu events\n", events);
    assert_true(events > (size_t)SEEDS * STEPS);
}

/* Leave out one event of `result`; does it still hold? */
static bool
holds_without(const struct history_model_result *result, size_t index)
{
    struct wi_history_event *events = malloc(result->count * sizeof *events);
    struct wi_violation violation;
    bool holds;

    assert_non_null(events);
    memcpy(events, result->events, index * sizeof *events);
    memcpy(
        events + index, result->events + index + 1, (result->count - index - 1) * sizeof *events);
    holds = history_holds(&result->settings, events, result->count - 1, &violation);
    free(events);
    return holds;
}

/* What nothing else can make up for. */
static bool
is_needed(const struct wi_history_event *event)
{
    switch ((int)event->kind) {
    case WI_HISTORY_SHARD:
    case WI_HISTORY_BEGIN:
        return true;
    case WI_HISTORY_INITIALIZE:
        return event->error == WEIR_OK;
    case WI_HISTORY_ROW:
        return event->operation == WI_OPERATION_ASSIGN || event->operation == WI_OPERATION_CREATE ||
               (event->operation == WI_OPERATION_RELEASE && !event->shard_end);
    default:
        return false;
    }
}

/* The last lives and rows of a run may be without consequence. */
#define LAST_EVENTS 100

static void
assert_is_missed(const struct history_model_result *result, size_t index)
{
    char text[WI_HISTORY_LINE_SIZE];

    (void)wi_history_format(&result->events[index], text);
    if (holds_without(result, index)) {
        fail_msg("not missed: event %zu %s", index, text);
    }
}

static void
no_needed_event_can_be_left_out(void **state)
{
    struct history_model_result result;
    (void)state;

    for (uint64_t seed = 1; seed <= 3; seed++) {
        history_model_run(seed, 300, &result);
        for (size_t i = 0; i + LAST_EVENTS < result.count; i++) {
            if (is_needed(&result.events[i])) {
                assert_is_missed(&result, i);
            }
        }
        free(result.events);
    }
}

/* One member of one event, a little more or less. */
static void
change(struct wi_pcg *pcg, struct wi_history_event *event)
{
    uint64_t choice = wi_pcg_below(pcg, 6);
    uint64_t step = wi_pcg_below(pcg, 2) == 0 ? 1 : UINT64_MAX;

    if (choice == 0) {
        event->worker += (uint32_t)step;
    } else if (choice == 1) {
        event->shard += (uint32_t)step;
    } else if (choice == 2) {
        event->epoch += step;
    } else if (choice == 3) {
        event->first += step;
    } else if (choice == 4) {
        event->last += step;
    } else {
        event->count += (uint32_t)step;
    }
}

/* Many changes mean nothing (a record of another shard, the count of an END), but a checker that
 * slept would let all of them pass. */
static void
most_changes_of_numbers_are_noticed(void **state)
{
    struct history_model_result result;
    struct wi_pcg pcg;
    unsigned noticed = 0;
    (void)state;
    history_model_run(7, 300, &result);
    wi_pcg_seed(&pcg, 7, 2);

    for (unsigned i = 0; i < 1000; i++) {
        size_t index = (size_t)wi_pcg_below(&pcg, result.count);
        struct wi_history_event before = result.events[index];
        struct wi_violation violation;

        change(&pcg, &result.events[index]);
        noticed += history_holds(&result.settings, result.events, result.count, &violation) ? 0 : 1;
        result.events[index] = before;
    }
    print_message("%u of 1000 changes noticed\n", noticed);
    assert_true(noticed > 500);
    free(result.events);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_history_of_the_model_holds),
        cmocka_unit_test(no_needed_event_can_be_left_out),
        cmocka_unit_test(most_changes_of_numbers_are_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
