#include "worker/worker_options.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>
#include <weir/worker.h>

#include "core/check.h"
#include "core/config.h"
#include "core/detail.h"
#include "core/str.h"

#define OPTION(member) offsetof(struct weir_worker_options, member)

#define KIB            INT64_C(1024)
#define MIB            (1024 * KIB)
#define GIB            (1024 * MIB)
#define MINUTE         INT64_C(60000)
#define HOUR           (60 * MINUTE)
#define PATH_MAX_BYTES 4096
#define TABLE_URL_MAX  1024
/* A list of WI_KINESIS_STREAMS_MAX streams by their ARNs fits. */
#define STREAM_URL_MAX 65536

static const struct wi_config_property properties[] = {
    {"data_directory",
     WI_CONFIG_STRING,
     OPTION(data_directory),
     1,
     PATH_MAX_BYTES,
     "./weir-data",
     NULL,
     "Directory of streams and lease tables."},
    {"application",
     WI_CONFIG_STRING,
     OPTION(application),
     1,
     WEIR_NAME_MAX,
     NULL,
     NULL,
     "Name of the application, and so of its lease table; required."},
    {"stream",
     WI_CONFIG_STRING,
     OPTION(stream),
     1,
     STREAM_URL_MAX,
     NULL,
     NULL,
     "Stream to read, `weir:NAME`, `NAME` or `kinesis:NAME?region=R`, or several: `kinesis:A,B`; "
     "required."},
    {"worker_id",
     WI_CONFIG_STRING,
     OPTION(worker_id),
     0,
     WEIR_NAME_MAX,
     NULL,
     NULL,
     "Label of this worker in logs and descriptions; HOST-PID if it is not set."},
    {"initial_position",
     WI_CONFIG_POSITION,
     OPTION(initial_position),
     0,
     0,
     "TRIM_HORIZON",
     NULL,
     "Where shards without a checkpoint begin: TRIM_HORIZON, LATEST or AT_TIMESTAMP:time."},
    {"lease_duration_ms",
     WI_CONFIG_DURATION,
     OPTION(lease_duration_ms),
     200,
     HOUR,
     "10s",
     NULL,
     "Silence after which a worker that hangs loses its leases; one value per application."},
    {"handoff_timeout_ms",
     WI_CONFIG_DURATION,
     OPTION(handoff_timeout_ms),
     10,
     10 * MINUTE,
     "30s",
     NULL,
     "A planned move that takes longer than this is revoked."},
    {"drain_timeout_ms",
     WI_CONFIG_DURATION,
     OPTION(drain_timeout_ms),
     0,
     10 * MINUTE,
     "30s",
     NULL,
     "How long a worker that is told to stop waits until its leases are handed over."},
    {"checkpoint_interval_ms",
     WI_CONFIG_DURATION,
     OPTION(checkpoint_interval_ms),
     0,
     HOUR,
     "1s",
     NULL,
     "Time between automatic checkpoints; 0: only the record processor's own."},
    {"checkpoint_records",
     WI_CONFIG_I64,
     OPTION(checkpoint_records),
     0,
     INT64_MAX,
     "0",
     "records",
     "Automatic checkpoint also after this many records; 0: by time only."},
    {"batch_records_max",
     WI_CONFIG_I64,
     OPTION(batch_records_max),
     1,
     10000,
     "1000",
     "records",
     "Most records of one process_records call."},
    {"batch_bytes_max",
     WI_CONFIG_SIZE,
     OPTION(batch_bytes_max),
     KIB,
     64 * MIB,
     "1MiB",
     NULL,
     "Most bytes of one process_records call; a single larger record still comes."},
    {"buffer_bytes_max",
     WI_CONFIG_SIZE,
     OPTION(buffer_bytes_max),
     MIB,
     16 * GIB,
     "64MiB",
     NULL,
     "One budget for all batches that are in memory."},
    {"processor_threads_max",
     WI_CONFIG_I64,
     OPTION(processor_threads_max),
     1,
     1024,
     "64",
     "threads",
     "Most threads that call the record processor; they start when there is work."},
    {"leases_max",
     WI_CONFIG_I64,
     OPTION(leases_max),
     0,
     UINT32_MAX,
     "0",
     "leases",
     "Most leases that this worker takes; 0: no bound."},
    {"retry_base_ms",
     WI_CONFIG_DURATION,
     OPTION(retry_base_ms),
     1,
     MINUTE,
     "100ms",
     NULL,
     "First back-off after a batch has failed; it doubles, with full jitter."},
    {"retry_cap_ms",
     WI_CONFIG_DURATION,
     OPTION(retry_cap_ms),
     1,
     HOUR,
     "30s",
     NULL,
     "Longest back-off; at least retry_base_ms."},
    {"shard_sync_interval_ms",
     WI_CONFIG_DURATION,
     OPTION(shard_sync_interval_ms),
     100,
     HOUR,
     "10s",
     NULL,
     "How often the leader looks for new shards."},
    {"strict",
     WI_CONFIG_BOOL,
     OPTION(strict),
     0,
     0,
     "false",
     NULL,
     "Abort the process when a batch still runs a tenth of the lease duration past its deadline."},
    {"evict_stopped_writers",
     WI_CONFIG_BOOL,
     OPTION(evict_stopped_writers),
     0,
     0,
     "true",
     NULL,
     "End a stopped process that blocks the lease table for longer than the lease duration."},
    {"handle_signals",
     WI_CONFIG_BOOL,
     OPTION(handle_signals),
     0,
     0,
     "true",
     NULL,
     "SIGTERM and SIGINT drain the worker, a second one aborts it."},
    {"table",
     WI_CONFIG_STRING,
     OPTION(table),
     0,
     TABLE_URL_MAX,
     NULL,
     NULL,
     "Where the lease table is: `dynamodb:TABLE?region=R`; if it is not set, the data directory."},
};

