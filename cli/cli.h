/** What all commands share: settings, exit status, lines about failures, arguments, values. */
#ifndef WI_CLI_CLI_H
#define WI_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

/** Exit status of the program. */
enum cli_status {
    CLI_OK = 0,     /**< done */
    CLI_FAILED = 1, /**< the operation failed */
    CLI_USAGE = 2   /**< the command line is wrong as written */
};

/** Settings of one run of the program. */
struct cli {
    const struct weir_env *env; /**< logs nothing: failures are reported in one line each */
    const char *data;           /**< --data, else WEIR_DATA, else "./weir-data" */
    bool json;                  /**< --json */
};

/* ---- Failures: one line on stderr each, "weir: what: why: what to do". ------------------- */

/** Write "weir: " and the text as one line (control characters become '?'); returns CLI_FAILED. */
int cli_fail(const char *format, ...) WEIR_PRINTF(1, 2);

/** The same for wrong usage of `command` ("put"); names its --help; returns CLI_USAGE. */
int cli_usage(const char *command, const char *format, ...) WEIR_PRINTF(2, 3);

/** A line that is no failure of the command: "weir: warning: ...". */
void cli_warn(const char *format, ...) WEIR_PRINTF(1, 2);

/**
 * Report a failed call of the library: its detail, or the text of the code after `what` if there is
 * none. Returns CLI_FAILED.
 */
int cli_fail_error(enum weir_error error, const struct weir_detail *detail, const char *what);

/** Report a failed call on a stream; says how to create one that is missing. CLI_FAILED. */
int cli_fail_stream(
    const struct cli *cli,
    enum weir_error error,
    const struct weir_detail *detail,
    const char *stream);

/** Report that stdout cannot be written, `error_number` as errno; returns CLI_FAILED. */
int cli_fail_stdout(int error_number);

/** The system's words for an errno value, in `text`, which it returns. */
const char *cli_errno_text(int error_number, char *text, size_t size);

/** Flush what printf() wrote; returns `status`, or CLI_FAILED after a line if that fails. */
int cli_finish_stdout(int status);

/* ---- Arguments. -------------------------------------------------------------------------- */

/** Most options of one command, and most operands. */
#define CLI_OPTIONS_MAX  40
#define CLI_OPERANDS_MAX 8

/** Whether an option takes a value. */
enum cli_option_kind {
    CLI_FLAG = 0,  /**< --name; its value is "" */
    CLI_VALUE = 1, /**< --name VALUE or --name=VALUE */
    CLI_BOOLEAN    /**< --name or --name=BOOL; its value is "true" without one */
};

/** One option of a command, besides --data, --json and --help, which all commands have. */
struct cli_option {
    const char *name; /**< without dashes */
    enum cli_option_kind kind;
    const char *value; /**< what --help calls the value, "N" for instance; NULL for a flag */
    const char *help;  /**< a few words; NULL leaves the option out of --help */
};

/** A command as its --help shows it. */
struct cli_command {
    const char *name;     /**< "stream create" */
    const char *operands; /**< "NAME", "" if there are none */
    const char *summary;  /**< one sentence */
    const struct cli_option *options;
    size_t option_count; /**< at most CLI_OPTIONS_MAX */
    size_t operands_min;
    size_t operands_max;
    const char *more; /**< further lines of --help, or NULL */
};

/** What was found. value[i] belongs to options[i] and is NULL if the option was not given. */
struct cli_arguments {
    const char *value[CLI_OPTIONS_MAX];
    const char *operand[CLI_OPERANDS_MAX];
    size_t operand_count;
};

/**
 * Read argv[1..]; sets cli->data and cli->json. Options may stand anywhere; "--" ends them; the
 * last of equal ones counts.
 * @param ret_status exit status if the result is false
 * @return false if the command is over: --help was printed, or the usage is wrong and was reported
 */
bool cli_arguments_parse(
    const struct cli_command *command,
    int argc,
    char **argv,
    struct cli *cli,
    struct cli_arguments *ret,
    int *ret_status);

/** Print the --help of a command. */
void cli_arguments_help(const struct cli_command *command);

/** A command among others: "put", or "create" of "stream". */
struct cli_member {
    const char *name;
    int (*run)(int argc, char **argv, struct cli *cli);
    const char *help; /**< a few words */
};

/** Commands that share a first word, or all commands of the program, whose name is "". */
struct cli_group {
    const char *name;
    const char *head; /**< what --help says above the list */
    const char *foot; /**< and below it */
    const struct cli_member *members;
    size_t count;
};

/** Run the member that the first word names; argv[0] is the group's own name. */
int cli_group_run(const struct cli_group *group, int argc, char **argv, struct cli *cli);

/** Print the --help of a group. */
void cli_group_help(const struct cli_group *group);

/** The member of that name, or NULL after a line on stderr. */
const struct cli_member *cli_group_find(const struct cli_group *group, const char *name);

/** The entry of `names` that is nearest to `word`, or NULL if none is near. */
const char *cli_nearest(const char *word, const char *const *names, size_t count);

/* ---- Values. Each returns false for text that is none; *ret is then as it was. ------------- */

/** 0 to `most`, decimal digits only. */
bool cli_parse_count(const char *text, uint64_t most, uint64_t *ret);

/** "500ms", "10s", "5m", "24h", "7d" to milliseconds; "0" needs no unit. */
bool cli_parse_duration(const char *text, int64_t *ret_ms);

/** "64MiB", "1KiB", "4096" (bytes), "2GiB". */
bool cli_parse_size(const char *text, uint64_t *ret_bytes);

/** View of a zero-terminated string. */
struct weir_str cli_str(const char *text);

/** Whether the name of a stream is a URL of Kinesis. */
bool cli_stream_is_kinesis(const char *name);

/** Room for cli_format_duration() and cli_format_count(). */
#define CLI_VALUE_SIZE 32

/** "24h", "10s", "1.5s", "250ms": milliseconds for people. Returns `text`. */
const char *cli_format_duration(int64_t ms, char text[CLI_VALUE_SIZE]);

/** "5,000". Returns `text`. */
const char *cli_format_count(uint64_t count, char text[CLI_VALUE_SIZE]);

/** A checkpoint: the sequence number, or TRIM_HORIZON, SHARD_END, ... Returns `text`. */
const char *cli_format_checkpoint(
    const struct weir_position *position, char text[WEIR_POSITION_SIZE]);

#endif
