/* Your own processor under every fault of a simulated fleet: simulated_processor [careless]
 *
 * It counts records in a database, and keeps the position of its shard and its fencing token in the
 * same transaction. The careless one does not look at them: what comes again counts again. */
#include <stdio.h>
#include <string.h>

#include <weir/sim.h>
#include <weir/weir.h>

static bool is_careless;

struct progress {         /* what the database keeps for each shard */
    uint64_t lease_epoch; /* of the owner that wrote last */
    struct weir_position position;
};

/* Count what is not counted yet. In initialize, without records, this plants the token. */
static enum weir_error
add(struct weir_sim_sink *sink,
    const struct weir_token *token,
    const struct weir_record *records,
    size_t count)
{
    struct weir_sim_transaction *txn;
    struct progress progress = {0};
    uint64_t total = 0;
    char shard[WEIR_NAME_SIZE];

    if (weir_sim_sink_begin(sink, &txn) != WEIR_OK) {
        return WEIR_EPROCESSOR;
    }
    (void)snprintf(shard, sizeof shard, "%.*s", (int)token->shard_id.length, token->shard_id.data);
    (void)!weir_sim_sink_get(txn, shard, &progress, sizeof progress, NULL);
    (void)!weir_sim_sink_get(txn, "total", &total, sizeof total, NULL);
    if (progress.lease_epoch > token->lease_epoch && !is_careless) {
        weir_sim_sink_abort(txn); /* another worker has the shard by now */
        return WEIR_EFENCED;
    }
    for (size_t i = 0; i < count; i++) {
        if (!weir_sink_has(&progress.position, &records[i]) || is_careless) {
            total++;
            progress.position.type = WEIR_AFTER_SEQUENCE_NUMBER;
            progress.position.sequence_number = records[i].sequence_number;
            progress.position.sub_sequence_number = records[i].sub_sequence_number;
        }
    }
    progress.lease_epoch = token->lease_epoch;
    (void)!weir_sim_sink_put(txn, shard, &progress, sizeof progress);
    (void)!weir_sim_sink_put(txn, "total", &total, sizeof total);
    return weir_sim_sink_commit(txn);
}

static enum weir_error
initialize(
    void *sink, const struct weir_shard_context *shard, struct weir_checkpointer *c, void **ret)
{
    (void)c, (void)ret;
    return add(sink, &shard->token, NULL, 0);
}

static enum weir_error
process_records(
    void *sink,
    void *state,
    const struct weir_process_input *input,
    struct weir_checkpointer *checkpointer,
    size_t *ret_processed)
{
    (void)state, (void)checkpointer, (void)ret_processed;
    return add(sink, &input->token, input->records, input->count);
}

static enum weir_error
start_worker(void *context, struct weir_sim_sink *sink, struct weir_processor *ret)
{
    (void)context;
    ret->context = sink;
    ret->initialize = initialize;
    ret->process_records = process_records;
    return WEIR_OK;
}

/* What is done is counted, and nothing that was not delivered. */
static bool
check(void *context, struct weir_sim_transaction *sink, struct weir_sim_ledger *ledger, char *text)
{
    uint64_t total = 0, done = 0, delivered = 0;
    struct weir_sim_entry entry;

    (void)context;
    for (size_t i = 0; weir_sim_ledger_entry(ledger, i, &entry); i++) {
        done += entry.done ? 1 : 0;
        delivered += entry.delivered ? 1 : 0;
    }
    (void)!weir_sim_sink_get(sink, "total", &total, sizeof total, NULL);
    (void)snprintf(text, WEIR_SIM_TEXT_SIZE, "total %g, expected %g", (double)total, (double)done);
    return total >= done && total <= delivered;
}

int
main(int argc, char **argv)
{
    struct weir_sim_application application = WEIR_SIM_APPLICATION_INIT;
    struct weir_sim_options options = WEIR_SIM_OPTIONS_INIT;
    struct weir_sim_verdict verdict = {.failed = false};
    unsigned seed = 0;

    is_careless = argc > 1 && strcmp(argv[1], "careless") == 0;
    application.worker_start = start_worker;
    application.check = check;
    options.application = &application;
    while (!verdict.failed && seed < 300) {
        if (weir_sim_run(weir_env_default(), ++seed, &options, &verdict, NULL) != WEIR_OK) {
            return 2;
        }
    }
    printf("seed %u: %s %s\n", seed, verdict.failed ? verdict.property : "holds", verdict.text);
    return verdict.failed ? 1 : 0;
}
