#include "sim/history_text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>

#include "core/check.h"
#include "core/detail.h"
#include "sim/checker.h"
#include "sim/history.h"

#define DECIMALS_MAX  20
#define SETTINGS_KIND "settings"

static const char *const kinds[WI_HISTORY_KINDS] = {
    [WI_HISTORY_PUT] = "put",
    [WI_HISTORY_SHARD] = "shard",
    [WI_HISTORY_CLOSE] = "close",
    [WI_HISTORY_TRIM] = "trim",
    [WI_HISTORY_ROW] = "row",
    [WI_HISTORY_ROW_DELETED] = "row_deleted",
    [WI_HISTORY_REFUSED] = "refused",
    [WI_HISTORY_LEADER] = "leader",
    [WI_HISTORY_HOLD] = "hold",
    [WI_HISTORY_DROP] = "drop",
    [WI_HISTORY_INITIALIZE] = "initialize",
    [WI_HISTORY_BEGIN] = "begin",
    [WI_HISTORY_END] = "end",
    [WI_HISTORY_LEASE_LOST] = "lease_lost",
    [WI_HISTORY_SHARD_ENDED] = "shard_ended",
    [WI_HISTORY_SHUTDOWN] = "shutdown",
    [WI_HISTORY_DESTROY] = "destroy",
    [WI_HISTORY_CHECKPOINT] = "checkpoint",
    [WI_HISTORY_EFFECT] = "effect",
    [WI_HISTORY_DEAD_LETTER] = "dead_letter",
    [WI_HISTORY_WORKER] = "worker",
    [WI_HISTORY_FAULT] = "fault",
    [WI_HISTORY_HEALED] = "healed",
    [WI_HISTORY_QUIET] = "quiet",
    [WI_HISTORY_UNLISTED] = "unlisted",
    [WI_HISTORY_LEAVING] = "leaving",
    [WI_HISTORY_GONE] = "gone",
    [WI_HISTORY_HANG] = "hang",
    [WI_HISTORY_PROCESSED] = "processed",
};

static const char *const operations[] = {
    [WI_OPERATION_NONE] = "none",
    [WI_OPERATION_CREATE] = "create",
    [WI_OPERATION_ASSIGN] = "assign",
    [WI_OPERATION_CHECKPOINT] = "checkpoint",
    [WI_OPERATION_RELEASE] = "release",
    [WI_OPERATION_FINISH] = "finish",
    [WI_OPERATION_HANDOFF] = "handoff",
    [WI_OPERATION_REVOKE] = "revoke",
    [WI_OPERATION_RENEW] = "renew",
    [WI_OPERATION_RESET] = "reset",
};

static const enum weir_error errors[] = {
    WEIR_EINVAL,     WEIR_ESTATE,     WEIR_EUNSUPPORTED, WEIR_ENOMEM,       WEIR_EFULL,
    WEIR_ELIMIT,     WEIR_ERANGE,     WEIR_ELEASELOST,   WEIR_ECONFLICT,    WEIR_EEXISTS,
    WEIR_ENOTFOUND,  WEIR_EFENCED,    WEIR_EDUPLICATE,   WEIR_ESESSIONLOST, WEIR_ETIMEOUT,
    WEIR_EBUSY,      WEIR_ETHROTTLED, WEIR_ECANCELED,    WEIR_EEXPIRED,     WEIR_ECORRUPT,
    WEIR_EVERSION,   WEIR_ETRIMMED,   WEIR_EIO,          WEIR_EACCESS,      WEIR_EPLATFORM,
    WEIR_EPROCESSOR, WEIR_EINTERNAL,
};

/* --- members --------------------------------------------------------------------------------- */

enum member_type {
    MEMBER_U32,
    MEMBER_U64,
    MEMBER_I64,
    MEMBER_BOOL,
    MEMBER_OPERATION,
    MEMBER_ERROR
};

struct member {
    const char *name;
    size_t offset;
    enum member_type type;
};

#define EVENT(member)   offsetof(struct wi_history_event, member)
#define SETTING(member) offsetof(struct wi_checker_settings, member)

