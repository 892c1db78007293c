#include "bench/roles.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/stream.h>

#include "bench/bare_lmdb.h"
#include "bench/bench.h"
#include "bench/clock.h"
#include "bench/fleet.h"
#include "bench/records.h"
#include "bench/shared.h"

bool
role_fail(const struct role *role, enum weir_error error, const struct weir_detail *detail)
{
    const bool has_detail = detail != NULL && *detail->text != '\0';

    (void)snprintf(
        role->slot->failure,
        sizeof role->slot->failure,
        "%.*s",
        (int)sizeof role->slot->failure - 1,
        has_detail ? detail->text : weir_error_text(error));
    return false;
}

void
role_begin(const struct role *role)
{
    role->slot->wall_ns = bench_now_ns();
    role->slot->cpu_start_ns = bench_cpu_ns();
    role->slot->ready = true;
}

void
role_end(const struct role *role)
{
    role->slot->cpu_ns = bench_cpu_ns() - role->slot->cpu_start_ns;
    role->slot->wall_ns = bench_now_ns() - role->slot->wall_ns;
}

bool
role_load(const struct role *role)
{
    const struct weir_env *env = weir_env_default();
    const int64_t interval_ns = (int64_t)role->slot->interval_us * (BENCH_MS / 1000);
    struct weir_detail detail = {""};
    struct rounds rounds;
    enum weir_error error = rounds_open(env, role->slot->directory, &rounds, &detail);
    int64_t next_ns = bench_now_ns();

    role_begin(role);
    while (error == WEIR_OK && !role->slot->stop) {
        error = rounds_put(&rounds, &detail);
        role->slot->done = rounds.index;
        /* Rounds that could not be put in time are not made up for: the load stays even. */
        next_ns += interval_ns;
        if (next_ns < bench_now_ns()) {
            next_ns = bench_now_ns();
        }
        bench_sleep_ns(next_ns - bench_now_ns());
    }
    rounds_close(&rounds);
    return error == WEIR_OK || role_fail(role, error, &detail);
}

bool
role_put(const struct role *role)
{
    const struct bench_slot *slot = role->slot;
    struct weir_stream_options options = WEIR_STREAM_OPTIONS_INIT;
    struct weir_detail detail = {""};
    struct weir_stream *stream = NULL;
    enum weir_error error;

    options.durability = slot->sync ? WEIR_DURABILITY_FULL : WEIR_DURABILITY_NONE;
    error = weir_stream_open(
        weir_env_default(), slot->directory, FLEET_STREAM, &options, &stream, &detail);
    if (error == WEIR_OK) {
        role_begin(role);
        error = records_put(stream, slot->records, slot->record_bytes, slot->hashed, &detail);
        role_end(role);
    }
    weir_stream_close(stream);
    return error == WEIR_OK || role_fail(role, error, &detail);
}

bool
role_scan(const struct role *role)
{
    struct bare bare;
    uint64_t records = 0;
    bool ok;

    role_begin(role);
    ok = bare_open(role->slot->directory, false, &bare, role->slot->failure) &&
         bare_scan(&bare, &records, role->slot->failure);
    role_end(role);
    role->slot->done = records;
    if (ok) {
        const int64_t start_ns = bench_cpu_ns();
        ok = bare_scan(&bare, &records, role->slot->failure);
        role->slot->warm_cpu_ns = bench_cpu_ns() - start_ns;
    }
    bare_close(&bare);
    return ok;
}

bool
role_append(const struct role *role)
{
    const struct bench_slot *slot = role->slot;
    struct bare bare;
    bool ok = bare_open(slot->directory, slot->sync, &bare, role->slot->failure);

    if (ok) {
        role_begin(role);
        ok = bare_append(&bare, slot->records, slot->record_bytes, role->slot->failure);
        role_end(role);
    }
    bare_close(&bare);
    return ok;
}

static bool
role_sleep(const struct role *role)
{
    role_begin(role);
    while (!role->slot->stop) {
        (void)pause();
    }
    return true;
}

static bool
run(const struct role *role)
{
    switch (role->slot->role) {
    case BENCH_ROLE_WORKER:
        return role_worker(role);
    case BENCH_ROLE_LOAD:
        return role_load(role);
    case BENCH_ROLE_PUT:
        return role_put(role);
    case BENCH_ROLE_SCAN:
        return role_scan(role);
    case BENCH_ROLE_APPEND:
        return role_append(role);
    case BENCH_ROLE_REDIS_CONSUME:
        return role_redis_consume(role);
    case BENCH_ROLE_REDIS_READ:
        return role_redis_read(role);
    case BENCH_ROLE_SLEEP:
        return role_sleep(role);
    }
    return false;
}

int
bench_role_run(int argc, char **argv)
{
    struct role role;
    char *end = NULL;
    const unsigned long index = argc > 2 ? strtoul(argv[2], &end, 10) : BENCH_SLOTS_MAX;

    if (index >= BENCH_SLOTS_MAX || end == argv[2] || *end != '\0') {
        return EXIT_FAILURE;
    }
    role.index = index;
    role.shared =
        mmap(NULL, sizeof *role.shared, PROT_READ | PROT_WRITE, MAP_SHARED, BENCH_SHARED_FD, 0);
    if (role.shared == MAP_FAILED) {
        return EXIT_FAILURE;
    }
    role.slot = &role.shared->slot[index];
    return run(&role) ? EXIT_SUCCESS : EXIT_FAILURE;
}
