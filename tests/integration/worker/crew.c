#include "tests/integration/worker/crew.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/integration/worker/crew_process.h"
#include "tests/support/weir_test.h"

/* A condition that has not come by then never will. */
#define PATIENCE_NS (INT64_C(30) * 1000000000)
/* How often conditions on the table are looked at. */
#define LOOK_NS 2000000

/* --- setup --- */

/* What goes wrong here is meant to; set WEIR_TEST_LOG to see it. */
static void
ignore_line(void *context, enum weir_log_level level, const char *component, const char *message)
{
    (void)context;
    (void)level;
    (void)component;
    (void)message;
}

static int
setup(void **state, uint32_t shards)
{
    struct weir_stream_create_options options = WEIR_STREAM_CREATE_OPTIONS_INIT;
    struct weir_stream_options open = WEIR_STREAM_OPTIONS_INIT;
    struct crew *crew = calloc(1, sizeof *crew);

    assert_non_null(crew);
    crew->env = *weir_env_default();
    if (getenv("WEIR_TEST_LOG") == NULL) {
        crew->env.logger.log = ignore_line;
    }
    crew->env.logger.level = WEIR_LOG_INFO;
    test_dir_make(&crew->dir);
    pthread_mutex_init(&crew->lock, NULL);
    pthread_cond_init(&crew->changed, NULL);
    options.shards = shards;
    open.durability = WEIR_DURABILITY_NONE; /* of puts: faster, and not what is tested */
    assert_int_equal(weir_stream_create(&crew->env, crew->dir.path, "s", &options, NULL), WEIR_OK);
    assert_int_equal(
        weir_stream_open(&crew->env, crew->dir.path, "s", &open, &crew->stream, NULL), WEIR_OK);
    crew_processes_open(crew);
    *state = crew;
    return 0;
}

int
crew_setup_1(void **state)
{
    return setup(state, 1);
}

int
crew_setup_2(void **state)
{
    return setup(state, 2);
}

int
crew_setup_4(void **state)
{
    return setup(state, 4);
}

int
crew_teardown(void **state)
{
    struct crew *crew = *state;

    crew_open_gate(crew);
    for (uint32_t i = 0; i < CREW_WORKERS; i++) {
        if (crew->workers[i].is_running) { /* of a test that failed */
            print_message("w%u: %s\n", i, weir_error_name(crew_stop(crew, i)));
        }
    }
    crew_processes_close(crew);
    weir_stream_close(crew->stream);
    test_dir_remove(&crew->dir);
    free(crew->entries);
    pthread_cond_destroy(&crew->changed);
    pthread_mutex_destroy(&crew->lock);
    free(crew);
    return 0;
}

/* --- records --- */

void
crew_put(struct crew *crew, uint64_t hash_high, uint64_t first, uint64_t count)
{
    for (uint64_t value = first; value < first + count; value++) {
        struct weir_put_entry entry = {
            .partition_key = {"k", 1},
            .data = {&value, sizeof value},
            .explicit_hash_key = {hash_high, 0},
            .has_explicit_hash_key = true};
        struct weir_put_result result;

        assert_int_equal(weir_stream_put(crew->stream, &entry, 1, &result, NULL), WEIR_OK);
        assert_int_equal(result.error, WEIR_OK);
    }
}

/* --- workers on threads --- */

void
crew_add_entry(void *context, const struct crew_entry *entry)
{
    struct crew *crew = context;
    struct crew_entry *grown = NULL;

    pthread_mutex_lock(&crew->lock);
    if (crew->count == crew->capacity) {
        crew->capacity = crew->capacity == 0 ? 1024 : crew->capacity * 2;
        grown = realloc(crew->entries, crew->capacity * sizeof *crew->entries);
        if (grown == NULL) {
            abort();
        }
        crew->entries = grown;
    }
    crew->entries[crew->count++] = *entry;
    pthread_cond_broadcast(&crew->changed);
    pthread_mutex_unlock(&crew->lock);
}

static enum weir_error
answer(void *context, struct crew_call *call)
{
    struct crew *crew = context;

    return crew->answer == NULL ? WEIR_OK : crew->answer(crew, call);
}

struct weir_worker_options
crew_options(struct crew *crew, const char *worker_id)
{
    struct weir_worker_options options = WEIR_WORKER_OPTIONS_INIT;

    options.data_directory = crew->dir.path;
    options.application = "crew";
    options.stream = "s";
    options.worker_id = worker_id;
    options.lease_duration_ms = CREW_LEASE_MS;
    options.checkpoint_interval_ms = 20;
    options.retry_base_ms = 1;
    options.retry_cap_ms = 5;
    options.shard_sync_interval_ms = 100;
    options.handle_signals = false;
    return options;
}

