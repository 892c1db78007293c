/* weir sim: the simulator, seed by seed. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/error.h>
#include <weir/sim.h>
#include <weir/types.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/sim_jobs.h"

#define SEEDS_DEFAULT 1000U
#define LIMITS_SIZE   1024U
#define TEXT_SIZE     128
#define BITS          64U
#define MS_PER_HOUR   3600000.0
/* Where shrinking begins if the process died before it could say more. */
#define COUNT_MAX    16U
#define CHAOS_MS_MAX 3600000

enum {
    SEEDS,
    FIRST_SEED,
    JOBS,
    MINUTES,
    SEED,
    TRACE,
    HISTORY,
    SHRINK,
    WITHOUT,
    SKIP,
    WORKERS,
    SHARDS,
    CHAOS,
    STATS,
    LIST_PROPERTIES,
    LIST_FAULTS,
    OPTION_COUNT
};

static const struct cli_option options_table[OPTION_COUNT] = {
    [SEEDS] = {"seeds", CLI_VALUE, "N", "how many seeds; default 1000"},
    [FIRST_SEED] = {"first-seed", CLI_VALUE, "S", "the first of them; default 1"},
    [JOBS] = {"jobs", CLI_VALUE, "J", "processes at a time; default 1"},
    [MINUTES] = {"minutes", CLI_VALUE, "M", "begin no seed after that time"},
    [SEED] = {"seed", CLI_VALUE, "S", "this seed only"},
    [TRACE] = {"trace", CLI_FLAG, NULL, "with --seed: what happens, line by line"},
    [HISTORY] = {"history", CLI_FLAG, NULL, "with --seed: the history as the checker reads it"},
    [SHRINK] = {"shrink", CLI_FLAG, NULL, "with --seed: as little as fails in the same way"},
    [WITHOUT] = {"without", CLI_VALUE, "KINDS", "leave out kinds of faults: kind,kind"},
    [SKIP] = {"skip", CLI_VALUE, "LIST", "leave out incidents, by their place in the seed: n,n"},
    [WORKERS] = {"workers", CLI_VALUE, "N", "at most so many at the start"},
    [SHARDS] = {"shards", CLI_VALUE, "N", "at most so many at the start"},
    [CHAOS] = {"chaos", CLI_VALUE, "MS", "faults and new records for so many milliseconds at most"},
    [STATS] = {"stats", CLI_FLAG, NULL, "what was reached, and how often"},
    [LIST_PROPERTIES] = {"list-properties", CLI_FLAG, NULL, "what runs are held to"},
    [LIST_FAULTS] = {"list-faults", CLI_FLAG, NULL, "the kinds of faults"},
};

static const struct cli_command sim_command = {
    .name = "sim",
    .operands = "",
    .summary =
        "Simulate fleets in virtual time: the engines of weir against models of table and stream,\n"
        "with the faults that each seed asks for, judged after every step.",
    .options = options_table,
    .option_count = OPTION_COUNT,
    .more =
        "The same seed, with the same options, gives the same run everywhere. A seed that fails\n"
        "prints the command that replays it.",
};

struct run {
    const struct cli *cli;
    struct weir_sim_limits limits;
    char limits_text[LIMITS_SIZE]; /* as options: "" or " --without late --skip 3" */
    uint64_t seed;
    char property[WEIR_SIM_NAME_SIZE]; /* that is broken; what is left has to break it too */
};

/* --- words of the command line --------------------------------------------------------------- */

static bool
find_fault(struct weir_str word, uint64_t *bits)
{
    for (size_t i = 0; weir_sim_fault_name(i) != NULL; i++) {
        const char *name = weir_sim_fault_name(i);

        if (strlen(name) == word.length && memcmp(name, word.data, word.length) == 0) {
            *bits |= UINT64_C(1) << i;
            return true;
        }
    }
    return false;
}

static bool
find_number(struct weir_str word, uint64_t *bits)
{
    char text[8];
    uint64_t number = 0;

    if (word.length >= sizeof text) {
        return false;
    }
    memcpy(text, word.data, word.length);
    text[word.length] = '\0';
    if (!cli_parse_count(text, BITS - 1, &number)) {
        return false;
    }
    *bits |= UINT64_C(1) << number;
    return true;
}

/* Words between commas; false if one of them is unknown. */
static bool
parse_list(const char *list, bool (*find)(struct weir_str word, uint64_t *bits), uint64_t *ret_bits)
{
    uint64_t bits = 0;

    while (list != NULL && *list != '\0') {
        size_t length = strcspn(list, ",");

        if (!find((struct weir_str){list, length}, &bits)) {
            return false;
        }
        list += length + (list[length] == ',' ? 1 : 0);
    }
    *ret_bits = bits;
    return true;
}

