/* test_sandbox.c - what a process in the sandbox can no longer do; in a child each. */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/leave.h"
#include "base/sandbox.h"
#include "support/scratch.h"

/* The line of the first thing that does not hold in the child, 0 when all does. */
static int in_child(int (*fn)(void)) {
    int status;
    pid_t pid = fork();
    if (pid == 0)
        oxp_leave(fn());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

#define NEED(holds)                                                                                \
    do {                                                                                           \
        if (!(holds))                                                                              \
            return __LINE__;                                                                       \
    } while (0)

static int alone(void) {
    char *argv[] = {"/bin/false", NULL}; /* should it run after all, this fails */
    int ends[2];
    oxp_sandbox_alone();
    NEED(socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EPERM);
    NEED(socket(AF_INET6, SOCK_DGRAM, 0) < 0 && errno == EPERM);
    NEED(socket(AF_NETLINK, SOCK_RAW, 0) < 0 && errno == EPERM);
    NEED(execv(argv[0], argv) < 0 && errno == EPERM);
    NEED(pipe(ends) == 0 && write(ends[1], "x", 1) == 1);
    NEED(open("/dev/null", O_WRONLY) >= 0);
    return 0;
}

static void test_alone(void **state) {
    (void)state;
    assert_int_equal(in_child(alone), 0);
}

static int reader(void) {
    const char *name = scratch_path("open");
    int open_before = open(name, O_WRONLY | O_CREAT, 0600);
    bool has_landlock =
        syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
    oxp_sandbox_reader();
    NEED(open_before >= 0 && write(open_before, "x", 1) == 1);
    NEED(open(name, O_RDONLY) >= 0);
    NEED(socket(AF_UNIX, SOCK_STREAM, 0) < 0 && errno == EPERM);
    NEED(ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 && errno == EPERM);
    if (!has_landlock)
        return 0;
    NEED(open(name, O_WRONLY) < 0 && errno == EACCES);
    NEED(unlink(name) < 0 && errno == EACCES);
    NEED(mkdir(name, 0700) < 0);
    NEED(open(scratch_path("new"), O_WRONLY | O_CREAT, 0600) < 0 && errno == EACCES);
    return 0;
}

static void test_reader(void **state) {
    (void)state;
    scratch_folder(); /* made here, so that the child does not remove it */
    assert_int_equal(in_child(reader), 0);
}

static int writer(void) {
    char folder[200], target[220];
    bool has_landlock =
        syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
    snprintf(folder, sizeof folder, "%s", scratch_path("into"));
    snprintf(target, sizeof target, "%s/target", folder);
    const char *const targets[] = {target, "/dev/full", "no such folder/target"};
    NEED(mkdir(folder, 0700) == 0);
    oxp_sandbox_writer(targets, sizeof targets / sizeof *targets);
    NEED(open(target, O_WRONLY | O_CREAT, 0600) >= 0);
    NEED(rename(target, scratch_path("into/other")) == 0);
    NEED(unlink(scratch_path("into/other")) == 0);
    NEED(open("/dev/full", O_WRONLY) >= 0);
    if (!has_landlock)
        return 0;
    NEED(open("/dev/null", O_WRONLY) < 0 && errno == EACCES);
    NEED(open(scratch_path("beside"), O_WRONLY | O_CREAT, 0600) < 0 && errno == EACCES);
    NEED(rmdir(folder) < 0);
    return 0;
}

static void test_writer(void **state) {
    (void)state;
    scratch_folder();
    assert_int_equal(in_child(writer), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_alone), cmocka_unit_test(test_reader),
                                       cmocka_unit_test(test_writer)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
