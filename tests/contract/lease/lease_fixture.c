#include "tests/contract/lease/lease_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/str.h"
#include "lease/lease_store_dynamodb.h"
#include "lease/lease_store_memory.h"
#include "storage/process.h"
#include "tests/contract/lease/lossy_http.h"
#include "tests/support/weir_test.h"

static enum lease_backend current_backend; /* of the group that runs */

bool
lease_fixture_has(const struct lease_fixture *fixture, enum lease_capability capability)
{
    if (fixture->backend != LEASE_DYNAMODB) {
        return true;
    }
    return capability == LEASE_COUNTS && getenv("WEIR_TEST_LOSSY") == NULL;
}

static enum weir_error
open_store(
    struct lease_fixture *fixture,
    enum lease_backend backend,
    struct wi_lease_store **ret,
    struct weir_detail *detail)
{
    const struct wi_lease_store_lmdb_options lmdb = {
        .data_directory = fixture->dir.path, .application = "app", .lock_patience_ms = 2000};
    const struct wi_lease_store_dynamodb_options dynamodb = {.url = fixture->url};

    switch (backend) {
    case LEASE_MEMORY:
        return wi_lease_store_open_memory(&fixture->env.env, ret);
    case LEASE_LMDB:
        return wi_lease_store_open_lmdb(&fixture->env.env, &lmdb, ret, detail);
    case LEASE_DYNAMODB:
        return wi_lease_store_open_dynamodb(&fixture->env.env, &dynamodb, ret, detail);
    }
    return WEIR_EINVAL;
}

struct wi_lease_store *
lease_fixture_new_store(struct lease_fixture *fixture, enum lease_backend backend)
{
    struct wi_lease_store *store = NULL;
    struct weir_detail detail = {""};
    enum weir_error error = open_store(fixture, backend, &store, &detail);

    assert_string_equal(detail.text, "");
    assert_int_equal(error, WEIR_OK);
    if (backend == LEASE_DYNAMODB && getenv("WEIR_TEST_LOSSY") != NULL) {
        lossy_http_wrap(((struct wi_dynamodb_store *)store->store)->http);
    }
    return store;
}

/* A table of its own for each test. */
static void
name_table(struct lease_fixture *fixture)
{
    static unsigned number;

    if (fixture->backend == LEASE_DYNAMODB) {
        (void)snprintf(
            fixture->url,
            sizeof fixture->url,
            "dynamodb:contract-%d-%u?region=us-east-1&endpoint=%s&create=if-missing",
            (int)getpid(),
            number++,
            getenv("WEIR_TEST_DYNAMODB"));
    }
}

int
lease_fixture_open(void **state)
{
    struct lease_fixture *fixture = calloc(1, sizeof *fixture);

    assert_non_null(fixture);
    test_env_init(&fixture->env);
    test_dir_make(&fixture->dir);
    fixture->backend = current_backend;
    name_table(fixture);
    fixture->store = lease_fixture_new_store(fixture, current_backend);
    fixture->second = current_backend == LEASE_MEMORY
                          ? fixture->store
                          : lease_fixture_new_store(fixture, current_backend);
    *state = fixture;
    return 0;
}

int
lease_fixture_close(void **state)
{
    struct lease_fixture *fixture = *state;

    if (fixture->child > 0) {
        (void)kill(fixture->child, SIGKILL);
        (void)waitpid(fixture->child, NULL, 0);
    }
    if (fixture->second != fixture->store) {
        wi_lease_store_close(fixture->second);
    }
    wi_lease_store_close(fixture->store);
    test_env_assert_no_leak(&fixture->env);
    test_dir_remove(&fixture->dir);
    free(fixture);
    return 0;
}

int
lease_fixture_run(const char *name, const struct CMUnitTest *tests, size_t count)
{
    int failures;

    if (getenv("WEIR_TEST_DYNAMODB") != NULL) {
        current_backend = LEASE_DYNAMODB;
        print_message("backend: DynamoDB\n");
        return _cmocka_run_group_tests(name, tests, count, NULL, NULL);
    }
    current_backend = LEASE_MEMORY;
    print_message("backend: memory\n");
    failures = _cmocka_run_group_tests(name, tests, count, NULL, NULL);
    current_backend = LEASE_LMDB;
    print_message("backend: LMDB\n");
    return failures + _cmocka_run_group_tests(name, tests, count, NULL, NULL);
}

int
lease_fixture_run_lmdb(const char *name, const struct CMUnitTest *tests, size_t count)
{
    current_backend = LEASE_LMDB;
    return _cmocka_run_group_tests(name, tests, count, NULL, NULL);
}

struct wi_lease
a_lease(const char *key)
{
    struct wi_lease lease = {
        .range = {{0, 0}, {UINT64_MAX, UINT64_MAX}}, .checkpoint = {.type = WEIR_TRIM_HORIZON}};

    assert_true(wi_str_copy(lease.lease_key, sizeof lease.lease_key, wi_str(key)));
    assert_true(wi_str_copy(lease.shard_id, sizeof lease.shard_id, wi_str(key)));
    return lease;
}

struct wi_application
an_application(void)
{
    return (struct wi_application){.stream_url = "weir:orders",
                                   .lease_duration_ms = FIXTURE_D_MS,
                                   .initial_position = {.type = WEIR_TRIM_HORIZON}};
}

