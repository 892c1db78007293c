#include "coordinator/coordinator_facts.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/mono.h"
#include "lease/lease.h"
#include "lease/lease_expiry.h"

/* FNV-1a: tells one wish from the next. */
#define HASH_START UINT64_C(0xcbf29ce484222325)
#define HASH_PRIME UINT64_C(0x100000001b3)

void
wi_coordinator_facts_free(struct wi_coordinator_facts *facts)
{
    wi_lease_expiry_free(facts->leases);
    wi_lease_expiry_free(facts->workers);
    wi_lease_expiry_free(facts->wishes);
    wi_lease_expiry_free(facts->revocations);
    wi_lease_expiry_free(facts->finished);
    *facts = (struct wi_coordinator_facts){0};
}

enum weir_error
wi_coordinator_facts_init(
    struct wi_coordinator_facts *facts,
    const struct weir_env *env,
    int64_t lease_duration_ms,
    int64_t handoff_timeout_ms)
{
    struct wi_lease_expiry **trackers[] = {
        &facts->leases, &facts->workers, &facts->wishes, &facts->revocations, &facts->finished};

    *facts = (struct wi_coordinator_facts){
        .lease_duration_ms = lease_duration_ms,
        .handoff_timeout_ms = handoff_timeout_ms,
        .shortest_timeout_ms = INT64_MAX,
    };
    for (size_t i = 0; i < WI_ARRAY_LENGTH(trackers); i++) {
        enum weir_error error = wi_lease_expiry_new(env, trackers[i]);

        if (error != WEIR_OK) {
            wi_coordinator_facts_free(facts);
            return error;
        }
    }
    return WEIR_OK;
}

static int64_t
timeout_of(const struct wi_coordinator_facts *facts, const struct wi_lease *lease)
{
    return lease->handoff.timeout_ms > 0 ? lease->handoff.timeout_ms : facts->handoff_timeout_ms;
}

/* A number that another wish has hardly ever. */
static uint64_t
hash_wish(const struct wi_handoff *wish)
{
    uint64_t hash = HASH_START ^ (uint64_t)wish->reason ^ ((uint64_t)wish->timeout_ms << 8U);

    for (size_t i = 0; i < sizeof wish->to && wish->to[i] != '\0'; i++) {
        hash = (hash ^ (unsigned char)wish->to[i]) * HASH_PRIME;
    }
    return hash;
}

/* C9: what counts about one lease. */
static enum weir_error
note_lease(struct wi_coordinator_facts *facts, const struct wi_lease *lease)
{
    const char *key = lease->lease_key;
    enum weir_error error = WEIR_OK;

    if (lease->checkpoint.type == WEIR_SHARD_END) {
        return wi_lease_expiry_observe(facts->finished, key, 0, 0, facts->now);
    }
    if (lease->owner_state == WI_OWNER_ALIVE) {
        error =
            wi_lease_expiry_observe(facts->leases, key, lease->epoch, lease->counter, facts->now);
    }
    if (error == WEIR_OK && lease->handoff.reason != WI_HANDOFF_NONE) {
        int64_t timeout_ms = timeout_of(facts, lease);

        if (timeout_ms < facts->shortest_timeout_ms) {
            facts->shortest_timeout_ms = timeout_ms;
        }
        error = wi_lease_expiry_observe(
            facts->wishes, key, lease->epoch, hash_wish(&lease->handoff), facts->now);
    }
    if (error == WEIR_OK && lease->revoked) {
        error = wi_lease_expiry_observe(facts->revocations, key, lease->epoch, 0, facts->now);
    }
    return error;
}

static void
note_leader(struct wi_coordinator_facts *facts, const struct wi_leader *leader)
{
    bool changed = leader->term != facts->leader.term || leader->counter != facts->leader.counter ||
                   strcmp(leader->owner, facts->leader.owner) != 0;

    if (!facts->has_leader || changed) {
        facts->leader_since = facts->now;
    }
    if (facts->has_leader && changed && leader->owner[0] != '\0') {
        facts->leader_grew = facts->now;
    }
    facts->has_leader = true;
    facts->leader = *leader;
}

