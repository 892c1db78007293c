/* A worker in a process of its own, for the tests of the worker: its journal goes to descriptor 3.
 *
 *   crew_child NUMBER [NAME=VALUE]...
 *
 * NAME is an option of weir_worker_option_set(), or: explicit=1 checkpoints after each batch;
 * hold=1 waits in process_records until descriptor 4 is closed; file_bytes=N limits the size of
 * every file from the first batch on, until descriptor 4 is closed; stop_inside=leases (or
 * liveness) is no worker at all: it stops inside a transaction of that table. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <weir/worker.h>

#include "storage/storage.h"
#include "tests/integration/worker/crew_journal.h"

#define JOURNAL_FD 3
#define GATE_FD    4

struct child {
    bool is_explicit;
    bool holds;
    rlim_t file_bytes;
    atomic_bool is_limited;
    const char *stop_inside;
};

/* --- a disk that is full for a while --- */

static void
limit_files(rlim_t bytes)
{
    struct rlimit limit = {bytes, RLIM_INFINITY};

    (void)signal(SIGXFSZ, SIG_IGN);
    (void)setrlimit(RLIMIT_FSIZE, &limit);
}

static void
wait_at_gate(void)
{
    char byte;

    while (read(GATE_FD, &byte, 1) > 0) {
    }
}

static void *
end_limit(void *argument)
{
    (void)argument;
    wait_at_gate();
    limit_files(RLIM_INFINITY);
    return NULL;
}

static void
begin_limit(struct child *child)
{
    pthread_t thread;

    if (child->file_bytes > 0 && !atomic_exchange(&child->is_limited, true)) {
        limit_files(child->file_bytes);
        if (pthread_create(&thread, NULL, end_limit, NULL) == 0) {
            pthread_detach(thread);
        }
    }
}

/* --- a writer that stops --- */

static enum weir_error
stop_here(MDB_txn *txn, void *context)
{
    (void)txn;
    (void)context;
    (void)raise(SIGSTOP);
    return WEIR_OK;
}

static int
stop_inside(const char *kind, const struct weir_worker_options *options)
{
    char path[1024];
    struct wi_storage_options storage_options = {
        .directory = path,
        .kind = kind,
        .format_version = 1,
        .sync = WI_SYNC_NONE,
        .map_bytes_initial = (uint64_t)1 << 20U,
        .map_bytes_max = (uint64_t)256 << 20U,
        .databases_max = 4,
        .must_exist = true,
        .lock_patience_ms = 2000};
    struct wi_storage *storage = NULL;
    enum weir_error error;

    (void)snprintf(
        path, sizeof path, "%s/apps/%s/%s", options->data_directory, options->application, kind);
    if (wi_storage_open(weir_env_default(), &storage_options, &storage, NULL) != WEIR_OK) {
        return 3;
    }
    error = wi_storage_write(storage, WI_WRITE_DEFAULT, stop_here, NULL, NULL);
    wi_storage_close(storage);
    return error == WEIR_OK ? 0 : 4;
}

/* --- a worker --- */

static void
ignore_line(void *context, enum weir_log_level level, const char *component, const char *message)
{
    (void)context;
    (void)level;
    (void)component;
    (void)message;
}

static void
send_entry(void *context, const struct crew_entry *entry)
{
    (void)context;
    if (write(JOURNAL_FD, entry, sizeof *entry) != (ssize_t)sizeof *entry) {
        abort();
    }
}

static enum weir_error
answer(void *context, struct crew_call *call)
{
    struct child *child = context;

    if (call->entry->kind != CREW_PROCESSED) {
        return WEIR_OK;
    }
    begin_limit(child);
    if (child->holds) {
        wait_at_gate();
    }
    return child->is_explicit ? weir_checkpoint(call->checkpointer, NULL) : WEIR_OK;
}

static bool
set_own_option(struct child *child, const char *name, const char *value)
{
    if (strcmp(name, "explicit") == 0) {
        child->is_explicit = true;
    } else if (strcmp(name, "hold") == 0) {
        child->holds = true;
    } else if (strcmp(name, "file_bytes") == 0) {
        child->file_bytes = (rlim_t)strtoull(value, NULL, 10);
    } else if (strcmp(name, "stop_inside") == 0) {
        child->stop_inside = value;
    } else {
        return false;
    }
    return true;
}

static bool
set_option(struct child *child, struct weir_worker_options *options, char *text)
{
    struct weir_detail detail = {{0}};
    char *value = strchr(text, '=');

    if (value == NULL) {
        return false;
    }
    *value++ = '\0';
    if (set_own_option(child, text, value)) {
        return true;
    }
    if (weir_worker_option_set(options, text, value, &detail) != WEIR_OK) {
        (void)fprintf(stderr, "%s\n", detail.text);
        return false;
    }
    return true;
}

static void
set_defaults(struct weir_worker_options *options)
{
    options->application = "crew";
    options->stream = "s";
    options->lease_duration_ms = 2000;
    options->checkpoint_interval_ms = 20;
    options->retry_base_ms = 1;
    options->retry_cap_ms = 5;
    options->shard_sync_interval_ms = 100;
}

int
main(int argc, char **argv)
{
    struct child child = {.file_bytes = 0};
    struct crew_journal journal = {.record = send_entry, .answer = answer, .context = &child};
    struct weir_worker_options options = WEIR_WORKER_OPTIONS_INIT;
    struct weir_processor processor = crew_processor(&journal);
    struct crew_entry result = {.kind = CREW_RESULT};
    struct weir_env env = *weir_env_default();
    struct weir_worker *worker = NULL;
    struct weir_detail detail = {{0}};
    enum weir_error error;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    set_defaults(&options);
    for (int i = 2; i < argc; i++) {
        if (!set_option(&child, &options, argv[i])) {
            return 2;
        }
    }
    if (child.stop_inside != NULL) {
        return stop_inside(child.stop_inside, &options);
    }
    journal.worker = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
    if (getenv("WEIR_TEST_LOG") == NULL) {
        env.logger.log = ignore_line;
    }
    env.logger.level = WEIR_LOG_INFO;
    error = weir_worker_new(&env, &options, &processor, &worker, &detail);
    if (error == WEIR_OK) {
        error = weir_worker_run(worker, &detail);
    }
    weir_worker_free(worker);
    if (error != WEIR_OK && error != WEIR_ECANCELED) {
        (void)fprintf(stderr, "worker %u: %s\n", journal.worker, detail.text);
    }
    result.worker = journal.worker;
    result.error = (int32_t)error;
    send_entry(NULL, &result);
    return error == WEIR_OK ? 0 : 1;
}
