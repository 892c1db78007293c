/*
 * Room on the disk for a fleet's life signs. LMDB writes changed pages to new places; while an
 * environment is young it has no freed ones, so a disk that fills up right after the first worker
 * has started would end every renewal. Each environment therefore begins by writing and freeing
 * some pages: their blocks stay with the file.
 */
#include <lmdb.h>
#include <stdbool.h>
#include <string.h>

#include <weir/error.h>

#include "lease/lease_store_lmdb.h"
#include "storage/storage.h"

#define DATABASE_NAME "reserve"
#define RESERVE_BYTES 262144U /* a transaction of this store changes 5 to 20 pages of 4 KiB */

/* Keys: the value that occupies the room, and the sign that it was there. */
#define ROOM_KEY "room"
#define DONE_KEY "done"

struct reserve {
    MDB_dbi database;
};

static enum weir_error
look_for_sign(MDB_txn *txn, void *context)
{
    const struct reserve *reserve = context;
    char name[] = DONE_KEY;
    MDB_val key = {sizeof name, name};
    MDB_val value;

    return wi_error_from_lmdb(mdb_get(txn, reserve->database, &key, &value));
}

static enum weir_error
occupy(MDB_txn *txn, void *context)
{
    const struct reserve *reserve = context;
    char name[] = ROOM_KEY;
    MDB_val key = {sizeof name, name};
    MDB_val value = {RESERVE_BYTES, NULL};
    enum weir_error error =
        wi_error_from_lmdb(mdb_put(txn, reserve->database, &key, &value, MDB_RESERVE));

    if (error == WEIR_OK) {
        memset(value.mv_data, 0, value.mv_size);
    }
    return error;
}

static enum weir_error
set_free(MDB_txn *txn, void *context)
{
    const struct reserve *reserve = context;
    char room_name[] = ROOM_KEY;
    char done_name[] = DONE_KEY;
    MDB_val room = {sizeof room_name, room_name};
    MDB_val done = {sizeof done_name, done_name};
    MDB_val nothing = {0, NULL};
    int code = mdb_del(txn, reserve->database, &room, NULL);

    if (code == 0 || code == MDB_NOTFOUND) {
        code = mdb_put(txn, reserve->database, &done, &nothing, 0);
    }
    return wi_error_from_lmdb(code);
}

enum weir_error
wi_lmdb_reserve_disk(struct wi_storage *storage)
{
    struct reserve reserve = {0};
    enum weir_error error =
        wi_storage_database(storage, DATABASE_NAME, MDB_CREATE, &reserve.database);

    if (error == WEIR_OK) {
        error = wi_storage_read(storage, look_for_sign, &reserve);
    }
    if (error != WEIR_ENOTFOUND) {
        return error;
    }
    error = wi_storage_write(storage, WI_WRITE_DEFAULT, occupy, &reserve, NULL);
    return error == WEIR_OK ? wi_storage_write(storage, WI_WRITE_DEFAULT, set_free, &reserve, NULL)
                            : error;
}
