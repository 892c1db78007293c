/**
 * Streams: create, describe, put, get, split, merge. A stream is named by a URL: `weir:NAME` or
 * just `NAME` is an embedded stream in the data directory (docs/embedded-stream.md);
 * `kinesis:NAME?region=R&endpoint=URL` and `kinesis:arn:...` are streams of Kinesis, or of what
 * speaks its API (docs/kinesis.md).
 *
 * `kinesis:A,B,C?...` opens several of Kinesis as one, to describe and to get from. Their shards
 * have ids of the form `account:stream:epoch:shard`; what is done to one stream (put, split, merge,
 * scale, create, delete) is refused with WEIR_EUNSUPPORTED or WEIR_EINVAL.
 *
 * Any number of processes may have the same stream open. Handles are thread-safe unless a function
 * says otherwise; they must not be carried over fork(2).
 */
#ifndef WEIR_STREAM_H
#define WEIR_STREAM_H

#include <weir/env.h>
#include <weir/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct weir_stream;

/** What an acknowledged put survives. */
enum weir_durability {
    WEIR_DURABILITY_FULL = 0,    /**< power loss; puts of one process share a sync (group commit) */
    WEIR_DURABILITY_RELAXED = 1, /**< power loss without damage, but the newest commit may go */
    WEIR_DURABILITY_NONE = 2     /**< process crashes only; power loss may destroy the stream */
};

/** Most records of one put, one get and one batch. Kinesis: 500 and 10,000. */
#define WEIR_PUT_RECORDS_MAX 10000
#define WEIR_GET_RECORDS_MAX 10000
/** Longest partition key in bytes. Kinesis: 256 characters. */
#define WEIR_PARTITION_KEY_MAX 1024
/** Largest record (data + partition key) by default, in bytes. Kinesis: 1 MiB. */
#define WEIR_RECORD_BYTES_DEFAULT (1024U * 1024U)
/** Most shards, open and closed, of one stream. */
#define WEIR_SHARDS_MAX 100000

/** Options of weir_stream_create(); start from WEIR_STREAM_CREATE_OPTIONS_INIT. */
struct weir_stream_create_options {
    size_t struct_size;
    uint32_t shards;           /**< [1, 10000], default 4 */
    int64_t retention_ms;      /**< [1000, 1 year], default 24 h */
    uint32_t record_bytes_max; /**< [1, 16 MiB], default 1 MiB */
    bool kinesis_limits;       /**< 1,000 records/s and 1 MiB/s in, 2 MiB/s out per shard */
};

#define WEIR_STREAM_CREATE_OPTIONS_INIT                                                            \
    {sizeof(struct weir_stream_create_options), 4, 86400000, WEIR_RECORD_BYTES_DEFAULT, false}

/** Options of weir_stream_open(); start from WEIR_STREAM_OPTIONS_INIT. */
struct weir_stream_options {
    size_t struct_size;
    enum weir_durability durability; /**< of this handle's puts; default FULL */
    uint64_t map_bytes_max;          /**< [1 MiB, 16 TiB], default 1 TiB: where growth stops */
    bool read_only;                  /**< get only; works in a directory without write permission */
};

#define WEIR_STREAM_OPTIONS_INIT                                                                   \
    {sizeof(struct weir_stream_options), WEIR_DURABILITY_FULL, (uint64_t)1 << 40, false}

/**
 * Create a stream with `shards` shards that divide the hash key space evenly. Durable on return.
 * `name` is a name or a URL; of a Kinesis stream only the number of shards is looked at. Blocks for
 * a few syncs; with Kinesis until the stream is active.
 * @return WEIR_EEXISTS if the name is taken; WEIR_EINVAL; WEIR_EACCESS; WEIR_EFULL; WEIR_EIO;
 *         WEIR_EPLATFORM
 */
WEIR_API WEIR_MUST_CHECK enum weir_error weir_stream_create(
    const struct weir_env *env,
    const char *data_directory,
    const char *name,
    const struct weir_stream_create_options *options,
    struct weir_detail *detail);

