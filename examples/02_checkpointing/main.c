/* Append the records of each shard to a file of its own, each record once: checkpointing STREAM
 *
 * Before a batch is appended, a prepared checkpoint remembers how long the file was. If the process
 * dies before the checkpoint that follows, the next owner cuts the half batch off and, since
 * delivery begins at the last checkpoint, appends it anew. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <weir/weir.h>

/* The file of one shard; what its first `size` bytes hold has been checkpointed. */
struct export
{
    FILE *file;
    long size;
};

static void
destroy(void *context, void *state)
{
    struct export *export = state;

    (void)context;
    if (export != NULL && export->file != NULL) {
        (void)fclose(export->file);
    }
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

    (void)snprintf(name, sizeof name, "%s.txt", shard->shard->shard_id);
    if (export == NULL || (export->file = fopen(name, "a+e")) == NULL ||
        fsync(*(int *)context) != 0) { /* the directory: the file's name must last as well */
        destroy(context, export);
        return WEIR_EPROCESSOR;
    }
    (void)fseek(export->file, 0, SEEK_END);
    export->size = ftell(export->file);
    if (weir_checkpoint_pending(checkpointer, &position, size, &length) == WEIR_OK) {
        export->size = strtol(size, NULL, 10); /* the owner before us did not get to the end */
    }
    *ret_state = export;
    return WEIR_OK;
}

/* Put the records behind the first `size` bytes, whatever an earlier attempt has left there. */
static int
append(const struct export *export, const struct weir_process_input *input)
{
    int good = ftruncate(fileno(export->file), export->size) == 0;

    for (size_t i = 0; i < input->count && good; i++) {
        const struct weir_bytes data = input->records[i].data;
        good = fwrite(data.data, 1, data.length, export->file) == data.length &&
               fputc('\n', export->file) != EOF;
    }
    return fflush(export->file) == 0 && fsync(fileno(export->file)) == 0 && good;
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
    const struct weir_record *last = &input->records[input->count - 1];
    char size[32];
    const int length = snprintf(size, sizeof size, "%ld", export->size);
    enum weir_error error =
        weir_checkpoint_prepare(checkpointer, last, (struct weir_bytes){size, (size_t)length});

    (void)context, (void)ret_processed;
    if (error == WEIR_OK) {
        error = append(export, input) ? weir_checkpoint(checkpointer, last) : WEIR_EPROCESSOR;
    }
    if (error == WEIR_OK) {
        export->size = ftell(export->file);
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
