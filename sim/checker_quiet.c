/* The end of the run: nothing may be left. */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "core/memory.h"
#include "sim/checker_parts.h"
#include "sim/checker_state.h"

/* Hash keys of an unfinished lease. */
struct range {
    uint64_t first;
    uint64_t last;
};

/* Of no record of this shard is it known that the application wants it. */
static bool
is_unwanted(const struct wi_checker *checker, const struct wi_check_shard *shard)
{
    return shard->row.unresolved || (checker->settings.starts_at_tip && !shard->row.existed);
}

/* G1, L5, P9 no loss, all done: every record that was put is processed, or in the failure
 * destination, or trimmed, or before the place where the application started. */
static bool
g1_all_covered(struct wi_checker *checker, const struct wi_check_shard *shard)
{
    const struct wi_check_window *window = &shard->window;

    for (size_t i = window->head; i < window->tail && !is_unwanted(checker, shard); i++) {
        if ((window->items[i].flags & (WI_RECORD_DONE | WI_RECORD_DEAD)) == 0) {
            return wi_check_break(
                checker,
                "G1",
                "shard %" PRIu32 ": record %" PRIu64 " and %" PRIu64
                " in all were not processed at the end",
                shard->number,
                window->items[i].sequence,
                shard->undone);
        }
    }
    return true;
}

/* I11 at the end: what was processed was applied. */
static bool
i11_all_applied(struct wi_checker *checker, const struct wi_check_shard *shard)
{
    const struct wi_check_window *window = &shard->window;
    size_t next = wi_check_window_after(window, shard->effect_last);

    while (next < window->tail && (window->items[next].flags & WI_RECORD_DEAD) != 0) {
        next++;
    }
    if (!checker->settings.exactly_once_sink || next == window->tail ||
        is_unwanted(checker, shard)) {
        return true;
    }
    return wi_check_break(
        checker,
        "I11",
        "shard %" PRIu32 ": record %" PRIu64 " was not applied at the end",
        shard->number,
        window->items[next].sequence);
}

/* P5, L6 parents end: a closed shard that has a row is finished at the end. */
static bool
p5_ended(struct wi_checker *checker, const struct wi_check_shard *shard)
{
    return !shard->closed || !shard->row.exists || shard->row.finished
               ? true
               : wi_check_break(
                     checker,
                     "P5",
                     "shard %" PRIu32 " is closed, and has not ended at the end of the run",
                     shard->number);
}

static int
by_first(const void *a, const void *b)
{
    const struct range *x = a;
    const struct range *y = b;

    return x->first < y->first ? -1 : x->first > y->first;
}

/* I16 conservation: the hash keys of the unfinished leases cover all hash keys once. */
static bool
i16_conservation(struct wi_checker *checker, struct range *ranges, size_t count)
{
    uint64_t next = 0;

    qsort(ranges, count, sizeof *ranges, by_first);
    for (size_t i = 0; i < count; i++) {
        if (ranges[i].first != next || ranges[i].last < ranges[i].first) {
            return wi_check_break(
                checker,
                "I16",
                "hash keys from %" PRIx64 ": a lease begins at %" PRIx64 " and ends at %" PRIx64,
                next,
                ranges[i].first,
                ranges[i].last);
        }
        next = ranges[i].last + 1;
    }
    return next == 0 ? true
                     : wi_check_break(
                           checker, "I16", "hash keys from %" PRIx64 " on have no lease", next);
}

/* The ranges of unfinished leases; *ret_count 0 if one of them is not stated. */
static struct range *
unfinished_ranges(const struct wi_checker *checker, size_t *ret_count)
{
    struct range *ranges =
        wi_alloc_array(checker->env, checker->shards_capacity + 1, sizeof *ranges);
    size_t count = 0;
    bool stated = true;

    for (uint32_t i = 1; i <= checker->shards_capacity && ranges != NULL; i++) {
        const struct wi_check_shard *shard = wi_check_shard_of(checker, i);

        if (shard != NULL && shard->row.exists && !shard->row.finished) {
            ranges[count++] = (struct range){shard->hash_first, shard->hash_last};
            stated = stated && (shard->hash_first != 0 || shard->hash_last != 0);
        }
    }
    *ret_count = stated ? count : 0;
    return ranges;
}

bool
wi_check_quiet_event(struct wi_checker *checker)
{
    struct range *ranges;
    size_t count = 0;
    bool holds = true;

    checker->quiet = true;
    for (uint32_t i = 1; i <= checker->shards_capacity && holds; i++) {
        const struct wi_check_shard *shard = wi_check_shard_of(checker, i);

        holds = shard == NULL || (g1_all_covered(checker, shard) &&
                                  i11_all_applied(checker, shard) && p5_ended(checker, shard));
    }
    if (!holds) {
        return false;
    }
    ranges = unfinished_ranges(checker, &count);
    if (ranges == NULL) {
        return wi_check_break(checker, "H1", "no memory is left for the hash keys");
    }
    holds = count == 0 || i16_conservation(checker, ranges, count);
    wi_free(checker->env, ranges);
    return holds;
}
