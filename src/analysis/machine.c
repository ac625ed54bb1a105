/* machine.c - see machine.h: the system's own tables of processors and graphics cards. */
#include "analysis/machine.h"

#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The text behind "key ... :" in the first lines of a file, or NULL. */
static const char *field(oxp_arena *arena, const char *path, const char *key) {
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return NULL;
    char line[512];
    const char *found = NULL;
    for (int i = 0; i < 64 && found == NULL && fgets(line, sizeof line, f) != NULL; i++) {
        char *colon = strchr(line, ':');
        if (colon == NULL || strncmp(line, key, strlen(key)) != 0)
            continue;
        char *text = colon + 1 + strspn(colon + 1, " \t");
        text[strcspn(text, "\n")] = '\0';
        found = oxp_strdup(arena, text);
    }
    fclose(f);
    return found;
}

static const char *first_gpu(oxp_arena *arena) {
    static const char folder[] = "/proc/driver/nvidia/gpus";
    DIR *d = opendir(folder);
    const char *name = NULL;
    for (struct dirent *e; d != NULL && name == NULL && (e = readdir(d)) != NULL;) {
        if (e->d_name[0] != '.')
            name =
                field(arena, oxp_sprintf(arena, "%s/%s/information", folder, e->d_name), "Model");
    }
    if (d != NULL)
        closedir(d);
    return name;
}

oxp_machine oxp_machine_of(oxp_arena *arena) {
    oxp_machine m = {.cpu = field(arena, "/proc/cpuinfo", "model name")};
    if (m.cpu == NULL)
        m.cpu = "unknown";
    cpu_set_t set;
    m.threads = sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    m.memory = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    m.gpu = first_gpu(arena);
    return m;
}
