/* Append the records of each shard to a file of its own, each record once: checkpointing STREAM
 *
 * Before a batch is appended, a prepared checkpoint remembers how long the file was. If the process
 * dies before the checkpoint that follows, the next owner cuts the half batch off and, since
 * delivery begins at the last checkpoint, appends it anew.
 *
 * A file cannot refuse an owner that was replaced while it was stopped, as a sink with a fencing
 * token does. So each owner holds a lock of the file: initialize fails, and is called again, until
 * the earlier owner has died or has woken up and learned that its lease is lost. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/types.h>
#include <unistd.h>

#include <weir/weir.h>

/* The file of one shard: its first `size` bytes hold the records up to `last`. */
struct export
{
    int file;
    long size;
    struct weir_record last; /* only its numbers are valid later */
    bool is_open;            /* `last` may not be checkpointed */
};

static void
destroy(void *context, void *state)
{
    struct export *export = state;

    (void)context;
    (void)close(export->file); /* and unlock */
    free(export);
}

static enum weir_error
initialize(
    void *context,
    const struct weir_shard_context *shard,
    struct weir_checkpointer *checkpointer,
    void **ret_state)
{
    char name[WEIR_NAME_SIZE + 4];
    char size[WEIR_CHECKPOINT_STATE_MAX + 1] = "";
    size_t length = 0;
    struct weir_position position;
    struct export *export = calloc(1, sizeof *export);
    enum weir_error error = WEIR_EPROCESSOR;

    if (export == NULL) {
        return error;
    }
    (void)snprintf(name, sizeof name, "%s.txt", shard->shard->shard_id);
    export->file = open(name, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (export->file >= 0 && flock(export->file, LOCK_EX | LOCK_NB) == 0 &&
        fsync(*(int *)context) == 0) { /* the directory: the file's name must last as well */
        export->size = lseek(export->file, 0, SEEK_END);
        error = weir_checkpoint_pending(checkpointer, &position, size, &length);
    }
    if (error == WEIR_OK) {
        export->size = strtol(size, NULL, 10); /* the owner before us did not get to the end */
    } else if (error != WEIR_ENOTFOUND) {
        destroy(context, export);
        return error;
    }
    *ret_state = export;
    return WEIR_OK;
}

/* Put the records behind the first `size` bytes, whatever an earlier attempt has left there. */
static bool
append(struct export *export, const struct weir_record *records, const struct weir_record *end)
{
    bool good = ftruncate(export->file, export->size) == 0;

    for (; records < end && good; records++) {
        const struct weir_bytes data = records->data;
        good = write(export->file, data.data, data.length) == (ssize_t)data.length &&
               write(export->file, "\n", 1) == 1;
    }
    if (good && fsync(export->file) == 0) {
        export->size = lseek(export->file, 0, SEEK_END);
        export->last = end[-1];
        export->is_open = true;
    }
    return export->is_open;
}

/* Checkpoint what is in the file. After an error it may be written or not (WEIR_ETIMEOUT), so the
 * next call asks for the same again before it appends more. */
static enum weir_error
settle(struct export *export, struct weir_checkpointer *checkpointer)
{
    enum weir_error error =
        export->is_open ? weir_checkpoint(checkpointer, &export->last) : WEIR_OK;

    export->is_open = error != WEIR_OK;
    return error;
}

static enum weir_error
process_records(
    void *context,
    void *state,
    const struct weir_process_input *input,
    struct weir_checkpointer *checkpointer,
    size_t *ret_processed)
{
    struct export *export = state;
    const struct weir_record *records = input->records, *end = records + input->count;
    enum weir_error error = settle(export, checkpointer);
    const struct weir_position done = weir_checkpoint_last(checkpointer);
    char text[32];
    struct weir_bytes size = {text, (size_t)snprintf(text, sizeof text, "%ld", export->size)};

    (void)context, (void)ret_processed;
    while (records < end && weir_sink_has(&done, records)) {
        records++; /* in the file since the call whose checkpoint failed */
    }
    if (error == WEIR_OK && records < end) {
        error = weir_checkpoint_prepare(checkpointer, end - 1, size);
        if (error == WEIR_OK) {
            error = append(export, records, end) ? settle(export, checkpointer) : WEIR_EPROCESSOR;
        }
    }
    return error;
}

int
main(int argc, char **argv)
{
    struct weir_worker_options options = WEIR_WORKER_OPTIONS_INIT;
    struct weir_worker *worker = NULL;
    struct weir_detail detail = {""};
    int directory = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const struct weir_processor processor = {
        sizeof processor, &directory, initialize, process_records, NULL, NULL, NULL, destroy};

    options.application = "export";
    options.stream = argc > 1 ? argv[1] : "orders";
    options.checkpoint_interval_ms = 0; /* checkpoints only where process_records says so */
    if (weir_worker_new(weir_env_default(), &options, &processor, &worker, &detail) != WEIR_OK ||
        weir_worker_run(worker, &detail) != WEIR_OK) {
        (void)fprintf(stderr, "%s\n", detail.text);
    }
    weir_worker_free(worker);
    return detail.text[0] == '\0' ? 0 : 1;
}
