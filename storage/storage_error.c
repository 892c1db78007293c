#include <errno.h>
#include <lmdb.h>

#include <weir/error.h>

#include "storage/filesystem.h"
#include "storage/storage.h"

enum weir_error
wi_error_from_lmdb(int code)
{
    switch (code) {
    case MDB_SUCCESS:
        return WEIR_OK;
    case MDB_NOTFOUND:
        return WEIR_ENOTFOUND;
    case MDB_KEYEXIST:
        return WEIR_EEXISTS;
    case MDB_MAP_FULL:
        return WEIR_EFULL;
    case MDB_DBS_FULL:
    case MDB_READERS_FULL:
    case MDB_TXN_FULL:
    case MDB_CURSOR_FULL:
        return WEIR_ELIMIT;
    case MDB_PAGE_NOTFOUND:
    case MDB_CORRUPTED:
    case MDB_INVALID:
    case MDB_INCOMPATIBLE:
        return WEIR_ECORRUPT;
    case MDB_VERSION_MISMATCH:
        return WEIR_EVERSION;
    case MDB_PANIC:
        return WEIR_EIO;
    case MDB_BAD_VALSIZE:
        return WEIR_EINVAL;
    case MDB_MAP_RESIZED:
        return WEIR_EBUSY; /* wi_storage_read() and _write() adopt the size and go on */
    case EINVAL:
    case MDB_BAD_DBI:
    case MDB_BAD_TXN:
    case MDB_BAD_RSLOT:
    case MDB_PAGE_FULL:
        return WEIR_EINTERNAL;
    default:
        return wi_error_from_errno(code);
    }
}
