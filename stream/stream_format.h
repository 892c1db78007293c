/*
 * Bytes of the embedded stream: rows, keys, blocks and frames (docs/embedded-stream.md 2). Pure.
 * Whatever is decoded here has been checked: lengths against what is there, bytes by checksum.
 */
#ifndef WI_STREAM_STREAM_FORMAT_H
#define WI_STREAM_STREAM_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/stream.h>
#include <weir/types.h>

/* Version of rows and blocks; also the stamp of the environment. */
#define WI_STREAM_FORMAT_VERSION 1U

/* A put closes a block when the next record would carry it beyond this size. */
#define WI_BLOCK_BYTES_MAX ((size_t)64 * 1024)

/* No parent, no child. */
#define WI_SHARD_NONE UINT32_MAX

/* "shardId-" and twelve digits. */
#define WI_SHARD_ID_LENGTH 20U

/* The one row of database "meta". */
struct wi_stream_meta {
    bool deleted;
    bool kinesis_limits;
    int64_t retention_ms;
    uint32_t record_bytes_max;
    uint32_t next_shard;
    uint64_t next_sequence;  /* what the next record gets */
    uint64_t shards_version; /* changes whenever an open shard appears or goes */
    int64_t last_arrival_ms; /* no later record arrives before this */
    int64_t created_ms;
    uint64_t boot;        /* boot in which next_sequence was last used; 0: none (older files) */
    uint64_t identity;    /* random, given at creation */
    int64_t next_trim_ms; /* puts do not trim before this */
    uint32_t trim_cursor; /* the shard that the next trim visits first */
    uint32_t shard_rows;  /* rows of database "shards" */
};

#define WI_META_SIZE 128U

void wi_meta_encode(const struct wi_stream_meta *meta, unsigned char ret[WI_META_SIZE]);
/* WEIR_EVERSION for another version, WEIR_ECORRUPT for a wrong size or checksum. */
enum weir_error wi_meta_decode(const void *bytes, size_t size, struct wi_stream_meta *ret);

/* A row of database "shards". */
struct wi_shard_row {
    bool closed;
    uint32_t parents[WEIR_PARENTS_MAX];
    uint32_t children[WEIR_CHILDREN_MAX];
    struct weir_hash_range range;
    uint64_t start; /* no record has a smaller number */
    uint64_t end;   /* if closed: above every record, below the children's start */
    int64_t created_ms;
    int64_t closed_ms;
    uint64_t trimmed_through; /* number of the newest record trimmed; 0: none */
};

#define WI_SHARD_ROW_SIZE 128U

void wi_shard_row_encode(
    uint32_t number, const struct wi_shard_row *row, unsigned char ret[WI_SHARD_ROW_SIZE]);
enum weir_error wi_shard_row_decode(
    uint32_t number, const void *bytes, size_t size, struct wi_shard_row *ret);

/* What a shard may still take or give; thousandths of a record or byte. */
struct wi_limits_row {
    int64_t updated_ms; /* monotonic time of the last refill */
    int64_t records_in;
    int64_t bytes_in;
    int64_t bytes_out; /* may be negative: in debt */
};

#define WI_LIMITS_ROW_SIZE 40U

void wi_limits_row_encode(
    uint32_t number, const struct wi_limits_row *row, unsigned char ret[WI_LIMITS_ROW_SIZE]);
enum weir_error wi_limits_row_decode(
    uint32_t number, const void *bytes, size_t size, struct wi_limits_row *ret);

/* Key of databases "shards" and "limits". */
#define WI_SHARD_KEY_SIZE 4U
void wi_shard_key_encode(uint32_t number, unsigned char ret[WI_SHARD_KEY_SIZE]);
enum weir_error wi_shard_key_decode(const void *bytes, size_t size, uint32_t *ret);

/* Key of database "records". */
struct wi_block_key {
    uint32_t shard;
    uint64_t first_sequence;
};

#define WI_BLOCK_KEY_SIZE 12U
void wi_block_key_encode(const struct wi_block_key *key, unsigned char ret[WI_BLOCK_KEY_SIZE]);
enum weir_error wi_block_key_decode(const void *bytes, size_t size, struct wi_block_key *ret);

/* "shardId-000000000007" and a final zero. */
void wi_shard_id_format(uint32_t number, char ret[WI_SHARD_ID_LENGTH + 1]);
/* WEIR_ENOTFOUND for text that is no id of an embedded stream. */
enum weir_error wi_shard_id_parse(struct weir_str text, uint32_t *ret);

/* --- blocks --- */

#define WI_BLOCK_HEADER_SIZE 32U
#define WI_BLOCK_TABLE_ENTRY 4U
#define WI_FRAME_HEADER_SIZE 8U

/* The fixed part of a block. */
struct wi_block_header {
    uint32_t table_checksum;
    uint64_t nonce;
    int64_t arrival_ms;
    uint32_t count;
    uint32_t frames_bytes;
};

/* Size of the frame that holds this entry. */
size_t wi_frame_size(const struct weir_put_entry *entry);

/* What a block is built with. `block` has room for header, table and frames of all its entries. */
struct wi_block_writer {
    unsigned char *block;
    uint64_t nonce;
    uint32_t shard;
    uint32_t count;     /* entries that the block will hold */
    uint32_t added;     /* entries that it holds so far */
    uint32_t frames_at; /* end of the frames so far */
};

/* Append one entry with its checksum. */
void wi_block_add(struct wi_block_writer *writer, const struct weir_put_entry *entry);

/* Close the table; returns the size of the block. Key and arrival come with wi_block_stamp(). */
size_t wi_block_finish(struct wi_block_writer *writer, struct wi_block_header *ret);

/* Write the header: the only bytes that depend on the sequence number. Cheap. */
void wi_block_stamp(
    unsigned char *block,
    const unsigned char key[WI_BLOCK_KEY_SIZE],
    const struct wi_block_header *header);

/* Check the header against its key and the block's size. The table is not checked yet. */
enum weir_error wi_block_header_decode(
    const unsigned char key[WI_BLOCK_KEY_SIZE],
    const void *block,
    size_t size,
    struct wi_block_header *ret);

/* Check the table of a block whose header has been checked: sums, and ends in rising order. */
enum weir_error wi_block_table_check(
    const struct wi_block_header *header, const unsigned char *table);

/* End of frame `index` by a checked table, counted from the start of the frames. */
uint32_t wi_block_frame_end(const unsigned char *table, uint32_t index);

/* What a frame's checksum covers beside its bytes. */
struct wi_frame_place {
    uint64_t nonce;
    uint32_t shard;
    uint32_t index;
};

/* Check a frame and make the views of `ret` point into it: key, data, explicit hash key. */
enum weir_error wi_frame_decode(
    const unsigned char *frame,
    size_t size,
    const struct wi_frame_place *place,
    struct weir_record *ret);

#endif
