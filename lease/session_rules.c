#include "lease/session_rules.h"

#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/shard_key.h"
#include "core/str.h"
#include "lease/lease.h"
#include "lease/lease_rules.h"
#include "lease/lease_store.h"

#define FIRST_COUNTER 1U /* 0 means: there is no row */

struct wi_owner_view
wi_session_view(const struct wi_session *session, bool process_gone)
{
    struct wi_owner_view view = {.process_gone = process_gone};

    if (session != NULL) {
        view.registered = true;
        view.fenced = session->fenced;
        view.counter = session->worker.counter;
    }
    return view;
}

struct wi_worker
wi_session_worker(const struct wi_session *session, bool process_gone)
{
    struct wi_worker worker = session->worker;
    struct wi_owner_view view = wi_session_view(session, process_gone);

    WEIR_ASSERT(worker.owner[0] != '\0');
    worker.draining = worker.draining || session->drain_requested;
    worker.state = wi_owner_view_state(worker.owner, &view);
    return worker;
}

enum weir_error
wi_session_put(struct wi_session *session, bool is_new, const struct wi_worker *worker)
{
    uint64_t counter = is_new ? FIRST_COUNTER : session->worker.counter;

    if (!wi_lease_text_is_valid(worker->owner, sizeof worker->owner)) {
        return WEIR_EINVAL;
    }
    if (is_new) {
        *session = (struct wi_session){0};
    } else if (session->fenced) {
        return WEIR_ESESSIONLOST;
    }
    session->worker = *worker;
    session->worker.counter = counter;
    session->worker.state = WI_OWNER_ALIVE;
    return WEIR_OK;
}

enum weir_error
wi_session_renew(struct wi_session *session, struct wi_renew_answer *ret_answer)
{
    if (session == NULL || session->fenced) {
        return WEIR_ESESSIONLOST;
    }
    WEIR_ASSERT(session->worker.counter < UINT64_MAX);
    if (session->worker.counter == WI_NUMBER_LAST) {
        return WEIR_ESESSIONLOST; /* it stands still from now on; the worker comes back anew */
    }
    session->worker.counter++;
    *ret_answer = (struct wi_renew_answer){.drain_requested = session->drain_requested};
    return WEIR_OK;
}

enum weir_error
wi_session_fence(
    struct wi_session *session, bool is_new, const char *owner, uint64_t expected_counter)
{
    size_t length = strlen(owner);

    WEIR_ASSERT(length > 0 && length < sizeof session->worker.owner);
    if (is_new) {
        if (expected_counter != 0) {
            return WEIR_ECONFLICT;
        }
        *session = (struct wi_session){0};
        memcpy(session->worker.owner, owner, length + 1);
        session->worker.state = WI_OWNER_ALIVE;
    } else if (!session->fenced && session->worker.counter != expected_counter) {
        return WEIR_ECONFLICT;
    }
    session->fenced = true;
    return WEIR_OK;
}

enum weir_error
wi_session_check_removal(const struct wi_owner_view *view, uint64_t expected_counter)
{
    bool is_dead = view->fenced || view->process_gone || view->counter == expected_counter;

    return is_dead ? WEIR_OK : WEIR_ECONFLICT;
}

enum weir_error
wi_leader_check_term(const struct wi_leader *leader, uint64_t term)
{
    bool leads = leader->owner[0] != '\0' && leader->term == term;

    return term == 0 || leads ? WEIR_OK : WEIR_ECONFLICT;
}

enum weir_error
wi_leader_judge_take(
    const struct wi_leader *leader,
    const struct wi_leader_take *take,
    const struct wi_owner_view *present,
    const struct wi_owner_view *caller,
    bool *ret_fence)
{
    bool is_alive = wi_owner_view_state(leader->owner, present) == WI_OWNER_ALIVE;

    if (!caller->registered || caller->fenced) {
        return WEIR_ESESSIONLOST;
    }
    if (leader->term == WI_NUMBER_LAST) {
        return WEIR_ECORRUPT; /* before anybody is fenced in vain */
    }
    if (leader->term != take->expected_term) {
        return WEIR_ECONFLICT;
    }
    if (is_alive &&
        (present->counter != take->expected_counter || strcmp(leader->owner, take->owner) == 0)) {
        return WEIR_ECONFLICT;
    }
    *ret_fence = is_alive;
    return WEIR_OK;
}

enum weir_error
wi_leader_apply_take(struct wi_leader *leader, const struct wi_leader_take *take)
{
    size_t length = strlen(take->owner);

    if (leader->term != take->expected_term) {
        return WEIR_ECONFLICT;
    }
    if (leader->term == WI_NUMBER_LAST) {
        return WEIR_ECORRUPT;
    }
    WEIR_ASSERT(length > 0 && length < sizeof leader->owner);
    WEIR_ASSERT(leader->term < UINT64_MAX);
    memcpy(leader->owner, take->owner, length + 1);
    leader->term++;
    return WEIR_OK;
}

enum weir_error
wi_leader_apply_release(struct wi_leader *leader, const char *owner, uint64_t term)
{
    if (leader->owner[0] == '\0' || leader->term != term || strcmp(leader->owner, owner) != 0) {
        return WEIR_ECONFLICT;
    }
    leader->owner[0] = '\0';
    return WEIR_OK;
}

bool
wi_application_reads_several(const struct wi_application *application)
{
    return wi_str_starts_with(
        wi_str(application->stream_url), WI_STR(WI_KINESIS_SCHEME WI_KINESIS_ANY_STREAM));
}

enum weir_error
wi_application_check(const struct wi_application *application)
{
    bool valid = wi_lease_text_is_valid(application->stream_url, sizeof application->stream_url) &&
                 application->lease_duration_ms > 0 &&
                 application->lease_duration_ms <= WI_LEASE_DURATION_MS_MAX &&
                 application->initial_position.type >= WEIR_TRIM_HORIZON &&
                 application->initial_position.type < WEIR_SHARD_END;

    return valid ? WEIR_OK : WEIR_EINVAL;
}

enum weir_error
wi_application_join(
    struct wi_application *agreed,
    const struct wi_application *wish,
    const struct wi_application_facts *facts,
    bool *ret_changed)
{
    bool same_stream = facts->exists && strcmp(agreed->stream_url, wish->stream_url) == 0;
    bool in_use = facts->has_live_worker || facts->has_leases;

    if (wi_application_check(wish) != WEIR_OK) {
        return WEIR_EINVAL;
    }
    *ret_changed = false;
    if (!same_stream) {
        if (facts->exists && in_use) {
            return WEIR_ECONFLICT;
        }
        *agreed = *wish;
        *ret_changed = true;
    } else if (!facts->has_live_worker && agreed->lease_duration_ms != wish->lease_duration_ms) {
        agreed->lease_duration_ms = wish->lease_duration_ms;
        *ret_changed = true;
    }
    return WEIR_OK;
}

void
wi_table_note_epoch(struct wi_table_counters *counters, uint64_t epoch)
{
    counters->ownership_version++;
    if (epoch > counters->epoch_highest) {
        counters->epoch_highest = epoch;
    }
}

void
wi_table_note_removal(struct wi_table_counters *counters, uint64_t epoch)
{
    wi_table_note_epoch(counters, epoch);
    if (epoch > counters->epoch_floor) {
        counters->epoch_floor = epoch;
    }
}

void
wi_table_note_reset(struct wi_table_counters *counters)
{
    WEIR_ASSERT(counters->epoch_floor <= counters->epoch_highest);
    counters->epoch_floor = counters->epoch_highest;
    counters->ownership_version++;
}
