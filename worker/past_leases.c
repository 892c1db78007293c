#include "worker/past_leases.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/memory.h"
#include "core/str.h"
#include "lease/lease.h"

#define CAPACITY_FIRST 16U

/* Where the key is, or where it would go. */
static size_t
place_of(const struct wi_past_leases *past, const char *lease_key)
{
    size_t low = 0;
    size_t high = past->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(past->items[middle].lease_key, lease_key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static const struct wi_past_lease *
find(const struct wi_past_leases *past, const char *lease_key)
{
    size_t at = place_of(past, lease_key);

    WEIR_ASSERT(at <= past->count);
    return at < past->count && strcmp(past->items[at].lease_key, lease_key) == 0 ? &past->items[at]
                                                                                 : NULL;
}

enum wi_past_verdict
wi_past_leases_judge(const struct wi_past_leases *past, const struct wi_lease *lease)
{
    const struct wi_past_lease *item = find(past, lease->lease_key);

    if (item == NULL || item->epoch < lease->epoch) {
        return WI_PAST_NEW;
    }
    return item->epoch == lease->epoch ? WI_PAST_OVER : WI_PAST_OUT_OF_DATE;
}

struct weir_position
wi_past_leases_handed_through(const struct wi_past_leases *past, const struct wi_lease *lease)
{
    const struct wi_past_lease *item = find(past, lease->lease_key);

    return item != NULL && item->epoch == lease->epoch ? item->handed_through
                                                       : lease->replay_through;
}

static enum weir_error
make_room(struct wi_past_leases *past)
{
    size_t capacity = past->capacity == 0 ? CAPACITY_FIRST : past->capacity * 2;
    void *grown = NULL;

    if (past->count < past->capacity) {
        return WEIR_OK;
    }
    grown = wi_resize_array(past->env, past->items, capacity, sizeof *past->items);
    if (grown == NULL) {
        return WEIR_ENOMEM;
    }
    past->items = grown;
    past->capacity = capacity;
    return WEIR_OK;
}

enum weir_error
wi_past_leases_remember(
    struct wi_past_leases *past,
    const char *lease_key,
    uint64_t epoch,
    const struct weir_position *handed_through)
{
    size_t at = place_of(past, lease_key);

    if (find(past, lease_key) == NULL) {
        enum weir_error error = make_room(past);

        if (error != WEIR_OK) {
            return error;
        }
        memmove(&past->items[at + 1], &past->items[at], (past->count - at) * sizeof *past->items);
        (void)wi_str_copy(
            past->items[at].lease_key, sizeof past->items[at].lease_key, wi_str(lease_key));
        past->count++;
    }
    past->items[at].epoch = epoch;
    past->items[at].handed_through = *handed_through;
    WEIR_ASSERT(past->count <= past->capacity);
    return WEIR_OK;
}

/* The row's epoch; false if there is no row. Both lists are sorted: `from` only moves forward. */
static bool
find_epoch(
    const struct wi_lease_table *table, const char *lease_key, size_t *from, uint64_t *ret_epoch)
{
    while (*from < table->lease_count && strcmp(table->leases[*from].lease_key, lease_key) < 0) {
        ++*from;
    }
    if (*from == table->lease_count || strcmp(table->leases[*from].lease_key, lease_key) != 0) {
        return false;
    }
    *ret_epoch = table->leases[*from].epoch;
    return true;
}

void
wi_past_leases_forget(struct wi_past_leases *past, const struct wi_lease_table *table)
{
    size_t kept = 0;
    size_t from = 0;

    for (size_t i = 0; i < past->count; i++) {
        uint64_t epoch = 0;
        bool is_shown = find_epoch(table, past->items[i].lease_key, &from, &epoch);

        /* A row that could not be read is not in the picture, and may come back as it was. */
        if (is_shown ? epoch <= past->items[i].epoch : table->damaged_count > 0) {
            past->items[kept++] = past->items[i];
        }
    }
    WEIR_ASSERT(kept <= past->count);
    past->count = kept;
}

void
wi_past_leases_free(struct wi_past_leases *past)
{
    wi_free(past->env, past->items);
    *past = (struct wi_past_leases){.env = past->env};
}
