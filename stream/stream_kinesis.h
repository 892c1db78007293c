/*
 * Kinesis as a stream source: what its files share. docs/kinesis.md has the rules.
 *
 * stream_kinesis.c opens, closes and describes; _wait.c waits; _get.c reads, with a reader for each
 * shard (_reader.c) whose page is cut into batches (_records.c); _fanout.c gets pages from a
 * subscription (_subscription.c) instead; _latest.c says what LATEST means in numbers; _put.c puts;
 * _reshard.c splits, merges and scales; _set.c puts several streams side by side.
 */
#ifndef WI_STREAM_STREAM_KINESIS_H
#define WI_STREAM_STREAM_KINESIS_H

#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "aws/aws_client.h"
#include "aws/http.h"
#include "aws/kinesis_api.h"
#include "aws/kinesis_page.h"
#include "core/str.h"
#include "stream/aggregation.h"
#include "stream/stream_kinesis_pace.h"
#include "stream/stream_kinesis_url.h"
#include "stream/stream_source.h"

/* Memory of the pages that all readers of a handle hold: beyond it they ask for fewer records. A
 * goal, not a wall: one page of one reader always comes. */
#define WI_KINESIS_PAGES_BYTES_MAX ((size_t)64 * 1024 * 1024)
/* Text that a reader asks for at once: some three seconds of what Kinesis gives of a shard. Each
 * request costs the processor as much as the records of half a megabyte (docs/kinesis.md). */
#define WI_KINESIS_PAGE_TEXT_MAX ((size_t)8 * 1024 * 1024)
/* A page's memory that is larger than this is given back when the reader has nothing in it. */
#define WI_KINESIS_PAGE_KEEP_BYTES ((size_t)256 * 1024)
/* When memory for pages is scarce, those that nobody reads are looked for this often. */
#define WI_KINESIS_SWEEP_MS 1000
/* Ancestors of a shard that are looked at for aggregated records. */
#define WI_KINESIS_ANCESTORS_MAX 32U

/* What a reader must know to judge aggregated records. */
struct wi_kinesis_family {
    bool is_known; /* the shard stands in the list */
    struct weir_hash_range range;
    struct weir_hash_range ancestors[WI_KINESIS_ANCESTORS_MAX];
    size_t ancestor_count;
    struct weir_sequence_number starting_sequence_number;
};

/* The first user record that is wanted; what is below it has been delivered. */
struct wi_kinesis_wanted {
    struct weir_sequence_number sequence_number;
    uint64_t sub_sequence_number;
};

/* A search for the newest record of a shard, where LATEST is to become a number. */
struct wi_kinesis_search {
    struct wi_kinesis_reader *reader; /* of its own */
    struct wi_kinesis_pace pace;
    size_t stage;   /* how far back it looks */
    bool is_placed; /* the reader stands there */
    bool is_done;
    bool any; /* what was found */
    struct weir_sequence_number sequence_number;
    uint64_t sub_sequence_number;
};

/* Reads one shard from one position on. One thread at a time. */
struct wi_kinesis_reader {
    struct wi_kinesis_stream *stream;
    char shard_id[WEIR_NAME_SIZE];
    struct weir_position next; /* asked for this, the reader goes on where it is */
    bool has_wanted;           /* `next` has a number */
    struct wi_kinesis_wanted wanted;
    struct wi_buffer iterator; /* "": get one at `next` */
    struct weir_mono iterator_since;
    int64_t latest_ms; /* when LATEST was first asked for, by this host's clock; 0: it was not */
    struct wi_buffer text; /* of the page */
    struct wi_kinesis_page page;
    size_t index;           /* of the page's first record that is not delivered wholly */
    bool at_end;            /* the page is the last one of a closed shard */
    bool look_for_first;    /* the first record read must be `wanted`, or retention took it */
    size_t text_per_record; /* guess from pages before */
    size_t records_ask;     /* how many to ask for; fewer after an answer that did not come */
    bool is_look;           /* the caller wants to see one record, whatever it is */
    size_t records_wanted;  /* by the caller, if that is few: no page for a look at one record */
    EVP_MD_CTX *md5;
    struct wi_kinesis_family family; /* filled when an aggregated record comes */
    bool has_family;
    struct wi_aggregate_key *keys; /* memory for the tables of one aggregate */
    size_t key_capacity;
    struct wi_kinesis_search *search; /* while it stands at LATEST; NULL: not begun */
    struct wi_kinesis_fanout *fanout; /* NULL: it never was subscribed */
    bool follows;                     /* the subscription goes on where the page ends */
    bool has_number;                  /* the place where the last event says to go on */
    struct weir_sequence_number number;
    struct weir_mono number_since;
};

/* A shard that is or was read through this handle. */
struct wi_kinesis_slot {
    char shard_id[WEIR_NAME_SIZE];
    struct wi_kinesis_pace pace;
    struct wi_kinesis_reader *reader; /* NULL while a thread reads with it */
    struct weir_mono touched;         /* when one last did */
    atomic_uint word;                 /* raised when an event of a subscription has come */
};

