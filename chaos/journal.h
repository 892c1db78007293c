/**
 * Journals: what processes write about themselves, whole entries at a time, so that a kill -9
 * loses at most what had not happened yet. One file for each start of a process.
 */
#ifndef WI_CHAOS_JOURNAL_H
#define WI_CHAOS_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum chaos_entry_kind {
    CHAOS_ENTRY_INITIALIZE = 1, /**< sequence: of the checkpoint, 0 for none */
    CHAOS_ENTRY_BEGIN,          /**< process_records began; `count` RECORDs follow in one write */
    CHAOS_ENTRY_RECORD,         /**< index: of the put; error: its key */
    CHAOS_ENTRY_END,            /**< begin_ns: of its BEGIN; count: records that are done */
    CHAOS_ENTRY_CHECKPOINT,     /**< begin_ns: before the call; error */
    CHAOS_ENTRY_LEASE_LOST,
    CHAOS_ENTRY_SHARD_ENDED,
    CHAOS_ENTRY_SHUTDOWN,
    CHAOS_ENTRY_DESTROY,
    CHAOS_ENTRY_PUT_INTENT, /**< producer: [index, index + count) are being put */
    CHAOS_ENTRY_PUT,        /**< producer: index is acknowledged: shard, sequence, attempt = key */
    CHAOS_ENTRY_PUT_REFUSED /**< producer: a put failed: index, count, error */
};

struct chaos_entry {
    uint16_t kind;
    uint16_t error;
    uint32_t shard; /**< number in the shard's id */
    uint32_t worker;
    uint32_t count;
    uint64_t epoch;
    uint64_t sequence; /**< low 64 bits */
    uint64_t index;
    int64_t time_ns; /**< CLOCK_BOOTTIME */
    int64_t begin_ns;
    uint32_t attempt;
    uint32_t order; /**< set when loaded: position in its file */
};

_Static_assert(sizeof(struct chaos_entry) == 64, "journals hold whole entries");

/** Open for appending, created with mode 0600; -1 with errno. */
int chaos_journal_create(const char *path);

/** Append in one write. False: it failed, wholly or in part. */
bool chaos_journal_append(int fd, const struct chaos_entry *entries, size_t count);

/** What a record's data holds. */
struct chaos_payload {
    uint64_t index; /**< of the put, from 0 */
    uint32_t key;
    uint32_t magic;
};

#define CHAOS_PAYLOAD_MAGIC UINT32_C(0x57454952)

/** Number of partition keys. */
#define CHAOS_KEYS 97U

#endif