/* --- output ---------------------------------------------------------------------------------- */

static void
append(char *text, const char *word, const char *separator)
{
    size_t length = strlen(text);

    (void)snprintf(text + length, LIMITS_SIZE - length, "%s%s", separator, word);
}

static void
append_number(char *text, const char *option, uint64_t value)
{
    char number[24];

    if (value > 0) {
        (void)snprintf(number, sizeof number, "%" PRIu64, value);
        append(text, number, option);
    }
}

/* The limits as options of the command that replays a seed. */
static void
format_limits(const struct weir_sim_limits *limits, char text[LIMITS_SIZE])
{
    char number[8];
    const char *separator = " --without ";

    text[0] = '\0';
    for (size_t i = 0; weir_sim_fault_name(i) != NULL; i++) {
        if ((limits->without >> i & 1) != 0) {
            append(text, weir_sim_fault_name(i), separator);
            separator = ",";
        }
    }
    separator = " --skip ";
    for (unsigned i = 0; i < BITS; i++) {
        if ((limits->skip >> i & 1) != 0) {
            (void)snprintf(number, sizeof number, "%u", i);
            append(text, number, separator);
            separator = ",";
        }
    }
    append_number(text, " --workers ", limits->workers);
    append_number(text, " --shards ", limits->shards);
    append_number(text, " --chaos ", (uint64_t)limits->chaos_ms);
}

static void
print_failure(void *context, uint64_t seed, const struct weir_sim_verdict *verdict)
{
    const struct run *run = context;

    if (run->cli->json) {
        printf(
            "{\"seed\":%" PRIu64 ",\"property\":\"%s\",\"name\":\"%s\",\"message\":\"%s\","
            "\"failed_at_ms\":%" PRId64 ",\"replay\":\"weir sim --seed %" PRIu64 "%s --trace\"}\n",
            seed,
            verdict->property,
            verdict->name,
            verdict->text,
            verdict->failed_at_ms,
            seed,
            run->limits_text);
    } else {
        printf(
            "seed %" PRIu64 ": %s %s: %s\n  replay: weir sim --seed %" PRIu64 "%s --trace\n",
            seed,
            verdict->property,
            verdict->name,
            verdict->text,
            seed,
            run->limits_text);
    }
    (void)fflush(stdout);
}

/* One line, or one member of an object, for each counter. */
static void
print_counters(const struct run *run, const struct weir_sim_statistics *statistics)
{
    char name[WEIR_SIM_NAME_SIZE];

    for (size_t i = 0; weir_sim_counter_name(i, name) != NULL; i++) {
        if (name[0] == '\0') {
            continue;
        }
        if (run->cli->json) {
            printf("{\"counter\":\"%s\",\"count\":%" PRIu64 "}\n", name, statistics->counters[i]);
        } else {
            printf("%12" PRIu64 "  %s\n", statistics->counters[i], name);
        }
    }
}

/* "transitions: 97.1 % (consumer 8 of 8, ...)" */
static void
print_coverage(const struct run *run, const struct weir_sim_statistics *statistics)
{
    struct weir_sim_coverage machine;
    char machines[LIMITS_SIZE] = "";
    char text[TEXT_SIZE];
    uint32_t allowed = 0;
    uint32_t reached = 0;

    for (size_t i = 0; weir_sim_coverage(i, statistics, &machine); i++) {
        allowed += machine.allowed;
        reached += machine.reached;
        if (run->cli->json) {
            printf(
                "{\"machine\":\"%s\",\"allowed\":%" PRIu32 ",\"reached\":%" PRIu32 "}\n",
                machine.machine,
                machine.allowed,
                machine.reached);
        }
        (void)snprintf(
            text,
            sizeof text,
            "%s %" PRIu32 " of %" PRIu32,
            machine.machine,
            machine.reached,
            machine.allowed);
        append(machines, text, i == 0 ? "" : ", ");
    }
    if (!run->cli->json) {
        printf("transitions: %.1f %% (%s)\n", 100.0 * reached / allowed, machines);
    }
}

static void
print_summary(const struct run *run, const struct weir_sim_statistics *statistics)
{
    double hours = (double)statistics->simulated_ms / MS_PER_HOUR;
    char name[WEIR_SIM_NAME_SIZE];
    uint32_t missed = 0;

    for (size_t i = 0; weir_sim_counter_name(i, name) != NULL; i++) {
        missed += name[0] != '\0' && statistics->counters[i] == 0 ? 1 : 0;
    }
    if (run->cli->json) {
        printf(
            "{\"seeds\":%" PRIu64 ",\"failures\":%" PRIu64
            ",\"simulated_hours\":%.1f,\"steps\":%" PRIu64 ",\"events\":%" PRIu64
            ",\"records\":%" PRIu64 ",\"not_reached\":%" PRIu32 "}\n",
            statistics->seeds,
            statistics->failures,
            hours,
            statistics->steps,
            statistics->events,
            statistics->records,
            missed);
        return;
    }
    printf(
        "%" PRIu64 " seeds, %" PRIu64 " failed; %.1f hours simulated, %" PRIu64 " records, %" PRIu64
        " events judged; %" PRIu32 " of the counters of --stats at 0\n",
        statistics->seeds,
        statistics->failures,
        hours,
        statistics->records,
        statistics->events,
        missed);
}

