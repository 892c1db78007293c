/* Bytes of the embedded stream: what is written is read, and no flipped bit passes. */
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "stream/stream_format.h"
#include "tests/support/weir_test.h"

#define SHARD    7U
#define SEQUENCE 0x123456789abcdefU
#define COUNT    3U

/* A block of three records under its key. */
struct sample {
    unsigned char key[WI_BLOCK_KEY_SIZE];
    unsigned char block[512];
    size_t size;
};

static const struct weir_put_entry entries[COUNT] = {
    {.partition_key = {"first", 5}, .data = {"alpha", 5}},
    {.partition_key = {"second", 6},
     .data = {"", 0},
     .explicit_hash_key = {UINT64_MAX, 1},
     .has_explicit_hash_key = true},
    {.partition_key = {"third", 5}, .data = {"gamma gamma", 11}},
};

static void
make_sample(struct sample *sample)
{
    const struct wi_block_key key = {SHARD, SEQUENCE};
    struct wi_block_writer writer = {
        .block = sample->block, .nonce = 99, .shard = SHARD, .count = COUNT};
    struct wi_block_header header;

    memset(sample, 0, sizeof *sample);
    for (size_t i = 0; i < COUNT; i++) {
        wi_block_add(&writer, &entries[i]);
    }
    sample->size = wi_block_finish(&writer, &header);
    header.arrival_ms = 1234;
    wi_block_key_encode(&key, sample->key);
    wi_block_stamp(sample->block, sample->key, &header);
}

/* Read the block; OK only if header, table and all frames are sound. */
static enum weir_error
read_sample(const struct sample *sample, struct weir_record *ret)
{
    const unsigned char *table = sample->block + WI_BLOCK_HEADER_SIZE;
    struct wi_block_header header;
    uint32_t begin = 0;
    enum weir_error error =
        wi_block_header_decode(sample->key, sample->block, sample->size, &header);

    if (error == WEIR_OK) {
        error = wi_block_table_check(&header, table);
    }
    for (uint32_t i = 0; error == WEIR_OK && i < header.count; i++) {
        const struct wi_frame_place place = {header.nonce, SHARD, i};
        const uint32_t end = wi_block_frame_end(table, i);
        const unsigned char *frames = table + (size_t)header.count * WI_BLOCK_TABLE_ENTRY;

        error = wi_frame_decode(frames + begin, end - begin, &place, &ret[i]);
        begin = end;
    }
    return error;
}

static void
a_block_is_read_as_it_was_written(void **state)
{
    struct sample sample;
    struct weir_record records[COUNT];
    struct wi_block_key key;
    (void)state;
    make_sample(&sample);

    assert_int_equal(read_sample(&sample, records), WEIR_OK);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(records[i].partition_key.length, entries[i].partition_key.length);
        assert_int_equal(records[i].data.length, entries[i].data.length);
        assert_memory_equal(records[i].data.data, entries[i].data.data, entries[i].data.length);
        assert_int_equal(records[i].has_explicit_hash_key, entries[i].has_explicit_hash_key);
    }
    assert_true(records[1].explicit_hash_key.high == UINT64_MAX);
    assert_int_equal(wi_block_key_decode(sample.key, sizeof sample.key, &key), WEIR_OK);
    assert_int_equal(key.shard, SHARD);
    assert_true(key.first_sequence == SEQUENCE);
}

static void
every_flipped_bit_of_a_block_is_found(void **state)
{
    struct sample sample;
    struct weir_record records[COUNT];
    (void)state;
    make_sample(&sample);

    for (size_t bit = 0; bit < sample.size * 8; bit++) {
        sample.block[bit / 8] ^= (unsigned char)(1U << bit % 8);
        assert_int_equal(read_sample(&sample, records), WEIR_ECORRUPT);
        sample.block[bit / 8] ^= (unsigned char)(1U << bit % 8);
    }
    for (size_t bit = 0; bit < sizeof sample.key * 8; bit++) {
        sample.key[bit / 8] ^= (unsigned char)(1U << bit % 8);
        assert_int_equal(read_sample(&sample, records), WEIR_ECORRUPT);
        sample.key[bit / 8] ^= (unsigned char)(1U << bit % 8);
    }
    assert_int_equal(read_sample(&sample, records), WEIR_OK);
}

