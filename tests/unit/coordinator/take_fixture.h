/* What worker "me" has seen of a table, and what it would take by the rules of Java KCL 2.x. Times
 * are milliseconds. */
#ifndef WI_TESTS_UNIT_COORDINATOR_TAKE_FIXTURE_H
#define WI_TESTS_UNIT_COORDINATOR_TAKE_FIXTURE_H

#include <stddef.h>
#include <stdint.h>

#include "coordinator/lease_take.h"
#include "core/pcg.h"
#include "lease/lease.h"
#include "lease/lease_expiry.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

#define D_MS       INT64_C(1000)
#define LEASES_MAX 64

struct scene {
    struct test_env test;
    struct wi_lease_expiry *seen;
    struct wi_lease_table table;
    struct wi_lease leases[LEASES_MAX];
    struct wi_pcg random;
    struct wi_take_plan plan;
    uint32_t leases_max;
    int64_t now_ms;
};

/* The one scene of a test program. */
extern struct scene scene;

int setup_scene(void **state);
int teardown_scene(void **state);

#define SCENE_TEST(name) cmocka_unit_test_setup_teardown(name, setup_scene, teardown_scene)

struct weir_mono at_ms(int64_t ms);

/* Leases with this owner, "" for nobody; finished ones. */
void given_leases(const char *owner, size_t count);
void given_finished(const char *owner, size_t count);
void set_owner(struct wi_lease *lease, const char *owner);

/* A read of the table. */
void look_at(int64_t ms);

/* Renewals of everybody but `silent`. */
void renew_but(const char *silent);

/* What "me", or somebody else, would take now: how many, and scene.plan. */
size_t takes(void);
size_t takes_of(const char *owner);

struct wi_lease *row(const char *key);

/* How many of the takes are from this owner; how many unfinished leases it holds. */
size_t taken_from(const char *owner);
size_t held_by(const char *owner);

/* As the plan says. */
void carry_out(const char *owner);

#endif
