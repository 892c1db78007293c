#include "sim/sim_sink.h"

#include <stdint.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/sim.h>

#include "core/check.h"
#include "core/memory.h"
#include "sim/sim.h"
#include "sim/sim_fault.h"
#include "sim/sim_user.h"
#include "sim/sim_world.h"

/* A processor that goes on so long after its process is over does not heed errors. */
#define REFUSED_MAX 100000U
#define FIRST_ROOM  8U
#define GET_MAX_US  200
#define LEG_MAX_US  2500

struct wi_sim_value {
    char key[WEIR_SIM_KEY_SIZE];
    uint64_t version;
    size_t length;
    unsigned char data[WEIR_SIM_VALUE_MAX];
};

/* What a transaction did with a key. */
struct access {
    char key[WEIR_SIM_KEY_SIZE];
    bool is_read;
    bool is_written;
    uint64_t version; /* read; 0: there was none */
    size_t length;
    unsigned char data[WEIR_SIM_VALUE_MAX];
};

struct weir_sim_transaction {
    struct weir_sim_sink *sink; /* NULL once it commits */
    struct wi_sim *sim;
    struct weir_sim_transaction *next;
    struct access *accesses;
    size_t count;
    size_t capacity;
    enum weir_error result; /* of the commit */
    unsigned references;    /* the sender, and the message */
};

/* --- what is committed ----------------------------------------------------------------------- */

