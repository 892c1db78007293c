/*
 * A worker that only counts, for measurements beside Java KCL.
 *
 *     count_worker STOP_AFTER NAME=VALUE...
 *
 * sets options of the worker by name, reads until so many records came (0: until SIGTERM), and
 * writes lines `EV epoch_ms name detail` as tests/peers/java-kcl does.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <weir/weir.h>

#define NS_PER_MS   1000000
#define NS_PER_S    1000000000.0
#define MS_PER_S    1000
#define NAME_SIZE   64
#define STATUS_LINE 256

struct counter {
    struct weir_worker *worker;
    uint64_t stop_after; /* 0: never */
    _Atomic uint64_t records;
    _Atomic uint64_t bytes;
    atomic_bool any;
};

static double
cpu_seconds(void)
{
    struct timespec time = {0, 0};

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / NS_PER_S;
}

static long
resident_kib(void)
{
    char line[STATUS_LINE];
    long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");

    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "VmRSS:", strlen("VmRSS:")) == 0) {
            kib = strtol(line + strlen("VmRSS:"), NULL, 10);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return kib;
}

static void
write_event(const char *name, uint64_t records)
{
    struct timespec now = {0, 0};

    (void)clock_gettime(CLOCK_REALTIME, &now);
    printf(
        "EV %" PRId64 " %s records=%" PRIu64 " cpu_s=%.3f rss_kb=%ld\n",
        (int64_t)now.tv_sec * MS_PER_S + now.tv_nsec / NS_PER_MS,
        name,
        records,
        cpu_seconds(),
        resident_kib());
    (void)fflush(stdout);
}

static enum weir_error
count_records(
    void *context,
    void *state,
    const struct weir_process_input *input,
    struct weir_checkpointer *checkpointer,
    size_t *ret_processed)
{
    struct counter *counter = context;
    uint64_t bytes = 0;
    uint64_t before = 0;

    (void)state, (void)checkpointer;
    *ret_processed = input->count;
    if (!atomic_exchange(&counter->any, true)) {
        write_event("first", 0);
    }
    for (size_t i = 0; i < input->count; i++) {
        bytes += input->records[i].data.length;
    }
    atomic_fetch_add(&counter->bytes, bytes);
    before = atomic_fetch_add(&counter->records, input->count);
    if (counter->stop_after > before && before + input->count >= counter->stop_after) {
        write_event("done", before + input->count);
        weir_worker_stop(counter->worker);
    }
    return WEIR_OK;
}

/* NAME=VALUE; false if there is no such option or value. */
static bool
set_option(struct weir_worker_options *options, const char *word, struct weir_detail *detail)
{
    char name[NAME_SIZE];
    const char *equals = strchr(word, '=');

    if (equals == NULL || (size_t)(equals - word) >= sizeof name) {
        (void)snprintf(detail->text, sizeof detail->text, "not NAME=VALUE: %s", word);
        return false;
    }
    (void)snprintf(name, sizeof name, "%.*s", (int)(equals - word), word);
    return weir_worker_option_set(options, name, equals + 1, detail) == WEIR_OK;
}

int
main(int argc, char **argv)
{
    struct weir_worker_options options = WEIR_WORKER_OPTIONS_INIT;
    struct weir_processor processor = WEIR_PROCESSOR_INIT;
    struct weir_detail detail = {""};
    struct counter counter = {.worker = NULL};
    bool set = argc > 1;

    for (int i = 2; set && i < argc; i++) {
        set = set_option(&options, argv[i], &detail);
    }
    if (!set) {
        (void)fprintf(stderr, "count_worker STOP_AFTER NAME=VALUE...: %s\n", detail.text);
        return 2;
    }
    counter.stop_after = strtoull(argv[1], NULL, 10);
    processor.context = &counter;
    processor.process_records = count_records;
    write_event("start", 0);
    if (weir_worker_new(weir_env_default(), &options, &processor, &counter.worker, &detail) !=
            WEIR_OK ||
        weir_worker_run(counter.worker, &detail) != WEIR_OK) {
        (void)fprintf(stderr, "count_worker: %s\n", detail.text);
    }
    write_event("exit", atomic_load(&counter.records));
    weir_worker_free(counter.worker);
    return detail.text[0] == '\0' ? 0 : 1;
}
