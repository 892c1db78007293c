/*
 * The seam behind struct weir_stream: one vtable per kind of stream: embedded, Kinesis.
 * Every slot is blocking and all-or-nothing; asynchrony lives in the caller. Arguments have been
 * checked by stream_source.c when a slot is called. Slots are called from any thread, several at
 * once.
 */
#ifndef WI_STREAM_STREAM_SOURCE_H
#define WI_STREAM_STREAM_SOURCE_H

#include <weir/stream.h>

/* Room for the URL under which an application remembers a stream. */
#define WI_STREAM_URL_SIZE (WEIR_NAME_SIZE + 16)

struct wi_stream_source_ops {
    void (*close)(void *source);
    enum weir_error (*describe)(
        void *source, struct weir_stream_description *ret, struct weir_detail *detail);
    /* The shards of the one stream that a shard belongs to. NULL: there is only one. */
    enum weir_error (*describe_of)(
        void *source,
        struct weir_str shard_id,
        struct weir_stream_description *ret,
        struct weir_detail *detail);
    enum weir_error (*put)(
        void *source,
        const struct weir_put_entry *entries,
        size_t count,
        struct weir_put_result *ret_results,
        struct weir_detail *detail);
    enum weir_error (*get)(
        void *source,
        const struct weir_get_request *request,
        struct weir_batch *batch,
        struct weir_get_result *ret);
    /* Sequence number of the newest record of the shard at this moment; *ret_any is false if it is
     * empty. Replays after a crash end here. WEIR_EUNSUPPORTED: this kind of stream cannot tell. */
    enum weir_error (*tail)(
        void *source, struct weir_str shard_id, struct weir_sequence_number *ret, bool *ret_any);
    enum weir_error (*split)(
        void *source,
        struct weir_str shard_id,
        const struct weir_hash_key *at,
        struct weir_detail *detail);
    enum weir_error (*merge)(
        void *source, struct weir_str a, struct weir_str b, struct weir_detail *detail);
    enum weir_error (*scale)(void *source, uint32_t shards, struct weir_detail *detail);
    enum weir_error (*trim)(void *source, uint64_t *ret_deleted, struct weir_detail *detail);
    uint64_t (*version)(void *source);
    /* wait() returns the common wake word; slot_word() the word of one shard: equal words mean that
     * nothing was put to the shard in between (hint; the version is the truth). */
    uint32_t (*wait)(void *source, uint32_t seen, int64_t timeout_ms);
    uint32_t (*wake_word)(void *source);
    uint32_t (*slot_word)(void *source, struct weir_str shard_id);
    void (*interrupt)(void *source); /* ends the wait() of other threads */
    bool fetch_is_local;             /* get() costs microseconds: no prefetch, no pool needed */
};

/* The handle of the public API. */
struct weir_stream {
    const struct wi_stream_source_ops *ops;
    void *source;
    const struct weir_env *env;
    char name[WEIR_NAME_SIZE];
    char url[WI_STREAM_URL_SIZE]; /* what an application remembers: opens the same stream again */
};

/* --- internal counterparts of slots that the public API does not show --- */

/* What weir_stream_describe() says of the stream of this shard alone. With several streams the list
 * of all lacks the streams that could not be listed: who concludes from what a list lacks, asks
 * for this one. */
enum weir_error wi_stream_describe_of(
    struct weir_stream *stream,
    struct weir_str shard_id,
    struct weir_stream_description *ret,
    struct weir_detail *detail);
enum weir_error wi_stream_tail(
    struct weir_stream *stream,
    struct weir_str shard_id,
    struct weir_sequence_number *ret,
    bool *ret_any);
uint32_t wi_stream_wait_word(struct weir_stream *stream, uint32_t seen, int64_t timeout_ms);
uint32_t wi_stream_wake_word(struct weir_stream *stream);
uint32_t wi_stream_slot_word(struct weir_stream *stream, struct weir_str shard_id);
void wi_stream_interrupt(struct weir_stream *stream);
bool wi_stream_fetch_is_local(const struct weir_stream *stream);
const char *wi_stream_url(const struct weir_stream *stream);

#endif
