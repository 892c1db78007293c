/** The shards that `weir get` reads, and in which order. */
#ifndef WI_CLI_SHARD_READERS_H
#define WI_CLI_SHARD_READERS_H

#include <stdbool.h>
#include <stddef.h>

#include <weir/stream.h>
#include <weir/types.h>

/** Reading of one shard. */
struct shard_reader {
    char shard_id[WEIR_NAME_SIZE];
    struct shard_reader *parents[WEIR_PARENTS_MAX]; /**< those that are read as well, or NULL */
    struct shard_reader *next;
    struct weir_position position;
    bool finished; /**< read to the end of a closed shard */
};

/** All shards that are read. Start with all members zero. */
struct shard_readers {
    struct shard_reader *first; /**< parents before children */
    struct shard_reader *last;
    void *by_id; /**< root for tsearch(3) */
};

/** Free the memory. */
void cli_shard_readers_free(struct shard_readers *readers);

/** The reader of a shard, or NULL. */
struct shard_reader *cli_shard_readers_find(
    const struct shard_readers *readers, const char *shard_id);

/**
 * Read one more shard from `from` on, after its parents that are read already.
 * @return false if memory runs out
 */
bool cli_shard_readers_add(
    struct shard_readers *readers,
    const struct weir_shard *shard,
    const struct weir_position *from);

/** Whether its parents are finished, as far as they are read, and it is not. */
bool cli_shard_reader_may_read(const struct shard_reader *reader);

#endif
