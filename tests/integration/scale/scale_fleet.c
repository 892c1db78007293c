/* A large fleet on one machine, and the two bounds that users are promised:
 *
 *   scale_fleet failover   1,000 shards, 8 workers: all process within 3 s and are balanced; after
 *                          kill -9 of 3 all process again within 1 s, and no record is lost
 *   scale_fleet idle       200 shards, 50 workers: nothing moves during 3 lease durations of 1 s
 *
 * Prints one JSON object. Fails beyond BOUND_FACTOR times a bound: machines are noisy. */
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <weir/app.h>
#include <weir/stream.h>

#include "tests/integration/scale/scale.h"

#define WORKERS_MAX  50U
#define BOUND_FACTOR 5
#define START_MS     3000
#define FAILOVER_MS  1000
#define PATH_SIZE    512U
#define PATIENCE_MS  60000

struct fleet {
    char folder[PATH_SIZE];
    char board_path[PATH_SIZE + 16];
    struct board *board;
    struct weir_stream *stream;
    uint32_t shards;
    uint32_t workers;
    const char *lease_ms;
    pid_t pids[WORKERS_MAX];
    bool dead[WORKERS_MAX];
    uint64_t put;
};

static void
die(const char *what)
{
    (void)fprintf(stderr, "scale_fleet: %s\n", what);
    exit(2);
}

static int64_t
now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- setup --- */

static void
make_fleet(struct fleet *fleet)
{
    struct weir_stream_create_options create = WEIR_STREAM_CREATE_OPTIONS_INIT;
    struct weir_stream_options open = WEIR_STREAM_OPTIONS_INIT;
    const char *parent = getenv("TMPDIR");

    if (parent == NULL) {
        parent = getenv("WEIR_BUILD_DIR");
    }
    (void)snprintf(
        fleet->folder, sizeof fleet->folder, "%s/weir-scale-XXXXXX", parent == NULL ? "." : parent);
    if (mkdtemp(fleet->folder) == NULL) {
        die("cannot make a folder");
    }
    (void)snprintf(fleet->board_path, sizeof fleet->board_path, "%s/board", fleet->folder);
    fleet->board = board_map(fleet->board_path);
    create.shards = fleet->shards;
    open.durability = WEIR_DURABILITY_NONE;
    if (fleet->board == NULL ||
        weir_stream_create(weir_env_default(), fleet->folder, STREAM, &create, NULL) != WEIR_OK ||
        weir_stream_open(weir_env_default(), fleet->folder, STREAM, &open, &fleet->stream, NULL) !=
            WEIR_OK) {
        die("cannot make the stream");
    }
}

static int
remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

