/* A consumer under test: time is a number of milliseconds, record n has sequence number n. */
#ifndef WI_TESTS_UNIT_WORKER_CONSUMER_FIXTURE_H
#define WI_TESTS_UNIT_WORKER_CONSUMER_FIXTURE_H

#include <stdint.h>

#include "worker/shard_consumer.h"

#define DEADLINE_MS   INT64_C(1000000)
#define RETRY_BASE_MS 100
#define RETRY_CAP_MS  1000
#define IDLE_POLL_MS  500

/* How an action ended, for the events that carry more than an error. */
struct batch {
    size_t count;
    uint64_t first; /* sequence numbers; last = first + count - 1 */
    bool at_shard_end;
};

extern const struct wi_consumer_settings automatic_settings;
extern const struct wi_consumer_settings explicit_settings;

struct weir_mono at_ms(int64_t ms);
struct weir_position after(uint64_t number);
struct weir_position sentinel(enum weir_position_type type);

struct wi_consumer_action step_at(
    struct wi_consumer *consumer, enum wi_consumer_event_type type, int64_t now_ms);
/* A result with an error. */
struct wi_consumer_action ended_at(
    struct wi_consumer *consumer,
    enum wi_consumer_event_type type,
    enum weir_error error,
    int64_t now_ms);
struct wi_consumer_action fetched_at(
    struct wi_consumer *consumer, struct batch batch, int64_t now_ms);
/* An empty fetch whose `next` is given. */
struct wi_consumer_action fetched_nothing_at(
    struct wi_consumer *consumer, struct weir_position next, int64_t now_ms);
/* process_records failed after `processed` records, the last of them `through`. */
struct wi_consumer_action failed_at(
    struct wi_consumer *consumer, size_t processed, uint64_t through, int64_t now_ms);

/* Begin at `checkpoint`, and go as far as the name says; the time is 0 then. */
void given_waiting(struct wi_consumer *consumer, struct weir_position checkpoint);
/* A fetch is in flight. */
void given_fetching(struct wi_consumer *consumer, struct weir_position checkpoint);
/* Records 11 to 20 are inside process_records; the checkpoint is at 10. */
void given_processing(struct wi_consumer *consumer);
/* shard_ended is in flight; everything up to 20 is processed. */
void given_at_shard_end(struct wi_consumer *consumer);

#endif