static const struct wi_config_table table = {properties, WI_ARRAY_LENGTH(properties)};

const struct wi_config_table *
wi_worker_options_table(void)
{
    return &table;
}

enum weir_error
weir_worker_option_set(
    struct weir_worker_options *options,
    const char *name,
    const char *value,
    struct weir_detail *detail)
{
    if (options == NULL || name == NULL || value == NULL) {
        return wi_detail(detail, WEIR_EINVAL, "an option needs options, a name and a value");
    }
    return wi_config_set(&table, options, wi_str(name), value, detail);
}

static enum weir_error
check_names(const struct weir_worker_options *options, struct weir_detail *detail)
{
    if (weir_name_check(wi_str(options->application)) != WEIR_OK) {
        return wi_detail(
            detail,
            WEIR_EINVAL,
            "application: a name has 1 to %d of a-z A-Z 0-9 _ . -",
            WEIR_NAME_MAX);
    }
    if (options->worker_id != NULL && weir_name_check(wi_str(options->worker_id)) != WEIR_OK) {
        return wi_detail(
            detail,
            WEIR_EINVAL,
            "worker_id: a name has 1 to %d of a-z A-Z 0-9 _ . -",
            WEIR_NAME_MAX);
    }
    return WEIR_OK;
}

/* A sequence number means a place in one shard only, so it cannot be where every shard begins. */
static bool
is_initial(enum weir_position_type type)
{
    return type == WEIR_TRIM_HORIZON || type == WEIR_LATEST || type == WEIR_AT_TIMESTAMP;
}

enum weir_error
wi_worker_options_check(const struct weir_worker_options *options, struct weir_detail *detail)
{
    enum weir_error error = WEIR_OK;

    if (options == NULL || options->struct_size != sizeof *options) {
        return wi_detail(
            detail, WEIR_EINVAL, "options: start from WEIR_WORKER_OPTIONS_INIT of this version");
    }
    error = wi_config_check(&table, options, detail);
    if (error == WEIR_OK) {
        error = check_names(options, detail);
    }
    if (error != WEIR_OK) {
        return error;
    }
    if (!is_initial(options->initial_position.type)) {
        return wi_detail(
            detail,
            WEIR_EINVAL,
            "initial_position: TRIM_HORIZON, LATEST or AT_TIMESTAMP:time; a sequence number "
            "belongs to one shard");
    }
    if (options->retry_cap_ms < options->retry_base_ms) {
        return wi_detail(detail, WEIR_EINVAL, "retry_cap_ms must be at least retry_base_ms");
    }
    if (options->buffer_bytes_max < options->batch_bytes_max) {
        return wi_detail(detail, WEIR_EINVAL, "buffer_bytes_max must be at least batch_bytes_max");
    }
    return WEIR_OK;
}