/* In the order of the line. */
static const struct member event_members[] = {
    {"t", EVENT(time_ns), MEMBER_I64},
    {"worker", EVENT(worker), MEMBER_U32},
    {"shard", EVENT(shard), MEMBER_U32},
    {"parent", EVENT(parents[0]), MEMBER_U32},
    {"other_parent", EVENT(parents[1]), MEMBER_U32},
    {"key", EVENT(key), MEMBER_U32},
    {"epoch", EVENT(epoch), MEMBER_U64},
    {"first", EVENT(first), MEMBER_U64},
    {"last", EVENT(last), MEMBER_U64},
    {"count", EVENT(count), MEMBER_U32},
    {"attempt", EVENT(attempt), MEMBER_U32},
    {"until", EVENT(until_ns), MEMBER_I64},
    {"operation", EVENT(operation), MEMBER_OPERATION},
    {"error", EVENT(error), MEMBER_ERROR},
    {"fault", EVENT(fault), MEMBER_U32},
    {"writer", EVENT(writer), MEMBER_U32},
    {"under", EVENT(under), MEMBER_U64},
    {"term", EVENT(term), MEMBER_U64},
    {"unresolved", EVENT(unresolved), MEMBER_BOOL},
    {"shard_end", EVENT(shard_end), MEMBER_BOOL},
    {"fenced", EVENT(fenced), MEMBER_BOOL},
    {"on", EVENT(on), MEMBER_BOOL},
};

static const struct member settings_members[] = {
    {"lease_duration_ms", SETTING(lease_duration_ms), MEMBER_I64},
    {"crash_takeover_ms", SETTING(crash_takeover_ms), MEMBER_I64},
    {"hang_takeover_ms", SETTING(hang_takeover_ms), MEMBER_I64},
    {"balance_ms", SETTING(balance_ms), MEMBER_I64},
    {"progress_ms", SETTING(progress_ms), MEMBER_I64},
    {"reshard_ms", SETTING(reshard_ms), MEMBER_I64},
    {"stop_ms", SETTING(stop_ms), MEMBER_I64},
    {"redelivered_max", SETTING(redelivered_max), MEMBER_U32},
    {"free_moves", SETTING(free_moves), MEMBER_BOOL},
    {"starts_at_tip", SETTING(starts_at_tip), MEMBER_BOOL},
    {"fenced_sink", SETTING(fenced_sink), MEMBER_BOOL},
    {"exactly_once_sink", SETTING(exactly_once_sink), MEMBER_BOOL},
    {"starts_at_time", SETTING(starts_at_time), MEMBER_BOOL},
};

/* The member as a number. */
static uint64_t
load(const void *object, const struct member *member)
{
    const char *place = (const char *)object + member->offset;
    uint64_t value = 0;
    uint32_t small = 0;
    bool flag = false;

    switch (member->type) {
    case MEMBER_U64:
    case MEMBER_I64:
        memcpy(&value, place, sizeof value);
        break;
    case MEMBER_U32:
    case MEMBER_OPERATION:
    case MEMBER_ERROR:
        memcpy(&small, place, sizeof small);
        value = small;
        break;
    case MEMBER_BOOL:
        memcpy(&flag, place, sizeof flag);
        value = flag ? 1 : 0;
        break;
    }
    return value;
}

static void
store(void *object, const struct member *member, uint64_t value)
{
    char *place = (char *)object + member->offset;
    uint32_t small = (uint32_t)value;
    bool flag = value != 0;

    switch (member->type) {
    case MEMBER_U64:
    case MEMBER_I64:
        memcpy(place, &value, sizeof value);
        break;
    case MEMBER_U32:
    case MEMBER_OPERATION:
    case MEMBER_ERROR:
        memcpy(place, &small, sizeof small);
        break;
    case MEMBER_BOOL:
        memcpy(place, &flag, sizeof flag);
        break;
    }
}

_Static_assert(sizeof(enum wi_history_operation) == sizeof(uint32_t), "load() and store()");
_Static_assert(sizeof(enum weir_error) == sizeof(uint32_t), "load() and store()");

/* --- writing --------------------------------------------------------------------------------- */

struct line {
    char *text;
    size_t length;
};

static void
append(struct line *line, const char *text, size_t length)
{
    WEIR_ASSERT(line->length + length < WI_HISTORY_LINE_SIZE);
    memcpy(line->text + line->length, text, length);
    line->length += length;
    line->text[line->length] = '\0';
}

static void
append_text(struct line *line, const char *text)
{
    append(line, text, strlen(text));
}

static void
append_quoted(struct line *line, const char *text)
{
    append(line, "\"", 1);
    append_text(line, text);
    append(line, "\"", 1);
}

