/* Rows beside the leases: workers, the leader lock, the state row. */
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/dynamodb_item.h"
#include "core/str.h"
#include "lease/lease.h"
#include "lease/lease_row_dynamodb.h"
#include "lease/session_rules.h"

#define ENTITY_TYPE "entityType"
/* Of a worker. */
#define UPDATED         "lut"
#define STATISTICS      "sts"
#define RANGES          "opr"
#define SUPPORT         "sup"
#define SUPPORT_UPDATED "slu"
#define WEIR_HOST       "weirHost"
#define WEIR_HEARTBEAT  "weirHeartbeat"
#define WEIR_MAX_LEASES "weirMaxLeases"
#define WEIR_PROTOCOL   "weirProtocol"
#define WEIR_DRAINING   "weirDraining"
#define WEIR_DRAIN      "weirDrainRequested"
/* Java KCL's code for "knows the layout with one table". */
#define SUPPORT_SINGLE_TABLE 1U
/* Of the leader lock. */
#define LOCK_OWNER    "ownerName"
#define LOCK_DURATION "leaseDuration"
#define LOCK_VERSION  "recordVersionNumber"
#define LOCK_RELEASED "isReleased"
#define WEIR_TERM     "weirTerm"
/* Of the state row. */
#define CLIENT_VERSION  "cv"
#define MODIFIED_BY     "mb"
#define MODIFIED_AT     "mts"
#define HISTORY         "h"
#define TABLE_MIGRATION "tm"
#define WEIR_STREAM     "weirStream"
#define WEIR_DURATION   "weirLeaseDurationMs"
#define WEIR_INITIAL    "weirInitialPosition"
#define WEIR_FLOOR      "weirEpochFloor"

#define FIRST_HEARTBEAT 1U
/* The year 9999: times beyond it are nobody's clock, and ages would overflow. */
#define UPDATED_MAX_S INT64_C(253402300799)
#define TERM_MAX      (UINT64_MAX / 2)
/* A lock whose duration cannot be read is Java's default. */
#define LOCK_DURATION_DEFAULT_MS INT64_C(120000)
#define LOCK_DURATION_MAX_MS     INT64_C(86400000)

/* --- workers -------------------------------------------------------------------------------- */

static bool
read_flag(const cJSON *item, const char *name)
{
    uint64_t value = 0;

    return wi_dynamodb_u64(item, name, &value) && value != 0;
}

/* The row's attributes that only weir writes. */
static void
read_own(const cJSON *item, struct wi_dynamodb_worker *row)
{
    const char *host = wi_dynamodb_text(item, WEIR_HOST);
    uint64_t max_leases = 0;
    uint64_t protocol = 0;

    row->is_ours = wi_dynamodb_u64(item, WEIR_HEARTBEAT, &row->worker.counter);
    if (!row->is_ours) {
        return;
    }
    if (!wi_str_copy(row->host, sizeof row->host, wi_str(host))) {
        row->host[0] = '\0';
    }
    if (wi_dynamodb_u64(item, WEIR_MAX_LEASES, &max_leases) && max_leases <= UINT32_MAX) {
        row->worker.max_leases = (uint32_t)max_leases;
    }
    if (wi_dynamodb_u64(item, WEIR_PROTOCOL, &protocol) && protocol <= UINT32_MAX) {
        row->worker.protocol_version = (uint32_t)protocol;
    }
    row->drain_requested = read_flag(item, WEIR_DRAIN);
    row->worker.draining = read_flag(item, WEIR_DRAINING) || row->drain_requested;
}

