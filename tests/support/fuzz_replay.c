/* What libFuzzer is in other builds: runs a fuzz target on every file of a folder, and on seeded
 * mutations of them. The same inputs every time, so a failure can be repeated.
 *
 *   fuzz_x FOLDER */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_SIZE_MAX     65536
#define PATH_SIZE          4096
#define MUTATIONS_PER_FILE 2000
#define CHANGES_MAX        8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t
next_random(uint64_t *state)
{
    *state ^= *state << 13U;
    *state ^= *state >> 7U;
    *state ^= *state << 17U;
    return *state;
}

/* Run the target on a copy of exactly the right size, so that sanitizers see every overrun. */
static void
run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);

    if (copy == NULL) {
        abort();
    }
    memcpy(copy, data, size);
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

/* Overwrite, cut or lengthen at random places; the new size is returned. */
static size_t
mutate(uint8_t *data, size_t size, uint64_t *random)
{
    for (uint64_t change = next_random(random) % CHANGES_MAX + 1; change > 0; change--) {
        uint64_t choice = next_random(random) % 8;

        if (choice == 0) {
            size = (size_t)(next_random(random) % (size + 1));
        } else if (choice == 1 && size < INPUT_SIZE_MAX) {
            data[size++] = (uint8_t)next_random(random);
        } else if (choice == 2 && size > 0) {
            data[next_random(random) % size] = 0xff;
        } else if (choice == 3 && size > 0) {
            data[next_random(random) % size] ^= (uint8_t)(1U << next_random(random) % 8);
        } else if (size > 0) {
            data[next_random(random) % size] = (uint8_t)next_random(random);
        }
    }
    return size;
}

static void
replay_file(const char *path, uint8_t *original, uint8_t *changed)
{
    FILE *file = fopen(path, "rb");
    uint64_t random = 0x77656972;
    size_t size;

    if (file == NULL) {
        perror(path);
        exit(1);
    }
    size = fread(original, 1, INPUT_SIZE_MAX, file);
    (void)fclose(file);
    run(original, size);
    for (int i = 0; i < MUTATIONS_PER_FILE; i++) {
        memcpy(changed, original, size);
        run(changed, mutate(changed, size, &random));
    }
}

int
main(int argc, char **argv)
{
    static uint8_t original[INPUT_SIZE_MAX];
    static uint8_t changed[INPUT_SIZE_MAX];
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    const struct dirent *entry;
    int files = 0;

    if (folder == NULL) {
        (void)fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    while ((entry = readdir(folder)) != NULL) {
        char path[PATH_SIZE];

        if (entry->d_name[0] != '.') {
            (void)snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
            replay_file(path, original, changed);
            files++;
        }
    }
    (void)closedir(folder);
    printf("%d files, %d mutations of each\n", files, MUTATIONS_PER_FILE);
    return files > 0 ? 0 : 1;
}
