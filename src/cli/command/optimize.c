/* optimize.c - rewrites a model and reports projected next to achieved. */
#include <string.h>
#include <unistd.h>

#include "base/ceiling.h"
#include "cli/auto.h"
#include "cli/command.h"
#include "cli/verifying.h"
#include "report/comparison.h"
#include "rewrite/project.h"
#include "verify/calibrate.h"
#include "verify/heal.h"

/* Larger models are not analysed after each pass. */
enum { STEPS_NODES = 100000 };

#define AT(field) offsetof(oxp_cli, field)

static const oxp_option options[] = {
    {"--output,-o", "OUT", "the model to write; - for standard output; may be MODEL itself",
     OXP_OPT_TEXT, AT(output)},
    {"--passes", "PASS,...", "passes to run; `onnxpert passes` lists them", OXP_OPT_TEXT,
     AT(passes)},
    {"--auto", NULL, "what the roadmap has that is exact, safe and needs nothing", OXP_OPT_FLAG,
     AT(automatic)},
    {"--dry-run", NULL, "project the result, write nothing", OXP_OPT_FLAG, AT(dry_run)},
    {"--verify", NULL, "run both models in ONNX Runtime; what fails is left out", OXP_OPT_FLAG,
     AT(verify)},
    {"--report", "FILE", "where the report goes (default: standard output)", OXP_OPT_TEXT,
     AT(report)},
    {"--format", "FORMAT", "how the report is written", OXP_OPT_TEXT, AT(format)},
    {"--device", "DEVICE", "project latencies for this device", OXP_OPT_TEXT, AT(device)},
    {NULL, NULL, NULL, OXP_OPT_FLAG, 0}};

static const oxp_option pass_options[] = {
    {"--only-nodes", "NODES",
     "let passes look at these nodes only: a name or pattern (* and ?), #3,7,10-14 (places in the "
     "graph), or @FILE with one of these a line (repeatable)",
     OXP_OPT_LIST, AT(only_nodes)},
    {"--fp16-block-op", "TYPE", "leave operators of this type in float32 (repeatable)",
     OXP_OPT_LIST, AT(block_ops)},
    {"--fp16-block-node", "NAME", "leave this node in float32 (repeatable)", OXP_OPT_LIST,
     AT(block_nodes)},
    {"--fp16-include-op", "TYPE", "convert this type although a hazard speaks against it",
     OXP_OPT_LIST, AT(include_ops)},
    {"--calibrate", "DIR",
     "fp16: measure the ranges of activations on these inputs (input_0.npy or .pb, or folders of "
     "them)",
     OXP_OPT_TEXT, AT(calibrate)},
    {"--keep-io", NULL, "graph inputs and outputs keep their types (the default)", OXP_OPT_FLAG,
     AT(keep_io)},
    {"--change-io", NULL, "let graph inputs and outputs change their types", OXP_OPT_FLAG,
     AT(change_io)},
    {"--external-data", "HOW", "auto, inline, or the name of a data file beside OUT", OXP_OPT_TEXT,
     AT(external_data)},
    {"--fold-budget", "BYTES", "what fold-constants may add to the file (default 1048576)",
     OXP_OPT_TEXT, AT(fold_budget)},
    {"--allow-overridable", NULL, "fold weights that callers could override", OXP_OPT_FLAG,
     AT(allow_overridable)},
    {"--repair", NULL, "let baked-in Reshape targets follow the requested sizes", OXP_OPT_FLAG,
     AT(repair)},
    {"--allow-retraining", NULL, "allow passes after which the model must be fine-tuned",
     OXP_OPT_FLAG, AT(allow_retraining)},
    {NULL, NULL, NULL, OXP_OPT_FLAG, 0}};

static const oxp_option *const groups[] = {options,       pass_options,    oxp_opts_verify,
                                           oxp_opts_dims, oxp_opts_common, NULL};

