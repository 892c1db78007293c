#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <weir/error.h>

#include "core/check.h"
#include "core/detail.h"
#include "core/str.h"

static const struct error_words {
    enum weir_error error;
    const char *name;
    const char *text;
} words[] = {
    {WEIR_OK, "WEIR_OK", "success"},
    {WEIR_EINVAL, "WEIR_EINVAL", "an argument is out of its range"},
    {WEIR_ESTATE, "WEIR_ESTATE", "the call is not allowed in this state"},
    {WEIR_EUNSUPPORTED, "WEIR_EUNSUPPORTED", "this is not supported here"},
    {WEIR_ENOMEM, "WEIR_ENOMEM", "there is no memory left"},
    {WEIR_EFULL, "WEIR_EFULL", "the disk or the map is full"},
    {WEIR_ELIMIT, "WEIR_ELIMIT", "a bound was reached"},
    {WEIR_ERANGE, "WEIR_ERANGE", "the buffer is too small"},
    {WEIR_ELEASELOST, "WEIR_ELEASELOST", "the lease is lost"},
    {WEIR_ECONFLICT, "WEIR_ECONFLICT", "somebody else changed it first"},
    {WEIR_EEXISTS, "WEIR_EEXISTS", "the name is taken"},
    {WEIR_ENOTFOUND, "WEIR_ENOTFOUND", "there is no such thing"},
    {WEIR_EFENCED, "WEIR_EFENCED", "a newer owner has written here"},
    {WEIR_EDUPLICATE, "WEIR_EDUPLICATE", "it was applied before"},
    {WEIR_ESESSIONLOST, "WEIR_ESESSIONLOST", "this worker was declared dead"},
    {WEIR_ETIMEOUT, "WEIR_ETIMEOUT", "no answer in time, the outcome is unknown"},
    {WEIR_EBUSY, "WEIR_EBUSY", "a lock is held for too long"},
    {WEIR_ETHROTTLED, "WEIR_ETHROTTLED", "a rate limit was exceeded"},
    {WEIR_ECANCELED, "WEIR_ECANCELED", "given up because of a shutdown"},
    {WEIR_EEXPIRED, "WEIR_EEXPIRED", "the iterator has expired"},
    {WEIR_ECORRUPT, "WEIR_ECORRUPT", "the data is damaged"},
    {WEIR_EVERSION, "WEIR_EVERSION", "the data has an unknown version"},
    {WEIR_ETRIMMED, "WEIR_ETRIMMED", "the position is older than the oldest record kept"},
    {WEIR_EIO, "WEIR_EIO", "a read, write or sync failed"},
    {WEIR_EACCESS, "WEIR_EACCESS", "permission was denied"},
    {WEIR_EPLATFORM, "WEIR_EPLATFORM", "this system does not offer what weir needs"},
    {WEIR_EPROCESSOR, "WEIR_EPROCESSOR", "the record processor failed"},
    {WEIR_EINTERNAL, "WEIR_EINTERNAL", "a bug in weir"},
};

/* The table's row for a code, or NULL. */
static const struct error_words *
find_words(enum weir_error error)
{
    for (size_t i = 0; i < WI_ARRAY_LENGTH(words); i++) {
        if (words[i].error == error) {
            return &words[i];
        }
    }
    return NULL;
}

const char *
weir_error_name(enum weir_error error)
{
    const struct error_words *found = find_words(error);
    return found == NULL ? "WEIR_E?" : found->name;
}

const char *
weir_error_text(enum weir_error error)
{
    const struct error_words *found = find_words(error);
    return found == NULL ? "an unknown error" : found->text;
}

enum weir_error_class
weir_error_class(enum weir_error error)
{
    /* An unknown number is a bug somewhere. */
    return find_words(error) == NULL ? WEIR_CLASS_INTERNAL
                                     : (enum weir_error_class)((unsigned)error / 100);
}

enum weir_error
wi_detail(struct weir_detail *detail, enum weir_error error, const char *format, ...)
{
    WEIR_ASSERT(error != WEIR_OK);
    if (detail != NULL) {
        struct weir_detail fresh; /* the arguments may point into *detail */
        va_list arguments;
        va_start(arguments, format);
        int length = vsnprintf(fresh.text, sizeof fresh.text, format, arguments);
        va_end(arguments);
        WEIR_ASSERT(length >= 0);
        memcpy(detail->text, fresh.text, strlen(fresh.text) + 1);
    }
    return error;
}

void
wi_detail_prefix(struct weir_detail *detail, const char *format, ...)
{
    if (detail == NULL) {
        return;
    }
    struct weir_detail fresh;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(fresh.text, sizeof fresh.text, format, arguments);
    va_end(arguments);
    WEIR_ASSERT(length >= 0);

    size_t used = strlen(fresh.text);
    if (detail->text[0] != '\0') {
        (void)wi_str_copy(fresh.text + used, sizeof fresh.text - used, WI_STR(": "));
        used = strlen(fresh.text);
        (void)wi_str_copy(fresh.text + used, sizeof fresh.text - used, wi_str(detail->text));
    }
    memcpy(detail->text, fresh.text, strlen(fresh.text) + 1);
}
