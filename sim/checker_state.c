#include "sim/checker_state.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/env.h>

#include "core/check.h"
#include "core/memory.h"
#include "sim/checker.h"
#include "sim/history.h"

#define CAPACITY_MIN 16U

bool
wi_check_break(struct wi_checker *checker, const char *property, const char *format, ...)
{
    struct wi_violation *violation = &checker->violation;
    va_list arguments;

    WEIR_ASSERT(!checker->broken);
    checker->broken = true;
    violation->property = property;
    violation->name = "";
    for (const struct wi_property *p = wi_checker_properties(); p->property != NULL; p++) {
        if (strcmp(p->property, property) == 0) {
            violation->name = p->name;
        }
    }
    violation->event = checker->event;
    va_start(arguments, format);
    if (vsnprintf(violation->text, sizeof violation->text, format, arguments) < 0) {
        violation->text[0] = '\0';
    }
    va_end(arguments);
    return false;
}

/* Make room for `needed` elements; what is new is zero. */
static void *
grown(const struct weir_env *env, void *items, size_t *capacity, size_t element_size, size_t needed)
{
    size_t larger = *capacity < CAPACITY_MIN ? CAPACITY_MIN : *capacity;
    void *result;

    while (larger < needed) {
        larger *= 2;
    }
    result = wi_resize_array(env, items, larger, element_size);
    if (result == NULL) {
        return NULL;
    }
    memset((char *)result + *capacity * element_size, 0, (larger - *capacity) * element_size);
    *capacity = larger;
    return result;
}

/* --- tables ---------------------------------------------------------------------------------- */

struct wi_check_shard *
wi_check_shard_of(const struct wi_checker *checker, uint32_t number)
{
    return number == 0 || number > checker->shards_capacity ? NULL : checker->shards[number - 1];
}

struct wi_check_worker *
wi_check_worker_of(const struct wi_checker *checker, uint32_t number)
{
    return number == 0 || number > checker->workers_capacity ? NULL : checker->workers[number - 1];
}

struct wi_check_shard *
wi_check_shard_add(struct wi_checker *checker, uint32_t number)
{
    struct wi_check_shard *shard = wi_alloc(checker->env, sizeof *shard);

    WEIR_ASSERT(number > 0 && number <= WI_HISTORY_SHARDS_MAX);
    WEIR_ASSERT(wi_check_shard_of(checker, number) == NULL);
    if (shard != NULL && number > checker->shards_capacity) {
        struct wi_check_shard **larger =
            grown(checker->env, checker->shards, &checker->shards_capacity, sizeof(void *), number);

        if (larger == NULL) {
            wi_free(checker->env, shard);
            return NULL;
        }
        checker->shards = larger;
    }
    if (shard != NULL) {
        shard->number = number;
        shard->stalled.number = number;
        shard->orphaned.number = number;
        shard->unowned.number = number;
        shard->waiting.number = number;
        shard->moved_ns = WI_CHECK_NEVER;
        checker->shards[number - 1] = shard;
    }
    return shard;
}

struct wi_check_worker *
wi_check_worker_add(struct wi_checker *checker, uint32_t number)
{
    struct wi_check_worker *worker = wi_alloc(checker->env, sizeof *worker);

    WEIR_ASSERT(number > 0 && number <= WI_HISTORY_WORKERS_MAX);
    WEIR_ASSERT(wi_check_worker_of(checker, number) == NULL);
    if (worker != NULL && number > checker->workers_capacity) {
        struct wi_check_worker **larger = grown(
            checker->env, checker->workers, &checker->workers_capacity, sizeof(void *), number);

        if (larger == NULL) {
            wi_free(checker->env, worker);
            return NULL;
        }
        checker->workers = larger;
    }
    if (worker != NULL) {
        worker->number = number;
        worker->leaving_timer.number = number;
        checker->workers[number - 1] = worker;
    }
    return worker;
}

struct wi_check_key *
wi_check_key_of(struct wi_checker *checker, uint32_t key)
{
    WEIR_ASSERT(key > 0 && key <= WI_HISTORY_KEYS_MAX);
    if (key > checker->keys_capacity) {
        struct wi_check_key *larger =
            grown(checker->env, checker->keys, &checker->keys_capacity, sizeof *larger, key);

        if (larger == NULL) {
            return NULL;
        }
        checker->keys = larger;
    }
    return &checker->keys[key - 1];
}

static void
shard_free(const struct weir_env *env, struct wi_check_shard *shard)
{
    while (shard != NULL && shard->consumers != NULL) {
        struct wi_check_consumer *consumer = shard->consumers;

        shard->consumers = consumer->next;
        wi_free(env, consumer);
    }
    if (shard != NULL) {
        wi_free(env, shard->window.items);
    }
    wi_free(env, shard);
}

void
wi_check_state_free(struct wi_checker *checker)
{
    for (size_t i = 0; i < checker->shards_capacity; i++) {
        shard_free(checker->env, checker->shards[i]);
    }
    for (size_t i = 0; i < checker->workers_capacity; i++) {
        wi_free(checker->env, checker->workers[i]);
    }
    wi_free(checker->env, checker->shards);
    wi_free(checker->env, checker->workers);
    wi_free(checker->env, checker->keys);
}

