/* A crew: a stream and an application in a folder of their own, workers on threads of the test and
 * in child processes, and the journal of everything that their record processors were called for.
 */
#ifndef WI_TESTS_INTEGRATION_WORKER_CREW_H
#define WI_TESTS_INTEGRATION_WORKER_CREW_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <weir/app.h>
#include <weir/stream.h>
#include <weir/worker.h>

#include "tests/integration/worker/crew_journal.h"
#include "tests/support/test_dir.h"

#define CREW_WORKERS  8U
#define CREW_ANY      UINT32_MAX
#define CREW_LEASE_MS 2000
/* Where crew_put() reaches shard i of n evenly divided ones. */
#define CREW_SHARD(i, n) (UINT64_MAX / (n) * (i) + 1000)

struct crew;

struct crew_worker {
    struct crew_journal journal;
    struct weir_worker *worker;
    pthread_t thread;
    bool is_running;
    atomic_bool has_ended; /* run has returned */
    enum weir_error result;
    struct weir_detail detail;
};

struct crew {
    struct test_dir dir;
    struct weir_env env; /* the real one, but for its log */
    struct weir_stream *stream;
    pthread_mutex_t lock;   /* guards the members up to `gate_open` */
    pthread_cond_t changed; /* something below is new */
    size_t marks_written;   /* into the pipe of journals */
    size_t marks;           /* read from it */
    struct crew_entry *entries;
    size_t count;
    size_t capacity;
    bool gate_open; /* see crew_wait_at_gate() */
    enum weir_error (*answer)(struct crew *crew, struct crew_call *call); /* before workers start */
    void *context;                                                        /* of `answer` */
    struct crew_worker workers[CREW_WORKERS];
    int pipe[2]; /* journals of children */
    int gate[2]; /* closed by crew_open_gate(): children that hold go on */
    pthread_t reader;
};

/* cmocka's setup with a stream "s" of 1, 2 or 4 shards, and teardown; *state is a struct crew. */
int crew_setup_1(void **state);
int crew_setup_2(void **state);
int crew_setup_4(void **state);
int crew_teardown(void **state);

/* --- records --- */

/* Put records with values `first` to `first + count - 1`, one put each; to the shard that has
 * `hash_high` as upper half of a hash key. */
void crew_put(struct crew *crew, uint64_t hash_high, uint64_t first, uint64_t count);

/* --- workers on threads of this process; `i` is an index below CREW_WORKERS --- */

struct weir_worker_options crew_options(struct crew *crew, const char *worker_id);
void crew_start(struct crew *crew, uint32_t i, const struct weir_worker_options *options);
/* The same for a worker that was made already. */
void crew_run(struct crew *crew, uint32_t i, struct weir_worker *worker);
void crew_make(
    struct crew *crew,
    uint32_t i,
    const struct weir_env *env,
    const struct weir_worker_options *options,
    struct weir_worker **ret);
/* Drain, and what run returned. */
enum weir_error crew_stop(struct crew *crew, uint32_t i);
/* Wait for its end, without asking for it. */
enum weir_error crew_join(struct crew *crew, uint32_t i);

/* --- workers in processes: `arguments` ends with NULL; "NAME=VALUE" of weir_worker_option_set(),
 * and those of crew_child.c. --- */

pid_t crew_spawn(struct crew *crew, uint32_t number, const char *const *arguments);
/* Kill and reap. */
void crew_kill(struct crew *crew, pid_t pid);
/* Reap; returns the wait status. */
int crew_reap(struct crew *crew, pid_t pid);

/* --- the journal --- */

typedef bool (*crew_condition_fn)(struct crew *crew, void *context);
/* Wait for a condition; fails the test after a long time. Not called under the lock. */
void crew_wait(struct crew *crew, crew_condition_fn condition, void *context);
/* How many entries are of that kind, worker and shard (CREW_ANY). */
size_t crew_count(struct crew *crew, enum crew_kind kind, uint32_t worker, uint32_t shard);
void crew_wait_count(
    struct crew *crew, enum crew_kind kind, uint32_t worker, uint32_t shard, size_t at_least);
/* How often a record was delivered; its n-th delivery, from 0. */
size_t crew_deliveries(struct crew *crew, uint64_t value);
struct crew_entry crew_delivery(struct crew *crew, uint64_t value, size_t n);
/* Wait until each of the records was delivered in a batch that was processed. */
void crew_wait_processed(struct crew *crew, uint64_t first, uint64_t count);
/* The n-th entry of that kind and shard, from 0. */
struct crew_entry crew_entry(struct crew *crew, enum crew_kind kind, uint32_t shard, size_t n);

/* Callback protocol (I13): initialize first, destroy last, at most one of lease_lost, shard_ended
 * and shutdown_requested, no two calls at once, records in order. Exactly one if `all_ended`. */
void crew_check_protocol(struct crew *crew, bool all_ended);

/* For answers: wait until the test opens the gate. */
void crew_wait_at_gate(struct crew *crew);
void crew_open_gate(struct crew *crew);

/* --- the table --- */

struct weir_app_shard crew_shard(struct crew *crew, uint32_t shard);
/* Wait until every unfinished shard is owned by a worker that lives, and no hand-off is under way.
 */
void crew_wait_balanced(struct crew *crew, size_t workers);
void crew_wait_owner(struct crew *crew, uint32_t shard, const char *worker_id);
/* Wait until the checkpoint of a shard covers the record. */
void crew_wait_checkpoint(struct crew *crew, uint32_t shard, uint64_t sequence);

#endif
