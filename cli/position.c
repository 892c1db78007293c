/* Positions on the command line. */
#include "cli/position.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "cli/cli.h"

/* How far AT_TIMESTAMP may lie after this host's clock: that of the host that names it may be
 * ahead. */
#define CLOCK_TOLERANCE_MS INT64_C(60000)

#define MS_PER_SECOND 1000
/* A number of seconds from here on (the year 5138) is one of milliseconds (since 1973). */
#define MILLISECONDS_FROM UINT64_C(100000000000)

/* What stands behind the first colon. */
static const char *
argument_of(const char *text)
{
    const char *colon = strchr(text, ':');

    return colon == NULL ? "" : colon + 1;
}

/* Whether a time that is to come would have been, had it been given in milliseconds. */
static bool
is_in_milliseconds(const char *text, struct weir_wall latest, uint64_t *ret_ms)
{
    return cli_parse_count(argument_of(text), (uint64_t)latest.ms, ret_ms) &&
           *ret_ms >= MILLISECONDS_FROM;
}

/* Records that arrive before the time would be skipped without a word, and Kinesis refuses it. */
static int
refuse_future(
    const struct cli_position_option *option,
    const char *text,
    const struct weir_position *position,
    struct weir_wall now)
{
    const struct weir_position present = {.type = WEIR_AT_TIMESTAMP, .timestamp_ms = now.ms};
    const struct weir_wall latest = {now.ms + CLOCK_TOLERANCE_MS};
    char given[WEIR_POSITION_SIZE];
    char clock[WEIR_POSITION_SIZE];
    uint64_t ms;

    if (is_in_milliseconds(text, latest, &ms)) {
        return cli_usage(
            option->command,
            "--%s '%s' is in the future: milliseconds? epoch seconds are meant: %llu.%03llu",
            option->name,
            text,
            (unsigned long long)(ms / MS_PER_SECOND),
            (unsigned long long)(ms % MS_PER_SECOND));
    }
    (void)weir_position_format(position, given);
    (void)weir_position_format(&present, clock);
    return cli_usage(
        option->command,
        "--%s '%s' is in the future: it is %s, and now is %s: name a time that has been, or LATEST",
        option->name,
        text,
        argument_of(given),
        argument_of(clock));
}

int
cli_parse_position(
    const struct weir_env *env,
    const struct cli_position_option *option,
    const char *text,
    struct weir_position *ret)
{
    struct weir_position position;
    struct weir_wall now;

    if (weir_position_parse(cli_str(text), &position) != WEIR_OK ||
        position.type == WEIR_SHARD_END) {
        return cli_usage(
            option->command, "--%s '%s' is no position: %s", option->name, text, option->allowed);
    }
    now = env->clock.wall(env->clock.context);
    if (position.type == WEIR_AT_TIMESTAMP && position.timestamp_ms > now.ms + CLOCK_TOLERANCE_MS) {
        return refuse_future(option, text, &position, now);
    }
    *ret = position;
    return CLI_OK;
}
