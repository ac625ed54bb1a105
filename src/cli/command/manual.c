/* manual.c - the manual pages, from the commands' own tables (man(7) macros). */
#include <stdio.h>
#include <string.h>

#include "cli/values.h"

/* Text where nothing is a roff request: dashes that people copy, backslashes, leading dots. */
static void roff(const char *text) {
    bool start = true;
    for (; *text; text++) {
        if (start && (*text == '.' || *text == '\''))
            fputs("\\&", stdout);
        start = *text == '\n';
        if (*text == '\\')
            fputs("\\e", stdout);
        else if (*text == '-')
            fputs("\\-", stdout);
        else
            putchar(*text);
    }
}

static void heading(const char *page, const char *summary) {
    printf(".TH \"%s\" 1 \"" OXP_RELEASE_DATE "\" \"onnxpert " OXP_VERSION
           "\" \"User commands\"\n.SH NAME\n",
           page);
    roff(page);
    fputs(" \\- ", stdout);
    roff(summary);
    putchar('\n');
}

static void option(void *arg, const oxp_option *o) {
    oxp_arena *a = arg;
    char letter = oxp_cli_short_name(o);
    fputs(".TP\n", stdout);
    if (letter)
        printf("\\fB\\-%c\\fR, ", letter);
    fputs("\\fB\\-\\-", stdout);
    roff(oxp_cli_long_name(a, o));
    fputs("\\fR", stdout);
    if (o->metavar) {
        fputs(" \\fI", stdout);
        roff(o->metavar);
        fputs("\\fR", stdout);
    }
    putchar('\n');
    roff(o->help);
    putchar('\n');
}

static void exit_codes(void) {
    fputs(
        ".SH EXIT STATUS\n.TP\n0\ndone\n.TP\n1\nfindings at or above \\-\\-fail\\-on\n.TP\n2\n"
        "wrong usage\n.TP\n3\nbad input; an analysis may still have been printed, marked partial\n"
        ".TP\n4\nverification failed; no output is kept\n.TP\n5\nthe environment failed: file "
        "system, memory, no ONNX Runtime where it was asked for\n",
        stdout);
}

static void command_page(oxp_arena *a, const oxp_command *c) {
    heading(oxp_sprintf(a, "onnxpert-%s", c->name), c->summary);
    printf(".SH SYNOPSIS\n\\fBonnxpert %s\\fR ", c->name);
    roff(c->synopsis);
    fputs("\n.SH OPTIONS\n", stdout);
    oxp_cli_each_option(c, option, a);
    if (c->epilog) {
        fputs(".SH NOTES\n.nf\n", stdout);
        roff(c->epilog);
        fputs("\n.fi\n", stdout);
    }
    exit_codes();
    fputs(".SH SEE ALSO\n\\fBonnxpert\\fR(1)\n", stdout);
}

static void main_page(oxp_arena *a) {
    heading("onnxpert", "optimization advisor and model rewriter for ONNX");
    fputs(".SH SYNOPSIS\n\\fBonnxpert\\fR \\fICOMMAND\\fR [\\fIARGUMENTS\\fR]\n.SH COMMANDS\n",
          stdout);
    for (size_t i = 0; i < oxp_command_count(); i++) {
        const oxp_command *c = oxp_command_at(i);
        printf(".TP\n\\fBonnxpert %s\\fR ", c->name);
        roff(c->synopsis);
        putchar('\n');
        roff(c->summary);
        putchar('\n');
    }
    fputs(".SH FORMATS\n", stdout);
    for (size_t i = 0; i < oxp_format_count(); i++) {
        printf(".TP\n\\fB%s\\fR\n", oxp_format_at(i)->name);
        roff(oxp_format_at(i)->summary);
        putchar('\n');
    }
    exit_codes();
    fputs(".SH ENVIRONMENT\n.TP\nONNXPERT_ORT\nthe ONNX Runtime library that verification loads\n"
          ".TP\nNO_COLOR\nno colours in the text report\n.SH SEE ALSO\n",
          stdout);
    for (size_t i = 0; i < oxp_command_count(); i++) {
        fputs("\\fB", stdout);
        roff(oxp_sprintf(a, "onnxpert-%s", oxp_command_at(i)->name));
        printf("\\fR(1)%s\n", i + 1 < oxp_command_count() ? "," : "");
    }
}

static int run(oxp_cli *cli) {
    if (!cli->n_args) {
        main_page(cli->arena);
        return 0;
    }
    for (size_t i = 0; i < oxp_command_count(); i++)
        if (!strcmp(oxp_command_at(i)->name, cli->args[0])) {
            command_page(cli->arena, oxp_command_at(i));
            return 0;
        }
    oxp_raise(cli->ctx, OXP_E_USAGE, "manual: there is no command '%s'", cli->args[0]);
}

static const oxp_option *const groups[] = {oxp_opts_common, NULL};

const oxp_command oxp_command_manual = {
    "manual", "[COMMAND]", "prints the manual page (roff; `onnxpert manual | man -l -`)",
    0,        1,           groups,
    run,      NULL,        false};