/* Those named; with --auto the roadmap says, once the model is open. */
static size_t pass_names(oxp_cli *cli, const char ***names) {
    if (cli->passes && cli->automatic)
        oxp_raise(cli->ctx, OXP_E_USAGE, "--passes and --auto exclude each other");
    if (cli->automatic)
        return 0;
    if (!cli->passes)
        oxp_raise(cli->ctx, OXP_E_USAGE, "optimize: name the passes with --passes, or use --auto");
    return oxp_cli_split(cli, cli->passes, "--passes", names);
}

static oxp_pass_opts pass_opts(oxp_cli *cli) {
    oxp_pass_opts o = OXP_PASS_OPTS_INIT;
    o.bindings = oxp_cli_bindings(cli, &o.n_bindings);
    o.keep_io = !cli->change_io;
    o.allow_overridable = cli->allow_overridable;
    o.repair = cli->repair;
    o.allow_retraining = cli->allow_retraining;
    o.block_ops = cli->block_ops.items;
    o.n_block_ops = cli->block_ops.n;
    o.block_nodes = cli->block_nodes.items;
    o.n_block_nodes = cli->block_nodes.n;
    o.include_ops = cli->include_ops.items;
    o.n_include_ops = cli->include_ops.n;
    if (cli->calibrate) {
        oxp_calibration *c = OXP_NEW(cli->arena, oxp_calibration);
        c->arena = cli->arena;
        c->library = cli->ort;
        c->inputs = cli->calibrate;
        o.measure = oxp_calibrate;
        o.measure_arg = c;
    }
    if (cli->fold_budget) {
        const char **params = OXP_NEWS(cli->arena, 1, const char *);
        size_t digits = strspn(cli->fold_budget, "0123456789");
        if (!digits || cli->fold_budget[digits] || digits > 18)
            oxp_raise(cli->ctx, OXP_E_USAGE, "--fold-budget: '%.80s' is no number of bytes",
                      cli->fold_budget);
        params[0] = oxp_sprintf(cli->arena, "budget=%s", cli->fold_budget);
        o.params = params;
        o.n_params = 1;
    }
    return o;
}

/* Options that none of the passes would look at are a mistake. */
static void check_half_options(oxp_cli *cli, const char *const *names, size_t n) {
    bool fp16 = false, half = false;
    for (size_t i = 0; i < n; i++) {
        fp16 |= !strcmp(names[i], "fp16");
        half |= !strcmp(names[i], "fp16") || !strcmp(names[i], "bf16");
    }
    if (cli->calibrate && !fp16)
        oxp_raise(cli->ctx, OXP_E_USAGE,
                  "--calibrate measures for fp16, which is not among the passes");
    if (!half && (cli->block_ops.n || cli->block_nodes.n || cli->include_ops.n))
        oxp_raise(cli->ctx, OXP_E_USAGE,
                  "--fp16-block-op, --fp16-block-node and --fp16-include-op are for fp16 and bf16, "
                  "which are not among the passes");
}

/* What only a run in ONNX Runtime would look at; --ort serves --calibrate, too. */
static void check_verify_options(oxp_cli *cli) {
    const struct {
        const char *name;
        bool given;
    } all[] = {{"--inputs", cli->inputs},
               {"--labels", cli->labels},
               {"--batch", cli->batches.n},
               {"--sets", cli->sets >= 0},
               {"--runs", cli->runs >= 0},
               {"--opt-level", cli->opt_level},
               {"--time-limit", cli->time_limit >= 0},
               {"--memory-limit", cli->memory_limit >= 0},
               {"--provider", cli->provider},
               {"--tolerance", cli->tolerance},
               {"--lossy", cli->lossy}};
    if (cli->verify)
        (void)oxp_cli_verify_opts(cli, 0); /* mistakes are told before any work */
    for (size_t i = 0; !cli->verify && i < sizeof all / sizeof *all; i++)
        if (all[i].given)
            oxp_raise(cli->ctx, OXP_E_USAGE, "%s is for --verify, which is not given", all[i].name);
}

