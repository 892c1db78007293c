#include "tests/unit/worker/app_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/stream.h>

#include "core/str.h"
#include "storage/process.h"
#include "tests/support/weir_test.h"

static void
create_leases(struct app_fixture *fixture, const struct weir_stream_description *description)
{
    struct wi_lease leases[2];
    size_t created = 0;

    memset(leases, 0, sizeof leases);
    assert_int_equal(description->shard_count, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct weir_shard *shard = &description->shards[i];
        memcpy(fixture->shard_ids[i], shard->shard_id, sizeof shard->shard_id);
        (void)snprintf(leases[i].lease_key, sizeof leases[i].lease_key, "%s", shard->shard_id);
        memcpy(leases[i].shard_id, shard->shard_id, sizeof shard->shard_id);
        leases[i].range = shard->range;
    }
    assert_int_equal(
        fixture->store->ops->create(fixture->store->store, 0, leases, 2, &created), WEIR_OK);
    assert_int_equal(created, 2);
}

static void
create_stream(struct app_fixture *fixture)
{
    struct weir_stream_create_options options = WEIR_STREAM_CREATE_OPTIONS_INIT;
    struct weir_stream_description description;
    struct weir_stream *stream = NULL;

    options.shards = 2;
    assert_int_equal(
        weir_stream_create(fixture->env, fixture->dir.path, "orders", &options, NULL), WEIR_OK);
    assert_int_equal(
        weir_stream_open(fixture->env, fixture->dir.path, "orders", NULL, &stream, NULL), WEIR_OK);
    assert_int_equal(weir_stream_describe(stream, &description, NULL), WEIR_OK);
    create_leases(fixture, &description);
    weir_stream_description_free(stream, &description);
    weir_stream_close(stream);
}

int
app_setup(void **state)
{
    struct wi_application wish = {
        .stream_url = "weir:orders", .lease_duration_ms = APP_LEASE_DURATION_MS};
    struct wi_lease_store_lmdb_options options = {.application = "app1", .lock_patience_ms = 3000};
    struct app_fixture *fixture = calloc(1, sizeof *fixture);
    struct wi_application agreed;

    fixture->env = weir_env_default();
    test_dir_make(&fixture->dir);
    options.data_directory = fixture->dir.path;
    assert_int_equal(
        wi_lease_store_open_lmdb(fixture->env, &options, &fixture->store, NULL), WEIR_OK);
    assert_int_equal(
        fixture->store->ops->open_application(fixture->store->store, &wish, &agreed), WEIR_OK);
    create_stream(fixture);
    *state = fixture;
    return 0;
}

int
app_teardown(void **state)
{
    struct app_fixture *fixture = *state;

    wi_lease_store_close(fixture->store);
    test_dir_remove(&fixture->dir);
    free(fixture);
    return 0;
}

const char *
given_worker(struct app_fixture *fixture, const char *name, bool is_alive)
{
    struct wi_worker worker = {.protocol_version = 1};
    struct wi_process process;
    char *owner = fixture->owners[fixture->owner_count];

    assert_int_equal(wi_process_self(&process), WEIR_OK);
    process.start_ticks += is_alive ? 0 : 1; /* this pid, but another start: that one is gone */
    (void)wi_owner_format(wi_str(name), &process, ++fixture->owner_count, owner);
    memcpy(worker.owner, owner, sizeof worker.owner);
    assert_int_equal(fixture->store->ops->put_worker(fixture->store->store, &worker), WEIR_OK);
    return owner;
}

struct wi_lease
row_of(struct app_fixture *fixture, size_t i)
{
    struct wi_lease lease;

    assert_int_equal(
        fixture->store->ops->get(fixture->store->store, fixture->shard_ids[i], &lease), WEIR_OK);
    return lease;
}

void
given_owned(struct app_fixture *fixture, size_t i, const char *owner)
{
    struct wi_lease lease = row_of(fixture, i);
    struct wi_assignment item = {
        .lease_key = fixture->shard_ids[i],
        .to = owner,
        .expected_epoch = lease.epoch,
        .expected_counter = lease.counter,
    };
    enum weir_error result = WEIR_EINTERNAL;

    assert_int_equal(
        fixture->store->ops->assign(fixture->store->store, 0, &item, 1, &result), WEIR_OK);
    assert_int_equal(result, WEIR_OK);
}

void
given_records(struct app_fixture *fixture, unsigned count)
{
    struct weir_stream *stream = NULL;

    assert_int_equal(
        weir_stream_open(fixture->env, fixture->dir.path, "orders", NULL, &stream, NULL), WEIR_OK);
    for (unsigned i = 0; i < count; i++) {
        struct weir_put_entry entry = {
            .partition_key = {(const char *)&i, sizeof i}, .data = {"x", 1}};
        struct weir_put_result result;
        assert_int_equal(weir_stream_put(stream, &entry, 1, &result, NULL), WEIR_OK);
        assert_int_equal(result.error, WEIR_OK);
    }
    weir_stream_close(stream);
}
