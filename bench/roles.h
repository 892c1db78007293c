/** The programs of the processes that a bench starts (enum bench_role). */
#ifndef WI_BENCH_ROLES_H
#define WI_BENCH_ROLES_H

#include <stdbool.h>
#include <stddef.h>

#include <weir/error.h>

#include "bench/shared.h"

/** One process. */
struct role {
    struct bench_shared *shared;
    struct bench_slot *slot;
    size_t index;
};

/** Note why the role failed; returns false. */
bool role_fail(const struct role *role, enum weir_error error, const struct weir_detail *detail);

/** Note when the work of this process begins and ends. */
void role_begin(const struct role *role);
void role_end(const struct role *role);

bool role_worker(const struct role *role);
bool role_load(const struct role *role);
bool role_put(const struct role *role);
bool role_scan(const struct role *role);
bool role_append(const struct role *role);
bool role_redis_consume(const struct role *role);
bool role_redis_read(const struct role *role);

#endif
