#include "aws/aws_profile.h"

#include <openssl/crypto.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "core/memory.h"
#include "core/str.h"

#define ENTRIES_AT_FIRST 32U

void
wi_aws_profiles_init(struct wi_aws_profiles *profiles, const struct weir_env *env)
{
    *profiles = (struct wi_aws_profiles){.env = env};
}

static void
free_entry(const struct weir_env *env, struct wi_aws_entry *entry)
{
    if (entry->value != NULL) {
        OPENSSL_cleanse(entry->value, strlen(entry->value));
    }
    wi_free(env, entry->section);
    wi_free(env, entry->name);
    wi_free(env, entry->value);
}

void
wi_aws_profiles_free(struct wi_aws_profiles *profiles)
{
    for (size_t i = 0; i < profiles->count; i++) {
        free_entry(profiles->env, &profiles->entries[i]);
    }
    wi_free(profiles->env, profiles->entries);
    wi_aws_profiles_init(profiles, profiles->env);
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct weir_str
trimmed(struct weir_str text)
{
    while (text.length > 0 && is_blank(text.data[0])) {
        text.data++;
        text.length--;
    }
    while (text.length > 0 && is_blank(text.data[text.length - 1])) {
        text.length--;
    }
    return text;
}

/* Where the parser stands. */
struct place {
    struct wi_aws_profiles *profiles;
    enum wi_aws_file file;
    char section[WI_AWS_NAME_SIZE_MAX]; /* "": none that counts */
    char outer[WI_AWS_NAME_SIZE_MAX];   /* name whose value stands in the lines below; "": none */
};

/* "[default]" and "[profile x]" in the config file, "[x]" in the credentials file. */
static void
enter_section(struct place *place, struct weir_str line)
{
    struct weir_str title;
    struct weir_str rest;
    struct weir_str first;
    struct weir_str second;

    place->section[0] = '\0';
    place->outer[0] = '\0';
    line.data++;
    line.length--;
    if (!wi_str_cut(line, ']', &title, &rest)) {
        return;
    }
    title = trimmed(title);
    if (place->file == WI_AWS_CONFIG_FILE) {
        for (size_t i = 0; i < title.length; i++) {
            /* A tab separates as well as a space does. */
            if (is_blank(title.data[i])) {
                first = (struct weir_str){title.data, i};
                second = trimmed((struct weir_str){title.data + i, title.length - i});
                title = wi_str_equal_z(first, "profile") ? second : title;
                break;
            }
        }
    }
    if (!wi_str_copy(place->section, sizeof place->section, title)) {
        place->section[0] = '\0';
    }
}

static enum weir_error
grow(struct wi_aws_profiles *profiles)
{
    size_t capacity = profiles->capacity == 0 ? ENTRIES_AT_FIRST : 2 * profiles->capacity;
    struct wi_aws_entry *entries;

    if (profiles->count < profiles->capacity) {
        return WEIR_OK;
    }
    if (profiles->count >= WI_AWS_ENTRIES_MAX) {
        return WEIR_ELIMIT;
    }
    entries = wi_resize_array(profiles->env, profiles->entries, capacity, sizeof *entries);
    if (entries == NULL) {
        return WEIR_ENOMEM;
    }
    profiles->entries = entries;
    profiles->capacity = capacity;
    return WEIR_OK;
}

static enum weir_error
add_entry(struct place *place, const char *name, struct weir_str value)
{
    struct wi_aws_profiles *profiles = place->profiles;
    struct wi_aws_entry entry = {.file = place->file};
    enum weir_error error = grow(profiles);

    if (error != WEIR_OK) {
        return error;
    }
    entry.section = wi_strdup(profiles->env, place->section);
    entry.name = wi_strdup(profiles->env, name);
    entry.value = wi_str_dup(profiles->env, value);
    if (entry.section == NULL || entry.name == NULL || entry.value == NULL) {
        free_entry(profiles->env, &entry);
        return WEIR_ENOMEM;
    }
    profiles->entries[profiles->count++] = entry;
    return WEIR_OK;
}

static void
to_lower(char *text)
{
    for (; *text != '\0'; text++) {
        if (*text >= 'A' && *text <= 'Z') {
            *text = (char)(*text - 'A' + 'a');
        }
    }
}

/* A comment may follow a value after a blank. */
static struct weir_str
without_comment(struct weir_str value)
{
    for (size_t i = 1; i < value.length; i++) {
        if ((value.data[i] == '#' || value.data[i] == ';') && is_blank(value.data[i - 1])) {
            value.length = i;
        }
    }
    return trimmed(value);
}

static enum weir_error
read_property(struct place *place, struct weir_str line, bool is_inner)
{
    char name[WI_AWS_NAME_SIZE_MAX];
    char whole[2 * WI_AWS_NAME_SIZE_MAX];
    struct weir_str head;
    struct weir_str value;

    if (place->section[0] == '\0' || !wi_str_cut(line, '=', &head, &value)) {
        return WEIR_OK;
    }
    head = trimmed(head);
    value = without_comment(trimmed(value));
    if (head.length == 0 || !wi_str_copy(name, sizeof name, head)) {
        return WEIR_OK;
    }
    to_lower(name);
    if (is_inner) {
        if (place->outer[0] == '\0') {
            return WEIR_OK;
        }
        (void)snprintf(whole, sizeof whole, "%s.%s", place->outer, name);
        return add_entry(place, whole, value);
    }
    (void)wi_str_copy(
        place->outer, sizeof place->outer, value.length == 0 ? wi_str(name) : WI_STR(""));
    return add_entry(place, name, value);
}

static enum weir_error
read_line(struct place *place, struct weir_str line)
{
    bool is_inner = line.length > 0 && (line.data[0] == ' ' || line.data[0] == '\t');

    line = trimmed(line);
    if (line.length == 0 || line.data[0] == '#' || line.data[0] == ';' ||
        memchr(line.data, '\0', line.length) != NULL) {
        return WEIR_OK;
    }
    if (line.data[0] == '[' && !is_inner) {
        enter_section(place, line);
        return WEIR_OK;
    }
    return read_property(place, line, is_inner);
}

enum weir_error
wi_aws_profiles_parse(struct wi_aws_profiles *profiles, enum wi_aws_file file, struct weir_str text)
{
    struct place place = {.profiles = profiles, .file = file};
    enum weir_error error = WEIR_OK;

    if (text.length > WI_AWS_FILE_MAX) {
        return WEIR_ELIMIT;
    }
    if (wi_str_starts_with(text, WI_STR("\xef\xbb\xbf"))) {
        text = (struct weir_str){text.data + 3, text.length - 3};
    }
    while (text.length > 0 && error == WEIR_OK) {
        struct weir_str line = text;
        struct weir_str rest = WI_STR("");

        (void)wi_str_cut(text, '\n', &line, &rest);
        error = read_line(&place, line);
        text = rest;
    }
    return error;
}

const char *
wi_aws_profiles_get(const struct wi_aws_profiles *profiles, const char *section, const char *name)
{
    const struct wi_aws_entry *found = NULL;

    for (size_t i = 0; i < profiles->count; i++) {
        const struct wi_aws_entry *entry = &profiles->entries[i];

        if (strcmp(entry->section, section) == 0 && strcmp(entry->name, name) == 0 &&
            (found == NULL || entry->file >= found->file)) {
            found = entry;
        }
    }
    return found == NULL || found->value[0] == '\0' ? NULL : found->value;
}

bool
wi_aws_profiles_has(const struct wi_aws_profiles *profiles, const char *section)
{
    for (size_t i = 0; i < profiles->count; i++) {
        if (strcmp(profiles->entries[i].section, section) == 0) {
            return true;
        }
    }
    return false;
}