static void *
run_worker(void *argument)
{
    struct crew_worker *worker = argument;

    worker->result = weir_worker_run(worker->worker, &worker->detail);
    atomic_store(&worker->has_ended, true);
    return NULL;
}

void
crew_run(struct crew *crew, uint32_t i, struct weir_worker *worker)
{
    struct crew_worker *slot = &crew->workers[i];

    assert_false(slot->is_running);
    slot->worker = worker;
    slot->is_running = true;
    atomic_store(&slot->has_ended, false);
    assert_int_equal(pthread_create(&slot->thread, NULL, run_worker, slot), 0);
}

void
crew_make(
    struct crew *crew,
    uint32_t i,
    const struct weir_env *env,
    const struct weir_worker_options *options,
    struct weir_worker **ret)
{
    struct crew_worker *slot = &crew->workers[i];
    struct weir_processor processor = crew_processor(&slot->journal);
    struct weir_detail detail = {{0}};
    enum weir_error error;

    slot->journal = (struct crew_journal){
        .worker = i, .record = crew_add_entry, .answer = answer, .context = crew};
    error = weir_worker_new(env, options, &processor, ret, &detail);
    if (error != WEIR_OK) {
        fail_msg("%s: %s", weir_error_name(error), detail.text);
    }
}

void
crew_start(struct crew *crew, uint32_t i, const struct weir_worker_options *options)
{
    struct weir_worker *worker = NULL;

    crew_make(crew, i, &crew->env, options, &worker);
    crew_run(crew, i, worker);
}

enum weir_error
crew_join(struct crew *crew, uint32_t i)
{
    struct crew_worker *slot = &crew->workers[i];

    assert_true(slot->is_running);
    assert_int_equal(pthread_join(slot->thread, NULL), 0);
    slot->is_running = false;
    weir_worker_free(slot->worker);
    slot->worker = NULL;
    return slot->result;
}

enum weir_error
crew_stop(struct crew *crew, uint32_t i)
{
    weir_worker_stop(crew->workers[i].worker);
    return crew_join(crew, i);
}

/* --- waiting --- */

/* What the table looks like, for whoever has to find out why a test waits. */
static void
crew_show(struct crew *crew)
{
    struct weir_app_description description = {.leader = ""};

    if (weir_app_describe(&crew->env, crew->dir.path, "crew", &description, NULL) != WEIR_OK) {
        return;
    }
    print_message("leader '%s'\n", description.leader);
    for (size_t i = 0; i < description.worker_count; i++) {
        const struct weir_app_worker *worker = &description.workers[i];

        print_message(
            "%s: pid %d, %s, %s, %llu leases\n",
            worker->worker_id,
            (int)worker->pid,
            worker->alive ? "alive" : "dead",
            worker->draining ? "drains" : "stays",
            (unsigned long long)worker->leases);
    }
    for (size_t i = 0; i < description.shard_count; i++) {
        const struct weir_app_shard *shard = &description.shards[i];

        print_message(
            "%s: %s, '%s', epoch %llu\n",
            shard->shard_id,
            weir_shard_state_name(shard->state),
            shard->owner,
            (unsigned long long)shard->lease_epoch);
    }
    weir_app_description_free(&crew->env, &description);
}

void
crew_wait(struct crew *crew, crew_condition_fn condition, void *context)
{
    int64_t begin_ns = crew_now_ns();

    while (!condition(crew, context)) {
        struct timespec until;

        if (crew_now_ns() - begin_ns > PATIENCE_NS) {
            crew_show(crew);
            fail_msg("waited in vain");
        }
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += LOOK_NS;
        if (until.tv_nsec >= 1000000000) {
            until.tv_nsec -= 1000000000;
            until.tv_sec++;
        }
        pthread_mutex_lock(&crew->lock);
        (void)pthread_cond_timedwait(&crew->changed, &crew->lock, &until);
        pthread_mutex_unlock(&crew->lock);
    }
}

void
crew_wait_at_gate(struct crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    while (!crew->gate_open) {
        pthread_cond_wait(&crew->changed, &crew->lock);
    }
    pthread_mutex_unlock(&crew->lock);
}

void
crew_open_gate(struct crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    crew->gate_open = true;
    if (crew->gate[1] >= 0) {
        close(crew->gate[1]);
        crew->gate[1] = -1;
    }
    pthread_cond_broadcast(&crew->changed);
    pthread_mutex_unlock(&crew->lock);
}
