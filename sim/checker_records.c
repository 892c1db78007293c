/* The stream, the failure destination and the sink: what there is, and what is covered. */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/check.h"
#include "sim/checker_parts.h"
#include "sim/checker_state.h"
#include "sim/history.h"

#define COVERED (WI_RECORD_DONE | WI_RECORD_DEAD)

bool
wi_check_put_event(
    struct wi_checker *checker, const struct wi_history_event *event, struct wi_check_shard *shard)
{
    struct wi_check_key *key = wi_check_key_of(checker, event->key);
    struct wi_check_record *record = wi_check_window_push(checker->env, &shard->window);

    if (key == NULL || record == NULL) {
        return wi_check_break(checker, "H1", "no memory is left for a record");
    }
    if (event->first <= shard->tip || shard->closed) {
        shard->window.tail--;
        return wi_check_break(
            checker,
            "H1",
            "shard %" PRIu32 ": record %" PRIu64 " was put %s %" PRIu64,
            shard->number,
            event->first,
            shard->closed ? "into a closed shard, after" : "after",
            shard->tip);
    }
    *record = (struct wi_check_record){
        .sequence = event->first,
        .previous_shard = key->shard,
        .previous_rank = key->rank,
    };
    key->shard = shard->number;
    key->rank = shard->window.base_rank + (shard->window.tail - 1 - shard->window.head);
    shard->tip = event->first;
    if (shard->undone++ == 0) {
        wi_check_refresh(checker, shard);
    }
    return true;
}

/* Put `shard` in front of the children of its i-th parent. */
static void
adopt(struct wi_check_shard *parent, struct wi_check_shard *shard, size_t i)
{
    shard->parents[i] = parent->number;
    shard->next_sibling[i] = parent->first_child;
    parent->first_child = shard->number;
}

bool
wi_check_shard_event(
    struct wi_checker *checker, const struct wi_history_event *event, struct wi_check_shard *shard)
{
    struct wi_check_shard *added;

    if (shard != NULL || event->parents[0] == event->shard || event->parents[1] == event->shard ||
        (event->parents[0] != 0 && event->parents[0] == event->parents[1])) {
        return wi_check_break(
            checker,
            "H1",
            "shard %" PRIu32 " %s",
            event->shard,
            shard != NULL ? "exists already" : "names a parent twice, or itself");
    }
    added = wi_check_shard_add(checker, event->shard);
    if (added == NULL) {
        return wi_check_break(checker, "H1", "no memory is left for a shard");
    }
    added->hash_first = event->first;
    added->hash_last = event->last;
    for (size_t i = 0; i < 2; i++) {
        struct wi_check_shard *parent = wi_check_shard_of(checker, event->parents[i]);

        if (parent != NULL) {
            adopt(parent, added, i);
        }
    }
    return true;
}

void
wi_check_forget(struct wi_checker *checker, struct wi_check_shard *shard, uint64_t through)
{
    size_t end = wi_check_window_after(&shard->window, through);

    for (size_t i = shard->window.head; i < end; i++) {
        if ((shard->window.items[i].flags & COVERED) == 0) {
            WEIR_ASSERT(shard->undone > 0);
            shard->undone--;
        }
    }
    wi_check_window_drop(&shard->window, end);
    if (through > shard->forgotten) {
        shard->forgotten = through;
    }
    wi_check_refresh(checker, shard);
}

bool
wi_check_trim_event(
    struct wi_checker *checker, const struct wi_history_event *event, struct wi_check_shard *shard)
{
    wi_check_forget(checker, shard, event->last);
    return true;
}

bool
wi_check_dead_letter_event(
    struct wi_checker *checker, const struct wi_history_event *event, struct wi_check_shard *shard)
{
    size_t index = wi_check_window_after(&shard->window, event->first - 1);
    struct wi_check_record *record;

    if (event->first <= shard->forgotten) {
        return true;
    }
    if (index == shard->window.tail || shard->window.items[index].sequence != event->first) {
        return wi_check_break(
            checker,
            "H1",
            "shard %" PRIu32 ": record %" PRIu64 " was dead-lettered, and never put",
            shard->number,
            event->first);
    }
    record = &shard->window.items[index];
    if ((record->flags & COVERED) == 0) {
        WEIR_ASSERT(shard->undone > 0);
        shard->undone--;
    }
    record->flags |= WI_RECORD_DEAD;
    wi_check_progress(checker, shard);
    return true;
}

