/* A worker in a process of its own, for the tests of the worker: its journal goes to descriptor 3.
 *
 *   crew_child NUMBER [NAME=VALUE]...
 *
 * NAME is an option of weir_worker_option_set(), or: explicit=1 checkpoints after each batch;
 * hold=1 waits in process_records until descriptor 4 is closed; file_bytes=N limits the size of
 * every file once the first record was processed, until descriptor 4 is closed. */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <weir/worker.h>

#include "tests/integration/worker/crew_journal.h"

#define JOURNAL_FD 3
#define GATE_FD    4

struct child {
    bool is_explicit;
    bool holds;
    rlim_t file_bytes;
};

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
    const struct child *child = context;
    char byte;

    if (call->entry->kind != CREW_PROCESSED) {
        return WEIR_OK;
    }
    if (child->holds) {
        while (read(GATE_FD, &byte, 1) > 0) {
        }
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

static void
limit_files(const struct child *child)
{
    struct rlimit limit = {child->file_bytes, RLIM_INFINITY};

    if (child->file_bytes > 0) {
        (void)signal(SIGXFSZ, SIG_IGN);
        (void)setrlimit(RLIMIT_FSIZE, &limit);
    }
}

int
main(int argc, char **argv)
{
    struct child child = {.file_bytes = 0};
    struct crew_journal journal = {.record = send_entry, .answer = answer, .context = &child};
    struct weir_worker_options options = WEIR_WORKER_OPTIONS_INIT;
    struct weir_processor processor = crew_processor(&journal);
    struct crew_entry result = {.kind = CREW_RESULT};
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
    journal.worker = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
    error = weir_worker_new(weir_env_default(), &options, &processor, &worker, &detail);
    if (error == WEIR_OK) {
        limit_files(&child);
        error = weir_worker_run(worker, &detail);
    }
    weir_worker_free(worker);
    result.worker = journal.worker;
    result.error = (int32_t)error;
    send_entry(NULL, &result);
    return error == WEIR_OK ? 0 : 1;
}
