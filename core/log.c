#include "core/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <weir/env.h>

#include "core/check.h"

/* Replace C0 controls, DEL, and C1 controls in UTF-8 (0xc2 0x80 to 0xc2 0x9f). Other bytes stay:
 * data may be in any encoding. */
static void
replace_controls(char *text)
{
    for (unsigned char *c = (unsigned char *)text; *c != '\0'; c++) {
        if (*c < 0x20 || *c == 0x7f) {
            *c = '?';
        } else if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f) {
            c[0] = '?';
            c[1] = '?';
        }
    }
}

void
wi_log(
    const struct weir_env *env,
    enum weir_log_level level,
    const char *component,
    const char *format,
    ...)
{
    static const char cut[] = "...";
    char text[WI_LOG_SIZE];
    if (level > env->logger.level || env->logger.log == NULL) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    WEIR_ASSERT(length >= 0);
    if ((size_t)length >= sizeof text) {
        memcpy(text + sizeof text - sizeof cut, cut, sizeof cut);
    }
    replace_controls(text);
    env->logger.log(env->logger.context, level, component, text);
}