/* I11, at a checkpoint: what it passes was applied. */
static bool
i11_applied(
    struct wi_checker *checker,
    const struct wi_check_shard *shard,
    const struct wi_check_record *record)
{
    if (!checker->settings.exactly_once_sink || (record->flags & WI_RECORD_DEAD) != 0 ||
        record->sequence <= shard->effect_last) {
        return true;
    }
    return wi_check_break(
        checker,
        "I11",
        "shard %" PRIu32 ": a checkpoint passed record %" PRIu64 ", which was never applied",
        shard->number,
        record->sequence);
}

/*
 * I6, G1, P9 no loss: when a checkpoint at v is accepted, each record at or below v is processed,
 * or in the failure destination, or trimmed, or before the place where the application started.
 */
bool
wi_check_cover(struct wi_checker *checker, struct wi_check_shard *shard, uint64_t through)
{
    size_t end = wi_check_window_after(&shard->window, through);
    uint64_t known = through > shard->tip ? shard->tip : through;

    for (size_t i = shard->window.head; i < end; i++) {
        const struct wi_check_record *record = &shard->window.items[i];

        if ((record->flags & COVERED) == 0) {
            return wi_check_break(
                checker,
                "I6",
                "shard %" PRIu32 ": a checkpoint passed record %" PRIu64
                ", which is neither processed nor dead-lettered",
                shard->number,
                record->sequence);
        }
        if (!i11_applied(checker, shard, record)) {
            return false;
        }
    }
    wi_check_window_drop(&shard->window, end);
    shard->forgotten = known > shard->forgotten ? known : shard->forgotten;
    wi_check_progress(checker, shard);
    return true;
}

/*
 * I10 fenced sink: per shard the epochs of what is applied never fall, counted from the moment at
 * which the sink took an epoch as its fence; and nothing of a parent is applied after something
 * of a child.
 */
static bool
i10_fenced_sink(
    struct wi_checker *checker,
    const struct wi_history_event *event,
    const struct wi_check_shard *shard)
{
    if (event->epoch < shard->fence) {
        return wi_check_break(
            checker,
            "I10",
            "shard %" PRIu32 ": the sink applied epoch %" PRIu64 " after it had seen %" PRIu64,
            shard->number,
            event->epoch,
            shard->fence);
    }
    for (const struct wi_check_shard *child = wi_check_next_child(checker, shard, NULL);
         child != NULL && event->first != 0;
         child = wi_check_next_child(checker, shard, child)) {
        if (child->has_effects) {
            return wi_check_break(
                checker,
                "I10",
                "shard %" PRIu32 ": the sink applied record %" PRIu64
                " after records of its child %" PRIu32,
                shard->number,
                event->first,
                child->number);
        }
    }
    return true;
}

/* I11 exactly-once effect: what is applied follows what was applied before, without gap. */
static bool
i11_exactly_once(
    struct wi_checker *checker,
    const struct wi_history_event *event,
    const struct wi_check_shard *shard)
{
    const struct wi_check_window *window = &shard->window;
    size_t next = wi_check_window_after(window, shard->effect_last);
    bool known = event->first > shard->forgotten;

    while (next < window->tail && window->items[next].sequence < event->first &&
           (window->items[next].flags & WI_RECORD_DEAD) != 0) {
        next++;
    }
    if (event->first > shard->effect_last &&
        (!known || (next < window->tail && window->items[next].sequence == event->first))) {
        return true;
    }
    return wi_check_break(
        checker,
        "I11",
        "shard %" PRIu32 ": record %" PRIu64 " was applied after record %" PRIu64,
        shard->number,
        event->first,
        shard->effect_last);
}

bool
wi_check_effect_event(
    struct wi_checker *checker, const struct wi_history_event *event, struct wi_check_shard *shard)
{
    if (!event->fenced || !checker->settings.fenced_sink) {
        return true;
    }
    if (!i10_fenced_sink(checker, event, shard) ||
        (event->first != 0 && checker->settings.exactly_once_sink &&
         !i11_exactly_once(checker, event, shard))) {
        return false;
    }
    shard->fence = event->epoch;
    if (event->first != 0) {
        shard->has_effects = true;
    }
    if (event->first > shard->effect_last) {
        shard->effect_last = event->first;
    }
    return true;
}