static void
append_number(struct line *line, uint64_t value)
{
    char digits[DECIMALS_MAX];
    size_t first = sizeof digits;

    do {
        digits[--first] = (char)('0' + (char)(value % 10));
        value /= 10;
    } while (value != 0);
    append(line, digits + first, sizeof digits - first);
}

static void
append_member(struct line *line, const struct member *member, uint64_t value)
{
    append(line, ",", 1);
    append_quoted(line, member->name);
    append(line, ":", 1);
    switch (member->type) {
    case MEMBER_I64:
        WEIR_ASSERT(value <= INT64_MAX);
        append_number(line, value);
        break;
    case MEMBER_U64:
    case MEMBER_U32:
        append_number(line, value);
        break;
    case MEMBER_BOOL:
        append_text(line, "true");
        break;
    case MEMBER_OPERATION:
        WEIR_ASSERT(value < WI_ARRAY_LENGTH(operations));
        append_quoted(line, operations[value]);
        break;
    case MEMBER_ERROR:
        append_quoted(line, weir_error_name((enum weir_error)value));
        break;
    }
}

static size_t
format(char *ret, const char *kind, const void *object, const struct member *members, size_t count)
{
    struct line line = {ret, 0};

    append_text(&line, "{\"kind\":");
    append_quoted(&line, kind);
    for (size_t i = 0; i < count; i++) {
        uint64_t value = load(object, &members[i]);

        if (value != 0) {
            append_member(&line, &members[i], value);
        }
    }
    append(&line, "}", 1);
    return line.length;
}

size_t
wi_history_format(const struct wi_history_event *event, char ret[static WI_HISTORY_LINE_SIZE])
{
    return format(
        ret,
        wi_history_kind_name(event->kind),
        event,
        event_members,
        WI_ARRAY_LENGTH(event_members));
}

size_t
wi_history_format_settings(
    const struct wi_checker_settings *settings, char ret[static WI_HISTORY_LINE_SIZE])
{
    return format(
        ret, SETTINGS_KIND, settings, settings_members, WI_ARRAY_LENGTH(settings_members));
}

const char *
wi_history_kind_name(enum wi_history_kind kind)
{
    WEIR_ASSERT((unsigned)kind < WI_HISTORY_KINDS);
    return kinds[kind];
}

/* --- reading --------------------------------------------------------------------------------- */

struct cursor {
    const char *at;
    const char *end;
};

/* Go past `text` if it comes next. */
static bool
skip(struct cursor *cursor, const char *text)
{
    size_t length = strlen(text);

    if ((size_t)(cursor->end - cursor->at) < length || memcmp(cursor->at, text, length) != 0) {
        return false;
    }
    cursor->at += length;
    return true;
}

