/* devices.c - lists the devices, or shows one with the source of every number. */
#include "analysis/device.h"
#include "cli/command.h"

static const oxp_option *const groups[] = {oxp_opts_common, NULL};

static void show(oxp_cli *cli, const oxp_device *d) {
    oxp_arena *a = cli->arena;
    printf("%s: %s\n", d->id, d->name);
    for (int t = 0; t < OXP_DTYPE_COUNT; t++)
        if (d->peak[t] > 0)
            printf("  peak %-10s %s%s/s\n", oxp_dtype_name((oxp_dtype)t),
                   oxp_human_count(a, (uint64_t)d->peak[t]),
                   oxp_dtype_is_integer((oxp_dtype)t) ? "OP" : "FLOP");
    printf("  bandwidth       %s/s\n  memory          %s\n  launch overhead %s a node\n",
           oxp_human_bytes(a, (uint64_t)d->bandwidth), oxp_human_bytes(a, d->memory),
           oxp_human_seconds(a, d->launch));
    for (int c = 0; c < OXP_CLASS_COUNT; c++)
        printf("  efficiency %-12s %.0f %%\n", oxp_op_class_name((oxp_op_class)c),
               100 * d->efficiency[c]);
    for (size_t i = 0; i < d->n_sources; i++)
        printf("  source of %s: %s\n", d->sources[i].what, d->sources[i].text);
}

static int run(oxp_cli *cli) {
    if (cli->n_args) {
        const oxp_device *d = oxp_device_find(cli->arena, cli->args[0]);
        if (!d)
            oxp_raise(cli->ctx, OXP_E_USAGE, "devices: there is no device '%s'", cli->args[0]);
        show(cli, d);
        return 0;
    }
    const oxp_device *const *all;
    size_t n = oxp_device_list(cli->arena, &all);
    for (size_t i = 0; i < n; i++)
        printf("%-20s %s\n", all[i]->id, all[i]->name);
    printf("%-20s %s\n", "host", "this machine, measured on the spot (about a second)");
    return 0;
}

const oxp_command oxp_command_devices = {
    "devices", "[ID]", "lists the devices, or shows one with the sources of its numbers",
    0,         1,      groups,
    run,       NULL,   false};