enum weir_error
create_lease(struct wi_lease_store *store, const char *key)
{
    struct wi_lease lease = a_lease(key);
    size_t created = 0;

    return store->ops->create(store->store, 0, &lease, 1, &created);
}

struct wi_lease
get_lease(struct wi_lease_store *store, const char *key)
{
    struct wi_lease lease;

    assert_int_equal(store->ops->get(store->store, key, &lease), WEIR_OK);
    return lease;
}

void
put_worker(struct wi_lease_store *store, const char *owner)
{
    struct wi_worker worker = {.protocol_version = 1};

    assert_true(wi_str_copy(worker.owner, sizeof worker.owner, wi_str(owner)));
    assert_int_equal(store->ops->put_worker(store->store, &worker), WEIR_OK);
}

enum weir_error
assign_lease(
    struct wi_lease_store *store,
    const char *key,
    const char *to,
    uint64_t expected_epoch,
    uint64_t expected_counter)
{
    const struct wi_assignment item = {key, to, expected_epoch, expected_counter};
    enum weir_error result = WEIR_EINTERNAL;
    enum weir_error error = store->ops->assign(store->store, 0, &item, 1, &result);

    return error == WEIR_OK ? result : error;
}

uint64_t
given_owned(struct wi_lease_store *store, const char *key, const char *owner)
{
    put_worker(store, owner);
    assert_int_equal(create_lease(store, key), WEIR_OK);
    assert_int_equal(assign_lease(store, key, owner, get_lease(store, key).epoch, 0), WEIR_OK);
    return get_lease(store, key).epoch;
}

enum weir_error
renew_lease(struct wi_lease_store *store, const char *key, const char *owner, uint64_t epoch)
{
    const struct wi_held_lease held = {.lease_key = key, .epoch = epoch};
    struct wi_renew_answer answer;
    enum weir_error result = WEIR_EINTERNAL;
    enum weir_error error = store->ops->renew(store->store, owner, &held, 1, &result, &answer);

    return error == WEIR_OK ? result : error;
}

enum weir_error
renew_session(struct wi_lease_store *store, const char *owner)
{
    struct wi_renew_answer answer;

    return store->ops->renew(store->store, owner, NULL, 0, NULL, &answer);
}

struct weir_position
after(uint64_t sequence_number)
{
    return (struct weir_position){.type = WEIR_AFTER_SEQUENCE_NUMBER,
                                  .sequence_number = {{0, 0, 0, sequence_number}}};
}

struct weir_position
position_of(enum weir_position_type type)
{
    return (struct weir_position){.type = type};
}

enum weir_error
checkpoint_at(
    struct wi_lease_store *store,
    const char *key,
    const char *owner,
    uint64_t epoch,
    uint64_t sequence_number)
{
    const struct wi_checkpoint_update item = {key, owner, epoch, after(sequence_number)};
    enum weir_error result = WEIR_EINTERNAL;
    enum weir_error error = store->ops->checkpoint(store->store, &item, 1, &result);

    return error == WEIR_OK ? result : error;
}

enum weir_error
release_lease(
    struct wi_lease_store *store,
    const char *key,
    const char *owner,
    uint64_t epoch,
    const char *to,
    uint64_t handed)
{
    const struct wi_release item = {
        .lease_key = key,
        .owner = owner,
        .epoch = epoch,
        .to = to,
        .handed_through = after(handed)};
    enum weir_error result = WEIR_EINTERNAL;
    enum weir_error error = store->ops->release(store->store, &item, 1, &result);

    return error == WEIR_OK ? result : error;
}

uint64_t
counter_of(struct wi_lease_store *store, const char *owner)
{
    struct wi_lease_table table;
    uint64_t counter = 0;

    assert_int_equal(store->ops->list(store->store, &table), WEIR_OK);
    for (size_t i = 0; i < table.worker_count; i++) {
        if (strcmp(table.workers[i].owner, owner) == 0) {
            counter = table.workers[i].counter;
        }
    }
    wi_lease_table_free(store->env, &table);
    return counter;
}

/* The child does nothing but exist: it must not touch the environments it inherits. */
static struct wi_process
start_process(pid_t *ret_child)
{
    struct wi_process process = {.pid = 0};
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    *ret_child = fork();
    assert_true(*ret_child >= 0);
    if (*ret_child == 0) {
        if (wi_process_self(&process) != WEIR_OK || write(ends[1], &process, sizeof process) < 0) {
            _exit(1);
        }
        for (;;) {
            (void)pause();
        }
    }
    assert_int_equal(read(ends[0], &process, sizeof process), sizeof process);
    close(ends[0]);
    close(ends[1]);
    return process;
}

void
lease_fixture_process(struct lease_fixture *fixture, const char *name, char *ret_owner)
{
    struct wi_process process = {.boot_id = "00000000", .pid = 1, .start_ticks = 1};

    if (fixture->backend != LEASE_MEMORY) {
        process = start_process(&fixture->child);
    }
    (void)wi_owner_format(wi_str(name), &process, 7, ret_owner);
    put_worker(fixture->store, ret_owner);
}

void
lease_fixture_kill(struct lease_fixture *fixture, const char *owner)
{
    if (fixture->backend == LEASE_MEMORY) {
        wi_lease_store_memory_set_process_gone(fixture->store, owner);
        return;
    }
    assert_int_equal(kill(fixture->child, SIGKILL), 0);
    assert_int_equal(waitpid(fixture->child, NULL, 0), fixture->child);
    fixture->child = 0;
}
