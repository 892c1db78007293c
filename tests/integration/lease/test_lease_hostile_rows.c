/* Rows that this version did not write, or that are not what was written: each is left alone, said
 * so, and hinders no other row. */
#include <stdio.h>
#include <string.h>

#include "core/str.h"
#include "lease/lease_row.h"
#include "storage/storage.h"
#include "tests/contract/lease/lease_fixture.h"
#include "tests/support/weir_test.h"

#define VALUE_MAX 20000U

/* The raw bytes of one row. */
struct raw {
    struct wi_storage *storage;
    MDB_dbi rows;
    const char *database;
    const char *key;
    size_t length;
    unsigned char bytes[VALUE_MAX];
};

static enum weir_error
read_raw(MDB_txn *txn, void *context)
{
    struct raw *raw = context;
    char key[WEIR_LEASE_KEY_SIZE];
    MDB_val name = {strlen(raw->key), key};
    MDB_val value;

    memcpy(key, raw->key, name.mv_size);
    if (mdb_get(txn, raw->rows, &name, &value) != 0 || value.mv_size > sizeof raw->bytes) {
        return WEIR_ENOTFOUND;
    }
    memcpy(raw->bytes, value.mv_data, value.mv_size);
    raw->length = value.mv_size;
    return WEIR_OK;
}

static enum weir_error
write_raw(MDB_txn *txn, void *context)
{
    struct raw *raw = context;
    char key[WEIR_LEASE_KEY_SIZE];
    MDB_val name = {strlen(raw->key), key};
    MDB_val value = {raw->length, raw->bytes};

    memcpy(key, raw->key, name.mv_size);
    return wi_error_from_lmdb(mdb_put(txn, raw->rows, &name, &value, 0));
}

/* A share of the store's own environment, for writing past the store. */
static void
given_raw_in(
    const struct lease_fixture *fixture, struct raw *raw, const char *database, const char *key)
{
    bool is_session = strcmp(database, "workers") == 0;
    char path[TEST_DIR_PATH_SIZE];
    struct wi_storage_options options = {
        .directory = path,
        .kind = is_session ? "liveness" : "leases",
        .format_version = 1,
        .sync = is_session ? WI_SYNC_NONE : WI_SYNC_FULL,
        .discard_at_boot = is_session,
        .map_bytes_initial = (uint64_t)16 << 20U,
        .map_bytes_max = (uint64_t)16 << 20U,
        .databases_max = 4,
        .must_exist = true,
        .lock_patience_ms = 2000};

    test_dir_join(
        &fixture->dir, is_session ? "apps/app/liveness" : "apps/app/leases", path, sizeof path);
    *raw = (struct raw){.database = database, .key = key};
    assert_int_equal(wi_storage_open(&fixture->env.env, &options, &raw->storage, NULL), WEIR_OK);
    assert_int_equal(wi_storage_database(raw->storage, database, 0, &raw->rows), WEIR_OK);
    assert_int_equal(wi_storage_read(raw->storage, read_raw, raw), WEIR_OK);
}

static void
given_raw(const struct lease_fixture *fixture, struct raw *raw, const char *key)
{
    given_raw_in(fixture, raw, "leases", key);
}

static void
store_raw(struct raw *raw)
{
    assert_int_equal(
        wi_storage_write(raw->storage, WI_WRITE_DEFAULT, write_raw, raw, NULL), WEIR_OK);
}

/* The row with another number in a field: the last value of a field counts. */
static void
given_number(
    const struct lease_fixture *fixture,
    const char *database,
    const char *key,
    unsigned field,
    uint64_t number)
{
    static struct raw raw;

    given_raw_in(fixture, &raw, database, key);
    raw.bytes[raw.length++] = (unsigned char)(field << 3U); /* a varint, of a field below 16 */
    for (; number > 0x7f; number >>= 7U) {
        raw.bytes[raw.length++] = (unsigned char)(number & 0x7fU) | 0x80U;
    }
    raw.bytes[raw.length++] = (unsigned char)number;
    wi_envelope_seal(raw.bytes, raw.length - WI_ENVELOPE_HEADER_SIZE, wi_str(key));
    store_raw(&raw);
    wi_storage_close(raw.storage);
}

