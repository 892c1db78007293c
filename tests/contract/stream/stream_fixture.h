/*
 * A stream of any kind, and short forms of what the contract's tests do with it. The embedded
 * stream is the specification; WEIR_TEST_KINESIS names a server that speaks Kinesis, and then all
 * is done there (kinesis.sh starts it).
 */
#ifndef WI_TESTS_CONTRACT_STREAM_STREAM_FIXTURE_H
#define WI_TESTS_CONTRACT_STREAM_STREAM_FIXTURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/stream.h>
#include <weir/types.h>

#include "tests/support/test_dir.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h" /* IWYU pragma: keep */

#define FIXTURE_STREAM    "orders"
#define FIXTURE_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define FIXTURE_URL_SIZE  256
/* Records that one read_records() gathers. */
#define FIXTURE_RECORDS   WEIR_PUT_RECORDS_MAX
#define FIXTURE_TEXT_SIZE 32

/* What not every stream can do, or not on every server that there is for tests. */
enum stream_capability {
    STREAM_OWN_CLOCK,         /* time is a number of the test's, so that times are exact */
    STREAM_WAKES,             /* a put wakes readers, and each raises the version */
    STREAM_KEEPS_HASH_KEYS,   /* a record says with which explicit hash key it was put */
    STREAM_FUTURE_TIMESTAMPS, /* AT_TIMESTAMP may lie in the future */
    STREAM_EMPTY_TIMES,       /* a time with nothing behind it is answered; LATEST needs it, too */
    STREAM_JUDGES_NUMBERS,    /* a number that was never given is an argument that is wrong */
    STREAM_SCALES,
    STREAM_TELLS_CHILDREN, /* at the end of a shard */
    STREAM_TELLS_BEHIND,   /* how far behind the reader is */
    STREAM_TELLS_END       /* a closed shard's ending number stands behind its records */
};

/* What was read of one record. */
struct read_record {
    struct weir_sequence_number sequence_number;
    int64_t arrival_ms;
    char key[FIXTURE_TEXT_SIZE];
    char text[FIXTURE_TEXT_SIZE];
};

struct stream_fixture {
    bool is_kinesis;
    struct test_env test;
    struct test_dir dir;
    char url[FIXTURE_URL_SIZE];
    char name[WEIR_NAME_SIZE];
    struct weir_stream_create_options create;
    struct weir_stream_options open;
    struct weir_stream *stream;
    struct weir_stream *second; /* another handle, of fixture_open_second() */
    struct weir_batch *batch;
    struct weir_get_result result; /* of the last get */
    struct weir_detail detail;
    atomic_bool put_again; /* a request of a put was sent twice */
    size_t count;          /* of read_records() */
    struct read_record records[FIXTURE_RECORDS];
};

/* Setup and teardown of cmocka: default options (one shard, durability NONE), nothing created. */
int stream_fixture_open(void **state);
int stream_fixture_close(void **state);
/* The same, on the embedded stream whatever the environment says. */
int stream_fixture_open_embedded(void **state);

#define STREAM_TEST(function)                                                                      \
    cmocka_unit_test_setup_teardown(function, stream_fixture_open, stream_fixture_close)
#define STREAM_LMDB_TEST(function)                                                                 \
    cmocka_unit_test_setup_teardown(function, stream_fixture_open_embedded, stream_fixture_close)

/* Without it this is false, or the test is skipped with a line that says why. */
bool fixture_has(const struct stream_fixture *f, enum stream_capability capability);
void fixture_needs(const struct stream_fixture *f, enum stream_capability capability);

/* A server that answers too late gets the same records again, and Kinesis keeps both: a test that
 * counts them cannot go on, and is skipped with a line that says so. */
void fixture_needs_single_puts(const struct stream_fixture *f);

/* Create and open the stream, with f->create or with so many shards. */
void fixture_start(struct stream_fixture *f);
void given_shards(struct stream_fixture *f, uint32_t shards);
void fixture_reopen(struct stream_fixture *f);
void fixture_open_second(struct stream_fixture *f);
/* Delete the stream and make another one of the same name. */
void fixture_replace(struct stream_fixture *f);

/* Let time pass: as a number, or really. */
void pass_ms(struct stream_fixture *f, int64_t ms);

/* Id of shard `number` as both count them; valid until the next call but three. */
struct weir_str shard_id(uint32_t number);
/* The shard in the list; fails the test if it is not there. */
struct weir_shard find_shard(struct stream_fixture *f, const char *id);
/* Child of a shard, the one with the lower hash keys first; valid until the next call but three. */
struct weir_str child_of(struct stream_fixture *f, struct weir_str parent, size_t i);
/* Number of open shards; closed ones too if `all`. */
size_t count_shards(struct stream_fixture *f, bool all);

/* Put one record of text; fails the test unless it is accepted. Returns its sequence number. */
struct weir_sequence_number put_text(struct stream_fixture *f, const char *key, const char *data);
/* Put `count` records "0", "1", ... of one key. */
void put_many(struct stream_fixture *f, const char *key, size_t count);
/* Put with an explicit hash key. */
struct weir_put_result put_at_hash(
    struct stream_fixture *f, struct weir_hash_key hash_key, const char *data);

struct weir_position at_horizon(void);
struct weir_position at_latest(void);
struct weir_position at_timestamp(int64_t ms);
struct weir_position at_number(struct weir_sequence_number number);
struct weir_position after_number(struct weir_sequence_number number);

/* One get into f->batch and f->result, once its time has come. */
enum weir_error get_with(struct stream_fixture *f, const struct weir_get_request *request);
enum weir_error get(
    struct stream_fixture *f,
    struct weir_str shard_id,
    struct weir_position from,
    size_t records_max);
/* Get again and again, unless the embedded stream is read, until something comes or the end. */
void get_some(
    struct stream_fixture *f,
    struct weir_str shard_id,
    struct weir_position from,
    size_t records_max);
/* Add the batch of the last get to f->records; numbers must grow. */
void keep_batch(struct stream_fixture *f);
/* Exactly `count` records are there from a position on, with numbers that grow. They are copied to
 * f->records. */
void read_records(
    struct stream_fixture *f, struct weir_str shard_id, struct weir_position from, size_t count);
/* Read to the end of a closed shard: `count` records, then nothing but the end. */
void read_to_end(
    struct stream_fixture *f, struct weir_str shard_id, struct weir_position from, size_t count);

/* Record i of the last get, or of the last read_records(), has this text as data. */
void assert_record(const struct stream_fixture *f, size_t i, const char *data);
void assert_text(const struct stream_fixture *f, size_t i, const char *data);
void assert_number(
    const struct weir_sequence_number *number, const struct weir_sequence_number *expected);

/* Numbers of the embedded stream have one word: fails if the others are not zero. */
uint64_t low_word(struct weir_sequence_number number);
struct weir_sequence_number low_number(uint64_t number);

#endif
