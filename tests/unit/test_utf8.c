/* test_utf8.c - what is safe to show. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/utf8.h"

static size_t shown(const char *s) {
    return oxp_utf8_printable(s, strlen(s));
}

static void test_printable(void **state) {
    (void)state;
    assert_int_equal(shown("a"), 1);
    assert_int_equal(shown("\xc3\xa9"), 2);         /* e acute */
    assert_int_equal(shown("\xe2\x82\xac"), 3);     /* euro */
    assert_int_equal(shown("\xf0\x9f\x98\x80"), 4); /* an emoji */
}

static void test_hidden(void **state) {
    (void)state;
    static const char *const bad[] = {
        "\x1b[31m",         /* escape */
        "\n",               /* line feed */
        "\x7f",             /* delete */
        "\xc2\x9b",         /* C1 control sequence introducer */
        "\xe2\x80\xae",     /* right-to-left override */
        "\xe2\x80\x8b",     /* zero-width space */
        "\xe2\x81\xa6",     /* left-to-right isolate */
        "\xef\xbb\xbf",     /* byte order mark */
        "\xf3\xa0\x81\x81", /* tag letter */
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(shown(bad[i]), 0);
}

static void test_invalid(void **state) {
    (void)state;
    static const char *const bad[] = {
        "\x80",         "\xc0\xaf",         "\xe0\x80\xaf",     "\xc3",
        "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xf4\x90\x80\x80", "\xff",
        "\xc3\x41",     "\xe2\x82\x41",     "\xe2\x41\xac"};
    unsigned code;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(oxp_utf8_decode(bad[i], strlen(bad[i]), &code), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_printable),
                                       cmocka_unit_test(test_hidden),
                                       cmocka_unit_test(test_invalid)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
