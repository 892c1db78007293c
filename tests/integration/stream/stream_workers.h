/* Processes that put and get for the integration tests of streams. Fork first, open afterwards. */
#ifndef WI_TESTS_INTEGRATION_STREAM_STREAM_WORKERS_H
#define WI_TESTS_INTEGRATION_STREAM_STREAM_WORKERS_H

#include <stdbool.h>
#include <sys/types.h>

#include <weir/stream.h>

#define WORKERS_STREAM   "s"
#define WORKERS_KEYS     8U  /* partition keys of one producer */
#define WORKERS_DATA_MAX 64U /* bytes of one record */

/* Run `body` in a forked child; it ends with the status that body returns. */
pid_t workers_fork(int (*body)(void *context), void *context);

/* Wait for the child; fails the test unless it exits with 0. */
void workers_join(pid_t child);

/* Options for tests of processes: durability NONE. */
struct weir_stream *workers_open(const char *data_directory, enum weir_durability durability);

/* Put records first .. first + count - 1 of a producer: data "producer:number", key by number. */
enum weir_error workers_put(
    struct weir_stream *stream, unsigned producer, unsigned first, unsigned count);

/* What has been read, checked while it comes in. */
struct workers_ledger {
    unsigned producers;
    unsigned expected;     /* records of each producer; more is an error */
    unsigned *next;        /* [producer * WORKERS_KEYS + key]: smallest number not seen yet */
    unsigned total;        /* records seen */
    const char *complaint; /* first thing that was wrong, or NULL */
};

void workers_ledger_init(struct workers_ledger *ledger, unsigned producers, unsigned expected);
void workers_ledger_free(struct workers_ledger *ledger);

/* Follow all shards from TRIM_HORIZON, children after parents, until the ledger holds `total`
 * records, or with total 0 until everything that is there has been read. */
void workers_read(struct weir_stream *stream, struct workers_ledger *ledger, unsigned total);

#endif
