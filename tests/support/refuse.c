/* refuse.c - runs a program some of whose system calls fail: kernels, file systems and limits that
 * are not those of this machine.
 *
 * usage: refuse CALL[:ARGUMENT&BITS]=ERROR... -- PROGRAM [ARGUMENT...]
 *
 * CALL and ERROR are of the lists below; with ARGUMENT&BITS only calls fail whose argument (0 to 5)
 * has all the bits (a number as in C).  Exit code 77 where there is no seccomp.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct name {
    const char *name;
    int number;
} name;

static const name calls[] = {
    {"clone", SYS_clone},
    {"clone3", SYS_clone3},
    {"copy_file_range", SYS_copy_file_range},
    {"fchmod", SYS_fchmod},
    {"fsync", SYS_fsync},
    {"ftruncate", SYS_ftruncate},
    {"getrandom", SYS_getrandom},
    {"landlock", SYS_landlock_create_ruleset},
    {"linkat", SYS_linkat},
    {"mmap", SYS_mmap},
    {"openat", SYS_openat},
    {"openat2", SYS_openat2},
    {"pipe2", SYS_pipe2},
    {"prctl", SYS_prctl},
    {"pread", SYS_pread64},
    {"pwrite", SYS_pwrite64},
    {"renameat", SYS_renameat},
    {"sched_getaffinity", SYS_sched_getaffinity},
    {"seccomp", SYS_seccomp},
};
static const name errors[] = {
    {"EACCES", EACCES}, {"EAGAIN", EAGAIN}, {"EEXIST", EEXIST},         {"EIO", EIO},
    {"EINVAL", EINVAL}, {"EMFILE", EMFILE}, {"ENOMEM", ENOMEM},         {"ENOSPC", ENOSPC},
    {"ENOSYS", ENOSYS}, {"EPERM", EPERM},   {"EOPNOTSUPP", EOPNOTSUPP}, {"EXDEV", EXDEV},
};

static int number_of(const name *names, size_t n, const char *text, size_t len) {
    for (size_t i = 0; i < n; i++)
        if (strlen(names[i].name) == len && !strncmp(names[i].name, text, len))
            return names[i].number;
    fprintf(stderr, "refuse: unknown: %s\n", text);
    exit(2);
}

/* A filter a rule: the kernel takes the strictest answer. */
static void refuse(const char *rule) {
    const char *colon = strchr(rule, ':'), *equals = strchr(rule, '=');
    if (!equals) {
        fprintf(stderr, "refuse: no error: %s\n", rule);
        exit(2);
    }
    size_t len = (size_t)((colon ? colon : equals) - rule);
    int call = number_of(calls, sizeof calls / sizeof *calls, rule, len);
    int error = number_of(errors, sizeof errors / sizeof *errors, equals + 1, strlen(equals + 1));
    uint32_t argument = colon ? (uint32_t)colon[1] - '0' : 0;
    uint32_t bits = colon ? (uint32_t)strtoul(colon + 3, NULL, 0) : 0;
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                 (uint32_t)offsetof(struct seccomp_data, args) + 8 * argument),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, bits),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, bits, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0) {
        perror("refuse: seccomp");
        exit(77);
    }
}

int main(int argc, char **argv) {
    int i = 1;
    for (; i < argc && strcmp(argv[i], "--") != 0; i++)
        refuse(argv[i]);
    if (i + 1 >= argc) {
        fputs("usage: refuse CALL[:ARGUMENT&BITS]=ERROR... -- PROGRAM [ARGUMENT...]\n", stderr);
        return 2;
    }
    execv(argv[i + 1], argv + i + 1);
    perror(argv[i + 1]);
    return 2;
}
