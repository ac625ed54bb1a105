/* sandbox.c - seccomp and landlock by their system calls. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sandbox.h"

/* On another machine there is no filter: the numbers of its calls are others. */
#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

#define X32_BIT 0x40000000u /* the x32 calls of x86-64: refused, so that they are no way round */

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IF_EQUAL(value, then, otherwise)                                                           \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (then), (otherwise))
#define ANSWER(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define REFUSE       ANSWER(SECCOMP_RET_ERRNO | EPERM)

#ifdef ARCH
static void filter(const struct sock_filter *code, unsigned short n) {
    struct sock_fprog program = {n, (struct sock_filter *)code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}
#endif

void oxp_sandbox_alone(void) {
#ifdef ARCH
    static const struct sock_filter code[] = {
        LOAD(arch),
        IF_EQUAL(ARCH, 1, 0),
        ANSWER(SECCOMP_RET_ALLOW), /* other numbers: nothing to say about them */
        LOAD(nr),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 5, 0),
        IF_EQUAL(SYS_execve, 4, 0),
        IF_EQUAL(SYS_execveat, 3, 0),
        IF_EQUAL(SYS_socket, 0, 3),
        LOAD(args[0]),
        IF_EQUAL(AF_UNIX, 1, 0),
        REFUSE,
        ANSWER(SECCOMP_RET_ALLOW)};
    filter(code, sizeof code / sizeof *code);
#endif
}

static void deny_looking_around(void) {
#ifdef ARCH
    static const struct sock_filter code[] = {LOAD(arch),
                                              IF_EQUAL(ARCH, 1, 0),
                                              ANSWER(SECCOMP_RET_ALLOW),
                                              LOAD(nr),
                                              IF_EQUAL(SYS_ptrace, 4, 0),
                                              IF_EQUAL(SYS_process_vm_readv, 3, 0),
                                              IF_EQUAL(SYS_process_vm_writev, 2, 0),
                                              IF_EQUAL(SYS_socket, 1, 0),
                                              ANSWER(SECCOMP_RET_ALLOW),
                                              REFUSE};
    filter(code, sizeof code / sizeof *code);
#endif
}

/* What landlock's first version can forbid, but for reading and running. */
#define WRITING                                                                                    \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                               \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | \
     LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |   \
     LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)

/* -1: the kernel has none. */
static int no_writing(void) {
    const struct landlock_ruleset_attr all = {.handled_access_fs = WRITING};
    return (int)syscall(SYS_landlock_create_ruleset, &all, sizeof all, 0);
}

static void but_beneath(int ruleset, const char *path, uint64_t access) {
    struct landlock_path_beneath_attr at = {access, open(path, O_PATH | O_CLOEXEC)};
    if (at.parent_fd < 0)
        return;
    syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &at, 0);
    close(at.parent_fd);
}

static void enforce(int ruleset) {
#ifdef OXP_COVERAGE /* counters are written when the process ends */
    but_beneath(ruleset, OXP_COVERAGE, WRITING);
#endif
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    syscall(SYS_landlock_restrict_self, ruleset, 0);
    close(ruleset);
}

static void but_in_folder_of(int ruleset, char *path) {
    struct stat st;
    char *slash = strrchr(path, '/');
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
        but_beneath(ruleset, path, LANDLOCK_ACCESS_FS_WRITE_FILE); /* a device or a pipe */
        return;
    }
    if (slash)
        slash[slash == path] = 0;
    but_beneath(ruleset, slash ? path : ".",
                LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |
                    LANDLOCK_ACCESS_FS_REMOVE_FILE);
}

void oxp_sandbox_writer(const char *const *targets, size_t n) {
    int ruleset = no_writing();
    if (ruleset < 0)
        return;
    for (size_t i = 0; i < n; i++) {
        char path[PATH_MAX]; /* a longer one cannot be opened either */
        if (snprintf(path, sizeof path, "%s", targets[i]) < (int)sizeof path)
            but_in_folder_of(ruleset, path);
    }
    enforce(ruleset);
}

void oxp_sandbox_reader(void) {
    int ruleset = no_writing();
    if (ruleset >= 0)
        enforce(ruleset); /* without a rule: nowhere */
    deny_looking_around();
}
