/* values.c - metavars to words and paths. */
#include "cli/values.h"

#include <ctype.h>
#include <string.h>

#include "analysis/device.h"

static const char *append(oxp_arena *a, const char *words, const char *word) {
    return *words ? oxp_sprintf(a, "%s %s", words, word) : oxp_strdup(a, word);
}

static const char *formats(oxp_arena *a) {
    const char *words = "";
    for (size_t i = 0; i < oxp_format_count(); i++)
        words = append(a, words, oxp_format_at(i)->name);
    return words;
}

static const char *devices(oxp_arena *a) {
    const oxp_device *const *all;
    size_t n = oxp_device_list(a, &all);
    const char *words = "";
    for (size_t i = 0; i < n; i++)
        words = append(a, words, all[i]->id);
    return append(a, words, "host");
}

static const char *passes(oxp_arena *a) {
    const char *words = "";
    for (size_t i = 0; i < oxp_pass_count(); i++)
        if (!(oxp_pass_at(i)->flags & OXP_PASS_WHAT_IF))
            words = append(a, words, oxp_pass_at(i)->name);
    return words;
}

static bool is_choice(const char *metavar) {
    return strchr(metavar, '|') && islower((unsigned char)metavar[0]);
}

static const char *choices(oxp_arena *a, const char *metavar) {
    char *words = oxp_strdup(a, metavar);
    for (char *p = words; *p; p++)
        if (*p == '|')
            *p = ' ';
    return words;
}

static bool begins(const char *text, const char *prefix) {
    return !strncmp(text, prefix, strlen(prefix));
}

oxp_values oxp_cli_values(oxp_arena *arena, const oxp_option *o) {
    const char *m = o->metavar;
    if (!m)
        return (oxp_values){OXP_VALUE_NONE, "", false};
    bool many = strstr(m, ",...") != NULL;
    if (is_choice(m))
        return (oxp_values){OXP_VALUE_WORDS, choices(arena, m), false};
    if (begins(m, "FORMAT"))
        return (oxp_values){OXP_VALUE_WORDS, formats(arena), many};
    if (begins(m, "DEVICE"))
        return (oxp_values){OXP_VALUE_WORDS, devices(arena), many};
    if (begins(m, "PASS"))
        return (oxp_values){OXP_VALUE_WORDS, passes(arena), many};
    bool path = begins(m, "FILE") || begins(m, "DIR") || begins(m, "OUT");
    return (oxp_values){path ? OXP_VALUE_PATH : OXP_VALUE_FREE, "", false};
}

const char *oxp_cli_actions(oxp_arena *arena, const oxp_command *c) {
    static const char lower[] = "abcdefghijklmnopqrstuvwxyz", space[] = " |";
    const char *words = "";
    for (const char *p = c->synopsis; *p;) {
        p += strspn(p, space);
        size_t len = strcspn(p, space);
        if (len && strspn(p, lower) >= len)
            words = append(arena, words, oxp_memdup0(arena, p, len));
        p += len;
    }
    return words;
}

const char *oxp_cli_long_name(oxp_arena *arena, const oxp_option *o) {
    const char *comma = strchr(o->name, ',');
    size_t len = comma ? (size_t)(comma - o->name) : strlen(o->name);
    return oxp_memdup0(arena, o->name + 2, len - 2);
}

char oxp_cli_short_name(const oxp_option *o) {
    const char *comma = strchr(o->name, ',');
    return comma ? comma[2] : 0;
}

void oxp_cli_each_option(const oxp_command *c, void (*each)(void *arg, const oxp_option *o),
                         void *arg) {
    static const oxp_option help = {"--help,-h", NULL, "explain the command and leave",
                                    OXP_OPT_FLAG, 0};
    for (const oxp_option *const *g = c->groups; *g; g++)
        for (const oxp_option *o = *g; o->name; o++)
            each(arg, o);
    each(arg, &help);
}