static void
every_shortened_block_is_found(void **state)
{
    struct sample sample;
    struct weir_record records[COUNT];
    (void)state;
    make_sample(&sample);
    const size_t size = sample.size;

    for (sample.size = 0; sample.size < size; sample.size++) {
        assert_int_equal(read_sample(&sample, records), WEIR_ECORRUPT);
    }
}

/* A frame that is sound but stands where another one should. */
static void
a_frame_at_another_place_is_found(void **state)
{
    struct sample sample;
    struct weir_record record;
    (void)state;
    make_sample(&sample);
    const unsigned char *table = sample.block + WI_BLOCK_HEADER_SIZE;
    const unsigned char *frame = table + (size_t)COUNT * WI_BLOCK_TABLE_ENTRY;
    const size_t size = wi_block_frame_end(table, 0);
    const struct wi_frame_place places[] = {
        {99, SHARD, 0}, {98, SHARD, 0}, {99, SHARD + 1, 0}, {99, SHARD, 1}};

    assert_int_equal(wi_frame_decode(frame, size, &places[0], &record), WEIR_OK);
    for (size_t i = 1; i < 4; i++) {
        assert_int_equal(wi_frame_decode(frame, size, &places[i], &record), WEIR_ECORRUPT);
    }
}

static void
meta_rows_survive_and_flipped_bits_do_not(void **state)
{
    const struct wi_stream_meta meta = {
        .kinesis_limits = true,
        .retention_ms = 1,
        .record_bytes_max = 2,
        .next_shard = 3,
        .next_sequence = UINT64_MAX,
        .shards_version = 5,
        .last_arrival_ms = INT64_MIN,
        .created_ms = 7,
        .boot = 8,
        .identity = 9,
        .next_trim_ms = 10,
        .trim_cursor = 11,
        .shard_rows = 12};
    unsigned char row[WI_META_SIZE];
    struct wi_stream_meta back;
    (void)state;

    wi_meta_encode(&meta, row);
    assert_int_equal(wi_meta_decode(row, sizeof row, &back), WEIR_OK);
    assert_true(back.kinesis_limits && !back.deleted);
    assert_true(back.next_sequence == UINT64_MAX && back.last_arrival_ms == INT64_MIN);
    assert_true(back.next_trim_ms == 10 && back.trim_cursor == 11 && back.shard_rows == 12);
    assert_int_equal(wi_meta_decode(row, sizeof row - 1, &back), WEIR_ECORRUPT);
    assert_int_equal(wi_meta_decode(row, 0, &back), WEIR_ECORRUPT);
    for (size_t bit = 0; bit < sizeof row * 8; bit++) {
        row[bit / 8] ^= (unsigned char)(1U << bit % 8);
        assert_int_equal(wi_meta_decode(row, sizeof row, &back), WEIR_ECORRUPT);
        row[bit / 8] ^= (unsigned char)(1U << bit % 8);
    }
}

static void
shard_rows_survive_and_belong_to_their_key(void **state)
{
    const struct wi_shard_row row = {
        .closed = true,
        .parents = {1, WI_SHARD_NONE},
        .children = {2, 3},
        .range = {{1, 2}, {3, 4}},
        .start = 5,
        .end = 6,
        .created_ms = 7,
        .closed_ms = 8,
        .trimmed_through = 9};
    unsigned char bytes[WI_SHARD_ROW_SIZE];
    struct wi_shard_row back;
    (void)state;

    wi_shard_row_encode(4, &row, bytes);
    assert_int_equal(wi_shard_row_decode(4, bytes, sizeof bytes, &back), WEIR_OK);
    assert_true(back.closed && back.parents[1] == WI_SHARD_NONE && back.children[1] == 3);
    assert_true(back.range.end.low == 4 && back.end == 6 && back.trimmed_through == 9);
    assert_int_equal(wi_shard_row_decode(5, bytes, sizeof bytes, &back), WEIR_ECORRUPT);
    for (size_t bit = 0; bit < sizeof bytes * 8; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1U << bit % 8);
        assert_int_equal(wi_shard_row_decode(4, bytes, sizeof bytes, &back), WEIR_ECORRUPT);
        bytes[bit / 8] ^= (unsigned char)(1U << bit % 8);
    }
}

