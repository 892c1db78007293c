#include "core/config.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/detail.h"
#include "core/quantity.h"
#include "core/str.h"

/* A value of any type, between the text and the member. */
struct value {
    int64_t number; /* I64, DURATION, SIZE */
    bool boolean;
    const char *string;
    struct weir_position position;
};

/* Room for what a property accepts, in words. */
#define ALLOWED_SIZE 160

/* Most of a bad value that a message repeats. */
#define SHOWN_VALUE_MAX 80

static bool
is_number(enum wi_config_type type)
{
    return type == WI_CONFIG_I64 || type == WI_CONFIG_DURATION || type == WI_CONFIG_SIZE;
}

/* A number of the property as a user would write it. */
static void
format_number(
    const struct wi_config_property *property, int64_t number, char text[WI_QUANTITY_SIZE])
{
    if (property->type == WI_CONFIG_DURATION && number >= 0) {
        (void)wi_duration_format(number, text);
    } else if (property->type == WI_CONFIG_SIZE && number >= 0) {
        (void)wi_size_format(number, text);
    } else {
        (void)snprintf(text, WI_QUANTITY_SIZE, "%lld", (long long)number);
    }
}

/* What the property accepts, for people: "200ms to 1h". */
static void
format_allowed(const struct wi_config_property *property, char text[ALLOWED_SIZE])
{
    char minimum[WI_QUANTITY_SIZE];
    char maximum[WI_QUANTITY_SIZE];
    switch (property->type) {
    case WI_CONFIG_I64:
    case WI_CONFIG_DURATION:
    case WI_CONFIG_SIZE:
        format_number(property, property->minimum, minimum);
        format_number(property, property->maximum, maximum);
        (void)snprintf(text, ALLOWED_SIZE, "%s to %s", minimum, maximum);
        return;
    case WI_CONFIG_BOOL:
        (void)snprintf(text, ALLOWED_SIZE, "true or false");
        return;
    case WI_CONFIG_STRING:
        (void)snprintf(
            text,
            ALLOWED_SIZE,
            "text of %lld to %lld bytes",
            (long long)property->minimum,
            (long long)property->maximum);
        return;
    case WI_CONFIG_POSITION:
        (void)snprintf(
            text,
            ALLOWED_SIZE,
            "TRIM_HORIZON, LATEST, AT_TIMESTAMP:time, AT_SEQUENCE_NUMBER:n or "
            "AFTER_SEQUENCE_NUMBER:n");
        return;
    }
    WEIR_ASSERT(false); /* an enum has no other values */
}

/* How the values of a type are called. */
static const char *
type_name(const struct wi_config_property *property)
{
    switch (property->type) {
    case WI_CONFIG_I64:
        return property->unit == NULL ? "number" : property->unit;
    case WI_CONFIG_BOOL:
        return "boolean";
    case WI_CONFIG_STRING:
        return "text";
    case WI_CONFIG_POSITION:
        return "position";
    case WI_CONFIG_DURATION:
        return "duration";
    case WI_CONFIG_SIZE:
        return "size";
    }
    WEIR_ASSERT(false); /* an enum has no other values */
    return "";
}

/* Whether a number or the length of a string is within the property's bounds. */
static bool
is_within(const struct wi_config_property *property, const struct value *value)
{
    int64_t measure;
    if (is_number(property->type)) {
        measure = value->number;
    } else if (property->type == WI_CONFIG_STRING) {
        measure = value->string == NULL ? 0 : (int64_t)strlen(value->string);
    } else {
        return true;
    }
    return measure >= property->minimum && measure <= property->maximum;
}

static enum weir_error
parse_boolean(struct weir_str text, bool *ret)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {
        {"true", true},
        {"yes", true},
        {"on", true},
        {"1", true},
        {"false", false},
        {"no", false},
        {"off", false},
        {"0", false},
    };
    for (size_t i = 0; i < WI_ARRAY_LENGTH(words); i++) {
        if (wi_str_equal_z(text, words[i].word)) {
            *ret = words[i].value;
            return WEIR_OK;
        }
    }
    return WEIR_EINVAL;
}

