/* Claims: where a table has no sessions, a lease is believed in from its owner's own first write on
 * (docs/lease-table-dynamodb.md, section 5). */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>

#include "core/log.h"
#include "core/memory.h"
#include "core/mono.h"
#include "lease/lease.h"
#include "lease/lease_store.h"
#include "worker/io_pool.h"
#include "worker/shard_runner.h"
#include "worker/worker_runtime.h"

/* A claim without an answer is made again after that. */
#define CLAIM_RETRY_MS 50

static void
claim_run(struct wi_job *job)
{
    struct wi_claim_job *claim = (struct wi_claim_job *)job;
    const struct wi_lease_store *store = claim->worker->store;

    claim->sent = wi_worker_now(claim->worker);
    claim->error =
        store->ops->claim(store->store, claim->owner, claim->leases, claim->count, claim->results);
}

static bool
is_running(const struct weir_worker *worker, const char *lease_key)
{
    for (size_t i = 0; i < worker->runner_count; i++) {
        if (strcmp(worker->runners[i]->lease.lease_key, lease_key) == 0) {
            return true;
        }
    }
    return false;
}

static void
read_again(struct weir_worker *worker)
{
    worker->table_wanted = true;
    worker->full_table_wanted = true;
}

static void
note_claim(struct weir_worker *worker, const struct wi_claim_job *claim, size_t index)
{
    const struct wi_lease *lease = &claim->leases[index];
    enum weir_error error = claim->error != WEIR_OK ? claim->error : claim->results[index];
    bool is_wanted = worker->joined && worker->phase == WI_WORKER_RUNNING &&
                     strcmp(lease->owner, worker->owner) == 0 &&
                     !is_running(worker, lease->lease_key);

    if (error == WEIR_OK && is_wanted) {
        wi_worker_start_lease(worker, lease, claim->sent);
        return;
    }
    read_again(worker); /* the row has moved on, or is to be given back, or nobody knows */
    if (error != WEIR_OK && error != WEIR_ECONFLICT) {
        struct weir_mono retry = wi_mono_add_ms(wi_worker_now(worker), CLAIM_RETRY_MS);

        wi_log(
            worker->env,
            WEIR_LOG_WARN,
            "worker",
            "%s: cannot be claimed: %s",
            lease->lease_key,
            weir_error_text(error));
        worker->table_not_before =
            wi_mono_before(worker->table_not_before, retry) ? retry : worker->table_not_before;
    }
}

static void
claim_done(struct wi_job *job)
{
    struct wi_claim_job *claim = (struct wi_claim_job *)job;

    for (size_t i = 0; i < claim->count; i++) {
        note_claim(claim->worker, claim, i);
    }
    claim->count = 0;
}

static bool
claim_room(struct weir_worker *worker)
{
    struct wi_claim_job *claim = &worker->claim_job;

    if (claim->leases == NULL) {
        claim->leases = wi_alloc_array(worker->env, WI_CLAIMS_MAX, sizeof *claim->leases);
    }
    if (claim->results == NULL) {
        claim->results = wi_alloc_array(worker->env, WI_CLAIMS_MAX, sizeof *claim->results);
    }
    return claim->leases != NULL && claim->results != NULL;
}

void
wi_worker_claim(struct weir_worker *worker, const struct wi_lease *lease)
{
    struct wi_claim_job *claim = &worker->claim_job;

    if (claim->job.busy || claim->count == WI_CLAIMS_MAX || !claim_room(worker)) {
        read_again(worker);
        return;
    }
    claim->leases[claim->count++] = *lease;
}

void
wi_worker_submit_claims(struct weir_worker *worker)
{
    struct wi_claim_job *claim = &worker->claim_job;

    if (!claim->job.busy && claim->count > 0) {
        claim->worker = worker;
        claim->job.run = claim_run;
        claim->job.done = claim_done;
        memcpy(claim->owner, worker->owner, sizeof claim->owner);
        wi_io_pool_submit(worker->io, WI_IO_NORMAL, &claim->job);
    }
}

void
wi_worker_claim_free(struct weir_worker *worker)
{
    wi_free(worker->env, worker->claim_job.leases);
    wi_free(worker->env, worker->claim_job.results);
}
