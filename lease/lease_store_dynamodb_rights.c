/* Whether this identity may do what a worker does to the tables, asked before it works on them: a
 * right that is missing would show itself in the middle of a failover otherwise. */
#include <stdbool.h>
#include <stddef.h>

#include <weir/error.h>

#include "aws/dynamodb_api.h"
#include "aws/dynamodb_item.h"
#include "lease/lease_row_dynamodb.h"
#include "lease/lease_store_dynamodb.h"

/* No row has this key; it is asked for on the condition that it is there, so nothing is written. */
#define PROBE_KEY "weir-may-i-write"

enum probe {
    PROBE_UPDATE,
    PROBE_DELETE,
    PROBE_PUT,
    PROBE_QUERY,
    PROBES
};

static void
build(
    struct wi_dynamodb_store *store,
    const struct wi_dynamodb_table *table,
    enum probe probe,
    struct wi_dynamodb_request *request)
{
    struct wi_dynamodb_write write;

    wi_dynamodb_write_init(&write, store->env, probe == PROBE_PUT);
    wi_dynamodb_require_present(&write, table->key);
    switch (probe) {
    case PROBE_UPDATE:
        wi_dynamodb_remove(&write, WI_DYNAMODB_LEASE_OWNER);
        wi_dynamodb_build_update(request, table, PROBE_KEY, &write, false);
        break;
    case PROBE_DELETE:
        wi_dynamodb_build_delete(request, table, PROBE_KEY, &write);
        break;
    case PROBE_PUT:
        wi_dynamodb_set_text(&write, table->key, PROBE_KEY);
        wi_dynamodb_build_put(request, table, &write);
        break;
    case PROBE_QUERY:
    case PROBES:
        wi_dynamodb_build_query(
            request, table, WI_DYNAMODB_OWNER_INDEX, WI_DYNAMODB_LEASE_OWNER, PROBE_KEY, NULL);
        break;
    }
    wi_dynamodb_write_free(&write);
}

/* The first `count` probes, side by side. What is not a refusal is nothing to end a start for. */
static enum weir_error
check_table(struct wi_dynamodb_store *store, const struct wi_dynamodb_table *table, size_t count)
{
    struct wi_dynamodb_request *requests = wi_dynamodb_requests_new(store, count);
    enum weir_error error = WEIR_OK;

    if (requests == NULL) {
        return WEIR_ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        build(store, table, (enum probe)i, &requests[i]);
    }
    wi_dynamodb_perform(&store->dynamodb, requests, count);
    for (size_t i = 0; i < count && error == WEIR_OK; i++) {
        error = requests[i].error == WEIR_EACCESS ? WEIR_EACCESS : WEIR_OK;
    }
    wi_dynamodb_requests_free(store, requests, count);
    return error;
}

enum weir_error
wi_dynamodb_check_rights(struct wi_dynamodb_store *store)
{
    enum weir_error error = WEIR_OK;

    if (store->has_rights) {
        return WEIR_OK;
    }
    error = check_table(store, &store->leases, PROBES);
    if (error == WEIR_OK && !atomic_load(&store->is_single)) {
        error = check_table(store, wi_dynamodb_states(store), PROBE_PUT + 1);
    }
    if (error == WEIR_OK && !atomic_load(&store->is_single)) {
        error = check_table(store, wi_dynamodb_workers(store), PROBE_DELETE + 1);
    }
    store->has_rights = error == WEIR_OK;
    return error;
}