static void
limits_rows_survive_and_belong_to_their_key(void **state)
{
    const struct wi_limits_row row = {1, -2, INT64_MAX, INT64_MIN};
    unsigned char bytes[WI_LIMITS_ROW_SIZE];
    struct wi_limits_row back;
    (void)state;

    wi_limits_row_encode(1, &row, bytes);
    assert_int_equal(wi_limits_row_decode(1, bytes, sizeof bytes, &back), WEIR_OK);
    assert_true(back.records_in == -2 && back.bytes_out == INT64_MIN);
    assert_int_equal(wi_limits_row_decode(2, bytes, sizeof bytes, &back), WEIR_ECORRUPT);
    bytes[3] ^= 1;
    assert_int_equal(wi_limits_row_decode(1, bytes, sizeof bytes, &back), WEIR_ECORRUPT);
}

static void
shard_ids_are_those_of_kinesis(void **state)
{
    char text[WI_SHARD_ID_LENGTH + 1];
    uint32_t number = 0;
    const char *wrong[] = {
        "shardId-00000000000",
        "shardId-0000000000000",
        "shardId-00000000000x",
        "shardId-00000000000/",
        "shardid-000000000000",
        "shardId-004294967295",
        "shardId-999999999999",
        ""};
    (void)state;

    wi_shard_id_format(4294967294U, text);
    assert_string_equal(text, "shardId-004294967294");
    assert_int_equal(wi_shard_id_parse((struct weir_str){text, strlen(text)}, &number), WEIR_OK);
    assert_int_equal(number, 4294967294U);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(
            wi_shard_id_parse((struct weir_str){wrong[i], strlen(wrong[i])}, &number),
            WEIR_ENOTFOUND);
    }
}

/* A block whose table is `ends`, under sound checksums. */
static enum weir_error
check_table(const uint32_t *ends, uint32_t count, uint32_t frames_bytes)
{
    unsigned char block[512] = {0};
    unsigned char *table = block + WI_BLOCK_HEADER_SIZE;
    struct wi_block_writer writer = {.block = block, .count = count, .added = count};
    struct wi_block_header header;

    for (size_t i = 0; i < count; i++) {
        for (unsigned byte = 0; byte < 4; byte++) {
            table[i * WI_BLOCK_TABLE_ENTRY + byte] = (unsigned char)(ends[i] >> (8 * byte));
        }
    }
    (void)wi_block_finish(&writer, &header);
    header.frames_bytes = frames_bytes;
    return wi_block_table_check(&header, table);
}

static void
a_table_that_does_not_rise_to_the_end_is_damage(void **state)
{
    (void)state;
    assert_int_equal(check_table((const uint32_t[]){20, 50}, 2, 50), WEIR_OK);
    assert_int_equal(check_table((const uint32_t[]){50, 20}, 2, 20), WEIR_ECORRUPT);
    assert_int_equal(check_table((const uint32_t[]){50, 51}, 2, 51), WEIR_ECORRUPT);
    assert_int_equal(check_table((const uint32_t[]){20, 50}, 2, 51), WEIR_ECORRUPT);
    assert_int_equal(check_table((const uint32_t[]){50, 20, 70}, 3, 70), WEIR_ECORRUPT);
}

