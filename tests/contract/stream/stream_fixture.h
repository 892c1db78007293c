/* What the contract suite of streams needs: a backend, and short forms for putting and getting. */
#ifndef WI_TESTS_CONTRACT_STREAM_STREAM_FIXTURE_H
#define WI_TESTS_CONTRACT_STREAM_STREAM_FIXTURE_H

#include <weir/stream.h>

#include "tests/support/test_dir.h"
#include "tests/support/test_env.h"

#define FIXTURE_STREAM    "orders"
#define FIXTURE_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define FIXTURE_RECORDS   20000

/* How a backend makes and opens streams; another backend brings another struct. */
struct stream_backend {
    const char *name;
    enum weir_error (*create)(
        const struct weir_env *env,
        const char *data_directory,
        const char *name,
        const struct weir_stream_create_options *options,
        struct weir_detail *detail);
    enum weir_error (*open)(
        const struct weir_env *env,
        const char *data_directory,
        const char *url,
        const struct weir_stream_options *options,
        struct weir_stream **ret,
        struct weir_detail *detail);
};

/* One stream, created and open, with time that is a number. */
struct stream_fixture {
    const struct stream_backend *backend;
    struct test_env test;
    struct test_dir dir;
    struct weir_stream_create_options create;
    struct weir_stream_options open;
    struct weir_stream *stream;
    struct weir_batch *batch;
    struct weir_get_result result; /* of the last get */
    struct weir_detail detail;
};

/* A folder and default options (one shard, durability NONE); nothing is created yet. */
void fixture_init(struct stream_fixture *fixture, const struct stream_backend *backend);
/* Create and open the stream. */
void fixture_start(struct stream_fixture *fixture);
void fixture_reopen(struct stream_fixture *fixture);
void fixture_end(struct stream_fixture *fixture);

/* Id of shard `number`: valid until the next call but three. */
struct weir_str shard_id(uint32_t number);

/* Put one record of text; fails the test unless it is accepted. Returns its sequence number. */
uint64_t put_text(struct stream_fixture *fixture, const char *key, const char *data);
/* Put `count` records "0", "1", ... of one key. */
void put_many(struct stream_fixture *fixture, const char *key, size_t count);
/* Put with an explicit hash key. */
struct weir_put_result put_at_hash(
    struct stream_fixture *fixture, struct weir_hash_key hash_key, const char *data);

struct weir_position at_horizon(void);
struct weir_position at_latest(void);
struct weir_position at_timestamp(int64_t ms);
struct weir_position at_number(uint64_t number);
struct weir_position after_number(uint64_t number);

/* Get up to `records_max` records into fixture->batch and fixture->result. */
enum weir_error get(
    struct stream_fixture *fixture, uint32_t shard, struct weir_position from, size_t records_max);

/* The low word of a sequence number; fails if the others are not zero. */
uint64_t low_word(struct weir_sequence_number number);

/* Record i of the last get has this text as data. */
void assert_record(const struct stream_fixture *fixture, size_t i, const char *data);

/* Number of open shards; closed ones too if `all`. */
size_t count_shards(struct stream_fixture *fixture, bool all);

#endif
