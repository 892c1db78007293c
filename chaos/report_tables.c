/* Tables of violations and faults. Each time is a link into the picture. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

#include "chaos/fault.h"
#include "chaos/html.h"
#include "chaos/judge.h"
#include "chaos/ledger.h"
#include "chaos/picture.h"

static void
write_time(const struct chaos_picture *picture, int64_t time_ns)
{
    const double ms = chaos_picture_ms(picture, time_ns);

    (void)fprintf(
        picture->out,
        "<td class=\"number\"><a href=\"#timeline\" data-at=\"%.1f\">%.3f s</a></td>",
        ms,
        ms / 1000);
}

static void
write_counts(const struct chaos_picture *picture)
{
    const struct chaos_verdict *verdict = picture->verdict;

    (void)fputs("<p class=\"counts\">", picture->out);
    for (size_t i = 0; i < CHAOS_PROPERTIES; i++) {
        if (verdict->counts[i] > 0) {
            (void)fprintf(
                picture->out,
                "<span><b>%s</b> %s: %" PRIu64 "</span> ",
                chaos_property_code((enum chaos_property)i),
                chaos_property_name((enum chaos_property)i),
                verdict->counts[i]);
        }
    }
    (void)fputs("</p>\n", picture->out);
}

void
chaos_violations_write(struct chaos_picture *picture)
{
    const struct chaos_verdict *verdict = picture->verdict;
    FILE *out = picture->out;

    if (verdict->violation_count == 0) {
        return;
    }
    (void)fputs("<section id=\"violations\"><h2>Violations</h2>\n", out);
    write_counts(picture);
    (void)fputs(
        "<div class=\"scroll\"><table><thead><tr><th class=\"number\">at<th>property<th>what"
        "</thead><tbody>\n",
        out);
    for (size_t i = 0; i < verdict->violation_count; i++) {
        const struct chaos_violation *v = &verdict->violations[i];

        (void)fputs("<tr>", out);
        write_time(picture, v->time_ns);
        (void)fputs("<td><b>", out);
        chaos_html_text(out, *v->code != '\0' ? v->code : chaos_property_code(v->property));
        (void)fprintf(out, "</b> %s</td><td>", chaos_property_name(v->property));
        chaos_html_text(out, v->text);
        (void)fputs("</td></tr>\n", out);
    }
    (void)fprintf(
        out,
        "</tbody></table></div>\n<p class=\"note\">At most %d of each property are shown; the "
        "counts are of all.</p></section>\n",
        CHAOS_EXAMPLES);
}

void
chaos_faults_write(struct chaos_picture *picture)
{
    const struct chaos_ledger *ledger = picture->ledger;
    FILE *out = picture->out;

    (void)fprintf(
        out,
        "<section id=\"faults\"><h2>Faults</h2>\n<details%s><summary>%zu faults in order of time"
        "</summary><div class=\"scroll\"><table><thead><tr><th class=\"number\">at<th>fault"
        "<th class=\"number\">lasted<th>what</thead><tbody>\n",
        ledger->fault_count <= 20 ? " open" : "",
        ledger->fault_count);
    for (size_t i = 0; i < ledger->fault_count && i < CHAOS_TABLE_ROWS_MAX; i++) {
        const struct chaos_fault *fault = &ledger->faults[i];

        (void)fputs("<tr>", out);
        write_time(picture, fault->begin_ns);
        (void)fprintf(
            out, "<td>%s</td><td class=\"number\">", chaos_fault_info(fault->kind)->title);
        if (fault->end_ns > fault->begin_ns) {
            chaos_html_ms(out, (double)(fault->end_ns - fault->begin_ns) / 1e6);
        }
        (void)fputs("</td><td>", out);
        chaos_html_text(out, fault->text);
        (void)fputs("</td></tr>\n", out);
    }
    (void)fputs("</tbody></table></div></details></section>\n", out);
}