/* Every operation on the row fails with `expected`, and its bytes stay as they are. */
static void
assert_left_alone(struct wi_lease_store *store, struct raw *raw, enum weir_error expected)
{
    static struct raw before;
    struct wi_lease lease;
    const struct wi_shard_finish finish = {"shard-a", "w1", 2, NULL, 0};
    const struct wi_checkpoint_update update = {"shard-a", "w1", 2, after(99)};

    before = *raw;
    assert_int_equal(store->ops->get(store->store, "shard-a", &lease), expected);
    assert_int_equal(checkpoint_at(store, "shard-a", "w1", 2, 99), expected);
    assert_int_equal(renew_lease(store, "shard-a", "w1", 2), expected);
    assert_int_equal(assign_lease(store, "shard-a", "w1", 2, 1), expected);
    assert_int_equal(release_lease(store, "shard-a", "w1", 2, "", 0), expected);
    assert_int_equal(store->ops->revoke(store->store, 0, "shard-a", 2), expected);
    assert_int_equal(store->ops->remove(store->store, 0, "shard-a", 2), expected);
    assert_int_equal(store->ops->finish_shard(store->store, &finish), expected);
    assert_int_equal(
        store->ops->prepare(store->store, &update, (struct weir_bytes){NULL, 0}), expected);
    assert_int_equal(create_lease(store, "shard-a"), WEIR_OK); /* it exists: not made */
    assert_int_equal(wi_storage_read(raw->storage, read_raw, raw), WEIR_OK);
    assert_int_equal(raw->length, before.length);
    assert_memory_equal(raw->bytes, before.bytes, before.length);
}

/* The damaged row is counted and named; its neighbour works. */
static void
assert_quarantined(struct wi_lease_store *store, uint64_t neighbour_epoch)
{
    struct wi_lease_table table;

    assert_int_equal(store->ops->list(store->store, &table), WEIR_OK);
    assert_int_equal(table.damaged_count, 1);
    assert_string_equal(table.first_damaged, "shard-a");
    assert_int_equal(table.lease_count, 1);
    assert_string_equal(table.leases[0].lease_key, "shard-b");
    wi_lease_table_free(store->env, &table);
    assert_int_equal(renew_lease(store, "shard-b", "w1", neighbour_epoch), WEIR_OK);
}

static void
leaves_a_row_of_a_newer_format_alone(void **state)
{
    struct lease_fixture *fixture = *state;
    static struct raw raw;
    uint64_t epoch;

    (void)given_owned(fixture->store, "shard-a", "w1");
    epoch = given_owned(fixture->store, "shard-b", "w1");
    given_raw(fixture, &raw, "shard-a");
    raw.bytes[0] = WI_ENVELOPE_VERSION + 1;
    store_raw(&raw);
    assert_left_alone(fixture->store, &raw, WEIR_EVERSION);
    assert_quarantined(fixture->store, epoch);
    wi_storage_close(raw.storage);
}

static void
reports_a_flipped_byte_at_every_offset(void **state)
{
    struct lease_fixture *fixture = *state;
    struct wi_lease_store *store = fixture->store;
    static struct raw raw;
    struct wi_lease lease;
    uint64_t epoch;

    (void)given_owned(store, "shard-a", "w1");
    epoch = given_owned(store, "shard-b", "w1");
    given_raw(fixture, &raw, "shard-a");
    for (size_t i = 0; i < raw.length; i++) {
        enum weir_error error;
        raw.bytes[i] ^= 0x55U;
        store_raw(&raw);
        error = store->ops->get(store->store, "shard-a", &lease);
        assert_true(error == WEIR_ECORRUPT || (i < 4 && error == WEIR_EVERSION));
        raw.bytes[i] ^= 0x55U;
    }
    raw.bytes[raw.length - 1] ^= 0x55U;
    store_raw(&raw);
    assert_left_alone(store, &raw, WEIR_ECORRUPT);
    assert_quarantined(store, epoch);
    wi_storage_close(raw.storage);
}

/* Lengths from nothing to more than any row has; the checksum is right where there is room for it.
 */
static void
refuses_rows_of_every_odd_size(void **state)
{
    static const size_t lengths[] = {0, 1, 15, 16, 17, 8208, 8209, VALUE_MAX};
    struct lease_fixture *fixture = *state;
    static struct raw raw;
    uint64_t epoch;

    (void)given_owned(fixture->store, "shard-a", "w1");
    epoch = given_owned(fixture->store, "shard-b", "w1");
    given_raw(fixture, &raw, "shard-a");
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        memset(raw.bytes, 0, sizeof raw.bytes);
        raw.length = lengths[i];
        if (raw.length >= WI_ENVELOPE_HEADER_SIZE) {
            wi_envelope_seal(raw.bytes, raw.length - WI_ENVELOPE_HEADER_SIZE, WI_STR("shard-a"));
        }
        store_raw(&raw);
        assert_left_alone(fixture->store, &raw, WEIR_ECORRUPT);
        assert_quarantined(fixture->store, epoch);
    }
    wi_storage_close(raw.storage);
}

