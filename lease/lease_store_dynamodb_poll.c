/* Hints: a look at the owner index now and then, and what this handle does itself. */
#include <cjson/cJSON.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "aws/dynamodb_api.h"
#include "aws/dynamodb_item.h"
#include "core/mono.h"
#include "core/str.h"
#include "lease/lease_row_dynamodb.h"
#include "lease/lease_store_dynamodb.h"

#define MS_PER_S           1000
#define NS_PER_MS          1000000
#define NS_PER_S           1000000000
#define WAIT_MAX_MS        3600000
#define POLLS_PER_DURATION 4
#define POLL_MIN_MS        10

static struct timespec
instant_after(int64_t timeout_ms)
{
    int64_t ms = timeout_ms < 0 ? 0 : timeout_ms;
    struct timespec end = {0};

    ms = ms > WAIT_MAX_MS ? WAIT_MAX_MS : ms;
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += (time_t)(ms / MS_PER_S);
    end.tv_nsec += (long)(ms % MS_PER_S * NS_PER_MS);
    if (end.tv_nsec >= NS_PER_S) {
        end.tv_sec++;
        end.tv_nsec -= NS_PER_S;
    }
    return end;
}

uint32_t
wi_dynamodb_version(void *context)
{
    struct wi_dynamodb_store *store = context;
    uint32_t version;

    pthread_mutex_lock(&store->mutex);
    version = store->version;
    pthread_mutex_unlock(&store->mutex);
    return version;
}

static int64_t
poll_period_ms(const struct wi_dynamodb_store *store)
{
    int64_t period_ms = store->application.lease_duration_ms / POLLS_PER_DURATION;

    period_ms = store->poll_ms > 0 && store->poll_ms < period_ms ? store->poll_ms : period_ms;
    return period_ms > POLL_MIN_MS ? period_ms : POLL_MIN_MS;
}

/* Whether the last listing showed this lease as this worker's. */
static bool
is_known(struct wi_dynamodb_store *store, const char *key)
{
    uint64_t hash = wi_str_hash(wi_str(key));
    bool found = false;

    pthread_mutex_lock(&store->mutex);
    for (size_t low = 0, high = store->known_count; low < high && !found;) {
        size_t middle = low + (high - low) / 2;

        found = store->known[middle] == hash;
        if (store->known[middle] < hash) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    pthread_mutex_unlock(&store->mutex);
    return found;
}

/* The index names the next owner as soon as a hand-off is wished; only the row tells when the lease
 * is its own. */
static bool
is_news(struct wi_dynamodb_store *store, const char *owner, const cJSON *item)
{
    const char *key = wi_dynamodb_text(item, WI_DYNAMODB_LEASE_KEY);
    struct wi_dynamodb_lease row;

    return key != NULL && !is_known(store, key) &&
           wi_dynamodb_get_lease(store, key, &row) == WEIR_OK &&
           strcmp(row.lease.owner, owner) == 0 &&
           (row.is_ours || row.lease.checkpoint.type != WEIR_SHARD_END);
}

/* True if a lease is this worker's that the last listing did not show. */
static bool
look(struct wi_dynamodb_store *store, const char *owner)
{
    struct wi_dynamodb_request request;
    const cJSON *item = NULL;
    cJSON *start_key = NULL;
    bool news = false;
    bool goes_on = true;

    wi_dynamodb_request_init(&request, store->env);
    while (goes_on && !news) {
        wi_dynamodb_build_query(
            &request,
            &store->leases,
            WI_DYNAMODB_OWNER_INDEX,
            WI_DYNAMODB_LEASE_OWNER,
            owner,
            start_key);
        wi_dynamodb_perform(&store->dynamodb, &request, 1);
        cJSON_ArrayForEach(item, request.items)
        {
            news = news || is_news(store, owner, item);
        }
        cJSON_Delete(start_key);
        start_key = request.last_key == NULL ? NULL : cJSON_Duplicate(request.last_key, true);
        goes_on = request.error == WEIR_OK && start_key != NULL;
    }
    cJSON_Delete(start_key);
    wi_dynamodb_request_free(&request);
    return news;
}

/* Look if it is time; the mutex is held before and after, not in between. */
static void
poll_if_due(struct wi_dynamodb_store *store)
{
    struct weir_mono now = wi_dynamodb_now(store);
    char owner[WEIR_OWNER_SIZE];

    if (store->owner[0] == '\0' || store->is_polling || wi_mono_before(now, store->next_poll)) {
        return;
    }
    memcpy(owner, store->owner, sizeof owner);
    store->next_poll = wi_mono_add_ms(now, poll_period_ms(store));
    if (store->mode != WI_DYNAMODB_MODE_3X) {
        return; /* nobody gives it anything, and there may be no index */
    }
    store->is_polling = true;
    pthread_mutex_unlock(&store->mutex);
    if (look(store, owner)) {
        wi_dynamodb_raise_hint(store);
    }
    pthread_mutex_lock(&store->mutex);
    store->is_polling = false;
}

static bool
is_earlier(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

/* Wait for news, the next poll or the end; true at the end. The mutex is held. */
static bool
wait_once(struct wi_dynamodb_store *store, const struct timespec *end)
{
    struct timespec until = *end;
    bool is_last = true;
    int code = 0;

    if (store->owner[0] != '\0') {
        int64_t poll_ms = wi_mono_until_ms(wi_dynamodb_now(store), store->next_poll);
        struct timespec poll = instant_after(poll_ms + 1);

        is_last = !is_earlier(&poll, end);
        until = is_last ? *end : poll;
    }
    code = pthread_cond_timedwait(&store->changed, &store->mutex, &until);
    return is_last && code != 0;
}

uint32_t
wi_dynamodb_wait(void *context, uint32_t seen, int64_t timeout_ms)
{
    struct wi_dynamodb_store *store = context;
    struct timespec end = instant_after(timeout_ms);
    bool is_over = false;
    uint32_t version;

    pthread_mutex_lock(&store->mutex);
    while (store->version == seen && !is_over) {
        poll_if_due(store);
        if (store->version == seen) {
            is_over = wait_once(store, &end);
        }
    }
    version = store->version;
    pthread_mutex_unlock(&store->mutex);
    return version;
}

void
wi_dynamodb_interrupt(void *context)
{
    wi_dynamodb_raise_hint(context);
}
