/* Rows of the LMDB backend: get, decode, encode, put. Everything here runs inside transactions. */
#include <lmdb.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/str.h"
#include "lease/lease.h"
#include "lease/lease_row.h"
#include "lease/lease_rules.h"
#include "lease/lease_store_lmdb.h"
#include "lease/session_rules.h"
#include "storage/storage.h"

/* Keys in the database `meta`. */
#define APPLICATION_KEY WI_STR("application")
#define LEADER_KEY      WI_STR("leader")
#define COUNTERS_KEY    WI_STR("table")

bool
wi_lmdb_is_row_error(enum weir_error error)
{
    enum weir_error_class class = weir_error_class(error);

    return class == WEIR_CLASS_USAGE || class == WEIR_CLASS_CONTENTION ||
           class == WEIR_CLASS_DATA || error == WEIR_ELIMIT;
}

static enum weir_error
get_value(MDB_txn *txn, MDB_dbi database, struct weir_str key, struct weir_bytes *ret)
{
    /* LMDB takes a pointer to non-const and does not write through it. */
    union {
        const void *in;
        void *out;
    } data = {key.data};
    MDB_val name = {key.length, data.out};
    MDB_val value = {0, NULL};
    enum weir_error error = wi_error_from_lmdb(mdb_get(txn, database, &name, &value));

    if (error == WEIR_OK) {
        *ret = (struct weir_bytes){value.mv_data, value.mv_size};
    }
    return error;
}

static enum weir_error
put_value(
    MDB_txn *txn, MDB_dbi database, struct weir_str key, struct wi_row_bytes *bytes, unsigned flags)
{
    union {
        const void *in;
        void *out;
    } data = {key.data};
    MDB_val name = {key.length, data.out};
    MDB_val value = {bytes->length, bytes->data};
    int code = mdb_put(txn, database, &name, &value, flags);

    return code == MDB_KEYEXIST ? WEIR_EEXISTS : wi_error_from_lmdb(code);
}

enum weir_error
wi_lmdb_get_lease(
    MDB_txn *txn, const struct wi_lmdb_store *store, const char *key, struct wi_lmdb_lease *ret)
{
    struct weir_bytes value = {NULL, 0};
    enum weir_error error = WEIR_ENOTFOUND;

    if (wi_lease_text_is_valid(key, WEIR_LEASE_KEY_SIZE)) {
        error = get_value(txn, store->lease_rows, wi_str(key), &value);
    }
    return error == WEIR_OK
               ? wi_row_decode_lease(&ret->row, wi_str(key), value, &ret->lease, &ret->state)
               : error;
}

enum weir_error
wi_lmdb_put_lease(MDB_txn *txn, const struct wi_lmdb_store *store, struct wi_lmdb_lease *lease)
{
    struct wi_row_bytes bytes;
    enum weir_error error = wi_row_encode_lease(&lease->row, &lease->lease, lease->state, &bytes);

    return error == WEIR_OK
               ? put_value(txn, store->lease_rows, wi_str(lease->lease.lease_key), &bytes, 0)
               : error;
}

enum weir_error
wi_lmdb_add_lease(MDB_txn *txn, const struct wi_lmdb_store *store, const struct wi_lease *lease)
{
    struct wi_row_bytes bytes;
    struct wi_lease copy = *lease;
    struct wi_row row;
    enum weir_error error;

    wi_row_init(&row);
    error = wi_row_encode_lease(&row, &copy, (struct weir_bytes){NULL, 0}, &bytes);
    return error == WEIR_OK
               ? put_value(txn, store->lease_rows, wi_str(copy.lease_key), &bytes, MDB_NOOVERWRITE)
               : error;
}

enum weir_error
wi_lmdb_get_session(
    MDB_txn *txn,
    const struct wi_lmdb_store *store,
    const char *owner,
    struct wi_row *row,
    struct wi_session *ret)
{
    struct weir_bytes value = {NULL, 0};
    enum weir_error error = WEIR_ENOTFOUND;

    if (wi_lease_text_is_valid(owner, WEIR_OWNER_SIZE)) {
        error = get_value(txn, store->workers, wi_str(owner), &value);
    }
    return error == WEIR_OK ? wi_row_decode_session(row, wi_str(owner), value, ret) : error;
}