/* --- lists ----------------------------------------------------------------------------------- */

static int
list_properties(const struct cli *cli)
{
    struct weir_sim_property property;

    for (size_t i = 0; weir_sim_property(i, &property); i++) {
        if (cli->json) {
            printf(
                "{\"property\":\"%s\",\"name\":\"%s\",\"formula\":\"%s\"}\n",
                property.property,
                property.name,
                property.formula);
        } else {
            printf("%-4s %-28s %s\n", property.property, property.name, property.formula);
        }
    }
    return CLI_OK;
}

static int
list_faults(const struct cli *cli)
{
    for (size_t i = 0; weir_sim_fault_name(i) != NULL; i++) {
        printf(cli->json ? "{\"fault\":\"%s\"}\n" : "%s\n", weir_sim_fault_name(i));
    }
    return CLI_OK;
}

/* --- one seed -------------------------------------------------------------------------------- */

static void
print_line(void *context, const char *line)
{
    (void)context;
    puts(line);
}

static int
fail_to_start(void)
{
    char text[TEXT_SIZE];

    return cli_fail(
        "cannot start a process: %s: try fewer --jobs", cli_errno_text(errno, text, sizeof text));
}

static bool
still_fails(void *context, const struct weir_sim_limits *limits)
{
    const struct run *run = context;
    struct weir_sim_verdict verdict;

    return sim_run_apart(run->cli->env, run->seed, limits, &verdict) && verdict.failed &&
           strcmp(verdict.property, run->property) == 0;
}

static int
shrink(struct run *run)
{
    struct weir_sim_verdict verdict;
    uint32_t asked = 0;

    if (!sim_run_apart(run->cli->env, run->seed, &run->limits, &verdict)) {
        return fail_to_start();
    }
    if (!verdict.failed) {
        return cli_fail("seed %" PRIu64 " does not fail: there is nothing to shrink", run->seed);
    }
    memcpy(run->property, verdict.property, sizeof run->property);
    run->limits.workers = verdict.workers > 0 ? verdict.workers : COUNT_MAX;
    run->limits.shards = verdict.shards > 0 ? verdict.shards : COUNT_MAX;
    run->limits.chaos_ms = verdict.chaos_ms > 0 ? verdict.chaos_ms : CHAOS_MS_MAX;
    asked = weir_sim_shrink(still_fails, run, &run->limits);
    format_limits(&run->limits, run->limits_text);
    if (!sim_run_apart(run->cli->env, run->seed, &run->limits, &verdict)) {
        return fail_to_start();
    }
    if (!run->cli->json) {
        printf("%" PRIu32 " runs to find out what it takes\n", asked);
    }
    print_failure(run, run->seed, &verdict);
    return CLI_FAILED;
}

static int
replay(const struct run *run, const struct cli_arguments *a)
{
    struct weir_sim_options options = WEIR_SIM_OPTIONS_INIT;
    struct weir_sim_statistics statistics = {0};
    struct weir_sim_verdict verdict;
    enum weir_error error = WEIR_OK;

    options.limits = run->limits;
    options.history = a->value[HISTORY] != NULL;
    options.trace = a->value[TRACE] != NULL || options.history ? print_line : NULL;
    error = weir_sim_run(run->cli->env, run->seed, &options, &verdict, &statistics);
    if (error != WEIR_OK) {
        return cli_fail_error(error, NULL, "the simulation");
    }
    if (a->value[STATS] != NULL) {
        print_counters(run, &statistics);
    }
    if (verdict.failed && !options.history) {
        struct run copy = *run;

        print_failure(&copy, run->seed, &verdict);
    } else if (!options.history && run->cli->json) {
        printf(
            "{\"seed\":%" PRIu64 ",\"trace_hash\":\"%016" PRIx64 "\",\"simulated_ms\":%" PRId64
            "}\n",
            run->seed,
            verdict.trace_hash,
            verdict.simulated_ms);
    } else if (!options.history) {
        printf(
            "seed %" PRIu64 " holds: trace %016" PRIx64 ", %" PRId64 " ms simulated, %" PRIu32
            " incidents\n",
            run->seed,
            verdict.trace_hash,
            verdict.simulated_ms,
            verdict.incidents);
    }
    return verdict.failed ? CLI_FAILED : CLI_OK;
}

