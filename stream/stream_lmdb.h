/*
 * The embedded stream: what its files share (docs/embedded-stream.md). stream_lmdb.c opens, closes
 * and describes; _put, _get, _reshard and _trim do what their names say; stream_directory.c makes
 * and removes the folder.
 */
#ifndef WI_STREAM_STREAM_LMDB_H
#define WI_STREAM_STREAM_LMDB_H

#include <lmdb.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "storage/storage.h"
#include "stream/stream_format.h"
#include "stream/stream_source.h"

/* First size of the map; storage/ doubles it as needed. */
#define WI_STREAM_MAP_INITIAL ((uint64_t)1024 * 1024)

/* The handles of the named databases. */
struct wi_stream_tables {
    MDB_dbi meta;
    MDB_dbi shards;
    MDB_dbi records;
    MDB_dbi limits;
};

/* The open shards in order of their ranges, shared by the puts that are under way. */
struct wi_shard_map {
    uint64_t version;  /* of the meta row that it was read with */
    size_t references; /* guarded by stream_lmdb's mutex */
    size_t count;
    uint32_t record_bytes_max;
    bool kinesis_limits;
    struct wi_open_shard *shards; /* ranges leave no gap */
};

struct wi_open_shard {
    struct weir_hash_key start;
    struct weir_hash_key end;
    uint32_t number;
    char shard_id[WI_SHARD_ID_LENGTH + 1];
};

/* Work space of one put; kept for the next one. */
struct wi_put_context;
#define WI_PUT_CONTEXTS_IDLE 8U

struct stream_lmdb {
    const struct weir_env *env;
    struct wi_storage *storage;
    struct wi_stream_tables tables;
    EVP_MD *md5;
    uint64_t boot; /* this boot of the host, never 0 */
    bool read_only;
    pthread_mutex_t mutex;    /* guards the three members below and every map's `references` */
    struct wi_shard_map *map; /* newest one known, or NULL */
    struct wi_put_context *idle[WI_PUT_CONTEXTS_IDLE];
    size_t idle_count;
    _Atomic int64_t next_room_ms; /* monotonic: puts do not try to make room before this */
};

/* Largest jump of the sequence counter: what a boot adds. */
#define WI_SEQUENCE_BOOT_GAP ((uint64_t)1 << 40)

/* --- rows, inside a transaction; a missing row that must be there is WEIR_ECORRUPT --- */

/* The meta row; WEIR_ENOTFOUND if the stream has been deleted. */
enum weir_error wi_meta_read(
    MDB_txn *txn, const struct wi_stream_tables *tables, struct wi_stream_meta *ret);
/* The same also of a deleted stream. */
enum weir_error wi_meta_read_any(
    MDB_txn *txn, const struct wi_stream_tables *tables, struct wi_stream_meta *ret);
enum weir_error wi_meta_write(
    MDB_txn *txn, const struct wi_stream_tables *tables, const struct wi_stream_meta *meta);
/* WEIR_ENOTFOUND without such a row. */
enum weir_error wi_shard_read(
    MDB_txn *txn, const struct wi_stream_tables *tables, uint32_t number, struct wi_shard_row *ret);
enum weir_error wi_shard_write(
    MDB_txn *txn,
    const struct wi_stream_tables *tables,
    uint32_t number,
    const struct wi_shard_row *row);
/* The row and the buckets of the shard. */
enum weir_error wi_shard_delete(
    MDB_txn *txn, const struct wi_stream_tables *tables, uint32_t number);

/* Called by wi_shards_each() for each row in order of numbers; another result than OK ends it. */
typedef enum weir_error (*wi_shard_row_fn)(
    void *context, uint32_t number, const struct wi_shard_row *row);
enum weir_error wi_shards_each(
    MDB_txn *txn, const struct wi_stream_tables *tables, wi_shard_row_fn each, void *context);

/* The sequence number that the next record will have at least, in this boot. */
uint64_t wi_next_sequence(const struct wi_stream_meta *meta, uint64_t boot);

/* --- stream_boot.c --- */

/* This boot of the host, never 0. */
enum weir_error wi_boot_find(uint64_t *ret, struct weir_detail *detail);

/* Inside the transaction, before a number is taken: make *meta count in this boot. False if the gap
 * that this needs may not be on the disk yet: leave the transaction with nothing written, call
 * wi_boot_add_gap() and try again with what it gave. `gap_end` is 0 before that. */
bool wi_boot_enter(const struct stream_lmdb *stream, uint64_t gap_end, struct wi_stream_meta *meta);

/* Add the gap of this boot, unless it counts already, and write it to the disk whatever the
 * stream's durability. Once a boot and stream, as a rule; any number of times does no harm. */
enum weir_error wi_boot_add_gap(
    struct stream_lmdb *stream, uint64_t *ret_gap_end, struct weir_detail *detail);

