#include "demo/sink.h"

#include <errno.h>
#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/dedupe.h>
#include <weir/error.h>
#include <weir/processor.h>
#include <weir/types.h>

#include "demo/journal.h"
#include "demo/packages.h"
#include "demo/payload.h"

#define MAP_BYTES     ((size_t)1 << 30)
#define DATABASES_MAX 3
#define READERS_MAX   16
#define KEY_BYTES     8

/* A row of the ledger as it is written. */
struct ledger_row {
    struct demo_ledger_entry entry;
    uint32_t put_indices[DEMO_BATCH_MAX];
};

static enum weir_error
error_from_lmdb(int code)
{
    switch (code) {
    case 0:
        return WEIR_OK;
    case ENOMEM:
        return WEIR_ENOMEM;
    case ENOSPC:
    case MDB_MAP_FULL:
        return WEIR_EFULL;
    case EACCES:
    case EROFS:
        return WEIR_EACCESS;
    default:
        return WEIR_EIO;
    }
}

/* Commit what went well, abort the rest. */
static enum weir_error
finish(MDB_txn *txn, enum weir_error error)
{
    if (error == WEIR_OK) {
        return error_from_lmdb(mdb_txn_commit(txn));
    }
    mdb_txn_abort(txn);
    return error;
}

static enum weir_error
open_databases(struct demo_sink *sink)
{
    MDB_txn *txn = NULL;
    enum weir_error error = error_from_lmdb(mdb_txn_begin(sink->mdb, NULL, 0, &txn));

    if (error != WEIR_OK) {
        return error;
    }
    error = error_from_lmdb(mdb_dbi_open(txn, "totals", MDB_CREATE, &sink->totals));
    if (error == WEIR_OK) {
        error = error_from_lmdb(mdb_dbi_open(txn, "ledger", MDB_CREATE, &sink->ledger));
    }
    if (error == WEIR_OK) {
        error = weir_sink_open(txn, &sink->sink);
    }
    return finish(txn, error);
}

enum weir_error
demo_sink_open(const char *directory, struct demo_sink *ret)
{
    struct demo_sink sink = {.mdb = NULL};
    enum weir_error error = error_from_lmdb(mdb_env_create(&sink.mdb));

    if (error != WEIR_OK) {
        return error;
    }
    error = error_from_lmdb(mdb_env_set_mapsize(sink.mdb, MAP_BYTES));
    if (error == WEIR_OK) {
        error = error_from_lmdb(mdb_env_set_maxdbs(sink.mdb, DATABASES_MAX));
    }
    if (error == WEIR_OK) {
        error = error_from_lmdb(mdb_env_set_maxreaders(sink.mdb, READERS_MAX));
    }
    if (error == WEIR_OK) {
        error = error_from_lmdb(mdb_env_open(sink.mdb, directory, MDB_NOSYNC, 0600));
    }
    if (error == WEIR_OK) {
        error = open_databases(&sink);
    }
    if (error != WEIR_OK) {
        mdb_env_close(sink.mdb);
        return error;
    }
    *ret = sink;
    return WEIR_OK;
}

void
demo_sink_close(struct demo_sink *sink)
{
    if (sink->mdb != NULL) {
        mdb_env_close(sink->mdb);
        sink->mdb = NULL;
    }
}

enum weir_error
demo_sink_acquire(struct demo_sink *sink, const struct weir_shard_context *shard)
{
    MDB_txn *txn = NULL;
    struct weir_position position;
    enum weir_error error = error_from_lmdb(mdb_txn_begin(sink->mdb, NULL, 0, &txn));

    if (error != WEIR_OK) {
        return error;
    }
    return finish(txn, weir_sink_acquire(&sink->sink, txn, shard, &position));
}

static enum weir_error
read_total(MDB_txn *txn, MDB_dbi totals, MDB_val *key, struct demo_total *ret)
{
    MDB_val value;
    const int code = mdb_get(txn, totals, key, &value);

    if (code == MDB_NOTFOUND) {
        *ret = (struct demo_total){0, 0};
        return WEIR_OK;
    }
    if (code == 0 && value.mv_size != sizeof *ret) {
        return WEIR_ECORRUPT;
    }
    if (code == 0) {
        memcpy(ret, value.mv_data, sizeof *ret);
    }
    return error_from_lmdb(code);
}

/* The effect of one record. */
static enum weir_error
add_record(struct demo_sink *sink, MDB_txn *txn, const struct demo_payload *payload)
{
    char section[DEMO_SECTION_NAME_MAX];
    MDB_val key = {payload->section.length, section};
    struct demo_total total = {0, 0};
    MDB_val value = {sizeof total, &total};
    enum weir_error error;

    memcpy(section, payload->section.data, payload->section.length);
    error = read_total(txn, sink->totals, &key, &total);
    if (error != WEIR_OK) {
        return error;
    }
    total.packages++;
    total.installed_kib += payload->installed_kib;
    return error_from_lmdb(mdb_put(txn, sink->totals, &key, &value, 0));
}

/* Add up the records that are new, and note them in `row`. */
static enum weir_error
add_new_records(
    struct demo_sink *sink,
    MDB_txn *txn,
    const struct weir_process_input *input,
    const struct weir_position *position,
    struct ledger_row *row)
{
    for (size_t i = 0; i < input->count; i++) {
        const struct weir_record *record = &input->records[i];
        struct demo_payload payload;
        enum weir_error error;
        if (weir_sink_has(position, record)) {
            continue;
        }
        if (row->entry.count == DEMO_BATCH_MAX || !demo_payload_parse(record->data, &payload) ||
            payload.put_index > UINT32_MAX) {
            return WEIR_ECORRUPT;
        }
        error = add_record(sink, txn, &payload);
        if (error != WEIR_OK) {
            return error;
        }
        if (row->entry.count == 0) {
            row->entry.first = record->sequence_number;
        }
        row->entry.last = record->sequence_number;
        row->put_indices[row->entry.count++] = (uint32_t)payload.put_index;
    }
    return WEIR_OK;
}

