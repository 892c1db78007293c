/* Count the records of a stream, each once: dedupe_sink STREAM
 *
 * The count and the positions that it covers are committed together, in LMDB. After a crash records
 * come again from the last checkpoint; those that are counted already are skipped. */
#include <lmdb.h>
#include <stdio.h>
#include <string.h>

#include <weir/weir.h>

/* The sink, which all shards share. */
struct sink {
    MDB_env *env;
    MDB_dbi count;
    struct weir_sink positions;
};

/* Commit, or give up what an error has left half done. */
static enum weir_error
finish(MDB_txn *txn, enum weir_error error)
{
    if (error != WEIR_OK) {
        mdb_txn_abort(txn);
        return error;
    }
    return mdb_txn_commit(txn) == 0 ? WEIR_OK : WEIR_EPROCESSOR;
}

/* Plant the token: from now on no earlier owner of the shard can write. */
static enum weir_error
initialize(
    void *context,
    const struct weir_shard_context *shard,
    struct weir_checkpointer *checkpointer,
    void **ret_state)
{
    const struct sink *sink = context;
    struct weir_position position;
    MDB_txn *txn;

    (void)checkpointer, (void)ret_state;
    return mdb_txn_begin(sink->env, NULL, 0, &txn) == 0
               ? finish(txn, weir_sink_acquire(&sink->positions, txn, shard, &position))
               : WEIR_EPROCESSOR;
}

/* Count the records that are not counted yet, and remember how far that goes. */
static enum weir_error
count(struct sink *sink, MDB_txn *txn, struct weir_process_input in, struct weir_position *position)
{
    const struct weir_record *last = &in.records[in.count - 1];
    MDB_val key = {sizeof "records", "records"};
    MDB_val value;
    size_t sum = 0;
    int result;

    if (weir_sink_has(position, last)) {
        return WEIR_OK;
    }
    result = mdb_get(txn, sink->count, &key, &value);
    if (result == 0 && value.mv_size == sizeof sum) {
        memcpy(&sum, value.mv_data, sizeof sum);
    } else if (result != MDB_NOTFOUND) {
        return WEIR_EPROCESSOR; /* not 0: the total is there, and would be overwritten */
    }
    for (size_t i = 0; i < in.count; i++) {
        sum += weir_sink_has(position, &in.records[i]) ? 0 : 1;
    }
    printf("%zu\n", sum);
    value = (MDB_val){sizeof sum, &sum};
    return mdb_put(txn, sink->count, &key, &value, 0) == 0
               ? weir_sink_advance(&sink->positions, txn, &in.token, last)
               : WEIR_EPROCESSOR;
}

static enum weir_error
process_records(
    void *context,
    void *state,
    const struct weir_process_input *input,
    struct weir_checkpointer *checkpointer,
    size_t *ret_processed)
{
    struct sink *sink = context;
    struct weir_position position;
    MDB_txn *txn;
    enum weir_error error;

    (void)state, (void)checkpointer, (void)ret_processed;
    if (mdb_txn_begin(sink->env, NULL, 0, &txn) != 0) {
        return WEIR_EPROCESSOR;
    }
    error = weir_sink_begin(&sink->positions, txn, &input->token, &position);
    return finish(txn, error == WEIR_OK ? count(sink, txn, *input, &position) : error);
}

int
main(int argc, char **argv)
{
    struct weir_worker_options options = WEIR_WORKER_OPTIONS_INIT;
    struct weir_worker *worker = NULL;
    struct weir_detail detail = {"cannot open count.mdb"};
    struct sink sink = {NULL, 0, {0}};
    const struct weir_processor processor = {
        sizeof processor, &sink, initialize, process_records, NULL, NULL, NULL, NULL};
    MDB_txn *txn;

    options.application = "count";
    options.stream = argc > 1 ? argv[1] : "orders";
    if (mdb_env_create(&sink.env) != 0 || mdb_env_set_maxdbs(sink.env, 2) != 0 ||
        mdb_env_open(sink.env, "count.mdb", MDB_NOSUBDIR, 0600) != 0 ||
        mdb_txn_begin(sink.env, NULL, 0, &txn) != 0 ||
        mdb_dbi_open(txn, "count", MDB_CREATE, &sink.count) != 0 ||
        finish(txn, weir_sink_open(txn, &sink.positions)) != WEIR_OK ||
        weir_worker_new(weir_env_default(), &options, &processor, &worker, &detail) != WEIR_OK ||
        weir_worker_run(worker, &detail) != WEIR_OK) {
        (void)fprintf(stderr, "%s\n", detail.text);
        return 1;
    }
    weir_worker_free(worker);
    mdb_env_close(sink.env);
    return 0;
}
