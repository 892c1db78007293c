/* A worker of the large fleet. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <weir/worker.h>

#include "tests/integration/scale/scale.h"

struct member {
    struct board *board;
    int number;
};

struct board *
board_map(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    void *memory = MAP_FAILED;

    if (fd >= 0 && ftruncate(fd, (off_t)sizeof(struct board)) == 0) {
        memory = mmap(NULL, sizeof(struct board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }
    if (fd >= 0) {
        close(fd);
    }
    return memory == MAP_FAILED ? NULL : memory;
}

static uint32_t
shard_number(struct weir_str shard_id)
{
    uint32_t number = 0;

    for (size_t i = 0; i < shard_id.length; i++) {
        if (shard_id.data[i] >= '0' && shard_id.data[i] <= '9') {
            number = number * 10 + (uint32_t)(shard_id.data[i] - '0');
        }
    }
    return number;
}

static enum weir_error
initialize(
    void *context,
    const struct weir_shard_context *shard,
    struct weir_checkpointer *checkpointer,
    void **ret_state)
{
    const struct member *member = context;
    uint32_t number = shard_number(shard->token.shard_id);

    (void)checkpointer;
    (void)ret_state;
    if (number < SHARDS_MAX) {
        atomic_store(&member->board->owner[number], member->number);
    }
    return WEIR_OK;
}

static enum weir_error
process_records(
    void *context,
    void *state,
    const struct weir_process_input *input,
    struct weir_checkpointer *checkpointer,
    size_t *ret_processed)
{
    const struct member *member = context;

    (void)state;
    (void)checkpointer;
    *ret_processed = input->count;
    for (size_t i = 0; i < input->count; i++) {
        uint64_t value = 0;

        memcpy(&value, input->records[i].data.data, sizeof value);
        if (value < RECORDS_MAX) {
            atomic_store(&member->board->last_worker[value], (unsigned)member->number);
            atomic_fetch_add(&member->board->deliveries[value], 1);
        }
    }
    return WEIR_OK;
}

int
worker_main(char **arguments)
{
    struct member member = {.number = (int)strtol(arguments[0], NULL, 10)};
    struct weir_worker_options options = WEIR_WORKER_OPTIONS_INIT;
    struct weir_processor processor = WEIR_PROCESSOR_INIT;
    struct weir_worker *worker = NULL;
    struct weir_detail detail = {{0}};
    enum weir_error error = WEIR_ENOMEM;
    char name[16];

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)snprintf(name, sizeof name, "w%d", member.number);
    member.board = board_map(arguments[2]);
    options.data_directory = arguments[1];
    options.application = APPLICATION;
    options.stream = STREAM;
    options.worker_id = name;
    options.lease_duration_ms = strtoll(arguments[3], NULL, 10);
    processor.context = &member;
    processor.initialize = initialize;
    processor.process_records = process_records;
    if (member.board != NULL) {
        error = weir_worker_new(weir_env_default(), &options, &processor, &worker, &detail);
    }
    if (error == WEIR_OK) {
        error = weir_worker_run(worker, &detail);
    }
    weir_worker_free(worker);
    if (error != WEIR_OK) {
        (void)fprintf(stderr, "%s: %s\n", name, detail.text);
    }
    return error == WEIR_OK ? 0 : 1;
}