/* --- many seeds ------------------------------------------------------------------------------ */

static int
campaign(struct run *run, const struct cli_arguments *a, const uint64_t numbers[OPTION_COUNT])
{
    struct sim_campaign campaign = {
        .env = run->cli->env,
        .limits = run->limits,
        .first_seed = numbers[FIRST_SEED],
        .seeds = numbers[SEEDS],
        .minutes = (int64_t)numbers[MINUTES],
        .jobs = (uint32_t)numbers[JOBS],
        .failed = print_failure,
        .context = run};
    struct weir_sim_statistics statistics;

    if (a->value[SEEDS] == NULL) {
        campaign.seeds = a->value[MINUTES] != NULL ? 0 : SEEDS_DEFAULT;
    }
    if (!sim_campaign_run(&campaign, &statistics)) {
        return fail_to_start();
    }
    if (a->value[STATS] != NULL) {
        print_counters(run, &statistics);
        print_coverage(run, &statistics);
    }
    print_summary(run, &statistics);
    return statistics.failures > 0 ? CLI_FAILED : CLI_OK;
}

/* Numbers of options, and their defaults; CLI_USAGE after a line. */
static int
parse_numbers(const struct cli_arguments *a, uint64_t ret[OPTION_COUNT])
{
    static const struct {
        int option;
        uint64_t usual;
        uint64_t least;
        uint64_t most;
    } numbers[] = {
        {SEEDS, SEEDS_DEFAULT, 1, UINT64_MAX / 2},
        {FIRST_SEED, 1, 0, UINT64_MAX / 2},
        {JOBS, 1, 1, SIM_JOBS_MAX},
        {MINUTES, 0, 1, 100000},
        {SEED, 0, 0, UINT64_MAX - 1},
        {WORKERS, 0, 1, COUNT_MAX},
        {SHARDS, 0, 1, COUNT_MAX},
        {CHAOS, 0, 1, CHAOS_MS_MAX},
    };

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        const char *text = a->value[numbers[i].option];
        uint64_t *number = &ret[numbers[i].option];

        *number = numbers[i].usual;
        if (text != NULL &&
            (!cli_parse_count(text, numbers[i].most, number) || *number < numbers[i].least)) {
            return cli_usage(
                sim_command.name,
                "--%s %s: expected a number from %" PRIu64 " to %" PRIu64,
                options_table[numbers[i].option].name,
                text,
                numbers[i].least,
                numbers[i].most);
        }
    }
    return CLI_OK;
}

static int
check_usage(const struct cli_arguments *a)
{
    bool is_single = a->value[SEED] != NULL;

    for (int option = TRACE; option <= SHRINK && !is_single; option++) {
        if (a->value[option] != NULL) {
            return cli_usage(sim_command.name, "--%s needs --seed S", options_table[option].name);
        }
    }
    for (int option = SEEDS; option <= MINUTES && is_single; option++) {
        if (a->value[option] != NULL) {
            return cli_usage(
                sim_command.name, "--seed and --%s exclude each other", options_table[option].name);
        }
    }
    return CLI_OK;
}

int
wi_cmd_sim(int argc, char **argv, struct cli *cli)
{
    struct cli_arguments a;
    struct run run = {.cli = cli};
    uint64_t numbers[OPTION_COUNT] = {0};
    int status = CLI_OK;

    if (!cli_arguments_parse(&sim_command, argc, argv, cli, &a, &status)) {
        return status;
    }
    if (a.value[LIST_PROPERTIES] != NULL) {
        return list_properties(cli);
    }
    if (a.value[LIST_FAULTS] != NULL) {
        return list_faults(cli);
    }
    status = check_usage(&a);
    if (status == CLI_OK) {
        status = parse_numbers(&a, numbers);
    }
    if (status != CLI_OK) {
        return status;
    }
    if (!parse_list(a.value[WITHOUT], find_fault, &run.limits.without)) {
        return cli_usage(sim_command.name, "--without: `weir sim --list-faults` names the kinds");
    }
    if (!parse_list(a.value[SKIP], find_number, &run.limits.skip)) {
        return cli_usage(sim_command.name, "--skip: expected numbers from 0 to 63");
    }
    run.limits.workers = (uint32_t)numbers[WORKERS];
    run.limits.shards = (uint32_t)numbers[SHARDS];
    run.limits.chaos_ms = (int64_t)numbers[CHAOS];
    format_limits(&run.limits, run.limits_text);
    run.seed = numbers[SEED];
    if (a.value[SEED] == NULL) {
        return campaign(&run, &a, numbers);
    }
    return a.value[SHRINK] != NULL ? shrink(&run) : replay(&run, &a);
}
