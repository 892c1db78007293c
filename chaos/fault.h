/** The faults that a run can do to its fleet. */
#ifndef WI_CHAOS_FAULT_H
#define WI_CHAOS_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** In the order in which the report shows them. */
enum chaos_fault_kind {
    CHAOS_FAULT_KILL,     /**< kill -9 of a worker */
    CHAOS_FAULT_CRASH,    /**< the processor aborts on a record */
    CHAOS_FAULT_STOP,     /**< SIGSTOP, SIGCONT up to three lease durations later */
    CHAOS_FAULT_HANG,     /**< the processor does not return for longer than a lease */
    CHAOS_FAULT_PRODUCER, /**< kill -9 of the producer */
    CHAOS_FAULT_JOIN,     /**< a worker comes */
    CHAOS_FAULT_DRAIN,    /**< SIGTERM to a worker */
    CHAOS_FAULT_SPLIT,
    CHAOS_FAULT_MERGE,
    CHAOS_FAULT_SCALE,
    CHAOS_FAULT_FULL_DISK,
    CHAOS_FAULT_SLOW_DISK,
    CHAOS_FAULT_CLOCK, /**< CLOCK_REALTIME of a process jumps */
    CHAOS_FAULT_KINDS
};

#define CHAOS_FAULTS_ALL ((1U << CHAOS_FAULT_KINDS) - 1)

/** What is known about a kind. */
struct chaos_fault_info {
    const char *name;   /**< on the command line: "kill" */
    const char *title;  /**< for people: "kill -9" */
    const char *help;   /**< one sentence */
    uint32_t weight;    /**< how often, beside the others */
    bool needs_builtin; /**< only the built-in processor can be asked for it */
    bool has_end;       /**< it lasts */
};

/** Static; kind < CHAOS_FAULT_KINDS. */
const struct chaos_fault_info *chaos_fault_info(enum chaos_fault_kind kind);

/**
 * Parse "kill,stop" or "all" or "none".
 * @param ret_word set to the first word that is unknown
 * @return false for text that names no faults
 */
bool chaos_faults_parse(const char *text, uint32_t *ret, const char **ret_word, size_t *ret_length);

#endif