static enum weir_error
parse_value(const struct wi_config_property *property, const char *text, struct value *ret)
{
    switch (property->type) {
    case WI_CONFIG_I64:
        return wi_str_to_i64(wi_str(text), &ret->number);
    case WI_CONFIG_BOOL:
        return parse_boolean(wi_str(text), &ret->boolean);
    case WI_CONFIG_STRING:
        ret->string = text;
        return WEIR_OK;
    case WI_CONFIG_POSITION:
        return weir_position_parse(wi_str(text), &ret->position);
    case WI_CONFIG_DURATION:
        return wi_duration_parse(wi_str(text), &ret->number);
    case WI_CONFIG_SIZE:
        return wi_size_parse(wi_str(text), &ret->number);
    }
    WEIR_ASSERT(false); /* an enum has no other values */
    return WEIR_EINTERNAL;
}

/* Copy a value into its member. */
static void
store(const struct wi_config_property *property, const struct value *value, void *options)
{
    unsigned char *member = (unsigned char *)options + property->offset;
    switch (property->type) {
    case WI_CONFIG_I64:
    case WI_CONFIG_DURATION:
    case WI_CONFIG_SIZE:
        memcpy(member, &value->number, sizeof value->number);
        return;
    case WI_CONFIG_BOOL:
        memcpy(member, &value->boolean, sizeof value->boolean);
        return;
    case WI_CONFIG_STRING:
        memcpy(member, &value->string, sizeof value->string);
        return;
    case WI_CONFIG_POSITION:
        memcpy(member, &value->position, sizeof value->position);
        return;
    }
    WEIR_ASSERT(false); /* an enum has no other values */
}

/* Read a member whose bounds matter: a number or a string. */
static struct value
load_bounded(const struct wi_config_property *property, const void *options)
{
    struct value value = {.string = NULL};
    const unsigned char *member = (const unsigned char *)options + property->offset;
    if (is_number(property->type)) {
        memcpy(&value.number, member, sizeof value.number);
    } else if (property->type == WI_CONFIG_STRING) {
        memcpy(&value.string, member, sizeof value.string);
    }
    return value;
}

/* The detail of a value that is not allowed. */
static enum weir_error
refuse(const struct wi_config_property *property, const char *value, struct weir_detail *detail)
{
    char allowed[ALLOWED_SIZE];
    format_allowed(property, allowed);
    return wi_detail(
        detail,
        WEIR_EINVAL,
        "%s: \"%.*s\" is not allowed; give a %s: %s",
        property->name,
        SHOWN_VALUE_MAX,
        value,
        type_name(property),
        allowed);
}

static char
hyphen_to_underscore(char c)
{
    return (char)(c == '-' ? '_' : c);
}

/* The part of a property's name that has to be written. */
static size_t
required_length(const struct wi_config_property *property)
{
    const char *unit = property->type == WI_CONFIG_DURATION ? "_ms"
                       : property->type == WI_CONFIG_SIZE   ? "_bytes"
                                                            : "";
    size_t length = strlen(property->name);
    size_t unit_length = strlen(unit);
    bool has_unit =
        length > unit_length && strcmp(property->name + length - unit_length, unit) == 0;
    return has_unit ? length - unit_length : length;
}

static bool
is_named(const struct wi_config_property *property, struct weir_str name)
{
    if (name.length != strlen(property->name) && name.length != required_length(property)) {
        return false;
    }
    for (size_t i = 0; i < name.length; i++) {
        if (hyphen_to_underscore(name.data[i]) != property->name[i]) {
            return false;
        }
    }
    return true;
}