static oxp_save_opts save_opts(oxp_cli *cli) {
    oxp_save_opts o = OXP_SAVE_OPTS_INIT;
    const char *how = cli->external_data;
    if (!how || !strcmp(how, "auto"))
        return o;
    if (!strcmp(how, "inline")) {
        o.external = OXP_EXTERNAL_INLINE;
        return o;
    }
    if (!*how || strchr(how, '/'))
        oxp_raise(cli->ctx, OXP_E_USAGE,
                  "--external-data: '%s' must be a file name without a folder: data lies beside "
                  "the model",
                  how);
    o.external = OXP_EXTERNAL_FILE;
    o.external_file = how;
    return o;
}

/* The least exact of the passes decides how far the numbers may move. */
static oxp_fidelity fidelity(const char *const *names, size_t n) {
    oxp_fidelity f = OXP_EXACT;
    for (size_t i = 0; i < n; i++)
        f = oxp_pass_find(names[i])->fidelity > f ? oxp_pass_find(names[i])->fidelity : f;
    return f;
}

static void save(oxp_cli *cli, oxp_model *m, const char *path, const oxp_save_opts *how,
                 oxp_saved *saved) {
    oxp_status s = oxp_save(m, path, how, saved);
    if (s != OXP_OK)
        oxp_reraise(cli->ctx, s);
}

/* The analysis of the source, for as long as a pass may want it. */
typedef struct source {
    const oxp_side *side;
    const oxp_analysis *analysis; /* NULL: forgotten */
    oxp_arena *arena;
    oxp_pass_opts *opts; /* that give it to the passes */
} source;

static void forget(source *from) {
    if (!from->analysis)
        return;
    oxp_arena_free(from->arena);
    from->analysis = from->opts->given = NULL;
}

/* Behind the first pass that changes something the source's analysis serves nobody. */
static void forget_outdated(void *arg, oxp_model *m, size_t index, const oxp_pass_result *result) {
    (void)m;
    (void)index;
    if (result->changed)
        forget(arg);
}

/* Writes drafts beside the target and runs them against the source, so that a wrong rewrite never
 * takes the target's place (which may be the source itself); leaves out what fails. */
static oxp_model *rewrite_verified(oxp_cli *cli, const oxp_model *m, const char *const *names,
                                   size_t n, const oxp_pass_opts *opts, oxp_comparison *c) {
    oxp_verify_opts how = oxp_cli_verify_opts(cli, 12);
    how.after_name = cli->output;
    if (!cli->lossy)
        how.fidelity = fidelity(names, n);
    oxp_heal_opts heal = {names, n, opts, &how, NULL};
    oxp_cli_verify_sizes(cli, m, &how);
    heal.draft = oxp_sprintf(cli->arena, "%s.draft-%ld", cli->output, (long)getpid());
    oxp_healed h = oxp_heal(cli->arena, m, &heal);
    c->passes = h.results;
    c->n_passes = h.n_results;
    c->verified = h.verified;
    c->left_out = h.left_out;
    c->n_left_out = h.n_left_out;
    c->attempts = h.attempts;
    return h.model;
}

/* A rewritten model as a side of the comparison; what is wrong with it was said of the source. */
static const oxp_side *side_of(oxp_cli *cli, const oxp_model *m, const oxp_pass_opts *opts,
                               const oxp_device *device) {
    size_t told = oxp_diag_count(cli->ctx);
    oxp_arena *scratch = oxp_arena_new(cli->ctx);
    const oxp_side *side = oxp_side_of(
        oxp_analyze_remaining(m, opts->bindings, opts->n_bindings, scratch), device, cli->arena);
    oxp_arena_free(scratch);
    oxp_diag_truncate(cli->ctx, told);
    return side;
}

/* A projection runs the passes on a copy, as if weights that are absent were harmless.  Where they
 * are there, and nobody looks at the steps one by one, it would come to the same model: that is
 * projected before it is written, and neither copied nor rewritten twice. */
