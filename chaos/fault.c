#include "chaos/fault.h"

#include <stdint.h>
#include <string.h>

static const struct chaos_fault_info infos[CHAOS_FAULT_KINDS] = {
    [CHAOS_FAULT_KILL] = {"kill", "kill -9", "a worker is killed", 20, false, false},
    [CHAOS_FAULT_CRASH] = {"crash", "crash", "the processor aborts on a record", 8, true, false},
    [CHAOS_FAULT_STOP] =
        {"stop", "SIGSTOP", "a worker is stopped, and goes on later", 16, false, true},
    [CHAOS_FAULT_HANG] =
        {"hang", "hang", "a processor does not return for longer than a lease", 8, true, true},
    [CHAOS_FAULT_PRODUCER] =
        {"producer",
         "producer killed",
         "the producer is killed in the middle of a put",
         3,
         false,
         false},
    [CHAOS_FAULT_JOIN] = {"join", "join", "a worker comes", 10, false, false},
    [CHAOS_FAULT_DRAIN] = {"drain", "drain", "a worker is asked to leave", 12, false, false},
    [CHAOS_FAULT_SPLIT] = {"split", "split", "a shard is split", 9, false, false},
    [CHAOS_FAULT_MERGE] = {"merge", "merge", "two shards are merged", 9, false, false},
    [CHAOS_FAULT_SCALE] =
        {"scale", "scale", "the stream gets another number of shards", 2, false, false},
    [CHAOS_FAULT_FULL_DISK] =
        {"full-disk", "full disk", "no space is left for the data", 4, false, true},
    [CHAOS_FAULT_SLOW_DISK] =
        {"slow-disk", "slow disk", "every sync of a process takes long", 5, false, true},
    [CHAOS_FAULT_CLOCK] =
        {"clock", "clock jump", "the wall clock of a process jumps by hours", 5, false, true},
};

const struct chaos_fault_info *
chaos_fault_info(enum chaos_fault_kind kind)
{
    return &infos[kind];
}

static bool
is_word(const char *word, size_t length, const char *name)
{
    return strlen(name) == length && memcmp(word, name, length) == 0;
}

static uint32_t
bits_of(const char *word, size_t length)
{
    if (is_word(word, length, "all")) {
        return CHAOS_FAULTS_ALL;
    }
    for (uint32_t kind = 0; kind < CHAOS_FAULT_KINDS; kind++) {
        if (is_word(word, length, infos[kind].name)) {
            return 1U << kind;
        }
    }
    return 0;
}

bool
chaos_faults_parse(const char *text, uint32_t *ret, const char **ret_word, size_t *ret_length)
{
    uint32_t bits = 0;

    if (strcmp(text, "none") == 0) {
        *ret = 0;
        return true;
    }
    for (;;) {
        const size_t length = strcspn(text, ",");
        const uint32_t found = bits_of(text, length);

        if (found == 0) {
            *ret_word = text;
            *ret_length = length;
            return false;
        }
        bits |= found;
        if (text[length] == '\0') {
            *ret = bits;
            return true;
        }
        text += length + 1;
    }
}