/**
 * Open a stream. `options` NULL means defaults; a Kinesis stream has none. Opening the same
 * embedded stream twice in one process shares one environment inside. Of a Kinesis stream the
 * existence is checked, so this blocks for a request.
 * @return WEIR_ENOTFOUND; WEIR_EUNSUPPORTED for another scheme; WEIR_EVERSION or WEIR_ECORRUPT for
 *         files that this version cannot trust; WEIR_EACCESS; WEIR_EPLATFORM; WEIR_EIO; WEIR_ENOMEM
 */
WEIR_API WEIR_MUST_CHECK enum weir_error weir_stream_open(
    const struct weir_env *env,
    const char *data_directory,
    const char *url,
    const struct weir_stream_options *options,
    struct weir_stream **ret,
    struct weir_detail *detail);

/** Close the handle; NULL is a no-op. No other call on it may be running. */
WEIR_API void weir_stream_close(struct weir_stream *stream);

/** Name without scheme; lives as long as the handle. */
WEIR_API const char *weir_stream_name(const struct weir_stream *stream);

/** Called once per stream name in alphabetical order; must not call weir. */
typedef void (*weir_stream_list_fn)(void *context, const char *name);

/** List the embedded streams of a data directory (none if the directory is missing). */
WEIR_API WEIR_MUST_CHECK enum weir_error weir_stream_list(
    const struct weir_env *env,
    const char *data_directory,
    weir_stream_list_fn each,
    void *context,
    struct weir_detail *detail);

/** Delete a stream, named or by URL. Open handles get WEIR_ENOTFOUND from then on. */
WEIR_API WEIR_MUST_CHECK enum weir_error weir_stream_delete(
    const struct weir_env *env,
    const char *data_directory,
    const char *name,
    struct weir_detail *detail);

/** What weir_stream_describe() returns; release with weir_stream_description_free(). */
struct weir_stream_description {
    int64_t retention_ms;
    struct weir_shard *shards; /**< in order of creation: parents before children */
    size_t shard_count;
};

/** All shards that are open, or closed and still hold records within the retention. */
WEIR_API WEIR_MUST_CHECK enum weir_error weir_stream_describe(
    struct weir_stream *stream, struct weir_stream_description *ret, struct weir_detail *detail);

/** Release what the description owns; NULL is a no-op. */
WEIR_API void weir_stream_description_free(
    struct weir_stream *stream, struct weir_stream_description *description);

/** One record to put. Views need to live until the call returns. */
struct weir_put_entry {
    struct weir_str partition_key; /**< 1 to WEIR_PARTITION_KEY_MAX bytes */
    struct weir_bytes data;        /**< key + data at most the stream's record_bytes_max */
    struct weir_hash_key explicit_hash_key;
    bool has_explicit_hash_key; /**< use explicit_hash_key rather than the key's MD5 */
};

/** What became of one record. */
struct weir_put_result {
    enum weir_error error; /**< WEIR_OK, WEIR_EINVAL (size, key), WEIR_ETHROTTLED */
    char shard_id[32];     /**< valid if WEIR_OK */
    struct weir_sequence_number sequence_number; /**< valid if WEIR_OK */
};

/**
 * Put records. The accepted ones are written in one transaction and, within a shard, in the order
 * of `entries`; calls of several threads share commits. Blocks for one commit (with durability FULL
 * one or two syncs).
 * @param ret_results `count` results, all set if the call returns WEIR_OK
 * @return WEIR_OK also if single records were refused; otherwise nothing was written: WEIR_EINVAL
 *         (count), WEIR_EFULL, WEIR_EBUSY, WEIR_EIO, WEIR_ENOTFOUND (deleted). WEIR_EIO of a sync
 *         leaves the outcome unknown: putting again may double the records.
 */
WEIR_API WEIR_MUST_CHECK enum weir_error weir_stream_put(
    struct weir_stream *stream,
    const struct weir_put_entry *entries,
    size_t count,
    struct weir_put_result *ret_results,
    struct weir_detail *detail);

/** Records of one get or one process_records call, with the memory behind them. */
struct weir_batch;

/** A new empty batch for weir_stream_get(); it keeps its memory between uses. */
WEIR_API WEIR_MUST_CHECK enum weir_error weir_batch_new(
    const struct weir_env *env, struct weir_batch **ret);