static void
end_fleet(struct fleet *fleet)
{
    for (uint32_t i = 0; i < fleet->workers; i++) {
        if (!fleet->dead[i]) {
            (void)kill(fleet->pids[i], SIGKILL);
            (void)waitpid(fleet->pids[i], NULL, 0);
        }
    }
    weir_stream_close(fleet->stream);
    (void)nftw(fleet->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void
start_worker(struct fleet *fleet, uint32_t i, const char *self)
{
    char number[16];

    (void)snprintf(number, sizeof number, "%u", i + 1);
    fleet->pids[i] = fork();
    if (fleet->pids[i] == 0) {
        (void)execl(
            self,
            self,
            "worker",
            number,
            fleet->folder,
            fleet->board_path,
            fleet->lease_ms,
            (char *)NULL);
        _exit(127);
    }
    if (fleet->pids[i] < 0) {
        die("cannot fork");
    }
}

/* One record for each shard. */
static void
put_everywhere(struct fleet *fleet)
{
    struct weir_put_entry *entries = calloc(fleet->shards, sizeof *entries);
    struct weir_put_result *results = calloc(fleet->shards, sizeof *results);
    uint64_t *values = calloc(fleet->shards, sizeof *values);

    if (entries == NULL || results == NULL || values == NULL) {
        die("no memory");
    }
    for (uint32_t i = 0; i < fleet->shards; i++) {
        values[i] = fleet->put + i;
        entries[i] = (struct weir_put_entry){
            .partition_key = {"k", 1},
            .data = {&values[i], sizeof values[i]},
            .explicit_hash_key = {UINT64_MAX / fleet->shards * i + 1000000, 0},
            .has_explicit_hash_key = true};
    }
    if (weir_stream_put(fleet->stream, entries, fleet->shards, results, NULL) != WEIR_OK) {
        die("cannot put");
    }
    fleet->put += fleet->shards;
    free(entries);
    free(results);
    free(values);
}

/* --- conditions --- */

static bool
all_processed(const struct fleet *fleet)
{
    for (uint64_t i = 0; i < fleet->put; i++) {
        if (atomic_load(&fleet->board->deliveries[i]) == 0) {
            return false;
        }
    }
    return true;
}

/* Counts of shards per living worker differ by at most one, and no shard is with a dead one. */
static bool
is_balanced(const struct fleet *fleet)
{
    uint32_t counts[WORKERS_MAX + 1] = {0};
    uint32_t least = UINT32_MAX;
    uint32_t most = 0;

    for (uint32_t i = 0; i < fleet->shards; i++) {
        int owner = atomic_load(&fleet->board->owner[i]);

        if (owner == 0 || fleet->dead[owner - 1]) {
            return false;
        }
        counts[owner - 1]++;
    }
    for (uint32_t i = 0; i < fleet->workers; i++) {
        if (!fleet->dead[i]) {
            least = counts[i] < least ? counts[i] : least;
            most = counts[i] > most ? counts[i] : most;
        }
    }
    return most - least <= 1;
}

static bool
nobody_is_dead(const struct fleet *fleet)
{
    for (uint32_t i = 0; i < fleet->shards; i++) {
        int owner = atomic_load(&fleet->board->owner[i]);

        if (owner == 0 || fleet->dead[owner - 1]) {
            return false;
        }
    }
    return true;
}

static int64_t
wait_for(const struct fleet *fleet, bool (*condition)(const struct fleet *), int64_t since_ms)
{
    const struct timespec pause = {0, 1000000};

    while (!condition(fleet)) {
        if (now_ms() - since_ms > PATIENCE_MS) {
            die("waited in vain");
        }
        nanosleep(&pause, NULL);
    }
    return now_ms() - since_ms;
}

static int64_t
larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* --- the two runs --- */

static int
run_failover(struct fleet *fleet, const char *self)
{
    int64_t since_ms = now_ms();
    int64_t start_ms;
    int64_t balanced_ms;
    int64_t failover_ms;

    put_everywhere(fleet);
    for (uint32_t i = 0; i < fleet->workers; i++) {
        start_worker(fleet, i, self);
    }
    start_ms = wait_for(fleet, all_processed, since_ms);
    balanced_ms = wait_for(fleet, is_balanced, since_ms);
    since_ms = now_ms();
    for (uint32_t i = 0; i < 3; i++) {
        (void)kill(fleet->pids[i], SIGKILL);
        fleet->dead[i] = true;
    }
    put_everywhere(fleet);
    failover_ms = wait_for(fleet, nobody_is_dead, since_ms);
    failover_ms = larger(failover_ms, wait_for(fleet, all_processed, since_ms));
    for (uint32_t i = 0; i < 3; i++) {
        (void)waitpid(fleet->pids[i], NULL, 0);
    }
    put_everywhere(fleet);
    (void)wait_for(fleet, all_processed, now_ms());
    (void)wait_for(fleet, is_balanced, now_ms());
    (void)printf(
        "{\"shards\":%u,\"workers\":%u,\"start_ms\":%lld,\"start_bound_ms\":%d,"
        "\"balanced_ms\":%lld,\"failover_ms\":%lld,\"failover_bound_ms\":%d,\"records_lost\":0}\n",
        fleet->shards,
        fleet->workers,
        (long long)start_ms,
        START_MS,
        (long long)balanced_ms,
        (long long)failover_ms,
        FAILOVER_MS);
    return larger(start_ms, balanced_ms) <= (int64_t)START_MS * BOUND_FACTOR &&
                   failover_ms <= (int64_t)FAILOVER_MS * BOUND_FACTOR
               ? 0
               : 1;
}

/* The sum tells any two pictures apart: epochs only grow. */
static uint64_t
sum_of_epochs(const struct fleet *fleet)
{
    struct weir_app_description description = {.leader = ""};
    uint64_t sum = 0;

    if (weir_app_describe(weir_env_default(), fleet->folder, APPLICATION, &description, NULL) !=
        WEIR_OK) {
        die("cannot describe");
    }
    for (size_t i = 0; i < description.shard_count; i++) {
        sum += description.shards[i].lease_epoch;
    }
    weir_app_description_free(weir_env_default(), &description);
    return sum;
}

static int
run_idle(struct fleet *fleet, const char *self)
{
    const struct timespec pause = {0, 50000000};
    int64_t since_ms = now_ms();
    int64_t balanced_ms;
    uint64_t before;
    uint64_t after;

    for (uint32_t i = 0; i < fleet->workers; i++) {
        start_worker(fleet, i, self);
    }
    balanced_ms = wait_for(fleet, is_balanced, since_ms);
    before = sum_of_epochs(fleet);
    since_ms = now_ms();
    while (now_ms() - since_ms < 3 * strtoll(fleet->lease_ms, NULL, 10)) {
        nanosleep(&pause, NULL);
    }
    after = sum_of_epochs(fleet);
    (void)printf(
        "{\"shards\":%u,\"workers\":%u,\"balanced_ms\":%lld,\"lease_duration_ms\":%s,"
        "\"epoch_changes\":%llu}\n",
        fleet->shards,
        fleet->workers,
        (long long)balanced_ms,
        fleet->lease_ms,
        (unsigned long long)(after - before));
    return after == before ? 0 : 1;
}

int
main(int argc, char **argv)
{
    struct fleet fleet = {.shards = 1000, .workers = 8, .lease_ms = "10000"};
    bool idle = argc == 2 && strcmp(argv[1], "idle") == 0;
    int status;

    if (argc == 6 && strcmp(argv[1], "worker") == 0) {
        return worker_main(argv + 2);
    }
    if (!idle && (argc != 2 || strcmp(argv[1], "failover") != 0)) {
        (void)fprintf(stderr, "usage: %s failover | idle\n", argv[0]);
        return 2;
    }
    if (idle) {
        fleet.shards = 200;
        fleet.workers = WORKERS_MAX;
        fleet.lease_ms = "1000";
    }
    make_fleet(&fleet);
    status = idle ? run_idle(&fleet, argv[0]) : run_failover(&fleet, argv[0]);
    end_fleet(&fleet);
    return status;
}