/* What the handles of several streams have in common: connections, credentials, bounds, one wake
 * word. The set of them (stream_kinesis_set.h) owns it. */
struct wi_kinesis_shared {
    struct wi_http *http;
    struct wi_aws_client *client;
    _Atomic size_t pages_bytes;
    pthread_mutex_t lock; /* guards what follows; no other lock is taken under it */
    pthread_cond_t woken;
    bool interrupted;
    uint32_t word; /* raised with that of any stream */
};

struct wi_kinesis_stream {
    const struct weir_env *env;
    struct wi_kinesis_shared *shared; /* NULL: http and client are its own */
    struct wi_http *http;
    struct wi_aws_client *client;
    struct wi_kinesis_api api;
    struct wi_kinesis_url url;
    EVP_MD *md5;
    _Atomic int64_t retention_ms;
    _Atomic size_t record_bytes_max;
    _Atomic size_t *pages_bytes; /* memory of all pages: its own sum, or that of the set */
    _Atomic size_t own_pages_bytes;
    _Atomic uint64_t version; /* raised when a look at the stream itself is due */
    _Atomic bool is_suspect;  /* something of the stream was not found */
    char arn[WI_KINESIS_ARN_SIZE];
    pthread_mutex_t consumer_lock;          /* guards the next; held while Kinesis is asked */
    char consumer_arn[WI_KINESIS_ARN_SIZE]; /* for enhanced fan-out; "": not known to be active */
    pthread_mutex_t lock;                   /* guards what follows */
    pthread_cond_t woken;
    bool interrupted;
    uint32_t word; /* raised with that of any slot */
    struct wi_kinesis_subscription *subscriptions;
    struct wi_kinesis_slot **slots; /* sorted by shard id */
    size_t slot_count;
    size_t slot_capacity;
    struct weir_mono swept;    /* when unread pages were last looked for */
    struct weir_shard *shards; /* the last list, parents first */
    size_t shard_count;
};

/* Open what a URL names; fills stream->ops, ->source, ->name and ->url. */
enum weir_error wi_stream_kinesis_open(
    const struct weir_env *env,
    const char *url,
    struct weir_stream *stream,
    struct weir_detail *detail);
/* The same by way of a given client, which is closed with the stream and by a failure; for tests.
 */
enum weir_error wi_stream_kinesis_open_with(
    const struct weir_env *env,
    const char *url,
    struct wi_http *http,
    struct weir_stream *stream,
    struct weir_detail *detail);
/* Create and delete wait until it is done. */
enum weir_error wi_stream_kinesis_create(
    const struct weir_env *env, const char *url, uint32_t shards, struct weir_detail *detail);
enum weir_error wi_stream_kinesis_delete(
    const struct weir_env *env, const char *url, struct weir_detail *detail);

/* A handle for one of several streams, named by `url`; nothing is sent. Borrows `shared`. Closed by
 * wi_kinesis_ops.close(). */
enum weir_error wi_kinesis_open_shared(
    const struct weir_env *env,
    const struct wi_kinesis_url *url,
    struct wi_kinesis_shared *shared,
    struct wi_kinesis_stream **ret);
/* The client for a URL's region, endpoint and profile, by `*http`, which is opened if it is NULL;
 * what it leaves in both is for wi_kinesis_close_client(), after a failure too. */
enum weir_error wi_kinesis_open_client(
    const struct weir_env *env,
    const struct wi_kinesis_url *url,
    struct wi_http **http,
    struct wi_aws_client **ret,
    struct weir_detail *detail);
/* Either may be NULL. */
void wi_kinesis_close_client(struct wi_aws_client *client, struct wi_http *http);
/* Keep what the summary says of the stream. */
void wi_kinesis_note_summary(
    struct wi_kinesis_stream *stream, const struct wi_kinesis_summary *summary);
/* What threads wait with. */
struct wi_kinesis_wait {
    pthread_mutex_t *lock;
    pthread_cond_t *woken;
    bool *interrupted;
    uint32_t *word;
};
/* Lock and condition for it. */
void wi_kinesis_init_waiting(pthread_mutex_t *lock, pthread_cond_t *woken);
/* Wait until interrupted, until the word is another one than `seen`, or until the time is over; the
 * word then. */
uint32_t wi_kinesis_wait_for(const struct wi_kinesis_wait *wait, uint32_t seen, int64_t ms);
uint32_t wi_kinesis_word(const struct wi_kinesis_wait *wait);
/* What the threads of a set wait with. */
struct wi_kinesis_wait wi_kinesis_shared_wait(struct wi_kinesis_shared *shared);
/* Something has come: raise the stream's word, and its set's. */
void wi_kinesis_wake(struct wi_kinesis_stream *stream);
/* Nothing waits from now on. */
void wi_kinesis_interrupt_waiting(const struct wi_kinesis_wait *wait);

