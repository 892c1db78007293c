/*
 * Which boot of the host this is, and the gap in the sequence numbers that it opens
 * (docs/embedded-stream.md 3). Power loss takes back what has not been synced, so the gap is on the
 * disk before the first number behind it is given: whatever the disk holds afterwards, the next
 * boot's gap begins above every number that somebody may have seen.
 */
#include <lmdb.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <weir/error.h>

#include "core/detail.h"
#include "storage/process.h"
#include "storage/storage.h"
#include "stream/stream_format.h"
#include "stream/stream_lmdb.h"

/* Boot ids are 32 bits; this bit keeps ours from being 0, which no boot is. */
#define BOOT_IS_KNOWN ((uint64_t)1 << 32)
#define HEXADECIMAL   16

enum weir_error
wi_boot_find(uint64_t *ret, struct weir_detail *detail)
{
    struct wi_process self;
    const enum weir_error error = wi_process_self(&self);

    if (error != WEIR_OK) {
        return wi_detail(detail, error, "cannot tell which boot of the host this is");
    }
    *ret = BOOT_IS_KNOWN | (uint32_t)strtoul(self.boot_id, NULL, HEXADECIMAL);
    return WEIR_OK;
}

bool
wi_boot_enter(const struct stream_lmdb *stream, uint64_t gap_end, struct wi_stream_meta *meta)
{
    if (meta->boot == stream->boot) {
        return true;
    }
    if (gap_end == 0 || meta->next_sequence < gap_end) {
        return false;
    }
    /* Another process may have added a gap of its own since, and not synced it: `gap_end` is ours,
     * and no number of this boot has been given, or the row would name the boot. */
    meta->next_sequence = gap_end;
    meta->boot = stream->boot;
    return true;
}

struct gap_call {
    const struct stream_lmdb *stream;
    uint64_t gap_end;
};

/* The row keeps the old boot: nobody may take a number yet. */
static enum weir_error
add_gap(MDB_txn *txn, void *context)
{
    struct gap_call *call = context;
    const struct stream_lmdb *stream = call->stream;
    struct wi_stream_meta meta;
    const enum weir_error error = wi_meta_read(txn, &stream->tables, &meta);

    if (error != WEIR_OK) {
        return error;
    }
    if (meta.boot != stream->boot) {
        if (meta.next_sequence > UINT64_MAX - 2 * WI_SEQUENCE_BOOT_GAP) {
            return WEIR_ELIMIT;
        }
        meta.next_sequence = wi_next_sequence(&meta, stream->boot);
    }
    call->gap_end = meta.next_sequence;
    return wi_meta_write(txn, &stream->tables, &meta);
}

enum weir_error
wi_boot_add_gap(struct stream_lmdb *stream, uint64_t *ret_gap_end, struct weir_detail *detail)
{
    struct gap_call call = {.stream = stream};
    enum weir_error error = wi_trim_and_write(stream, add_gap, &call, detail);

    if (error != WEIR_OK) {
        return error;
    }
    error = wi_storage_sync(stream->storage);
    if (error != WEIR_OK) {
        return wi_detail(
            detail, error, "the first sequence number of this boot cannot be written to the disk");
    }
    *ret_gap_end = call.gap_end;
    return WEIR_OK;
}