/* A number from 1 to `max`, as the writer writes it. */
static bool
read_number(struct cursor *cursor, uint64_t max, uint64_t *ret)
{
    uint64_t value = 0;
    const char *start = cursor->at;

    while (cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9') {
        uint64_t digit = (uint64_t)(*cursor->at - '0');

        if (value > (max - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
        cursor->at++;
    }
    *ret = value;
    return cursor->at > start && *start != '0';
}

/* Text in quotation marks, without any that JSON would have to escape. */
static bool
read_quoted(struct cursor *cursor, const char **ret, size_t *ret_length)
{
    const char *start;

    if (!skip(cursor, "\"")) {
        return false;
    }
    start = cursor->at;
    while (cursor->at < cursor->end && *cursor->at != '"') {
        cursor->at++;
    }
    *ret = start;
    *ret_length = (size_t)(cursor->at - start);
    return skip(cursor, "\"");
}

static bool
equals(const char *name, const char *text, size_t length)
{
    return strlen(name) == length && memcmp(name, text, length) == 0;
}

static bool
read_operation(struct cursor *cursor, uint64_t *ret)
{
    const char *text;
    size_t length;

    if (!read_quoted(cursor, &text, &length)) {
        return false;
    }
    for (size_t i = 1; i < WI_ARRAY_LENGTH(operations); i++) {
        if (equals(operations[i], text, length)) {
            *ret = i;
            return true;
        }
    }
    return false;
}

static bool
read_error(struct cursor *cursor, uint64_t *ret)
{
    const char *text;
    size_t length;

    if (!read_quoted(cursor, &text, &length)) {
        return false;
    }
    for (size_t i = 0; i < WI_ARRAY_LENGTH(errors); i++) {
        if (equals(weir_error_name(errors[i]), text, length)) {
            *ret = errors[i];
            return true;
        }
    }
    return false;
}

static bool
read_value(struct cursor *cursor, enum member_type type, uint64_t *ret)
{
    bool read = false;

    *ret = 1;
    switch (type) {
    case MEMBER_U32:
        read = read_number(cursor, UINT32_MAX, ret);
        break;
    case MEMBER_U64:
        read = read_number(cursor, UINT64_MAX, ret);
        break;
    case MEMBER_I64:
        read = read_number(cursor, INT64_MAX, ret);
        break;
    case MEMBER_BOOL:
        read = skip(cursor, "true");
        break;
    case MEMBER_OPERATION:
        read = read_operation(cursor, ret);
        break;
    case MEMBER_ERROR:
        read = read_error(cursor, ret);
        break;
    }
    return read;
}

/* True if `,"name":` comes next; then it is passed. */
static bool
skip_name(struct cursor *cursor, const char *name)
{
    struct cursor ahead = *cursor;

    if (!skip(&ahead, ",\"") || !skip(&ahead, name) || !skip(&ahead, "\":")) {
        return false;
    }
    *cursor = ahead;
    return true;
}

/* The members that are there, in their order, and the end of the line. On failure the name of the
 * member whose value is wrong, or "". */
static const char *
read_members(struct cursor *cursor, void *object, const struct member *members, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t value = 0;

        if (!skip_name(cursor, members[i].name)) {
            continue;
        }
        if (!read_value(cursor, members[i].type, &value)) {
            return members[i].name;
        }
        store(object, &members[i], value);
    }
    return skip(cursor, "}") && cursor->at == cursor->end ? NULL : "";
}

static bool
find_kind(const char *text, size_t length, enum wi_history_kind *ret)
{
    for (unsigned i = 0; i < WI_HISTORY_KINDS; i++) {
        if (equals(kinds[i], text, length)) {
            *ret = (enum wi_history_kind)i;
            return true;
        }
    }
    return false;
}

static enum weir_error
parse_object(
    struct cursor *cursor,
    uint64_t number,
    struct wi_history_line *line,
    struct weir_detail *detail)
{
    const char *start = cursor->at;
    const char *kind;
    const char *wrong;
    size_t length;

    if (!skip(cursor, "{\"kind\":") || !read_quoted(cursor, &kind, &length)) {
        return wi_detail(
            detail,
            WEIR_ECORRUPT,
            "line %" PRIu64 ": an event begins with {\"kind\":\"...\"",
            number);
    }
    if (equals(SETTINGS_KIND, kind, length)) {
        line->type = WI_HISTORY_LINE_SETTINGS;
        wrong = read_members(
            cursor, &line->settings, settings_members, WI_ARRAY_LENGTH(settings_members));
    } else if (find_kind(kind, length, &line->event.kind)) {
        line->type = WI_HISTORY_LINE_EVENT;
        wrong = read_members(cursor, &line->event, event_members, WI_ARRAY_LENGTH(event_members));
    } else {
        return wi_detail(
            detail, WEIR_ECORRUPT, "line %" PRIu64 ": there is no such kind of event", number);
    }
    if (wrong == NULL) {
        return WEIR_OK;
    }
    return wrong[0] != '\0'
               ? wi_detail(
                     detail,
                     WEIR_ECORRUPT,
                     "line %" PRIu64 ": \"%s\" has a value that it cannot have",
                     number,
                     wrong)
               : wi_detail(
                     detail,
                     WEIR_ECORRUPT,
                     "line %" PRIu64 ", column %zu: here is no member, or not its place; "
                     "docs/history.md has their order",
                     number,
                     (size_t)(cursor->at - start) + 1);
}

enum weir_error
wi_history_parse(
    const char *text,
    size_t length,
    uint64_t number,
    struct wi_history_line *ret,
    struct weir_detail *detail)
{
    struct wi_history_line line = {.type = WI_HISTORY_LINE_REMARK};
    struct cursor cursor = {text, text + length};
    enum weir_error error = WEIR_OK;

    if (length >= WI_HISTORY_LINE_SIZE) {
        return wi_detail(
            detail, WEIR_ECORRUPT, "line %" PRIu64 ": %zu bytes are too many", number, length);
    }
    if (length > 0 && text[0] != '#') {
        error = parse_object(&cursor, number, &line, detail);
    }
    if (error == WEIR_OK) {
        *ret = line;
    }
    return error;
}
