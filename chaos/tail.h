/** Follows a journal while it is being written, and takes its entries into the ledger. */
#ifndef WI_CHAOS_TAIL_H
#define WI_CHAOS_TAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chaos/ledger.h"

/** Longest line of a command that is read; longer ones count as damage. */
#define CHAOS_LINE_MAX 65536

/** One journal; begin with fd -1 and the rest 0. */
struct chaos_tail {
    int fd;
    bool text; /**< lines of JSON of a user's command; else struct chaos_entry */
    uint32_t worker;
    uint32_t order;
    char *rest; /**< of an entry or line that is not whole yet */
    size_t rest_length;
    uint64_t bad_lines;
    bool skipping; /**< a line that is too long */
};

/** Start to follow; the file need not exist yet for a text journal. False with errno. */
bool chaos_tail_open(struct chaos_tail *tail, const char *path, uint32_t worker, bool text);

/** Take what is there. */
void chaos_tail_read(struct chaos_tail *tail, struct chaos_ledger *ledger);

void chaos_tail_close(struct chaos_tail *tail);

/**
 * A line of a user's command: one JSON object with "shard_id" and "sequence_number", maybe
 * "lease_epoch"; others are ignored. Entry of kind RECORD.
 * @return false for anything else
 */
bool chaos_tail_parse(const char *line, size_t length, struct chaos_entry *ret);

#endif