/* A whole row under another key is as wrong as a torn one. */
static void
refuses_the_copy_of_another_row(void **state)
{
    struct lease_fixture *fixture = *state;
    static struct raw raw;
    uint64_t epoch;

    (void)given_owned(fixture->store, "shard-a", "w1");
    epoch = given_owned(fixture->store, "shard-b", "w1");
    given_raw(fixture, &raw, "shard-b");
    raw.key = "shard-a";
    store_raw(&raw);
    assert_left_alone(fixture->store, &raw, WEIR_ECORRUPT);
    assert_quarantined(fixture->store, epoch);
    wi_storage_close(raw.storage);
}

static void
keeps_what_a_newer_version_wrote_through_every_operation(void **state)
{
    static const unsigned char newer[] = {0xf8, 0x07, 5}; /* field 127 */
    struct lease_fixture *fixture = *state;
    struct wi_lease_store *store = fixture->store;
    static struct raw raw;
    uint64_t epoch = given_owned(store, "shard-a", "w1");

    put_worker(store, "w2");
    given_raw(fixture, &raw, "shard-a");
    memcpy(raw.bytes + raw.length, newer, sizeof newer);
    raw.length += sizeof newer;
    wi_envelope_seal(raw.bytes, raw.length - WI_ENVELOPE_HEADER_SIZE, WI_STR("shard-a"));
    store_raw(&raw);
    assert_int_equal(checkpoint_at(store, "shard-a", "w1", epoch, 5), WEIR_OK);
    assert_int_equal(store->ops->revoke(store->store, 0, "shard-a", epoch), WEIR_OK);
    assert_int_equal(assign_lease(store, "shard-a", "w2", epoch, 0), WEIR_OK);
    assert_int_equal(release_lease(store, "shard-a", "w2", epoch + 1, "", 0), WEIR_OK);
    assert_int_equal(wi_storage_read(raw.storage, read_raw, &raw), WEIR_OK);
    assert_memory_equal(raw.bytes + raw.length - sizeof newer, newer, sizeof newer);
    wi_storage_close(raw.storage);
}

/* A sound checksum does not make a number one that can be counted on from: it ends no process. */
static void
refuses_an_epoch_that_has_no_next_one(void **state)
{
    struct lease_fixture *fixture = *state;
    static struct raw raw;
    uint64_t epoch;

    (void)given_owned(fixture->store, "shard-a", "w1");
    epoch = given_owned(fixture->store, "shard-b", "w1");
    given_number(fixture, "leases", "shard-a", 10, UINT64_MAX);
    given_raw(fixture, &raw, "shard-a");
    assert_left_alone(fixture->store, &raw, WEIR_ECORRUPT);
    assert_quarantined(fixture->store, epoch);
    wi_storage_close(raw.storage);
}

static void
refuses_a_counter_a_term_and_a_duration_that_end_all_counting(void **state)
{
    struct lease_fixture *fixture = *state;
    struct wi_lease_store *store = fixture->store;
    struct wi_application wish = an_application();
    struct wi_application agreed;
    struct wi_lease_table table;
    uint64_t term;

    assert_int_equal(store->ops->open_application(store->store, &wish, &agreed), WEIR_OK);
    put_worker(store, "w1");
    put_worker(store, "w2");
    given_number(fixture, "workers", "w1", 2, UINT64_MAX);
    assert_int_equal(renew_session(store, "w1"), WEIR_ECORRUPT);
    assert_int_equal(renew_session(store, "w2"), WEIR_OK);
    assert_int_equal(store->ops->list(store->store, &table), WEIR_OK);
    assert_int_equal(table.damaged_count, 1);
    assert_int_equal(table.worker_count, 1);
    wi_lease_table_free(store->env, &table);
    assert_int_equal(store->ops->take_leader(store->store, "w2", 0, 0, &term), WEIR_OK);
    given_number(fixture, "meta", "leader", 2, UINT64_MAX);
    assert_int_equal(store->ops->take_leader(store->store, "w2", term, 0, &term), WEIR_ECORRUPT);
    given_number(fixture, "meta", "application", 2, INT64_MAX);
    assert_int_equal(store->ops->open_application(store->store, &wish, &agreed), WEIR_ECORRUPT);
}

/* w1 owns shard-a, its session is changed by `bytes[at]`; w2 is there to take it. */
static uint64_t
given_strange_session(const struct lease_fixture *fixture, struct raw *raw, size_t at)
{
    uint64_t epoch = given_owned(fixture->store, "shard-a", "w1");

    put_worker(fixture->store, "w2");
    assert_int_equal(create_lease(fixture->store, "shard-b"), WEIR_OK);
    given_raw_in(fixture, raw, "workers", "w1");
    raw->bytes[at == SIZE_MAX ? raw->length - 1 : at] ^= 2U;
    store_raw(raw);
    return epoch;
}