/* Where the key is, or would stand. */
static size_t
place_of(const struct wi_sim_database *database, const char *key)
{
    size_t low = 0;
    size_t high = database->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(database->values[middle]->key, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct wi_sim_value *
find_value(const struct wi_sim_database *database, const char *key)
{
    size_t place = place_of(database, key);

    return place < database->count && strcmp(database->values[place]->key, key) == 0
               ? database->values[place]
               : NULL;
}

static struct wi_sim_value *
add_value(struct wi_sim *sim, const char *key)
{
    struct wi_sim_database *database = &sim->users.database;
    size_t place = place_of(database, key);
    struct wi_sim_value *value = wi_sim_alloc(&sim->world, 1, sizeof *value);

    if (database->count == database->capacity) {
        size_t capacity = database->capacity == 0 ? FIRST_ROOM : database->capacity * 2;
        void *grown = wi_resize_array(
            &sim->world.env, database->values, capacity, sizeof(struct wi_sim_value *));

        WEIR_ASSERT(grown != NULL);
        database->values = grown;
        database->capacity = capacity;
    }
    memmove(
        &database->values[place + 1],
        &database->values[place],
        (database->count - place) * sizeof(struct wi_sim_value *));
    database->values[place] = value;
    database->count++;
    (void)memcpy(value->key, key, strlen(key) + 1);
    return value;
}

void
wi_sim_database_free(struct wi_sim *sim)
{
    struct wi_sim_database *database = &sim->users.database;

    for (size_t i = 0; i < database->count; i++) {
        wi_free(&sim->world.env, database->values[i]);
    }
    wi_free(&sim->world.env, database->values);
    *database = (struct wi_sim_database){0};
}

/* --- transactions ---------------------------------------------------------------------------- */

/* The process is over. A call that does not heed it would never return. */
static bool
is_refused(struct weir_sim_sink *sink)
{
    if (sink->is_over) {
        sink->refused++;
        WEIR_ASSERT(sink->refused < REFUSED_MAX);
    }
    return sink->is_over;
}

enum weir_error
weir_sim_sink_begin(struct weir_sim_sink *sink, struct weir_sim_transaction **ret)
{
    struct weir_sim_transaction *transaction = NULL;

    if (sink == NULL || ret == NULL) {
        return WEIR_EINVAL;
    }
    if (is_refused(sink)) {
        return WEIR_ECANCELED;
    }
    transaction = wi_sim_alloc(&sink->sim->world, 1, sizeof *transaction);
    transaction->sink = sink;
    transaction->sim = sink->sim;
    transaction->next = sink->open;
    transaction->references = 1;
    sink->open = transaction;
    *ret = transaction;
    return WEIR_OK;
}

static void
let_go(struct weir_sim_transaction *transaction)
{
    const struct weir_env *env = &transaction->sim->world.env;

    transaction->references--;
    if (transaction->references == 0) {
        wi_free(env, transaction->accesses);
        wi_free(env, transaction);
    }
}

static void
unlink_from_sink(struct weir_sim_transaction *transaction)
{
    struct weir_sim_transaction **place = &transaction->sink->open;

    while (*place != transaction) {
        place = &(*place)->next;
    }
    *place = transaction->next;
    transaction->sink = NULL;
}

void
weir_sim_sink_abort(struct weir_sim_transaction *transaction)
{
    if (transaction != NULL) {
        unlink_from_sink(transaction);
        let_go(transaction);
    }
}

void
wi_sim_sink_close(struct weir_sim_sink *sink)
{
    while (sink->open != NULL) {
        weir_sim_sink_abort(sink->open);
    }
}

static struct access *
access_of(struct weir_sim_transaction *transaction, const char *key)
{
    struct access *access = NULL;

    for (size_t i = 0; i < transaction->count; i++) {
        if (strcmp(transaction->accesses[i].key, key) == 0) {
            return &transaction->accesses[i];
        }
    }
    if (transaction->count == transaction->capacity) {
        size_t capacity = transaction->capacity == 0 ? FIRST_ROOM : transaction->capacity * 2;
        void *grown = wi_resize_array(
            &transaction->sim->world.env, transaction->accesses, capacity, sizeof *access);

        WEIR_ASSERT(grown != NULL);
        transaction->accesses = grown;
        transaction->capacity = capacity;
    }
    access = &transaction->accesses[transaction->count++];
    *access = (struct access){.length = 0};
    (void)memcpy(access->key, key, strlen(key) + 1);
    return access;
}

static enum weir_error
copy_value(
    const unsigned char *data, size_t length, void *ret_value, size_t size, size_t *ret_length)
{
    if (size > 0) {
        memcpy(ret_value, data, length < size ? length : size);
    }
    if (ret_length != NULL) {
        *ret_length = length;
    }
    return WEIR_OK;
}

static int64_t
latency_ns(struct wi_sim *sim, int64_t high_us)
{
    return wi_sim_log_between(&sim->world, WI_SIM_RANDOM_SINK, 2, high_us) * WI_SIM_NS_PER_US;
}

enum weir_error
weir_sim_sink_get(
    struct weir_sim_transaction *transaction,
    const char *key,
    void *ret_value,
    size_t size,
    size_t *ret_length)
{
    const struct wi_sim_value *value = NULL;
    struct access *access = NULL;
    struct wi_sim *sim = NULL;

    if (transaction == NULL || key == NULL || strlen(key) >= WEIR_SIM_KEY_SIZE ||
        (ret_value == NULL && size > 0)) {
        return WEIR_EINVAL;
    }
    sim = transaction->sim;
    if (is_refused(transaction->sink) || !wi_sim_user_wait(sim, latency_ns(sim, GET_MAX_US))) {
        return WEIR_ECANCELED;
    }
    access = access_of(transaction, key);
    if (access->is_written) {
        return copy_value(access->data, access->length, ret_value, size, ret_length);
    }
    value = find_value(&sim->users.database, key);
    if (!access->is_read) {
        access->is_read = true;
        access->version = value == NULL ? 0 : value->version;
    }
    return value == NULL ? WEIR_ENOTFOUND
                         : copy_value(value->data, value->length, ret_value, size, ret_length);
}

enum weir_error
weir_sim_sink_put(
    struct weir_sim_transaction *transaction, const char *key, const void *value, size_t length)
{
    struct access *access = NULL;

    if (transaction == NULL || key == NULL || strlen(key) >= WEIR_SIM_KEY_SIZE ||
        length > WEIR_SIM_VALUE_MAX || (value == NULL && length > 0)) {
        return WEIR_EINVAL;
    }
    access = access_of(transaction, key);
    access->is_written = true;
    access->length = length;
    if (length > 0) {
        memcpy(access->data, value, length);
    }
    return WEIR_OK;
}

/* --- commits --------------------------------------------------------------------------------- */

static enum weir_error
apply(struct weir_sim_transaction *transaction)
{
    struct wi_sim *sim = transaction->sim;
    struct wi_sim_database *database = &sim->users.database;
    uint64_t version = ++database->versions;

    for (size_t i = 0; i < transaction->count; i++) {
        const struct access *access = &transaction->accesses[i];
        const struct wi_sim_value *value = find_value(database, access->key);

        if (access->is_read && access->version != (value == NULL ? 0 : value->version)) {
            return WEIR_ECONFLICT;
        }
    }
    for (size_t i = 0; i < transaction->count; i++) {
        const struct access *access = &transaction->accesses[i];
        struct wi_sim_value *value = find_value(database, access->key);

        if (access->is_written) {
            value = value == NULL ? add_value(sim, access->key) : value;
            value->version = version;
            value->length = access->length;
            memcpy(value->data, access->data, access->length);
        }
    }
    return WEIR_OK;
}

static void
drop(struct wi_sim *sim, const struct wi_sim_event *event)
{
    (void)sim;
    let_go(event->object);
}

/* At the sink, whoever lives. */
static void
arrive(struct wi_sim *sim, const struct wi_sim_event *event)
{
    struct weir_sim_transaction *transaction = event->object;

    transaction->result = apply(transaction);
    wi_sim_mix(sim, (uint64_t)transaction->result);
    wi_sim_note(sim, "sink: commit: %s", weir_error_name(transaction->result));
    drop(sim, event);
}

/* How a commit goes wrong; WEIR_OK: it does not. */
static enum weir_error
mishap(struct wi_sim *sim)
{
    if (wi_sim_user_is_poisoned(sim)) {
        return WEIR_EIO;
    }
    if (!wi_sim_user_fault(sim, WI_SIM_FAILING_PROCESSOR)) {
        return WEIR_OK;
    }
    return wi_sim_below(&sim->world, WI_SIM_RANDOM_SINK, 2) == 0 ? WEIR_EIO : WEIR_ETIMEOUT;
}

static int64_t
leg_ns(struct wi_sim *sim)
{
    int64_t late_ms = wi_sim_log_between(
        &sim->world, WI_SIM_RANDOM_SINK, 1, 2 * sim->plan.config.lease_duration_ms);
    int64_t usual_ns = latency_ns(sim, LEG_MAX_US);

    return wi_sim_user_fault(sim, WI_SIM_SLOW_PROCESSOR) ? late_ms * WI_SIM_NS_PER_MS : usual_ns;
}

/* The message, and the wait for its answer. */
static enum weir_error
send(struct wi_sim *sim, struct weir_sim_transaction *transaction)
{
    int64_t there_ns = leg_ns(sim);
    int64_t back_ns = leg_ns(sim);
    enum weir_error wrong = mishap(sim);
    bool is_lost = wrong == WEIR_EIO || (wrong == WEIR_ETIMEOUT &&
                                         wi_sim_below(&sim->world, WI_SIM_RANDOM_SINK, 2) == 0);

    if (!is_lost) {
        transaction->references++;
        wi_sim_post(
            &sim->world,
            (struct wi_sim_event){.time_ns = sim->world.now_ns + there_ns,
                                  .run = arrive,
                                  .drop = drop,
                                  .object = transaction,
                                  .node = WI_SIM_NOBODY});
    }
    if (!wi_sim_user_wait(sim, there_ns + back_ns)) {
        return WEIR_ECANCELED;
    }
    return wrong == WEIR_OK ? transaction->result : wrong;
}

enum weir_error
weir_sim_sink_commit(struct weir_sim_transaction *transaction)
{
    enum weir_error error = WEIR_ECANCELED;
    bool is_over = false;

    if (transaction == NULL) {
        return WEIR_EINVAL;
    }
    is_over = is_refused(transaction->sink);
    unlink_from_sink(transaction);
    if (!is_over) {
        error = wi_sim_user_is_in_call(transaction->sim) ? send(transaction->sim, transaction)
                                                         : apply(transaction);
    }
    let_go(transaction);
    return error;
}