/** Free a batch; NULL is a no-op. */
WEIR_API void weir_batch_free(struct weir_batch *batch);
/** The records, valid until the batch is used again or freed. */
WEIR_API const struct weir_record *weir_batch_records(const struct weir_batch *batch);
/** How many. */
WEIR_API size_t weir_batch_count(const struct weir_batch *batch);

/** What weir_stream_get() says beside the records. */
struct weir_get_result {
    struct weir_position next;    /**< where to go on: pass it to the next call */
    int64_t millis_behind_latest; /**< age of the oldest record not yet returned; 0 at the tip */
    bool at_shard_end;            /**< closed and read to its end: children are valid */
    char child_shard_ids[WEIR_CHILDREN_MAX][WEIR_NAME_SIZE]; /**< "" where there is none */
    int64_t retry_after_ms; /**< call again no sooner: limits of the service, or nothing new is to
                                 be expected; 0 for streams that wake their readers. Set with
                                 WEIR_OK and WEIR_ETHROTTLED */
};

/** What to read; members may be added at the end. */
struct weir_get_request {
    struct weir_str shard_id;
    struct weir_position from; /**< any but SHARD_END */
    size_t records_max;        /**< [1, WEIR_GET_RECORDS_MAX] */
    size_t bytes_max;          /**< one record is returned even if it is larger */
};

/**
 * Read records of one shard. TRIM_HORIZON, LATEST and AT_TIMESTAMP are resolved by the call; go on
 * with ret->next, which never skips a record and never falls back.
 * @return WEIR_EINVAL for a position beyond any number the stream ever gave; WEIR_ENOTFOUND
 *         (shard); WEIR_ETRIMMED if records after `from` are gone (ret->next is then TRIM_HORIZON,
 *         so that the caller decides); WEIR_ECORRUPT (the batch holds the records before the
 * damage; ret->next is AT_SEQUENCE_NUMBER of the last number it covers: only an explicit
 *         AFTER_SEQUENCE_NUMBER goes past it); WEIR_ETHROTTLED; WEIR_EIO; WEIR_ENOMEM
 * Never blocks on producers unless the stream has Kinesis limits.
 */
WEIR_API WEIR_MUST_CHECK enum weir_error weir_stream_get(
    struct weir_stream *stream,
    const struct weir_get_request *request,
    struct weir_batch *batch,
    struct weir_get_result *ret);

/** A number that grows with every commit to the stream. */
WEIR_API uint64_t weir_stream_version(struct weir_stream *stream);

/**
 * Wait until weir_stream_version() differs from `seen`, at most `timeout_ms`. Returns the version
 * then. Woken by a put within microseconds; uses no CPU while waiting.
 */
WEIR_API uint64_t weir_stream_wait(struct weir_stream *stream, uint64_t seen, int64_t timeout_ms);

/**
 * Split an open shard in two. `at` is the first hash key of the upper child; NULL means the middle.
 * @return WEIR_ENOTFOUND; WEIR_ESTATE if it is closed; WEIR_EINVAL if `at` is not inside the range
 */
WEIR_API WEIR_MUST_CHECK enum weir_error weir_stream_split(
    struct weir_stream *stream,
    struct weir_str shard_id,
    const struct weir_hash_key *at,
    struct weir_detail *detail);

/** Merge two open shards whose ranges touch. WEIR_EINVAL if they do not; else as split. */
WEIR_API WEIR_MUST_CHECK enum weir_error weir_stream_merge(
    struct weir_stream *stream,
    struct weir_str shard_id,
    struct weir_str adjacent_shard_id,
    struct weir_detail *detail);

/**
 * Split and merge until `shards` open shards of about equal range exist (uniform scaling). Atomic.
 * @return WEIR_EINVAL outside [1, 10000]
 */
WEIR_API WEIR_MUST_CHECK enum weir_error weir_stream_scale(
    struct weir_stream *stream, uint32_t shards, struct weir_detail *detail);

/** Delete records that are older than the retention; puts do it too, a little at a time. */
WEIR_API WEIR_MUST_CHECK enum weir_error weir_stream_trim(
    struct weir_stream *stream, uint64_t *ret_records_deleted, struct weir_detail *detail);

#ifdef __cplusplus
}
#endif

#endif
