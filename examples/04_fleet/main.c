/* Start N workers, each a process of its own, and print who owns what: fleet STREAM [N] */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <weir/weir.h>

#define APPLICATION "fleet"

static enum weir_error
process_records(
    void *context,
    void *state,
    const struct weir_process_input *input,
    struct weir_checkpointer *checkpointer,
    size_t *ret_processed)
{
    (void)context, (void)state, (void)input, (void)checkpointer, (void)ret_processed;
    return WEIR_OK;
}

static int
run_worker(const char *stream, const char *worker_id)
{
    struct weir_worker_options options = WEIR_WORKER_OPTIONS_INIT;
    struct weir_processor processor = WEIR_PROCESSOR_INIT;
    struct weir_worker *worker = NULL;
    struct weir_detail detail = {""};

    options.application = APPLICATION;
    options.stream = stream;
    options.worker_id = worker_id;
    processor.process_records = process_records;
    if (weir_worker_new(weir_env_default(), &options, &processor, &worker, &detail) != WEIR_OK ||
        weir_worker_run(worker, &detail) != WEIR_OK) {
        (void)fprintf(stderr, "%s: %s\n", worker_id, detail.text);
    }
    weir_worker_free(worker);
    return detail.text[0] == '\0' ? 0 : 1;
}

/* fork and exec: a handle of weir must not be carried over fork alone. */
static void
start_worker(const char *program, const char *stream, long number)
{
    char worker_id[32];

    (void)snprintf(worker_id, sizeof worker_id, "w%ld", number);
    if (fork() == 0) {
        (void)signal(SIGINT, SIG_DFL);
        (void)execl(program, program, stream, "--worker", worker_id, (char *)NULL);
        _exit(127);
    }
}

/* "w1: shardId-000000000000 shardId-000000000003", a line for each worker. */
static void
print_owners(const struct weir_app_description *app)
{
    for (size_t i = 0; i < app->worker_count; i++) {
        printf("%s:", app->workers[i].worker_id);
        for (size_t j = 0; j < app->shard_count; j++) {
            if (strcmp(app->shards[j].owner, app->workers[i].worker_id) == 0) {
                printf(" %s", app->shards[j].shard_id);
            }
        }
        printf("\n");
    }
    printf("\n");
    (void)fflush(stdout);
}

/* Print the owners if one of them has changed since the last call; returns what tells. */
static uint64_t
watch(uint64_t shown)
{
    struct weir_app_description app;
    uint64_t now;

    if (weir_app_describe(weir_env_default(), "./weir-data", APPLICATION, &app, NULL) != WEIR_OK) {
        return shown;
    }
    now = app.worker_count;
    for (size_t i = 0; i < app.shard_count; i++) {
        now += app.shards[i].lease_epoch << 32; /* grows whenever the owner changes */
    }
    if (now != shown) {
        print_owners(&app);
    }
    weir_app_description_free(weir_env_default(), &app);
    return now;
}

int
main(int argc, char **argv)
{
    const char *stream = argc > 1 ? argv[1] : "orders";
    const long count = argc == 3 ? strtol(argv[2], NULL, 10) : 3;
    const struct timespec pause = {0, 100000000};
    uint64_t shown = 0;

    if (argc == 4) {
        return run_worker(stream, argv[3]);
    }
    (void)signal(SIGINT, SIG_IGN); /* Ctrl-C reaches the workers, and they drain */
    for (long i = 1; i <= count; i++) {
        start_worker(argv[0], stream, i);
    }
    while (waitpid(-1, NULL, WNOHANG) >= 0) { /* until the last of them has gone */
        shown = watch(shown);
        (void)nanosleep(&pause, NULL);
    }
    return 0;
}
