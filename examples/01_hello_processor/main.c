/* Print every record of a stream: hello_processor STREAM */
#include <stdio.h>

#include <weir/weir.h>

static enum weir_error
print_records(
    void *context,
    void *state,
    const struct weir_process_input *input,
    struct weir_checkpointer *checkpointer,
    size_t *ret_processed)
{
    (void)context, (void)state, (void)checkpointer, (void)ret_processed;
    for (size_t i = 0; i < input->count; i++) {
        const struct weir_bytes data = input->records[i].data;
        printf("%.*s\n", (int)data.length, (const char *)data.data);
    }
    return fflush(stdout) == 0 ? WEIR_OK : WEIR_EPROCESSOR;
}

int
main(int argc, char **argv)
{
    struct weir_worker_options options = WEIR_WORKER_OPTIONS_INIT;
    struct weir_processor processor = WEIR_PROCESSOR_INIT;
    struct weir_worker *worker = NULL;
    struct weir_detail detail = {""};

    options.application = "hello";
    options.stream = argc > 1 ? argv[1] : "orders";
    processor.process_records = print_records;
    if (weir_worker_new(weir_env_default(), &options, &processor, &worker, &detail) != WEIR_OK ||
        weir_worker_run(worker, &detail) != WEIR_OK) {
        (void)fprintf(stderr, "%s\n", detail.text);
    }
    weir_worker_free(worker);
    return detail.text[0] == '\0' ? 0 : 1;
}