static bool projects_itself(const oxp_cli *cli, const oxp_model *m, const oxp_pass_opts *opts) {
    return !cli->dry_run && !cli->verify && !opts->after && oxp_model_has_weights(m);
}

/* Runs the passes and writes the model; fills the achieved side of the comparison. */
static void rewrite(oxp_cli *cli, oxp_model *m, const char *const *names, size_t n,
                    oxp_pass_opts *opts, source *from, oxp_comparison *c) {
    oxp_save_opts how = save_opts(cli);
    if (cli->verify) {
        m = rewrite_verified(cli, m, names, n, opts, c);
        if (!c->verified->ok)
            return;
    } else {
        if (!opts->after) {
            opts->after = forget_outdated;
            opts->after_arg = from;
        }
        if (!c->projected) /* no copy was made, for which there would be room now */
            oxp_ctx_add_file(cli->ctx, 3 * oxp_model_file_bytes(m));
        oxp_status s = oxp_run_passes(m, names, n, opts, &c->passes, &c->n_passes);
        if (s != OXP_OK)
            oxp_reraise(cli->ctx, s);
    }
    forget(from);
    if (!c->projected)
        c->projected = side_of(cli, m, opts, c->device);
    oxp_saved *saved = OXP_NEW(cli->arena, oxp_saved);
    save(cli, m, cli->output, &how, saved);
    c->saved = saved;
    c->after_path = cli->output;
    size_t told = oxp_diag_count(cli->ctx);
    /* What went to standard output is gone: it is what is in memory. */
    oxp_model *written = strcmp(cli->output, "-") ? oxp_cli_open(cli, cli->output) : m;
    c->after = side_of(cli, written, opts, c->device);
    oxp_diag_truncate(cli->ctx, told);
}

/* Is the model wrong for every size, not only for those that were asked for or assumed?  Sizes that
 * cannot be are fix-shapes' to refuse, with the reason. */
static bool inconsistent(oxp_cli *cli, const oxp_model *m, oxp_arena *scratch) {
    size_t told = oxp_diag_count(cli->ctx), errors = oxp_diag_errors(cli->ctx);
    oxp_analyze_opts opts = OXP_ANALYZE_OPTS_INIT;
    const oxp_analysis *a;
    opts.keep_unbound = true;
    oxp_status s = oxp_analyze(&a, m, &opts, scratch);
    if (s != OXP_OK)
        oxp_reraise(cli->ctx, s);
    bool bad = oxp_diag_errors(cli->ctx) > errors;
    oxp_diag_truncate(cli->ctx, told);
    return bad;
}

/* The source as it is; a model that cannot run is refused. */
static source before(oxp_cli *cli, const oxp_model *m, const oxp_device *device,
                     oxp_pass_opts *opts) {
    size_t told = oxp_diag_count(cli->ctx);
    source from = {.arena = oxp_arena_new(cli->ctx), .opts = opts};
    from.analysis = oxp_cli_analyze(cli, m, from.arena);
    from.side = oxp_side_of(from.analysis, device, cli->arena);
    if (oxp_diag_errors(cli->ctx) && !inconsistent(cli, m, from.arena))
        oxp_diag_truncate(cli->ctx, told);
    if (oxp_diag_errors(cli->ctx)) {
        oxp_cli_diagnostics(cli, 0);
        oxp_raise(cli->ctx, OXP_E_UNSUPPORTED, "%s: not rewritten: the model is inconsistent",
                  cli->args[0]);
    }
    return from;
}

/* The what-if; in a dry run its passes are the report's. */
static void project(oxp_cli *cli, const oxp_model *m, const char *const *names, size_t n,
                    const oxp_pass_opts *opts, oxp_comparison *c) {
    oxp_arena *scratch = oxp_arena_new(cli->ctx);
    oxp_projection p = oxp_project(m, names, n, opts, scratch);
    c->projected = oxp_side_of(p.analysis, c->device, cli->arena);
    c->weights_assumed = cli->dry_run && !oxp_model_has_weights(m);
    oxp_arena_free(scratch);
    if (cli->dry_run) {
        c->passes = p.results;
        c->n_passes = p.n_results;
    } else {
        oxp_close(p.copy);
    }
}

