/** The records that are put: 1,000 partition keys in turn, batches of 500. */
#ifndef WI_BENCH_RECORDS_H
#define WI_BENCH_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/error.h>
#include <weir/stream.h>

#define RECORDS_BATCH     500
#define RECORDS_KEYS      1000
#define RECORDS_KEY_SIZE  sizeof "key-0000"
#define RECORDS_BYTES_MAX 1024

/**
 * Put `records` records, a multiple of RECORDS_BATCH, as fast as it goes; with explicit hash keys
 * if `hashed`. One thread only.
 */
enum weir_error records_put(
    struct weir_stream *stream,
    uint64_t records,
    uint32_t record_bytes,
    bool hashed,
    struct weir_detail *detail);

/** What stands in a record. */
void records_data(unsigned char data[RECORDS_BYTES_MAX]);

#endif