enum weir_error
wi_dynamodb_worker_read(const cJSON *item, const char *key_name, struct wi_dynamodb_worker *ret)
{
    struct wi_dynamodb_worker row = {.worker = {.state = WI_OWNER_ALIVE}};
    const char *owner = wi_dynamodb_text(item, key_name);

    if (owner == NULL || owner[0] == '\0' ||
        !wi_str_copy(row.worker.owner, sizeof row.worker.owner, wi_str(owner))) {
        return WEIR_ECORRUPT;
    }
    if (!wi_dynamodb_i64(item, UPDATED, &row.updated_s) || row.updated_s < 0 ||
        row.updated_s > UPDATED_MAX_S) {
        row.updated_s = 0; /* Java counts a row without it as dead */
    }
    read_own(item, &row);
    *ret = row;
    return WEIR_OK;
}

void
wi_dynamodb_worker_report(
    struct wi_dynamodb_write *write,
    const struct wi_worker *worker,
    const char *host,
    int64_t wall_s,
    bool is_single,
    bool is_new)
{
    wi_dynamodb_set_text(write, ENTITY_TYPE, "WORKER_METRIC_STATS");
    wi_dynamodb_set_i64(write, UPDATED, wall_s);
    if (is_single) {
        wi_dynamodb_set_i64(write, SUPPORT_UPDATED, wall_s);
        wi_dynamodb_set_u64(write, SUPPORT, SUPPORT_SINGLE_TABLE);
    }
    /* Empty: the leader counts by the leases' throughput. The last value -1 says that measuring
     * fails, and such a worker is given nothing. */
    wi_dynamodb_set_json(
        write,
        STATISTICS,
        worker->draining ? "{\"M\":{\"C\":{\"L\":[{\"N\":\"-1\"}]}}}" : "{\"M\":{}}");
    wi_dynamodb_set_json(
        write,
        RANGES,
        worker->draining ? "{\"M\":{\"C\":{\"L\":[{\"N\":\"100\"}]}}}" : "{\"M\":{}}");
    wi_dynamodb_set_text(write, WEIR_HOST, host);
    wi_dynamodb_set_u64(write, WEIR_MAX_LEASES, worker->max_leases);
    wi_dynamodb_set_u64(write, WEIR_PROTOCOL, worker->protocol_version);
    wi_dynamodb_set_u64(write, WEIR_DRAINING, worker->draining ? 1 : 0);
    if (is_new) {
        wi_dynamodb_begin_number(write, WEIR_HEARTBEAT, FIRST_HEARTBEAT);
    } else {
        wi_dynamodb_increase(write, WEIR_HEARTBEAT, 1);
    }
}

/* --- the leader lock ------------------------------------------------------------------------ */

static int64_t
read_duration(const cJSON *item)
{
    const char *text = wi_dynamodb_text(item, LOCK_DURATION);
    int64_t duration_ms = 0;
    bool is_sound = text != NULL && wi_str_to_i64(wi_str(text), &duration_ms) == WEIR_OK &&
                    duration_ms > 0 && duration_ms <= LOCK_DURATION_MAX_MS;

    return is_sound ? duration_ms : LOCK_DURATION_DEFAULT_MS;
}

void
wi_dynamodb_leader_read(const cJSON *item, struct wi_dynamodb_leader *ret)
{
    const char *owner = wi_dynamodb_text(item, LOCK_OWNER);
    const char *version = wi_dynamodb_text(item, LOCK_VERSION);

    *ret = (struct wi_dynamodb_leader){.duration_ms = LOCK_DURATION_DEFAULT_MS};
    if (item == NULL || version == NULL) {
        return;
    }
    (void)wi_str_copy(ret->version, sizeof ret->version, wi_str(version));
    ret->is_released = wi_dynamodb_has(item, LOCK_RELEASED);
    ret->duration_ms = read_duration(item);
    if (!wi_dynamodb_u64(item, WEIR_TERM, &ret->term) || ret->term > TERM_MAX) {
        ret->term = 0;
    }
    if (!ret->is_released && owner != NULL) {
        /* One that is too long is cut: it is compared only with itself, and with short ones. */
        (void)wi_str_copy(ret->owner, sizeof ret->owner, wi_str(owner));
    }
}

