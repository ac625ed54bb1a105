/* completion.c - completion scripts for bash, zsh and fish, from the commands' own tables. */
#include <stdio.h>
#include <string.h>

#include "cli/values.h"

typedef struct script {
    oxp_arena *arena;
    const oxp_command *command;
} script;

/* `text` inside single quotes of a shell; zsh's argument specifications also escape [ ] and :. */
static const char *quoted(oxp_arena *a, const char *text, const char *escape) {
    char *out = OXP_NEWS(a, 4 * strlen(text) + 3, char), *p = out;
    *p++ = '\'';
    for (; *text; text++) {
        if (*text == '\'') {
            memcpy(p, "'\\''", 4);
            p += 4;
            continue;
        }
        if (strchr(escape, *text))
            *p++ = '\\';
        *p++ = *text;
    }
    *p++ = '\'';
    *p = 0;
    return out;
}

/* ---- bash ---- */

static void bash_word(void *arg, const oxp_option *o) {
    script *s = arg;
    char letter = oxp_cli_short_name(o);
    printf(" --%s", oxp_cli_long_name(s->arena, o));
    if (letter)
        printf(" -%c", letter);
}

static void bash_value(void *arg, const oxp_option *o) {
    script *s = arg;
    oxp_values v = oxp_cli_values(s->arena, o);
    if (v.kind == OXP_VALUE_NONE)
        return;
    char letter = oxp_cli_short_name(o);
    printf("    '%s --%s'", s->command->name, oxp_cli_long_name(s->arena, o));
    if (letter)
        printf(" | '%s -%c'", s->command->name, letter);
    if (v.kind == OXP_VALUE_PATH)
        fputs(") _onnxpert_file ;;\n", stdout);
    else if (v.kind == OXP_VALUE_WORDS)
        printf(") %s '%s' ;;\n", v.many ? "_onnxpert_many" : "_onnxpert_one", v.words);
    else
        fputs(") COMPREPLY=() ;;\n", stdout);
}

static void bash(oxp_arena *a) {
    fputs("# bash completion for onnxpert, made by `onnxpert completion bash`\n"
          "_onnxpert_one() { mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$word\"); }\n"
          "_onnxpert_file() { mapfile -t COMPREPLY < <(compgen -f -- \"$word\"); }\n"
          "_onnxpert_many() {\n"
          "  local done=''\n"
          "  [[ $word == *,* ]] && done=${word%,*},\n"
          "  mapfile -t COMPREPLY < <(compgen -P \"$done\" -W \"$1\" -- \"${word##*,}\")\n"
          "}\n"
          "_onnxpert() {\n"
          "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
          "  local command=${COMP_WORDS[1]}\n"
          "  [[ $word == = ]] && word=''\n" /* --option=value comes as three words */
          "  [[ $before == = ]] && before=${COMP_WORDS[COMP_CWORD-2]}\n"
          "  if ((COMP_CWORD == 1)); then\n    _onnxpert_one '",
          stdout);
    for (size_t i = 0; i < oxp_command_count(); i++)
        printf("%s ", oxp_command_at(i)->name);
    fputs("--help --version'\n    return\n  fi\n  case \"$command $before\" in\n", stdout);
    for (size_t i = 0; i < oxp_command_count(); i++) {
        script s = {a, oxp_command_at(i)};
        oxp_cli_each_option(s.command, bash_value, &s);
    }
    for (size_t i = 0; i < oxp_command_count(); i++) {
        const char *actions = oxp_cli_actions(a, oxp_command_at(i));
        if (*actions)
            printf("    '%s %s') _onnxpert_one '%s' ;;\n", oxp_command_at(i)->name,
                   oxp_command_at(i)->name, actions);
    }
    fputs("    *)\n      if [[ $word != -* ]]; then\n"
          "        _onnxpert_file\n        return\n      fi\n"
          "      case $command in\n",
          stdout);
    for (size_t i = 0; i < oxp_command_count(); i++) {
        script s = {a, oxp_command_at(i)};
        printf("        %s) _onnxpert_one '", s.command->name);
        oxp_cli_each_option(s.command, bash_word, &s);
        fputs("' ;;\n", stdout);
    }
    fputs("      esac ;;\n  esac\n}\ncomplete -o filenames -F _onnxpert onnxpert\n", stdout);
}

/* ---- zsh ---- */

