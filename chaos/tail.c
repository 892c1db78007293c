#include "chaos/tail.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/error.h>
#include <weir/types.h>

#include "chaos/base.h"
#include "chaos/journal.h"
#include "chaos/ledger.h"

#define CHUNK ((size_t)1 << 18)
/* Numbers of JSON are exact up to here. */
#define EXACT_MAX 9007199254740992.0

bool
chaos_tail_open(struct chaos_tail *tail, const char *path, uint32_t worker, bool text)
{
    *tail = (struct chaos_tail){.fd = -1, .text = text, .worker = worker};
    /* Made here, so that a command may append to it and its absence is no special case. */
    tail->fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
    if (tail->fd < 0) {
        return false;
    }
    tail->rest = chaos_zeroed(CHUNK, 1);
    return true;
}

void
chaos_tail_close(struct chaos_tail *tail)
{
    if (tail->rest != NULL) {
        (void)close(tail->fd);
    }
    free(tail->rest);
    *tail = (struct chaos_tail){.fd = -1};
}

static bool
parse_sequence(const cJSON *item, uint64_t *ret)
{
    struct weir_sequence_number number;
    const char *text = cJSON_GetStringValue(item);

    if (text == NULL ||
        weir_sequence_number_parse((struct weir_str){text, strlen(text)}, &number) != WEIR_OK) {
        return false;
    }
    *ret = number.word[3];
    return true;
}

bool
chaos_tail_parse(const char *line, size_t length, struct chaos_entry *ret)
{
    cJSON *root = cJSON_ParseWithLength(line, length);
    const char *shard = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "shard_id"));
    const cJSON *epoch = cJSON_GetObjectItemCaseSensitive(root, "lease_epoch");
    struct chaos_entry entry = {.kind = CHAOS_ENTRY_RECORD, .count = 1, .attempt = 1};
    bool good =
        shard != NULL && strpbrk(shard, "0123456789") != NULL &&
        parse_sequence(cJSON_GetObjectItemCaseSensitive(root, "sequence_number"), &entry.sequence);

    if (good) {
        entry.shard = chaos_shard_number(shard, strlen(shard));
        good = entry.shard < CHAOS_LEDGER_SHARDS;
    }
    if (good && epoch != NULL) {
        const double number = cJSON_IsNumber(epoch) ? epoch->valuedouble : -1;

        good = number >= 0 && number <= EXACT_MAX;
        entry.epoch = good ? (uint64_t)number : 0;
    }
    cJSON_Delete(root);
    if (good) {
        *ret = entry;
    }
    return good;
}

/* A record that a command has processed: a batch of its own, begun and ended now. */
static void
take_line(struct chaos_tail *tail, struct chaos_ledger *ledger, const char *line, size_t length)
{
    struct chaos_entry entry;

    if (tail->skipping || length == 0) {
        tail->skipping = false;
        return;
    }
    if (!chaos_tail_parse(line, length, &entry)) {
        tail->bad_lines++;
        return;
    }
    entry.worker = tail->worker;
    entry.time_ns = chaos_now_ns();
    entry.begin_ns = entry.time_ns;
    for (unsigned kind = CHAOS_ENTRY_BEGIN; kind <= CHAOS_ENTRY_END; kind++) {
        entry.kind = (uint16_t)kind;
        entry.order = tail->order++;
        chaos_ledger_add(ledger, &entry);
    }
}

static size_t
take_lines(struct chaos_tail *tail, struct chaos_ledger *ledger)
{
    size_t taken = 0;
    const char *end;

    while ((end = memchr(tail->rest + taken, '\n', tail->rest_length - taken)) != NULL) {
        const size_t length = (size_t)(end - tail->rest) - taken;

        take_line(tail, ledger, tail->rest + taken, length);
        taken += length + 1;
    }
    if (tail->rest_length - taken > CHAOS_LINE_MAX) {
        tail->bad_lines += tail->skipping ? 0 : 1;
        tail->skipping = true;
        taken = tail->rest_length;
    }
    return taken;
}

static size_t
take_entries(struct chaos_tail *tail, struct chaos_ledger *ledger)
{
    size_t taken = 0;
    struct chaos_entry entry;

    while (tail->rest_length - taken >= sizeof entry) {
        memcpy(&entry, tail->rest + taken, sizeof entry);
        if (entry.kind == CHAOS_ENTRY_BEGIN && entry.count < CHUNK / sizeof entry - 1 &&
            (tail->rest_length - taken) / sizeof entry < entry.count + 1) {
            break; /* its writer is not through: the records of a batch stand together */
        }
        entry.order = tail->order++;
        chaos_ledger_add(ledger, &entry);
        taken += sizeof entry;
    }
    return taken;
}

void
chaos_tail_read(struct chaos_tail *tail, struct chaos_ledger *ledger)
{
    while (tail->rest != NULL) {
        const ssize_t got =
            read(tail->fd, tail->rest + tail->rest_length, CHUNK - tail->rest_length);
        size_t taken;

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return;
        }
        tail->rest_length += (size_t)got;
        taken = tail->text ? take_lines(tail, ledger) : take_entries(tail, ledger);
        tail->rest_length -= taken;
        if (!tail->text) {
            /* A part of an entry may be taken back by its writer. */
            (void)lseek(tail->fd, -(off_t)tail->rest_length, SEEK_CUR);
            tail->rest_length = 0;
        }
        if (taken == 0 && !tail->text) {
            return;
        }
        memmove(tail->rest, tail->rest + taken, tail->rest_length);
    }
}
