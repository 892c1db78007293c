/* Print each content once, however often a producer has put it: dedupe_window STREAM
 *
 * Printing cannot be part of a transaction, and a producer that puts a record again after a timeout
 * makes two records of it. A window of ids, here the content itself, keeps the second out. */
#include <stdio.h>
#include <stdlib.h>

#include <weir/weir.h>

/* The window remembers ids of at most so many bytes; of longer ones the beginning. */
#define ID_MAX 256

/* Ask for all ids of a batch at once: that is one commit. */
static enum weir_error
add_ids(
    struct weir_window *window,
    const struct weir_record *records,
    size_t count,
    struct weir_bytes *ids,
    bool *ret_seen)
{
    size_t added = 0;

    for (size_t i = 0; i < count; i++) {
        if (records[i].data.length > 0) { /* an empty record has no id */
            ids[added++] = records[i].data;
            ids[added - 1].length =
                records[i].data.length < ID_MAX ? records[i].data.length : ID_MAX;
        }
    }
    return added == 0 ? WEIR_OK : weir_window_add(window, ids, added, ret_seen);
}

static enum weir_error
process_records(
    void *context,
    void *state,
    const struct weir_process_input *input,
    struct weir_checkpointer *checkpointer,
    size_t *ret_processed)
{
    struct weir_bytes *ids = calloc(input->count, sizeof *ids);
    bool *seen = calloc(input->count, sizeof *seen);
    enum weir_error error = WEIR_ENOMEM;
    size_t id = 0;

    (void)state, (void)checkpointer, (void)ret_processed;
    if (ids != NULL && seen != NULL) {
        /* Before printing: to print something never is the lesser evil here than to print it twice.
         */
        error = add_ids(context, input->records, input->count, ids, seen);
    }
    for (size_t i = 0; i < input->count && error == WEIR_OK; i++) {
        const struct weir_bytes data = input->records[i].data;
        if (data.length > 0 && !seen[id++]) {
            printf("%.*s\n", (int)data.length, (const char *)data.data);
        }
    }
    free(ids);
    free(seen);
    return error == WEIR_OK && fflush(stdout) != 0 ? WEIR_EPROCESSOR : error;
}

int
main(int argc, char **argv)
{
    const struct weir_window_options window_options = WEIR_WINDOW_OPTIONS_INIT;
    struct weir_worker_options options = WEIR_WORKER_OPTIONS_INIT;
    struct weir_processor processor = WEIR_PROCESSOR_INIT;
    struct weir_worker *worker = NULL;
    struct weir_window *window = NULL;
    struct weir_window_metrics metrics;
    struct weir_detail detail = {""};
    const struct weir_env *env = weir_env_default();

    options.application = "window";
    options.stream = argc > 1 ? argv[1] : "orders";
    processor.process_records = process_records;
    if (weir_window_open(env, "window", &window_options, &window, &detail) == WEIR_OK) {
        processor.context = window;
        if (weir_worker_new(env, &options, &processor, &worker, &detail) == WEIR_OK &&
            weir_worker_run(worker, &detail) == WEIR_OK) {
            weir_window_metrics_get(window, &metrics);
            (void)fprintf(stderr, "%llu duplicates\n", (unsigned long long)metrics.dropped);
        }
    }
    weir_worker_free(worker);
    weir_window_close(window);
    if (detail.text[0] != '\0') {
        (void)fprintf(stderr, "%s\n", detail.text);
    }
    return detail.text[0] == '\0' ? 0 : 1;
}