enum weir_error
wi_coordinator_facts_note(
    struct wi_coordinator_facts *facts, const struct wi_lease_table *table, struct weir_mono now)
{
    enum weir_error error = WEIR_OK;

    wi_lease_expiry_begin(facts->leases);
    wi_lease_expiry_begin(facts->workers);
    wi_lease_expiry_begin(facts->wishes);
    wi_lease_expiry_begin(facts->revocations);
    wi_lease_expiry_begin(facts->finished);
    facts->now = now;
    facts->shortest_timeout_ms = INT64_MAX;
    note_leader(facts, &table->leader);
    for (size_t i = 0; i < table->lease_count && error == WEIR_OK; i++) {
        error = note_lease(facts, &table->leases[i]);
    }
    for (size_t i = 0; i < table->worker_count && error == WEIR_OK; i++) {
        const struct wi_worker *worker = &table->workers[i];

        error = wi_lease_expiry_observe(facts->workers, worker->owner, 0, worker->counter, now);
    }
    return error;
}

bool
wi_coordinator_facts_nobody_leads(const struct wi_coordinator_facts *facts, struct weir_mono now)
{
    struct weir_mono silent_at = wi_mono_add_ms(facts->leader_since, facts->lease_duration_ms);

    if (!facts->has_leader) {
        return false;
    }
    return facts->leader.owner[0] == '\0' || facts->leader.owner_state != WI_OWNER_ALIVE ||
           !wi_mono_before(now, silent_at);
}

bool
wi_coordinator_facts_is_live(
    const struct wi_coordinator_facts *facts, const struct wi_worker *worker)
{
    return worker->state == WI_OWNER_ALIVE &&
           !wi_lease_expiry_is_expired(
               facts->workers, worker->owner, facts->now, facts->lease_duration_ms);
}

bool
wi_coordinator_facts_is_expired(
    const struct wi_coordinator_facts *facts, const struct wi_lease *lease)
{
    return wi_lease_expiry_is_expired(
        facts->leases, lease->lease_key, facts->now, facts->lease_duration_ms);
}

bool
wi_coordinator_facts_is_revoked_long_enough(
    const struct wi_coordinator_facts *facts, const struct wi_lease *lease)
{
    return wi_lease_expiry_is_expired(
        facts->revocations, lease->lease_key, facts->now, facts->lease_duration_ms);
}

bool
wi_coordinator_facts_is_overdue(
    const struct wi_coordinator_facts *facts, const struct wi_lease *lease)
{
    return wi_lease_expiry_is_expired(
        facts->wishes, lease->lease_key, facts->now, timeout_of(facts, lease));
}

bool
wi_coordinator_facts_was_finished(
    const struct wi_coordinator_facts *facts, const struct wi_lease *lease, struct weir_mono at)
{
    return wi_lease_expiry_is_expired(facts->finished, lease->lease_key, at, 0);
}

static struct weir_mono
earlier_if_ahead(struct weir_mono earliest, struct weir_mono candidate, struct weir_mono now)
{
    return wi_mono_before(now, candidate) ? wi_mono_earlier(earliest, candidate) : earliest;
}

struct weir_mono
wi_coordinator_facts_next(const struct wi_coordinator_facts *facts, struct weir_mono now)
{
    int64_t duration_ms = facts->lease_duration_ms;
    struct weir_mono next = WI_MONO_NEVER;

    next = earlier_if_ahead(next, wi_lease_expiry_next(facts->leases, duration_ms), now);
    next = earlier_if_ahead(next, wi_lease_expiry_next(facts->revocations, duration_ms), now);
    next = earlier_if_ahead(
        next, wi_lease_expiry_next(facts->wishes, facts->shortest_timeout_ms), now);
    return earlier_if_ahead(next, wi_mono_add_ms(facts->leader_since, duration_ms), now);
}
