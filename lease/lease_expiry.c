#include "lease/lease_expiry.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>

#include "core/check.h"
#include "core/memory.h"
#include "core/mono.h"

/* The first observations get room for this many; then the room doubles. */
#define CAPACITY_FIRST 16U

struct observation {
    char *key;
    uint64_t epoch;
    uint64_t counter;
    struct weir_mono since; /* end of the first read that showed this epoch and counter */
    uint64_t read;          /* the read that observed it last */
};

/* Sorted by key. A table is listed in the order of its keys, so `next` is nearly always right. */
struct wi_lease_expiry {
    const struct weir_env *env;
    struct observation *observations;
    size_t count;
    size_t capacity;
    size_t next;   /* where the key after the one observed last should stand */
    uint64_t read; /* number of the read under way */
};

enum weir_error
wi_lease_expiry_new(const struct weir_env *env, struct wi_lease_expiry **ret)
{
    struct wi_lease_expiry *expiry = wi_alloc(env, sizeof *expiry);

    if (expiry == NULL) {
        return WEIR_ENOMEM;
    }
    expiry->env = env;
    *ret = expiry;
    return WEIR_OK;
}

void
wi_lease_expiry_free(struct wi_lease_expiry *expiry)
{
    if (expiry == NULL) {
        return;
    }
    for (size_t i = 0; i < expiry->count; i++) {
        wi_free(expiry->env, expiry->observations[i].key);
    }
    wi_free(expiry->env, expiry->observations);
    wi_free(expiry->env, expiry);
}

/* C46: what the last read did not show is forgotten. */
void
wi_lease_expiry_begin(struct wi_lease_expiry *expiry)
{
    size_t kept = 0;

    for (size_t i = 0; i < expiry->count; i++) {
        if (expiry->observations[i].read == expiry->read) {
            expiry->observations[kept++] = expiry->observations[i];
        } else {
            wi_free(expiry->env, expiry->observations[i].key);
        }
    }
    WEIR_ASSERT(kept <= expiry->capacity);
    expiry->count = kept;
    expiry->next = 0;
    expiry->read++;
}

/* Index of the first key that is not below `key`. */
static size_t
lower_bound(const struct wi_lease_expiry *expiry, const char *key)
{
    size_t low = 0;
    size_t high = expiry->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(expiry->observations[middle].key, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool
stands_at(const struct wi_lease_expiry *expiry, size_t place, const char *key)
{
    return place < expiry->count && strcmp(expiry->observations[place].key, key) == 0;
}

static enum weir_error
grow(struct wi_lease_expiry *expiry)
{
    size_t capacity = expiry->capacity == 0 ? CAPACITY_FIRST : expiry->capacity * 2;
    struct observation *observations =
        wi_resize_array(expiry->env, expiry->observations, capacity, sizeof *observations);

    if (observations == NULL) {
        return WEIR_ENOMEM;
    }
    expiry->observations = observations;
    expiry->capacity = capacity;
    return WEIR_OK;
}

/* Make room for `key` at `place`, its order being kept. */
static enum weir_error
insert(struct wi_lease_expiry *expiry, size_t place, const char *key)
{
    struct observation *at;
    char *copy;

    WEIR_ASSERT(place <= expiry->count);
    if (expiry->count == expiry->capacity && grow(expiry) != WEIR_OK) {
        return WEIR_ENOMEM;
    }
    copy = wi_strdup(expiry->env, key);
    if (copy == NULL) {
        return WEIR_ENOMEM;
    }
    at = &expiry->observations[place];
    memmove(at + 1, at, (expiry->count - place) * sizeof *at);
    *at = (struct observation){.key = copy};
    expiry->count++;
    return WEIR_OK;
}

/* C45: the clock of a key starts when a read shows it changed; the first sight is a change. */
enum weir_error
wi_lease_expiry_observe(
    struct wi_lease_expiry *expiry,
    const char *key,
    uint64_t epoch,
    uint64_t counter,
    struct weir_mono now)
{
    size_t place = expiry->next;
    bool is_new = false;
    struct observation *observation;

    if (!stands_at(expiry, place, key)) {
        place = lower_bound(expiry, key);
        is_new = !stands_at(expiry, place, key);
    }
    if (is_new && insert(expiry, place, key) != WEIR_OK) {
        return WEIR_ENOMEM;
    }
    observation = &expiry->observations[place];
    if (is_new || observation->epoch != epoch || observation->counter != counter) {
        observation->epoch = epoch;
        observation->counter = counter;
        observation->since = now;
    }
    observation->read = expiry->read;
    expiry->next = place + 1;
    return WEIR_OK;
}

bool
wi_lease_expiry_is_expired(
    const struct wi_lease_expiry *expiry,
    const char *key,
    struct weir_mono now,
    int64_t duration_ms)
{
    size_t place = lower_bound(expiry, key);
    const struct observation *observation;

    if (!stands_at(expiry, place, key)) {
        return false;
    }
    observation = &expiry->observations[place];
    return observation->read == expiry->read &&
           !wi_mono_before(now, wi_mono_add_ms(observation->since, duration_ms));
}

struct weir_mono
wi_lease_expiry_next(const struct wi_lease_expiry *expiry, int64_t duration_ms)
{
    struct weir_mono earliest = WI_MONO_NEVER;

    for (size_t i = 0; i < expiry->count; i++) {
        const struct observation *observation = &expiry->observations[i];

        if (observation->read == expiry->read) {
            earliest = wi_mono_earlier(earliest, wi_mono_add_ms(observation->since, duration_ms));
        }
    }
    return earliest;
}