/* --- lineage --------------------------------------------------------------------------------- */

struct wi_check_shard *
wi_check_next_child(
    const struct wi_checker *checker,
    const struct wi_check_shard *parent,
    const struct wi_check_shard *child)
{
    if (child == NULL) {
        return wi_check_shard_of(checker, parent->first_child);
    }
    return wi_check_shard_of(
        checker, child->next_sibling[child->parents[0] == parent->number ? 0 : 1]);
}

bool
wi_check_parents_finished(const struct wi_checker *checker, const struct wi_check_shard *shard)
{
    for (size_t i = 0; i < 2; i++) {
        const struct wi_check_shard *parent = wi_check_shard_of(checker, shard->parents[i]);

        if (parent == NULL || parent->row.finished || (parent->unlisted && !parent->row.exists)) {
            continue;
        }
        if (parent->row.existed || !checker->settings.starts_at_tip) {
            return false;
        }
    }
    return true;
}

bool
wi_check_is_startable(const struct wi_checker *checker, const struct wi_check_shard *shard)
{
    return shard->row.exists && !shard->row.finished && wi_check_parents_finished(checker, shard);
}

/* --- processors ------------------------------------------------------------------------------ */

struct wi_check_consumer *
wi_check_consumer_of(const struct wi_check_shard *shard, uint32_t worker, uint64_t epoch)
{
    struct wi_check_consumer *consumer = shard->consumers;

    while (consumer != NULL && (consumer->epoch != epoch || consumer->worker != worker)) {
        consumer = consumer->next;
    }
    return consumer;
}

/* Nothing that may still come needs this one: it ended, and its epoch is over. */
static bool
is_past(
    const struct wi_checker *checker,
    const struct wi_check_shard *shard,
    const struct wi_check_consumer *consumer)
{
    const struct wi_check_worker *worker = wi_check_worker_of(checker, consumer->worker);

    return consumer->epoch < shard->row.epoch_highest &&
           (consumer->destroyed || !consumer->initialized || worker == NULL || worker->gone);
}

struct wi_check_consumer *
wi_check_consumer_add(
    struct wi_checker *checker, struct wi_check_shard *shard, uint32_t worker, uint64_t epoch)
{
    struct wi_check_consumer *added = wi_alloc(checker->env, sizeof *added);
    struct wi_check_consumer **place = &shard->consumers;

    while (*place != NULL) {
        struct wi_check_consumer *consumer = *place;

        if (is_past(checker, shard, consumer)) {
            *place = consumer->next;
            wi_free(checker->env, consumer);
        } else {
            place = &consumer->next;
        }
    }
    if (added != NULL) {
        added->worker = worker;
        added->epoch = epoch;
        added->next = shard->consumers;
        shard->consumers = added;
    }
    return added;
}

/* --- records --------------------------------------------------------------------------------- */

size_t
wi_check_window_after(const struct wi_check_window *window, uint64_t sequence)
{
    size_t low = window->head;
    size_t high = window->tail;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (window->items[middle].sequence <= sequence) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct wi_check_record *
wi_check_window_push(const struct weir_env *env, struct wi_check_window *window)
{
    if (window->tail == window->capacity && window->head > window->capacity / 2) {
        memmove(
            window->items,
            window->items + window->head,
            (window->tail - window->head) * sizeof *window->items);
        window->tail -= window->head;
        window->head = 0;
    }
    if (window->tail == window->capacity) {
        struct wi_check_record *larger =
            grown(env, window->items, &window->capacity, sizeof *larger, window->capacity + 1);

        if (larger == NULL) {
            return NULL;
        }
        window->items = larger;
    }
    return &window->items[window->tail++];
}

void
wi_check_window_drop(struct wi_check_window *window, size_t index)
{
    WEIR_ASSERT(index >= window->head && index <= window->tail);
    window->base_rank += index - window->head;
    window->head = index;
    if (index == window->tail) {
        window->head = 0;
        window->tail = 0;
    }
}

struct wi_check_record *
wi_check_window_at(const struct wi_check_window *window, uint64_t rank)
{
    if (rank < window->base_rank) {
        return NULL;
    }
    WEIR_ASSERT(rank - window->base_rank < window->tail - window->head);
    return &window->items[window->head + (rank - window->base_rank)];
}

/* --- timers ---------------------------------------------------------------------------------- */

void
wi_check_timer_stop(struct wi_check_timers *timers, struct wi_check_timer *timer)
{
    if (!timer->running) {
        return;
    }
    if (timer->previous == NULL) {
        timers->first = timer->next;
    } else {
        timer->previous->next = timer->next;
    }
    if (timer->next == NULL) {
        timers->last = timer->previous;
    } else {
        timer->next->previous = timer->previous;
    }
    timer->running = false;
}

void
wi_check_timer_start(struct wi_check_timers *timers, struct wi_check_timer *timer, int64_t now_ns)
{
    wi_check_timer_stop(timers, timer);
    timer->since_ns = now_ns;
    timer->running = true;
    timer->next = NULL;
    timer->previous = timers->last;
    if (timers->last == NULL) {
        timers->first = timer;
    } else {
        timers->last->next = timer;
    }
    timers->last = timer;
}
