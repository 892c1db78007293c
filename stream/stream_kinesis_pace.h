/*
 * When the next GetRecords of a shard may be sent. Pure; one for each shard that is read.
 *
 * Kinesis allows five reads a second and 2 MB/s for each shard, to all readers together, and does
 * not tell who else reads. So the pace begins at the limit, slows down at every refusal (other
 * processes, other applications), and comes back bit by bit. At the tip it slows down as well, to
 * an idle time, because a read that finds nothing uses up the others' share too.
 */
#ifndef WI_STREAM_STREAM_KINESIS_PACE_H
#define WI_STREAM_STREAM_KINESIS_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>

/* Kinesis: 2 MB/s out of each shard. */
#define WI_KINESIS_BYTES_PER_SECOND ((size_t)2 * 1024 * 1024)
/* Longest time between reads after refusals. */
#define WI_KINESIS_THROTTLED_MS_MAX 10000

struct wi_kinesis_pace {
    int64_t least_ms; /* between two reads, by the limit */
    int64_t idle_ms;  /* between two reads at the tip, at most */
    int64_t now_ms;   /* between two reads, as refusals taught */
    int64_t tip_ms;   /* the present idle time; 0: not at the tip */
    struct weir_mono not_before;
};

void wi_kinesis_pace_init(struct wi_kinesis_pace *pace, int64_t least_ms, int64_t idle_ms);

/* A read that was sent at `sent` gave `bytes` of data; `is_tip`: and there is no more. */
void wi_kinesis_pace_read(
    struct wi_kinesis_pace *pace,
    struct weir_mono sent,
    struct weir_mono now,
    size_t bytes,
    bool is_tip);

/* A read was refused; `random` has 64 uniform bits. */
void wi_kinesis_pace_refused(struct wi_kinesis_pace *pace, struct weir_mono now, uint64_t random);

/* Milliseconds until the next read may be sent; 0: now. */
int64_t wi_kinesis_pace_wait_ms(const struct wi_kinesis_pace *pace, struct weir_mono now);

#endif
