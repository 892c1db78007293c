#include "cli/print_processor.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/checkpointer.h>
#include <weir/error.h>
#include <weir/processor.h>
#include <weir/types.h>
#include <weir/worker.h>

#include "cli/json_line.h"
#include "cli/output.h"

/* One shard. */
struct print_shard {
    char shard_id[WEIR_NAME_SIZE];
    const char *worker_id;
    struct json_line out;
    bool has_printed; /* `sequence_number` and `sub_sequence_number` are the last record's */
    struct weir_sequence_number sequence_number;
    uint64_t sub_sequence_number;
};

static enum weir_error
initialize(
    void *context,
    const struct weir_shard_context *shard,
    struct weir_checkpointer *checkpointer,
    void **ret_state)
{
    struct print_shard *state = calloc(1, sizeof *state);

    (void)context;
    (void)checkpointer;
    if (state == NULL) {
        return WEIR_ENOMEM;
    }
    memcpy(state->shard_id, shard->shard->shard_id, sizeof state->shard_id);
    state->worker_id = shard->worker_id;
    *ret_state = state;
    return WEIR_OK;
}

/* Whether this owner has printed the record: its batch comes again if only the checkpoint failed.
 */
static bool
is_printed(const struct print_shard *state, const struct weir_record *record)
{
    int order;

    if (!state->has_printed) {
        return false;
    }
    order = weir_sequence_number_compare(&record->sequence_number, &state->sequence_number);
    return order < 0 || (order == 0 && record->sub_sequence_number <= state->sub_sequence_number);
}

/* A reader that does not read is waited for as long as the shard is ours. */
static bool
is_owner(const void *context)
{
    const struct weir_checkpointer *checkpointer = context;

    return weir_lease_time_left_ms(checkpointer) > 0;
}

/* Write the lines of one shard in one piece. After a failure all printing has ended, but not after
 * a lost lease. */
static enum weir_error
print_lines(
    struct print_processor *print,
    const struct json_line *out,
    const struct weir_checkpointer *checkpointer)
{
    enum weir_error result = WEIR_OK;
    int error;

    (void)pthread_mutex_lock(&print->lock);
    error = atomic_load(&print->error);
    if (error == 0) {
        error = out->failed
                    ? ENOMEM
                    : cli_write_lines(print->fd, out->data, out->length, is_owner, checkpointer);
    }
    if (error == EAGAIN) {
        result = WEIR_ELEASELOST;
    } else if (error != 0) {
        result = WEIR_EPROCESSOR;
        atomic_store(&print->error, error);
        weir_worker_stop(print->worker);
    }
    (void)pthread_mutex_unlock(&print->lock);
    return result;
}

static enum weir_error
process_records(
    void *context,
    void *state,
    const struct weir_process_input *input,
    struct weir_checkpointer *checkpointer,
    size_t *ret_processed)
{
    struct print_processor *print = context;
    struct print_shard *shard = state;
    const struct json_delivery delivery = {
        input->token.lease_epoch, input->token.attempt, shard->worker_id};
    const struct weir_record *last = &input->records[input->count - 1];
    /* The token's stream is a view; lines need a string. */
    char stream[WEIR_NAME_SIZE];
    enum weir_error error;

    *ret_processed = 0; /* a failed write says nothing about single records */
    if (input->token.stream.length >= sizeof stream) {
        return WEIR_EINVAL;
    }
    memcpy(stream, input->token.stream.data, input->token.stream.length);
    stream[input->token.stream.length] = '\0';
    shard->out.length = 0;
    for (size_t i = 0; i < input->count; i++) {
        if (!is_printed(shard, &input->records[i])) {
            cli_json_line_record(
                &shard->out, stream, shard->shard_id, &input->records[i], &delivery);
        }
    }
    error = print_lines(print, &shard->out, checkpointer);
    if (error != WEIR_OK) {
        return error;
    }
    shard->has_printed = true;
    shard->sequence_number = last->sequence_number;
    shard->sub_sequence_number = last->sub_sequence_number;
    return weir_checkpoint(checkpointer, last);
}

static void
destroy(void *context, void *state)
{
    struct print_shard *shard = state;

    (void)context;
    if (shard != NULL) {
        cli_json_line_free(&shard->out);
        free(shard);
    }
}

bool
cli_print_processor_init(struct print_processor *print, int fd, struct weir_processor *ret)
{
    struct weir_processor processor = WEIR_PROCESSOR_INIT;

    *print = (struct print_processor){.fd = fd};
    atomic_init(&print->error, 0);
    if (pthread_mutex_init(&print->lock, NULL) != 0) {
        return false;
    }
    processor.context = print;
    processor.initialize = initialize;
    processor.process_records = process_records;
    processor.destroy = destroy;
    *ret = processor;
    return true;
}

void
cli_print_processor_close(struct print_processor *print)
{
    (void)pthread_mutex_destroy(&print->lock);
}