static void zsh_option(void *arg, const oxp_option *o) {
    script *s = arg;
    oxp_values v = oxp_cli_values(s->arena, o);
    const char *name = oxp_cli_long_name(s->arena, o);
    char letter = oxp_cli_short_name(o);
    const char *star = o->kind == OXP_OPT_LIST ? "*" : "";
    const char *action = "";
    if (v.kind == OXP_VALUE_PATH)
        action = ":_files";
    else if (v.kind == OXP_VALUE_WORDS && v.many)
        action = oxp_sprintf(s->arena, ":_values -s , item %s", v.words);
    else if (v.kind == OXP_VALUE_WORDS)
        action = oxp_sprintf(s->arena, ":(%s)", v.words);
    else if (v.kind == OXP_VALUE_FREE)
        action = ": ";
    const char *metavar =
        o->metavar ? oxp_sprintf(s->arena, ":%s", quoted(s->arena, o->metavar, ":[]")) : "";
    const char *help = quoted(s->arena, o->help, ":[]");
    const char *value = *action ? quoted(s->arena, action, "") : "";
    printf("        '%s--%s%s'[%s]%s%s \\\n", star, name, *action ? "=" : "", help, metavar, value);
    if (letter)
        printf("        '%s-%c'[%s]%s%s \\\n", star, letter, help, metavar, value);
}

static void zsh(oxp_arena *a) {
    fputs("#compdef onnxpert\n# made by `onnxpert completion zsh`\n_onnxpert() {\n"
          "  local -a commands\n  commands=(\n",
          stdout);
    for (size_t i = 0; i < oxp_command_count(); i++)
        printf("    %s\n",
               quoted(a,
                      oxp_sprintf(a, "%s:%s", oxp_command_at(i)->name, oxp_command_at(i)->summary),
                      ""));
    fputs("  )\n  if (( CURRENT == 2 )); then\n    _describe command commands\n    return\n  fi\n"
          "  local command=$words[2]\n  shift words\n  (( CURRENT-- ))\n  case $command in\n",
          stdout);
    for (size_t i = 0; i < oxp_command_count(); i++) {
        script s = {a, oxp_command_at(i)};
        printf("    %s)\n      _arguments \\\n", s.command->name);
        oxp_cli_each_option(s.command, zsh_option, &s);
        const char *actions = oxp_cli_actions(a, s.command);
        if (*actions)
            printf("        '1:action:(%s)' \\\n", actions);
        fputs(s.command->max_args ? "        '*:file:_files' ;;\n" : "        ;;\n", stdout);
    }
    fputs("  esac\n}\n_onnxpert \"$@\"\n", stdout);
}

/* ---- fish ---- */

static void fish_option(void *arg, const oxp_option *o) {
    script *s = arg;
    oxp_values v = oxp_cli_values(s->arena, o);
    char letter = oxp_cli_short_name(o);
    printf("complete -c onnxpert -n '__fish_seen_subcommand_from %s' -l %s", s->command->name,
           oxp_cli_long_name(s->arena, o));
    if (letter)
        printf(" -s %c", letter);
    if (v.kind == OXP_VALUE_PATH)
        fputs(" -r -F", stdout);
    else if (v.kind == OXP_VALUE_WORDS && v.many)
        printf(" -x -a '(__fish_append , %s)'", v.words);
    else if (v.kind == OXP_VALUE_WORDS)
        printf(" -x -a '%s'", v.words);
    else if (v.kind == OXP_VALUE_FREE)
        fputs(" -x", stdout);
    printf(" -d %s\n", quoted(s->arena, o->help, "\\"));
}

static void fish(oxp_arena *a) {
    fputs("# fish completion for onnxpert, made by `onnxpert completion fish`\n", stdout);
    for (size_t i = 0; i < oxp_command_count(); i++) {
        script s = {a, oxp_command_at(i)};
        printf("complete -c onnxpert -n __fish_use_subcommand -f -a %s -d %s\n", s.command->name,
               quoted(a, s.command->summary, "\\"));
        const char *actions = oxp_cli_actions(a, s.command);
        if (*actions)
            printf("complete -c onnxpert -n '__fish_seen_subcommand_from %s' -a '%s'\n",
                   s.command->name, actions);
        oxp_cli_each_option(s.command, fish_option, &s);
    }
}

static int run(oxp_cli *cli) {
    static const struct {
        const char *name;
        void (*print)(oxp_arena *a);
    } shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++)
        if (!strcmp(cli->args[0], shells[i].name)) {
            shells[i].print(cli->arena);
            return 0;
        }
    oxp_raise(cli->ctx, OXP_E_USAGE, "completion: '%s' is none of bash, zsh, fish", cli->args[0]);
}

static const oxp_option *const groups[] = {oxp_opts_common, NULL};

const oxp_command oxp_command_completion = {
    "completion",
    "bash|zsh|fish",
    "prints a completion script for the shell",
    1,
    1,
    groups,
    run,
    "bash: source <(onnxpert completion bash)\n"
    "zsh:  onnxpert completion zsh > \"${fpath[1]}/_onnxpert\"\n"
    "fish: onnxpert completion fish | source\n"
    "The installed package has all three.",
    false};
