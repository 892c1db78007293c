#include "demo/packages.h"

#include <search.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <weir/types.h>

#define CAPACITY_FIRST       4096
#define NAMES_CAPACITY_FIRST 65536

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct weir_str
trimmed(const char *data, size_t length)
{
    while (length > 0 && is_blank(data[length - 1])) {
        length--;
    }
    while (length > 0 && is_blank(*data)) {
        data++;
        length--;
    }
    return (struct weir_str){data, length};
}

/* Copy a value of 1 to `most` printable bytes without blanks; anything else counts as missing. The
 * first of equal fields counts. */
static void
keep_word(char *word, size_t most, struct weir_str value)
{
    if (*word != '\0' || value.length == 0 || value.length > most) {
        return;
    }
    for (size_t i = 0; i < value.length; i++) {
        if (value.data[i] <= ' ' || value.data[i] > '~') {
            return;
        }
    }
    memcpy(word, value.data, value.length);
    word[value.length] = '\0';
}

static void
keep_number(uint64_t *number, struct weir_str value)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < value.length; i++) {
        if (value.data[i] < '0' || value.data[i] > '9') {
            return;
        }
        sum = sum * 10 + (uint64_t)(value.data[i] - '0');
        if (sum > DEMO_INSTALLED_SIZE_MAX) {
            return;
        }
    }
    *number = sum;
}

/* Field names are the same in upper and lower case. */
static bool
is_field(struct weir_str name, const char *wanted)
{
    return name.length == strlen(wanted) && strncasecmp(name.data, wanted, name.length) == 0;
}

static void
keep_field(struct demo_stanza *stanza, struct weir_str name, struct weir_str value)
{
    if (is_field(name, "package")) {
        keep_word(stanza->name, DEMO_PACKAGE_NAME_MAX, value);
    } else if (is_field(name, "section")) {
        keep_word(stanza->section, DEMO_SECTION_NAME_MAX, value);
    } else if (is_field(name, "installed-size")) {
        keep_number(&stanza->installed_kib, value);
    }
}

static int
compare_sections(const void *a, const void *b)
{
    const struct demo_section *one = a;
    const struct demo_section *other = b;

    return strcmp(one->name, other->name);
}

/* The section of that name, a new one if need be; NULL if memory runs out. */
static struct demo_section *
find_section(struct demo_index *index, const char *name)
{
    struct demo_section wanted = {.next = NULL};
    struct demo_section *const *found;
    struct demo_section *section;

    /* One place is kept for packages without a section. */
    memcpy(wanted.name, name, strlen(name) + 1);
    found = tfind(&wanted, &index->sections_by_name, compare_sections);
    if (found != NULL) {
        return *found;
    }
    if (index->section_count + 1 >= DEMO_SECTIONS_MAX && strcmp(name, DEMO_NO_SECTION) != 0) {
        memcpy(wanted.name, DEMO_NO_SECTION, sizeof DEMO_NO_SECTION);
        found = tfind(&wanted, &index->sections_by_name, compare_sections);
        if (found != NULL) {
            return *found;
        }
    }
    section = malloc(sizeof *section);
    if (section == NULL) {
        return NULL;
    }
    *section = wanted;
    if (tsearch(section, &index->sections_by_name, compare_sections) == NULL) {
        free(section);
        return NULL;
    }
    if (index->last_section == NULL) {
        index->first_section = section;
    } else {
        index->last_section->next = section;
    }
    index->last_section = section;
    index->section_count++;
    return section;
}

static bool
make_room(struct demo_index *index)
{
    const size_t capacity = index->capacity == 0 ? CAPACITY_FIRST : index->capacity * 2;
    struct demo_package *packages;

    if (index->count < index->capacity) {
        return true;
    }
    packages = realloc(index->packages, capacity * sizeof *packages);
    if (packages == NULL) {
        return false;
    }
    index->packages = packages;
    index->capacity = capacity;
    return true;
}

static bool
make_room_for_name(struct demo_index *index)
{
    const size_t capacity =
        index->names_capacity == 0 ? NAMES_CAPACITY_FIRST : index->names_capacity * 2;
    char *names;

    if (index->names_capacity - index->names_length > DEMO_PACKAGE_NAME_MAX) {
        return true;
    }
    names = realloc(index->names, capacity);
    if (names == NULL) {
        return false;
    }
    index->names = names;
    index->names_capacity = capacity;
    return true;
}

static bool
add_package(struct demo_index *index, const struct demo_stanza *stanza)
{
    struct demo_section *section =
        find_section(index, *stanza->section == '\0' ? DEMO_NO_SECTION : stanza->section);
    const size_t name_size = strlen(stanza->name) + 1;

    if (section == NULL || !make_room(index) || !make_room_for_name(index)) {
        return false;
    }
    memcpy(index->names + index->names_length, stanza->name, name_size);
    index->packages[index->count++] =
        (struct demo_package){index->names_length, section, stanza->installed_kib, 0};
    index->names_length += name_size;
    section->packages++;
    section->installed_kib += stanza->installed_kib;
    return true;
}

bool
demo_packages_end(struct demo_index *index, struct demo_stanza *stanza)
{
    bool added = true;

    if (!stanza->has_lines) {
        return true;
    }
    if (*stanza->name == '\0' || index->count == DEMO_PACKAGES_MAX) {
        index->skipped++;
    } else {
        added = add_package(index, stanza);
    }
    *stanza = (struct demo_stanza){.has_lines = false};
    return added;
}

bool
demo_packages_line(struct demo_index *index, struct demo_stanza *stanza, struct weir_bytes line)
{
    const char *text = line.data;
    const char *colon;

    if (trimmed(text, line.length).length == 0) {
        return demo_packages_end(index, stanza);
    }
    stanza->has_lines = true;
    /* A line that begins with a blank goes on with the field above; we need no such field. */
    colon = is_blank(*text) ? NULL : memchr(text, ':', line.length);
    if (colon != NULL) {
        const size_t name_length = (size_t)(colon - text);
        keep_field(
            stanza,
            (struct weir_str){text, name_length},
            trimmed(colon + 1, line.length - name_length - 1));
    }
    return true;
}

const char *
demo_packages_name(const struct demo_index *index, size_t package)
{
    return index->names + index->packages[package].name_at;
}

/* A package while its key is looked for. */
struct named {
    const char *name;
    size_t package;
};

static int
compare_names(const void *a, const void *b)
{
    const struct named *one = a;
    const struct named *other = b;

    return strcmp(one->name, other->name);
}

bool
demo_packages_seal(struct demo_index *index)
{
    struct named *sorted;

    if (index->count == 0) {
        return true;
    }
    sorted = malloc(index->count * sizeof *sorted);
    if (sorted == NULL) {
        return false;
    }
    for (size_t i = 0; i < index->count; i++) {
        sorted[i] = (struct named){demo_packages_name(index, i), i};
    }
    qsort(sorted, index->count, sizeof *sorted, compare_names);
    index->key_count = 0;
    for (size_t i = 0; i < index->count; i++) {
        if (i == 0 || strcmp(sorted[i - 1].name, sorted[i].name) != 0) {
            index->key_count++;
        }
        index->packages[sorted[i].package].key = (uint32_t)(index->key_count - 1);
    }
    free(sorted);
    return true;
}

void
demo_packages_free(struct demo_index *index)
{
    struct demo_section *next;

    free(index->packages);
    free(index->names);
    for (struct demo_section *section = index->first_section; section != NULL; section = next) {
        next = section->next;
        (void)tdelete(section, &index->sections_by_name, compare_sections);
        free(section);
    }
    *index = (struct demo_index){.count = 0};
}