/* --- shard_map.c --- */

/* Take the newest map known; `reload`: read it again first. Give it back afterwards. */
enum weir_error wi_shard_map_acquire(
    struct stream_lmdb *stream, bool reload, struct wi_shard_map **ret);
/* NULL is a no-op. */
void wi_shard_map_release(struct stream_lmdb *stream, struct wi_shard_map *map);
/* Index in map->shards of the open shard whose range holds the hash key. */
size_t wi_shard_map_find(const struct wi_shard_map *map, struct weir_hash_key key);

/* --- stream_lmdb_put.c --- */

void wi_put_context_free(struct stream_lmdb *stream, struct wi_put_context *context);
enum weir_error wi_embedded_put(
    void *source,
    const struct weir_put_entry *entries,
    size_t count,
    struct weir_put_result *ret_results,
    struct weir_detail *detail);

/* --- stream_lmdb_get.c --- */

enum weir_error wi_embedded_get(
    void *source,
    const struct weir_get_request *request,
    struct weir_batch *batch,
    struct weir_get_result *ret);
enum weir_error wi_embedded_tail(
    void *source, struct weir_str shard_id, struct weir_sequence_number *ret, bool *ret_any);

/* --- stream_lmdb_reshard.c --- */

enum weir_error wi_embedded_split(
    void *source,
    struct weir_str shard_id,
    const struct weir_hash_key *at,
    struct weir_detail *detail);
enum weir_error wi_embedded_merge(
    void *source, struct weir_str a, struct weir_str b, struct weir_detail *detail);
enum weir_error wi_embedded_scale(void *source, uint32_t shards, struct weir_detail *detail);

/* --- stream_lmdb_trim.c --- */

/* Trim inside a put's transaction: a bounded part of what there is, and a second after nothing was
 * left. Changes *meta, which the caller writes. */
enum weir_error wi_trim_a_little(
    MDB_txn *txn,
    const struct wi_stream_tables *tables,
    struct wi_stream_meta *meta,
    size_t blocks_written,
    int64_t now_ms);
/* wi_storage_write(), and when the map is full once more after expired records have made room. */
enum weir_error wi_trim_and_write(
    struct stream_lmdb *stream, wi_storage_fn fn, void *context, struct weir_detail *detail);
enum weir_error wi_embedded_trim(void *source, uint64_t *ret_deleted, struct weir_detail *detail);

/* --- stream_limits.c --- */

/* Tokens of a shard, refilled up to now. A shard without a row has full buckets. */
enum weir_error wi_limits_read(
    MDB_txn *txn,
    const struct wi_stream_tables *tables,
    uint32_t number,
    int64_t now_ms,
    struct wi_limits_row *ret);
enum weir_error wi_limits_write(
    MDB_txn *txn,
    const struct wi_stream_tables *tables,
    uint32_t number,
    const struct wi_limits_row *row);

/* Take a record of so many bytes from the buckets; false, and nothing taken, if they are empty. */
bool wi_limits_take_record(struct wi_limits_row *row, size_t bytes);

/* Reading is allowed while the bucket is not in debt; what was read is debited afterwards. */
bool wi_limits_may_read(const struct wi_limits_row *row);
void wi_limits_spend_read(struct wi_limits_row *row, size_t bytes);

/* Monotonic time in milliseconds. */
int64_t wi_mono_ms(const struct weir_env *env);

/* --- stream_lmdb.c --- */

/* Open the stream in `directory` and fill ops and source of `stream`. */
enum weir_error wi_stream_lmdb_open(
    const struct weir_env *env,
    const char *directory,
    const struct weir_stream_options *options,
    struct weir_stream *stream,
    struct weir_detail *detail);

/* --- stream_lmdb_create.c --- */

/* Write the rows of a new stream into the environment in `directory`, durably. */
enum weir_error wi_stream_lmdb_format(
    const struct weir_env *env,
    const char *directory,
    const struct weir_stream_create_options *options,
    struct weir_detail *detail);

/* Set the deleted flag and wake everybody: from here on the stream is deleted. WEIR_ENOTFOUND if it
 * was set before, by a delete that goes on or was killed. */
enum weir_error wi_stream_lmdb_mark_deleted(
    const struct weir_env *env, const char *directory, struct weir_detail *detail);

/* Whether the stream in `directory` has the deleted flag. */
enum weir_error wi_stream_lmdb_is_deleted(
    const struct weir_env *env, const char *directory, bool *ret);

/* Open the environment of a stream and its databases. */
enum weir_error wi_stream_storage_open(
    const struct weir_env *env,
    const struct wi_storage_options *options,
    struct wi_storage **ret_storage,
    struct wi_stream_tables *ret_tables,
    struct weir_detail *detail);

/* Options of an environment of this kind; the caller changes what differs. */
struct wi_storage_options wi_stream_storage_options(const char *directory);

#endif