const struct wi_config_property *
wi_config_find(const struct wi_config_table *table, struct weir_str name)
{
    for (size_t i = 0; i < table->count; i++) {
        if (is_named(&table->properties[i], name)) {
            return &table->properties[i];
        }
    }
    return NULL;
}

enum weir_error
wi_config_set(
    const struct wi_config_table *table,
    void *options,
    struct weir_str name,
    const char *value,
    struct weir_detail *detail)
{
    const struct wi_config_property *property = wi_config_find(table, name);
    struct value parsed = {.string = NULL};
    if (property == NULL) {
        int shown = name.length < SHOWN_VALUE_MAX ? (int)name.length : SHOWN_VALUE_MAX;
        return wi_detail(detail, WEIR_ENOTFOUND, "there is no property \"%.*s\"", shown, name.data);
    }
    if (value == NULL) {
        return wi_detail(detail, WEIR_EINVAL, "%s has no value", property->name);
    }
    if (parse_value(property, value, &parsed) != WEIR_OK || !is_within(property, &parsed)) {
        return refuse(property, value, detail);
    }
    store(property, &parsed, options);
    return WEIR_OK;
}

enum weir_error
wi_config_parse(
    const struct wi_config_table *table,
    void *options,
    const char *assignment,
    struct weir_detail *detail)
{
    struct weir_str name;
    struct weir_str value;
    if (!wi_str_cut(wi_str(assignment), '=', &name, &value)) {
        return wi_detail(
            detail, WEIR_EINVAL, "\"%.*s\" is not NAME=VALUE", SHOWN_VALUE_MAX, assignment);
    }
    return wi_config_set(table, options, name, value.data, detail);
}

void
wi_config_defaults(const struct wi_config_table *table, void *options)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct wi_config_property *property = &table->properties[i];
        struct value value = {.string = NULL};
        if (property->default_text == NULL) {
            WEIR_ASSERT(property->type == WI_CONFIG_STRING);
        } else {
            enum weir_error error = parse_value(property, property->default_text, &value);
            WEIR_ASSERT(error == WEIR_OK);
            WEIR_ASSERT(is_within(property, &value));
        }
        store(property, &value, options);
    }
}

enum weir_error
wi_config_check(
    const struct wi_config_table *table, const void *options, struct weir_detail *detail)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct wi_config_property *property = &table->properties[i];
        struct value value = load_bounded(property, options);
        char number[WI_QUANTITY_SIZE];
        if (is_within(property, &value)) {
            continue;
        }
        if (property->type == WI_CONFIG_STRING && value.string == NULL) {
            return wi_detail(detail, WEIR_EINVAL, "%s is required", property->name);
        }
        format_number(property, value.number, number);
        return refuse(property, value.string == NULL ? number : value.string, detail);
    }
    return WEIR_OK;
}

/* What stands in the column "default". */
static const char *
shown_default(const struct wi_config_property *property)
{
    if (property->default_text != NULL) {
        return property->default_text;
    }
    return property->minimum > 0 ? "required" : "none";
}

void
wi_config_markdown(const struct wi_config_table *table, struct wi_buffer *out)
{
    wi_buffer_append_z(
        out, "| property | type | default | allowed | meaning |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < table->count; i++) {
        const struct wi_config_property *property = &table->properties[i];
        char allowed[ALLOWED_SIZE];
        format_allowed(property, allowed);
        wi_buffer_printf(
            out,
            "| `%s` | %s | %s | %s | %s |\n",
            property->name,
            type_name(property),
            shown_default(property),
            allowed,
            property->description);
    }
}

void
wi_config_help(const struct wi_config_table *table, struct wi_buffer *out)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct wi_config_property *property = &table->properties[i];
        char allowed[ALLOWED_SIZE];
        format_allowed(property, allowed);
        wi_buffer_printf(
            out,
            "  %s\n      %s\n      %s: %s; default: %s\n",
            property->name,
            property->description,
            type_name(property),
            allowed,
            shown_default(property));
    }
}
