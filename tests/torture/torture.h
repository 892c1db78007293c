/* A torture run: the fleet, the load, the history. Shared by the files of this folder. */
#ifndef WI_TESTS_TORTURE_TORTURE_H
#define WI_TESTS_TORTURE_TORTURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <weir/weir.h>

#include "tests/torture/ledger.h"

#define PROCESSES_MAX   64U
#define OPEN_SHARDS_MIN 4U
#define OPEN_SHARDS_MAX 16U
#define PUT_BATCH       8U
#define PUT_PAUSE_MS    8
#define SAMPLE_PAUSE_MS 20
/* The fleet gets this long to work off the backlog when the faults are over. */
#define HEAL_SECONDS 90

enum slot_state {
    SLOT_EMPTY,
    SLOT_RUNNING,
    SLOT_STOPPED,
    SLOT_DRAINING
};

struct slot {
    enum slot_state state;
    pid_t pid;
    uint32_t worker;
    int64_t continue_ns; /* of a stopped one */
};

struct run {
    uint64_t seed;
    uint64_t random;
    uint32_t events;
    uint32_t seconds;
    uint32_t processes;
    int64_t lease_ms;
    char data[4096 - 64];
    char program[4096];
    struct slot slots[PROCESSES_MAX];
    uint32_t workers_started;
    struct weir_stream *stream;
    struct ledger ledger;
    size_t put_capacity;
    atomic_bool producing;
    atomic_bool sampling;
    struct verdict verdict;
};

uint64_t next_random(struct run *run);
void pause_ms(int64_t ms);
/* Print and exit with 2: the run could not be made. */
_Noreturn void die(const char *what, const struct weir_detail *detail);

/* load.c: threads that put records, and that watch the table; `argument` is the run. */
void *produce(void *argument);
void *sample(void *argument);

/* fleet.c: processes, and what is done to them. */
void start_worker(struct run *run, struct slot *slot);
uint32_t count_state(const struct run *run, enum slot_state state);
void reap(struct run *run);
void continue_due(struct run *run, int64_t now_ns);
void one_fault(struct run *run);
void one_join(struct run *run);

#endif