/* Entries are numbered in the order of their transactions. */
static enum weir_error
write_ledger(MDB_txn *txn, MDB_dbi ledger, struct ledger_row *row)
{
    unsigned char number[KEY_BYTES] = {0};
    MDB_cursor *cursor = NULL;
    MDB_val key = {0, NULL};
    MDB_val value = {0, NULL};
    int code = mdb_cursor_open(txn, ledger, &cursor);

    if (code != 0) {
        return error_from_lmdb(code);
    }
    code = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
    if (code == 0 && key.mv_size == KEY_BYTES) {
        memcpy(number, key.mv_data, KEY_BYTES);
        for (size_t i = KEY_BYTES; i > 0 && ++number[i - 1] == 0; i--) {
        }
    }
    if (code == 0 || code == MDB_NOTFOUND) {
        key = (MDB_val){sizeof number, number};
        value = (MDB_val){offsetof(struct ledger_row, put_indices) +
                              row->entry.count * sizeof *row->put_indices,
                          row};
        code = mdb_cursor_put(cursor, &key, &value, MDB_APPEND);
    }
    mdb_cursor_close(cursor);
    return error_from_lmdb(code);
}

static enum weir_error
apply(
    struct demo_sink *sink,
    MDB_txn *txn,
    const struct weir_process_input *input,
    struct ledger_row *row)
{
    struct weir_position position;
    enum weir_error error = weir_sink_begin(&sink->sink, txn, &input->token, &position);

    if (error == WEIR_OK) {
        error = add_new_records(sink, txn, input, &position, row);
    }
    if (error == WEIR_OK && row->entry.count > 0) {
        error = write_ledger(txn, sink->ledger, row);
    }
    if (error == WEIR_OK && row->entry.count > 0) {
        error =
            weir_sink_advance(&sink->sink, txn, &input->token, &input->records[input->count - 1]);
    }
    return error;
}

enum weir_error
demo_sink_apply(struct demo_sink *sink, const struct weir_process_input *input, uint32_t worker)
{
    struct ledger_row row = {.entry = {.worker = worker}};
    MDB_txn *txn = NULL;
    enum weir_error error;

    row.entry.lease_epoch = input->token.lease_epoch;
    demo_shard_id_copy(row.entry.shard_id, input->token.shard_id);
    error = error_from_lmdb(mdb_txn_begin(sink->mdb, NULL, 0, &txn));
    if (error != WEIR_OK) {
        return error;
    }
    return finish(txn, apply(sink, txn, input, &row));
}

/* --- Reading, for the verdict. --- */

enum weir_error
demo_sink_total(struct demo_sink *sink, const char *section, struct demo_total *ret)
{
    char name[DEMO_SECTION_NAME_MAX + 1];
    MDB_val key = {strlen(section), name};
    MDB_txn *txn = NULL;
    enum weir_error error;

    if (key.mv_size >= sizeof name) {
        return WEIR_EINVAL;
    }
    memcpy(name, section, key.mv_size);
    error = error_from_lmdb(mdb_txn_begin(sink->mdb, NULL, MDB_RDONLY, &txn));
    if (error == WEIR_OK) {
        error = read_total(txn, sink->totals, &key, ret);
        mdb_txn_abort(txn);
    }
    return error;
}

enum weir_error
demo_sink_sections(struct demo_sink *sink, size_t *ret)
{
    MDB_txn *txn = NULL;
    MDB_stat stat;
    enum weir_error error = error_from_lmdb(mdb_txn_begin(sink->mdb, NULL, MDB_RDONLY, &txn));

    if (error != WEIR_OK) {
        return error;
    }
    error = error_from_lmdb(mdb_stat(txn, sink->totals, &stat));
    mdb_txn_abort(txn);
    if (error == WEIR_OK) {
        *ret = stat.ms_entries;
    }
    return error;
}

/* One row of the ledger to the caller, if it is one. */
static bool
give_row(const MDB_val *value, demo_ledger_fn each, void *context)
{
    struct ledger_row row;

    if (value->mv_size < sizeof row.entry || value->mv_size > sizeof row) {
        return false;
    }
    memcpy(&row, value->mv_data, value->mv_size);
    if (row.entry.count > DEMO_BATCH_MAX ||
        value->mv_size !=
            offsetof(struct ledger_row, put_indices) + row.entry.count * sizeof *row.put_indices) {
        return false;
    }
    each(context, &row.entry, row.put_indices);
    return true;
}

static enum weir_error
walk_ledger(MDB_cursor *cursor, demo_ledger_fn each, void *context)
{
    for (;;) {
        MDB_val key;
        MDB_val value;
        const int code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
        if (code != 0) {
            return code == MDB_NOTFOUND ? WEIR_OK : error_from_lmdb(code);
        }
        if (!give_row(&value, each, context)) {
            return WEIR_ECORRUPT;
        }
    }
}

enum weir_error
demo_sink_ledger(struct demo_sink *sink, demo_ledger_fn each, void *context)
{
    MDB_txn *txn = NULL;
    MDB_cursor *cursor = NULL;
    enum weir_error error = error_from_lmdb(mdb_txn_begin(sink->mdb, NULL, MDB_RDONLY, &txn));

    if (error != WEIR_OK) {
        return error;
    }
    error = error_from_lmdb(mdb_cursor_open(txn, sink->ledger, &cursor));
    if (error == WEIR_OK) {
        error = walk_ledger(cursor, each, context);
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(txn);
    return error;
}
