/**
 * Error codes. Hundreds are classes: react to the class, log the code. Numbers never change.
 *
 * A call that fails changes nothing it does not document. Output arguments (`ret_x`) are written on
 * success only. There is no errno-like state: text about one failure goes to the caller's
 * `struct weir_detail`.
 */
#ifndef WEIR_ERROR_H
#define WEIR_ERROR_H

#include <weir/version.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a failed call means. The comment gives the reaction. */
enum weir_error {
    WEIR_OK = 0,

    /* Usage: the call is wrong as written. Mend the caller. */
    WEIR_EINVAL = 100,       /**< an argument is out of its documented range */
    WEIR_ESTATE = 101,       /**< the call is not allowed in this state */
    WEIR_EUNSUPPORTED = 102, /**< this store, stream or kernel cannot do it */

    /* Resource: something with a bound is used up. Free or enlarge it, then call again. */
    WEIR_ENOMEM = 200, /**< an allocation failed */
    WEIR_EFULL = 201,  /**< disk or map is full; nothing was written */
    WEIR_ELIMIT = 202, /**< a documented bound of weir was reached */
    WEIR_ERANGE = 203, /**< the caller's buffer is too small */

    /* Contention: somebody else was first. Read, then decide. */
    WEIR_ELEASELOST = 300,   /**< the lease has another owner or epoch: stop working on the shard */
    WEIR_ECONFLICT = 301,    /**< the row is no longer as the caller saw it: read it again */
    WEIR_EEXISTS = 302,      /**< the name is taken */
    WEIR_ENOTFOUND = 303,    /**< no such stream, shard, lease or worker */
    WEIR_EFENCED = 304,      /**< a newer lease epoch has written here: drop the effect */
    WEIR_EDUPLICATE = 305,   /**< already applied: skip the record, it is not a failure */
    WEIR_ESESSIONLOST = 306, /**< this worker was declared dead: every lease of it is lost */

    /* Transient: call again after a back-off. */
    WEIR_ETIMEOUT = 400,   /**< the outcome is unknown: read before you act */
    WEIR_EBUSY = 401,      /**< a lock is held for too long; the detail names the holder's pid */
    WEIR_ETHROTTLED = 402, /**< over a rate limit (ProvisionedThroughputExceeded) */
    WEIR_ECANCELED = 403,  /**< given up because of a shutdown */
    WEIR_EEXPIRED = 404,   /**< an iterator has expired: ask for a new one */

    /* Data: bytes are not what they should be. Do not retry; look at them. */
    WEIR_ECORRUPT = 500, /**< checksum or structure is wrong; never returned as data */
    WEIR_EVERSION = 501, /**< written by a version that this one cannot read */
    WEIR_ETRIMMED = 502, /**< the position is older than the oldest record kept */

    /* System: the operating system refused. The detail has its words. */
    WEIR_EIO = 600,       /**< a read, write or sync failed */
    WEIR_EACCESS = 601,   /**< permissions, or a read-only file system */
    WEIR_EPLATFORM = 602, /**< foreign pid namespace, network file system, missing kernel call */

    /* The record processor's own failure. */
    WEIR_EPROCESSOR = 700, /**< default for "my processing failed": the batch is retried */

    /* Internal: a bug in weir. */
    WEIR_EINTERNAL = 900
};

/** Class of an error: its hundred. */
enum weir_error_class {
    WEIR_CLASS_OK = 0,
    WEIR_CLASS_USAGE = 1,
    WEIR_CLASS_RESOURCE = 2,
    WEIR_CLASS_CONTENTION = 3,
    WEIR_CLASS_TRANSIENT = 4,
    WEIR_CLASS_DATA = 5,
    WEIR_CLASS_SYSTEM = 6,
    WEIR_CLASS_PROCESSOR = 7,
    WEIR_CLASS_INTERNAL = 9
};

/** Size of struct weir_detail's text, with its final zero. */
#define WEIR_DETAIL_SIZE 512

/**
 * One sentence about one failure: what, why, what to do. Filled on failure only; a NULL pointer is
 * accepted wherever a detail is asked for.
 */
struct weir_detail {
    char text[WEIR_DETAIL_SIZE]; /**< zero-terminated; truncated if need be */
};

/** Name of a code, for instance "WEIR_ELEASELOST"; "WEIR_E?" for a number that is none. Static. */
WEIR_API const char *weir_error_name(enum weir_error error);

/** A short lower-case English phrase for a code, for instance "the lease is lost". Static. */
WEIR_API const char *weir_error_text(enum weir_error error);

/** The class of a code. */
WEIR_API enum weir_error_class weir_error_class(enum weir_error error);

#ifdef __cplusplus
}
#endif

#endif
