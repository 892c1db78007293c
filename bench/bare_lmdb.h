/** The limits: LMDB with nothing around it. */
#ifndef WI_BENCH_BARE_LMDB_H
#define WI_BENCH_BARE_LMDB_H

#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/shared.h"

/** One environment with one database of integer keys. */
struct bare {
    MDB_env *env;
    MDB_dbi dbi;
};

/** Open or create; false with a text in `failure`. Close it also after a failure. */
bool bare_open(const char *directory, bool sync, struct bare *ret, char failure[BENCH_TEXT_SIZE]);
void bare_close(struct bare *bare);

/** Append records in transactions of RECORDS_BATCH. */
bool bare_append(
    struct bare *bare, uint64_t records, uint32_t record_bytes, char failure[BENCH_TEXT_SIZE]);

/** Hand all records to a callback in views of at most 1,000; a transaction for each. */
bool bare_scan(struct bare *bare, uint64_t *ret_records, char failure[BENCH_TEXT_SIZE]);

/** Change `count` rows of 200 B in one transaction. */
bool bare_update(struct bare *bare, uint64_t count, uint64_t stamp, char failure[BENCH_TEXT_SIZE]);

/** Look up one record and read its first byte. */
bool bare_seek(struct bare *bare, uint64_t key, char failure[BENCH_TEXT_SIZE]);

#endif
