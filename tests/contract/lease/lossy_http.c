#include "tests/contract/lease/lossy_http.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include <weir/error.h>

#include "core/str.h"
#include "tests/support/weir_test.h"

/* Requests that are told apart; behind that, answers come. */
#define REQUESTS_MAX 4096U

struct lossy {
    const struct wi_http_ops *ops; /* of the real one */
    void *http;
    pthread_mutex_t mutex; /* guards what follows */
    uint64_t seen[REQUESTS_MAX];
    unsigned seen_count;
    unsigned lost;
};

static bool
is_first(struct lossy *lossy, const struct wi_http_request *request)
{
    uint64_t hash = wi_str_hash((struct weir_str){request->body.data, request->body.length});
    bool found;

    pthread_mutex_lock(&lossy->mutex);
    found = lossy->seen_count == REQUESTS_MAX;
    for (unsigned i = 0; i < lossy->seen_count && !found; i++) {
        found = lossy->seen[i] == hash;
    }
    if (!found) {
        lossy->seen[lossy->seen_count++] = hash;
        lossy->lost++;
    }
    pthread_mutex_unlock(&lossy->mutex);
    return !found;
}

static void
lossy_perform(void *context, struct wi_http_exchange *const *exchanges, size_t count)
{
    struct lossy *lossy = context;

    lossy->ops->perform(lossy->http, exchanges, count);
    for (size_t i = 0; i < count; i++) {
        struct wi_http_exchange *exchange = exchanges[i];

        if (exchange->error == WEIR_OK && is_first(lossy, &exchange->request)) {
            exchange->error = WEIR_ETIMEOUT;
            exchange->failure = WI_HTTP_OUTCOME_UNKNOWN;
            exchange->status = 0;
            wi_buffer_reset(&exchange->body);
        }
    }
}

static void
lossy_close(void *context)
{
    struct lossy *lossy = context;

    lossy->ops->close(lossy->http);
    (void)pthread_mutex_destroy(&lossy->mutex);
    free(lossy);
}

static void
lossy_interrupt(void *context)
{
    struct lossy *lossy = context;

    lossy->ops->interrupt(lossy->http);
}

static const struct wi_http_ops lossy_ops = {
    .close = lossy_close,
    .perform = lossy_perform,
    .interrupt = lossy_interrupt,
    .pause = NULL, /* nobody waits before the second attempt */
};

void
lossy_http_wrap(struct wi_http *http)
{
    struct lossy *lossy = calloc(1, sizeof *lossy);

    assert_non_null(lossy);
    pthread_mutex_init(&lossy->mutex, NULL);
    lossy->ops = http->ops;
    lossy->http = http->http;
    http->ops = &lossy_ops;
    http->http = lossy;
}

unsigned
lossy_http_lost(const struct wi_http *http)
{
    const struct lossy *lossy = http->http;

    return lossy->lost;
}