typedef struct report_job {
    oxp_cli *cli;
    const oxp_comparison *c;
} report_job;

static void render(void *arg) {
    const report_job *j = arg;
    oxp_report r = oxp_report_comparison(j->c);
    bool model_on_stdout = !j->cli->dry_run && !strcmp(j->cli->output, "-");
    oxp_cli_render(j->cli, &r, j->cli->report, model_on_stdout);
}

/* The report tells what the written file is like, so it comes last; when it cannot be written the
 * model stays, which is whole, and the error says so. */
static void report(oxp_cli *cli, const oxp_comparison *c) {
    report_job j = {cli, c};
    oxp_status s = oxp_try(cli->ctx, render, &j);
    if (s == OXP_E_IO && c->saved)
        oxp_raise(cli->ctx, s, "%s (the rewritten model is whole: %s)",
                  oxp_strdup(cli->arena, oxp_error_text(cli->ctx)), cli->output);
    if (s != OXP_OK)
        oxp_reraise(cli->ctx, s);
}

static int run(oxp_cli *cli) {
    const char **names;
    size_t n = pass_names(cli, &names);
    oxp_pass_opts opts = pass_opts(cli);
    if (!cli->output && !cli->dry_run)
        oxp_raise(cli->ctx, OXP_E_USAGE, "optimize: say where to write with -o OUT, or --dry-run");
    if (cli->verify && cli->dry_run)
        oxp_raise(cli->ctx, OXP_E_USAGE, "--verify needs a model to run: not with --dry-run");
    if (cli->verify && !strcmp(cli->output, "-"))
        oxp_raise(cli->ctx, OXP_E_USAGE, "--verify needs an OUT that is a file");
    if (cli->verify && !strcmp(cli->args[0], "-"))
        oxp_raise(cli->ctx, OXP_E_USAGE, "--verify needs a MODEL that is a file");
    check_verify_options(cli);
    oxp_comparison c = {.before_path = cli->args[0]};
    c.device = oxp_cli_device(cli);
    oxp_cli_check_report(cli, "comparison", cli->report, NULL);
    oxp_model *m = oxp_cli_open(cli, cli->args[0]);
    oxp_cli_check_report(cli, "comparison", cli->report, m);
    source from = before(cli, m, c.device, &opts);
    c.before = from.side;
    /* With free sizes passes see an analysis that assumes none. */
    if (!cli->automatic && from.analysis->n_assumed == 0)
        opts.given = from.analysis;
    else
        forget(&from);
    if (cli->automatic)
        n = oxp_cli_auto(cli, m, &names, &c);
    /* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): either way names are set, or n is 0 */
    check_half_options(cli, names, n);
    oxp_cli_only_nodes(cli, m, names, n, &opts);
    oxp_recorder rec;
    if (n > (cli->automatic ? 0 : 1) && oxp_node_count(m) <= STEPS_NODES)
        oxp_cli_record(&rec, cli, &c, n, &opts);
    if (!projects_itself(cli, m, &opts))
        project(cli, m, names, n, &opts, &c);
    rec.achieved = true;
    if (!cli->dry_run)
        rewrite(cli, m, names, n, &opts, &from, &c);
    oxp_cli_diagnostics(cli, 0);
    report(cli, &c);
    if (c.verified && !c.verified->ok)
        oxp_raise(cli->ctx, OXP_E_VERIFY, "%s: not written: the rewritten model fails the check",
                  cli->output);
    return 0;
}

const oxp_command oxp_command_optimize = {
    "optimize",
    "MODEL -o OUT (--passes PASS,... | --auto) [options]",
    "rewrites the model; reports before, projected and achieved",
    1,
    1,
    groups,
    run,
    NULL,
    false};