/* Its owner cannot renew, and nobody else can wait for ever. */
static void
takes_the_leases_of_an_owner_whose_session_is_damaged(void **state)
{
    struct lease_fixture *fixture = *state;
    struct wi_lease_store *store = fixture->store;
    static struct raw raw;
    uint64_t epoch = given_strange_session(fixture, &raw, SIZE_MAX);

    assert_int_equal(renew_session(store, "w1"), WEIR_ECORRUPT);
    assert_int_equal(get_lease(store, "shard-a").owner_state, WI_OWNER_ALIVE);
    assert_int_equal(get_lease(store, "shard-a").counter, 0);
    assert_int_equal(assign_lease(store, "shard-a", "w2", epoch, 1), WEIR_ECONFLICT);
    assert_int_equal(assign_lease(store, "shard-a", "w2", epoch, 0), WEIR_OK);
    assert_string_equal(get_lease(store, "shard-a").owner, "w2");
    assert_int_equal(renew_session(store, "w1"), WEIR_ESESSIONLOST);
    wi_storage_close(raw.storage);
}

/* It may well live. The other leases of the pass are not held up. */
static void
takes_nothing_from_an_owner_whose_session_is_of_a_newer_version(void **state)
{
    struct lease_fixture *fixture = *state;
    struct wi_lease_store *store = fixture->store;
    static struct raw before;
    static struct raw raw;
    uint64_t epoch = given_strange_session(fixture, &raw, 0);
    const struct wi_assignment items[] = {
        {"shard-a", "w2", epoch, 0}, {"shard-b", "w2", get_lease(store, "shard-b").epoch, 0}};
    enum weir_error results[2];

    before = raw;
    assert_int_equal(renew_session(store, "w1"), WEIR_EVERSION);
    assert_int_equal(store->ops->assign(store->store, 0, items, 2, results), WEIR_OK);
    assert_int_equal(results[0], WEIR_ECONFLICT);
    assert_int_equal(results[1], WEIR_OK);
    assert_int_equal(wi_storage_read(raw.storage, read_raw, &raw), WEIR_OK);
    assert_memory_equal(raw.bytes, before.bytes, before.length);
    wi_storage_close(raw.storage);
}

/* The way out for an operator; epochs of the unreadable row do not come back. */
static void
drops_damaged_rows_at_a_reset_and_starts_above_their_epochs(void **state)
{
    struct lease_fixture *fixture = *state;
    struct wi_lease_store *store = fixture->store;
    struct wi_application wish = an_application();
    const struct weir_position start = position_of(WEIR_TRIM_HORIZON);
    char owner[WEIR_OWNER_SIZE];
    static struct raw raw;
    uint64_t epoch;

    assert_int_equal(store->ops->open_application(store->store, &wish, &wish), WEIR_OK);
    lease_fixture_process(fixture, "w1", owner);
    epoch = given_owned(store, "shard-a", owner);
    lease_fixture_kill(fixture, owner);
    given_raw(fixture, &raw, "shard-a");
    raw.bytes[raw.length - 1] ^= 1U;
    store_raw(&raw);
    assert_int_equal(store->ops->reset(store->store, &start), WEIR_OK);
    assert_int_equal(create_lease(store, "shard-a"), WEIR_OK);
    assert_true(get_lease(store, "shard-a").epoch > epoch);
    wi_storage_close(raw.storage);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LEASE_TEST(leaves_a_row_of_a_newer_format_alone),
        LEASE_TEST(reports_a_flipped_byte_at_every_offset),
        LEASE_TEST(refuses_rows_of_every_odd_size),
        LEASE_TEST(refuses_the_copy_of_another_row),
        LEASE_TEST(keeps_what_a_newer_version_wrote_through_every_operation),
        LEASE_TEST(refuses_an_epoch_that_has_no_next_one),
        LEASE_TEST(refuses_a_counter_a_term_and_a_duration_that_end_all_counting),
        LEASE_TEST(takes_the_leases_of_an_owner_whose_session_is_damaged),
        LEASE_TEST(takes_nothing_from_an_owner_whose_session_is_of_a_newer_version),
        LEASE_TEST(drops_damaged_rows_at_a_reset_and_starts_above_their_epochs),
    };

    return lease_fixture_run_lmdb("lease: hostile rows", tests, sizeof tests / sizeof tests[0]);
}