static enum weir_error
check_header(uint32_t count, uint32_t frames_bytes, size_t size)
{
    const struct wi_block_header header = {.count = count, .frames_bytes = frames_bytes};
    unsigned char key[WI_BLOCK_KEY_SIZE] = {1};
    unsigned char block[512] = {0};
    struct wi_block_header found;

    wi_block_stamp(block, key, &header);
    return wi_block_header_decode(key, block, size, &found);
}

static void
a_header_that_does_not_fit_its_block_is_damage(void **state)
{
    (void)state;
    assert_int_equal(
        check_header(1, 20, WI_BLOCK_HEADER_SIZE + WI_BLOCK_TABLE_ENTRY + 20), WEIR_OK);
    assert_int_equal(
        check_header(1, 21, WI_BLOCK_HEADER_SIZE + WI_BLOCK_TABLE_ENTRY + 20), WEIR_ECORRUPT);
    assert_int_equal(check_header(0, 20, WI_BLOCK_HEADER_SIZE + 20), WEIR_ECORRUPT);
    assert_int_equal(check_header(UINT32_MAX, UINT32_MAX, WI_BLOCK_HEADER_SIZE + 1), WEIR_ECORRUPT);
}

static void
rows_keys_and_frames_of_another_size_are_damage(void **state)
{
    const struct wi_frame_place place = {0, 0, 0};
    unsigned char bytes[WI_META_SIZE] = {0};
    struct wi_limits_row limits;
    struct wi_block_key key;
    struct weir_record record;
    uint32_t number;

    (void)state;
    assert_int_equal(
        wi_limits_row_decode(1, bytes, WI_LIMITS_ROW_SIZE - 1, &limits), WEIR_ECORRUPT);
    assert_int_equal(wi_shard_key_decode(bytes, WI_SHARD_KEY_SIZE - 1, &number), WEIR_ECORRUPT);
    assert_int_equal(wi_block_key_decode(bytes, WI_BLOCK_KEY_SIZE + 1, &key), WEIR_ECORRUPT);
    assert_int_equal(
        wi_frame_decode(bytes, WI_FRAME_HEADER_SIZE - 1, &place, &record), WEIR_ECORRUPT);
    assert_int_equal(wi_frame_decode(bytes, WI_FRAME_HEADER_SIZE, &place, &record), WEIR_ECORRUPT);
}

/* Of a version that is not ours, but sound: the difference matters to whoever reads the message. */
static void
a_sound_row_of_another_version_is_named_as_such(void **state)
{
    const struct wi_stream_meta meta = {.retention_ms = 1};
    unsigned char bytes[WI_META_SIZE];
    struct wi_stream_meta back;
    uint64_t checksum;

    (void)state;
    wi_meta_encode(&meta, bytes);
    bytes[0]++;
    assert_int_equal(wi_meta_decode(bytes, sizeof bytes, &back), WEIR_ECORRUPT);
    checksum = XXH3_64bits_withSeed(bytes, WI_META_SIZE - 8, UINT32_MAX);
    for (unsigned i = 0; i < 8; i++) {
        bytes[WI_META_SIZE - 8 + i] = (unsigned char)(checksum >> (8 * i));
    }
    assert_int_equal(wi_meta_decode(bytes, sizeof bytes, &back), WEIR_EVERSION);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_is_read_as_it_was_written),
        cmocka_unit_test(every_flipped_bit_of_a_block_is_found),
        cmocka_unit_test(every_shortened_block_is_found),
        cmocka_unit_test(a_frame_at_another_place_is_found),
        cmocka_unit_test(meta_rows_survive_and_flipped_bits_do_not),
        cmocka_unit_test(shard_rows_survive_and_belong_to_their_key),
        cmocka_unit_test(limits_rows_survive_and_belong_to_their_key),
        cmocka_unit_test(shard_ids_are_those_of_kinesis),
        cmocka_unit_test(a_table_that_does_not_rise_to_the_end_is_damage),
        cmocka_unit_test(a_header_that_does_not_fit_its_block_is_damage),
        cmocka_unit_test(rows_keys_and_frames_of_another_size_are_damage),
        cmocka_unit_test(a_sound_row_of_another_version_is_named_as_such),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
