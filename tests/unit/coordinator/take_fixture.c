#include "tests/unit/coordinator/take_fixture.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "coordinator/lease_take.h"
#include "core/mono.h"
#include "core/pcg.h"
#include "lease/lease.h"
#include "lease/lease_expiry.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

struct scene scene;

int
setup_scene(void **state)
{
    (void)state;
    memset(&scene, 0, sizeof scene);
    test_env_init(&scene.test);
    wi_pcg_seed(&scene.random, 1, 1);
    scene.table.leases = scene.leases;
    return wi_lease_expiry_new(&scene.test.env, &scene.seen) == WEIR_OK ? 0 : -1;
}

int
teardown_scene(void **state)
{
    (void)state;
    wi_take_plan_free(&scene.test.env, &scene.plan);
    wi_lease_expiry_free(scene.seen);
    test_env_assert_no_leak(&scene.test);
    return 0;
}

struct weir_mono
at_ms(int64_t ms)
{
    return wi_mono_add_ms((struct weir_mono){1}, ms);
}

void
set_owner(struct wi_lease *lease, const char *owner)
{
    (void)snprintf(lease->owner, sizeof lease->owner, "%s", owner);
    lease->owner_state = owner[0] == '\0' ? WI_OWNER_NONE : WI_OWNER_ALIVE;
    lease->counter++;
    lease->epoch++;
}

void
given_leases(const char *owner, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct wi_lease *lease = &scene.leases[scene.table.lease_count];

        (void)snprintf(
            lease->lease_key, sizeof lease->lease_key, "s%02zu", scene.table.lease_count);
        set_owner(lease, owner);
        scene.table.lease_count++;
    }
}

void
given_finished(const char *owner, size_t count)
{
    given_leases(owner, count);
    for (size_t i = 0; i < count; i++) {
        scene.leases[scene.table.lease_count - 1 - i].checkpoint.type = WEIR_SHARD_END;
    }
}

/* A read of the table at `ms`. */
void
look_at(int64_t ms)
{
    scene.now_ms = ms;
    wi_lease_expiry_begin(scene.seen);
    for (size_t i = 0; i < scene.table.lease_count; i++) {
        const struct wi_lease *lease = &scene.leases[i];

        if (lease->checkpoint.type != WEIR_SHARD_END) {
            assert_int_equal(
                wi_lease_expiry_observe(
                    scene.seen, lease->lease_key, lease->epoch, lease->counter, at_ms(ms)),
                WEIR_OK);
        }
    }
}

/* Renewals of everybody but `silent`. */
void
renew_but(const char *silent)
{
    for (size_t i = 0; i < scene.table.lease_count; i++) {
        scene.leases[i].counter += strcmp(scene.leases[i].owner, silent) != 0 ? 1 : 0;
    }
}

size_t
takes_of(const char *owner)
{
    const struct wi_take_input input = {
        .table = &scene.table,
        .seen = scene.seen,
        .now = at_ms(scene.now_ms),
        .owner = owner,
        .lease_duration_ms = D_MS,
        .leases_max = scene.leases_max};

    wi_take_plan_free(&scene.test.env, &scene.plan);
    assert_int_equal(
        wi_take_plan_make(&scene.test.env, &input, &scene.random, &scene.plan), WEIR_OK);
    return scene.plan.count;
}

size_t
takes(void)
{
    return takes_of("me");
}

struct wi_lease *
row(const char *key)
{
    for (size_t i = 0; i < scene.table.lease_count; i++) {
        if (strcmp(scene.leases[i].lease_key, key) == 0) {
            return &scene.leases[i];
        }
    }
    fail_msg("no lease %s", key);
    return &scene.leases[0];
}

/* How many of the takes are from this owner. */
size_t
taken_from(const char *owner)
{
    size_t count = 0;

    for (size_t i = 0; i < scene.plan.count; i++) {
        count += strcmp(row(scene.plan.takes[i].lease_key)->owner, owner) == 0 ? 1 : 0;
    }
    return count;
}

size_t
held_by(const char *owner)
{
    size_t count = 0;

    for (size_t i = 0; i < scene.table.lease_count; i++) {
        count += strcmp(scene.leases[i].owner, owner) == 0 &&
                         scene.leases[i].checkpoint.type != WEIR_SHARD_END
                     ? 1
                     : 0;
    }
    return count;
}

void
carry_out(const char *owner)
{
    for (size_t i = 0; i < scene.plan.count; i++) {
        set_owner(row(scene.plan.takes[i].lease_key), owner);
    }
}
