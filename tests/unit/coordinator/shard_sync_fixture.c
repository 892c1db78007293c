#include "tests/unit/coordinator/shard_sync_fixture.h"

#include <stdio.h>
#include <string.h>

#include "core/hash_key.h"

struct fixture fixture;

int
setup_fixture(void **state)
{
    (void)state;
    memset(&fixture, 0, sizeof fixture);
    test_env_init(&fixture.test);
    return 0;
}

int
teardown_fixture(void **state)
{
    (void)state;
    wi_shard_sync_plan_free(&fixture.test.env, &fixture.plan);
    test_env_assert_no_leak(&fixture.test);
    return 0;
}

struct weir_shard *
given_shard(const char *id, const char *parent, const char *other_parent, bool is_closed)
{
    struct weir_shard *shard = &fixture.shards[fixture.shard_count++];

    assert_true(fixture.shard_count <= SHARDS_MAX);
    (void)snprintf(shard->shard_id, sizeof shard->shard_id, "%s", id);
    (void)snprintf(shard->parent_shard_ids[0], sizeof shard->parent_shard_ids[0], "%s", parent);
    (void)snprintf(
        shard->parent_shard_ids[1], sizeof shard->parent_shard_ids[1], "%s", other_parent);
    shard->range = (struct weir_hash_range){WI_HASH_KEY_MIN, WI_HASH_KEY_MAX};
    shard->starting_sequence_number.word[3] = fixture.shard_count;
    shard->closed = is_closed;
    return shard;
}

void
given_open(const char *id, const char *parent)
{
    given_shard(id, parent, "", false);
}

void
set_range(size_t shard, uint64_t start, uint64_t end)
{
    fixture.shards[shard].range = (struct weir_hash_range){{start, 0}, {end, UINT64_MAX}};
}

void
given_lease(const char *id, enum weir_position_type checkpoint)
{
    struct wi_lease *lease = &fixture.leases[fixture.lease_count++];

    assert_true(fixture.lease_count <= SHARDS_MAX);
    (void)snprintf(lease->lease_key, sizeof lease->lease_key, "%s", id);
    (void)snprintf(lease->shard_id, sizeof lease->shard_id, "%s", id);
    lease->checkpoint.type = checkpoint;
}

enum weir_error
sync_from(const struct weir_position *initial)
{
    struct wi_shard_sync_input input = {
        .shards = fixture.shards,
        .shard_count = fixture.shard_count,
        .leases = fixture.leases,
        .lease_count = fixture.lease_count,
        .initial_position = *initial,
    };

    wi_shard_sync_plan_free(&fixture.test.env, &fixture.plan);
    return wi_shard_sync(&fixture.test.env, &input, &fixture.plan);
}