static void
set_duration(struct wi_dynamodb_write *write, int64_t duration_ms)
{
    char text[sizeof "-9223372036854775808"];

    (void)snprintf(text, sizeof text, "%lld", (long long)duration_ms);
    wi_dynamodb_set_text(write, LOCK_DURATION, text); /* an S, as Java's lock client writes it */
}

void
wi_dynamodb_leader_take(
    struct wi_dynamodb_write *write,
    const char *key_name,
    const struct wi_dynamodb_leader *before,
    const struct wi_dynamodb_leader *after)
{
    wi_dynamodb_set_text(write, key_name, WI_DYNAMODB_LEADER_KEY);
    wi_dynamodb_set_text(write, ENTITY_TYPE, "LEADER");
    wi_dynamodb_set_text(write, LOCK_OWNER, after->owner);
    wi_dynamodb_set_text(write, LOCK_VERSION, after->version);
    set_duration(write, after->duration_ms);
    wi_dynamodb_set_u64(write, WEIR_TERM, after->term);
    if (before->version[0] == '\0') {
        wi_dynamodb_require_absent(write, LOCK_VERSION);
    } else {
        wi_dynamodb_require_text(write, LOCK_VERSION, "=", before->version);
    }
    if (before->is_released) {
        wi_dynamodb_require_present(write, LOCK_RELEASED);
    }
}

static void
require_lock(struct wi_dynamodb_write *write, const struct wi_dynamodb_leader *before)
{
    wi_dynamodb_require_text(write, LOCK_VERSION, "=", before->version);
    wi_dynamodb_require_text(write, LOCK_OWNER, "=", before->owner);
    wi_dynamodb_require_absent(write, LOCK_RELEASED);
}

void
wi_dynamodb_leader_heartbeat(
    struct wi_dynamodb_write *write,
    const struct wi_dynamodb_leader *before,
    const char *new_version)
{
    wi_dynamodb_set_text(write, LOCK_VERSION, new_version);
    set_duration(write, before->duration_ms);
    require_lock(write, before);
}

void
wi_dynamodb_leader_release(struct wi_dynamodb_write *write, const struct wi_dynamodb_leader *before)
{
    wi_dynamodb_set_text(write, LOCK_RELEASED, "1");
    require_lock(write, before);
}

/* --- the state row -------------------------------------------------------------------------- */

static bool
read_application(const cJSON *item, struct wi_application *ret)
{
    const char *stream = wi_dynamodb_text(item, WEIR_STREAM);
    const char *initial = wi_dynamodb_text(item, WEIR_INITIAL);
    struct wi_application application = {.lease_duration_ms = 0};

    if (stream == NULL || initial == NULL ||
        !wi_str_copy(application.stream_url, sizeof application.stream_url, wi_str(stream)) ||
        !wi_dynamodb_i64(item, WEIR_DURATION, &application.lease_duration_ms) ||
        weir_position_parse(wi_str(initial), &application.initial_position) != WEIR_OK ||
        wi_application_check(&application) != WEIR_OK) {
        return false;
    }
    *ret = application;
    return true;
}

/* What is not known is left to the workers that take leases by themselves, as before 3.x. */
static enum wi_dynamodb_mode
mode_of(const char *version)
{
    if (strcmp(version, "CLIENT_VERSION_3X") == 0 ||
        strcmp(version, "CLIENT_VERSION_3X_WITH_ROLLBACK") == 0) {
        return WI_DYNAMODB_MODE_3X;
    }
    return strcmp(version, "CLIENT_VERSION_UPGRADE_FROM_2X") == 0 ? WI_DYNAMODB_MODE_UPGRADE
                                                                  : WI_DYNAMODB_MODE_2X;
}