extern const struct wi_stream_source_ops wi_kinesis_ops;

/* Slots of the vtable. */
uint32_t wi_kinesis_wait_word(void *source, uint32_t seen, int64_t timeout_ms);
uint32_t wi_kinesis_wake_word(void *source);
enum weir_error wi_kinesis_get(
    void *source,
    const struct weir_get_request *request,
    struct weir_batch *batch,
    struct weir_get_result *ret);
enum weir_error wi_kinesis_put(
    void *source,
    const struct weir_put_entry *entries,
    size_t count,
    struct weir_put_result *ret_results,
    struct weir_detail *detail);
enum weir_error wi_kinesis_split(
    void *source,
    struct weir_str shard_id,
    const struct weir_hash_key *at,
    struct weir_detail *detail);
enum weir_error wi_kinesis_merge(
    void *source, struct weir_str a, struct weir_str b, struct weir_detail *detail);
enum weir_error wi_kinesis_scale(void *source, uint32_t shards, struct weir_detail *detail);
enum weir_error wi_kinesis_trim(void *source, uint64_t *ret_deleted, struct weir_detail *detail);
void wi_kinesis_interrupt(void *source);

/* List the shards anew and keep the list. */
enum weir_error wi_kinesis_refresh(struct wi_kinesis_stream *stream, struct weir_detail *detail);
/* How often a change that was begun is looked at, and for how long. */
#define WI_KINESIS_ACTIVE_POLL_MS 300
#define WI_KINESIS_ACTIVE_WAIT_MS 120000
/* Wait for a change that was begun; WEIR_ETIMEOUT if it takes too long. */
enum weir_error wi_kinesis_wait_active(
    struct wi_kinesis_stream *stream, struct weir_detail *detail);
/* The word of one shard; 0 if it was never read. */
uint32_t wi_kinesis_slot_word(void *source, struct weir_str shard_id);
/* Sleep, unless interrupted: false then. */
bool wi_kinesis_pause(struct wi_kinesis_stream *stream, int64_t ms);
/* What the last list says of a shard; lists anew if it has none. */
enum weir_error wi_kinesis_find_family(
    struct wi_kinesis_stream *stream, const char *shard_id, struct wi_kinesis_family *ret);

/* --- readers --- */

enum weir_error wi_kinesis_reader_new(
    struct wi_kinesis_stream *stream, struct weir_str shard_id, struct wi_kinesis_reader **ret);
void wi_kinesis_reader_free(struct wi_kinesis_reader *reader);
/* Make `from` the next position: go on, go back within the page, or begin anew. */
void wi_kinesis_reader_place(struct wi_kinesis_reader *reader, const struct weir_position *from);
/* Whether the page has records that are not delivered. */
bool wi_kinesis_reader_has_records(const struct wi_kinesis_reader *reader);
/* Read the next page with one GetRecords, and an iterator if there is none. WEIR_ETRIMMED if what
 * was to come next is gone. */
enum weir_error wi_kinesis_reader_fetch(
    struct wi_kinesis_reader *reader, struct weir_detail *detail);
/* Read the text as a page, an event's or an answer's; what is wanted of it is delivered next.
 * WEIR_ECORRUPT: it is none; WEIR_ETRIMMED likewise. */
enum weir_error wi_kinesis_reader_read(struct wi_kinesis_reader *reader, bool is_event);
/* Memory of the page, which the handle adds up. */
size_t wi_kinesis_reader_page_bytes(const struct wi_kinesis_reader *reader);
/* Forget the page's records and give its memory back; what it says of the shard stays. */
void wi_kinesis_reader_drop_page(struct wi_kinesis_reader *reader);
/* Forget a page of which records are to come: they are read anew, from the first one wanted. */
void wi_kinesis_reader_read_anew(struct wi_kinesis_reader *reader);
/* How much of the 2 MB/s of the shard a page has taken. */
size_t wi_kinesis_page_data_bytes(const struct wi_kinesis_page *page);
/* Move records of the page to the batch. */
enum weir_error wi_kinesis_reader_take(
    struct wi_kinesis_reader *reader,
    size_t records_max,
    size_t bytes_max,
    struct weir_batch *batch);
/* The reader stands at LATEST and has just read nothing: make it a number, if there is one to be
 * had. What takes too long for one call goes on with the next. */
enum weir_error wi_kinesis_resolve_latest(
    struct wi_kinesis_reader *reader, struct weir_detail *detail);
/* Forget the search; there need not be one. */
void wi_kinesis_reader_end_search(struct wi_kinesis_reader *reader);

/* Set `next` to AFTER this, and `wanted` to what follows it. */
void wi_kinesis_reader_passed(
    struct wi_kinesis_reader *reader,
    const struct weir_sequence_number *sequence_number,
    uint64_t sub_sequence_number);

#endif