enum weir_error
wi_lmdb_put_session(
    MDB_txn *txn, const struct wi_lmdb_store *store, struct wi_row *row, struct wi_session *session)
{
    struct wi_row_bytes bytes;
    enum weir_error error = wi_row_encode_session(row, session, &bytes);

    return error == WEIR_OK
               ? put_value(txn, store->workers, wi_str(session->worker.owner), &bytes, 0)
               : error;
}

enum weir_error
wi_lmdb_get_leader(
    MDB_txn *txn, const struct wi_lmdb_store *store, struct wi_row *row, struct wi_leader *ret)
{
    struct weir_bytes value = {NULL, 0};
    enum weir_error error = get_value(txn, store->meta, LEADER_KEY, &value);

    if (error == WEIR_ENOTFOUND) {
        *ret = (struct wi_leader){.owner_state = WI_OWNER_NONE};
        wi_row_init(row);
        return WEIR_OK;
    }
    return error == WEIR_OK ? wi_row_decode_leader(row, LEADER_KEY, value, ret) : error;
}

enum weir_error
wi_lmdb_put_leader(
    MDB_txn *txn, const struct wi_lmdb_store *store, struct wi_row *row, struct wi_leader *leader)
{
    struct wi_row_bytes bytes;
    enum weir_error error = wi_row_encode_leader(row, LEADER_KEY, leader, &bytes);

    return error == WEIR_OK ? put_value(txn, store->meta, LEADER_KEY, &bytes, 0) : error;
}

enum weir_error
wi_lmdb_get_application(
    MDB_txn *txn, const struct wi_lmdb_store *store, struct wi_row *row, struct wi_application *ret)
{
    struct weir_bytes value = {NULL, 0};
    enum weir_error error = get_value(txn, store->meta, APPLICATION_KEY, &value);

    if (error == WEIR_ENOTFOUND) {
        *ret = (struct wi_application){.lease_duration_ms = 0};
        wi_row_init(row);
        return WEIR_OK;
    }
    return error == WEIR_OK ? wi_row_decode_application(row, APPLICATION_KEY, value, ret) : error;
}

enum weir_error
wi_lmdb_put_application(
    MDB_txn *txn,
    const struct wi_lmdb_store *store,
    struct wi_row *row,
    struct wi_application *application)
{
    struct wi_row_bytes bytes;
    enum weir_error error = wi_row_encode_application(row, APPLICATION_KEY, application, &bytes);

    return error == WEIR_OK ? put_value(txn, store->meta, APPLICATION_KEY, &bytes, 0) : error;
}

enum weir_error
wi_lmdb_get_counters(MDB_txn *txn, const struct wi_lmdb_store *store, struct wi_lmdb_counters *ret)
{
    struct weir_bytes value = {NULL, 0};
    enum weir_error error = get_value(txn, store->meta, COUNTERS_KEY, &value);

    if (error == WEIR_ENOTFOUND) {
        ret->counters = (struct wi_table_counters){0};
        wi_row_init(&ret->row);
        return WEIR_OK;
    }
    return error == WEIR_OK ? wi_row_decode_counters(&ret->row, COUNTERS_KEY, value, &ret->counters)
                            : error;
}

enum weir_error
wi_lmdb_put_counters(
    MDB_txn *txn, const struct wi_lmdb_store *store, struct wi_lmdb_counters *counters)
{
    struct wi_row_bytes bytes;
    enum weir_error error =
        wi_row_encode_counters(&counters->row, COUNTERS_KEY, &counters->counters, &bytes);

    return error == WEIR_OK ? put_value(txn, store->meta, COUNTERS_KEY, &bytes, 0) : error;
}

enum weir_error
wi_lmdb_check_term(MDB_txn *txn, const struct wi_lmdb_store *store, uint64_t term)
{
    struct wi_leader leader;
    struct wi_row row;
    enum weir_error error;

    if (term == 0) {
        return WEIR_OK;
    }
    error = wi_lmdb_get_leader(txn, store, &row, &leader);
    return error == WEIR_OK ? wi_leader_check_term(&leader, term) : error;
}