void
wi_dynamodb_state_read(const cJSON *item, struct wi_dynamodb_state *ret)
{
    const char *version = wi_dynamodb_text(item, CLIENT_VERSION);

    *ret = (struct wi_dynamodb_state){.mode = WI_DYNAMODB_MODE_NONE};
    if (version == NULL) {
        return;
    }
    (void)wi_str_copy(ret->client_version, sizeof ret->client_version, wi_str(version));
    ret->mode = mode_of(version);
    ret->has_application = read_application(item, &ret->application);
    if (!wi_dynamodb_u64(item, WEIR_FLOOR, &ret->epoch_floor) || ret->epoch_floor > TERM_MAX) {
        ret->epoch_floor = 0;
    }
}

void
wi_dynamodb_state_create(
    struct wi_dynamodb_write *write, const char *key_name, const char *by, int64_t wall_ms)
{
    wi_dynamodb_set_text(write, key_name, WI_DYNAMODB_STATE_KEY);
    wi_dynamodb_set_text(write, ENTITY_TYPE, "CLIENT_VERSION_MIGRATION");
    wi_dynamodb_set_text(write, CLIENT_VERSION, "CLIENT_VERSION_3X");
    wi_dynamodb_set_text(write, MODIFIED_BY, by);
    wi_dynamodb_set_i64(write, MODIFIED_AT, wall_ms);
    wi_dynamodb_set_json(write, HISTORY, "{\"L\":[]}");
    wi_dynamodb_require_absent(write, CLIENT_VERSION);
}

void
wi_dynamodb_state_agree(struct wi_dynamodb_write *write, const struct wi_application *application)
{
    char initial[WEIR_POSITION_SIZE];

    (void)weir_position_format(&application->initial_position, initial);
    wi_dynamodb_set_text(write, WEIR_STREAM, application->stream_url);
    wi_dynamodb_set_i64(write, WEIR_DURATION, application->lease_duration_ms);
    wi_dynamodb_set_text(write, WEIR_INITIAL, initial);
    wi_dynamodb_require_present(write, CLIENT_VERSION);
}

void
wi_dynamodb_state_lift_floor(struct wi_dynamodb_write *write, uint64_t epoch)
{
    wi_dynamodb_set_u64(write, WEIR_FLOOR, epoch);
    wi_dynamodb_require_present(write, CLIENT_VERSION);
    wi_dynamodb_require(write, "attribute_not_exists(" WEIR_FLOOR ") OR " WEIR_FLOOR " < :v0");
}

void
wi_dynamodb_table_migration_read(const cJSON *item, char *ret, size_t size)
{
    (void)wi_str_copy(ret, size, wi_str(wi_dynamodb_text(item, TABLE_MIGRATION)));
}

void
wi_dynamodb_worker_heartbeat(struct wi_dynamodb_write *write, int64_t wall_s)
{
    wi_dynamodb_set_i64(write, UPDATED, wall_s);
    wi_dynamodb_set_i64(write, SUPPORT_UPDATED, wall_s);
    wi_dynamodb_increase(write, WEIR_HEARTBEAT, 1);
}

void
wi_dynamodb_worker_request_drain(struct wi_dynamodb_write *write)
{
    wi_dynamodb_set_u64(write, WEIR_DRAIN, 1);
    wi_dynamodb_require_present(write, WEIR_HEARTBEAT);
}

void
wi_dynamodb_worker_require_present(struct wi_dynamodb_write *write)
{
    wi_dynamodb_require_present(write, WEIR_HEARTBEAT);
}

void
wi_dynamodb_worker_require_silent(
    struct wi_dynamodb_write *write, const struct wi_dynamodb_worker *row)
{
    wi_dynamodb_require(write, "attribute_exists(" UPDATED ")");
    if (row->is_ours) {
        wi_dynamodb_require_u64(write, WEIR_HEARTBEAT, "=", row->worker.counter);
    } else {
        wi_dynamodb_require_u64(write, UPDATED, "=", (uint64_t)row->updated_s);
    }
}
