/* test_half.c - 16-bit floats against their definition: the nearest of all representable values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "base/half.h"

/* Every finite half converts to a double and back to itself. */
static void test_round_trip(void **state) {
    (void)state;
    for (unsigned h = 0; h < 0x10000; h++) {
        if ((h >> 10 & 31) != 31 || !(h & 0x3ff))
            assert_int_equal(oxp_half_from_double(oxp_half_to_double((uint16_t)h)), h);
        if ((h >> 7 & 255) != 255 || !(h & 0x7f))
            assert_int_equal(oxp_bfloat16_from_double(oxp_bfloat16_to_double((uint16_t)h)), h);
    }
    assert_true(isnan(oxp_half_to_double(oxp_half_from_double(NAN))));
    assert_true(isnan(oxp_bfloat16_to_double(oxp_bfloat16_from_double(NAN))));
}

/* Halfway between neighbours goes to the even one; a little more or less goes to the nearer. */
static void test_ties(void **state) {
    (void)state;
    for (unsigned h = 0; h < 0x7bff; h++) {
        double a = oxp_half_to_double((uint16_t)h), b = oxp_half_to_double((uint16_t)(h + 1));
        double middle = (a + b) / 2;
        assert_int_equal(oxp_half_from_double(middle), h + (h & 1));
        assert_int_equal(oxp_half_from_double(nextafter(middle, 0)), h);
        assert_int_equal(oxp_half_from_double(nextafter(middle, INFINITY)), h + 1);
        assert_int_equal(oxp_half_from_double(-middle), 0x8000u | (h + (h & 1)));
    }
}

static void test_limits(void **state) {
    (void)state;
    assert_int_equal(oxp_half_from_double(65504), 0x7bff);
    assert_int_equal(oxp_half_from_double(65519.99), 0x7bff);
    assert_int_equal(oxp_half_from_double(65520), 0x7c00);
    assert_int_equal(oxp_half_from_double(1e300), 0x7c00);
    assert_int_equal(oxp_half_from_double(0x1p-24), 1);
    assert_int_equal(oxp_half_from_double(0x1p-25), 0); /* tie to even */
    assert_int_equal(oxp_half_from_double(0x1.8p-25), 1);
    assert_int_equal(oxp_bfloat16_from_double(3.4e38), 0x7f80); /* beyond the largest */
    assert_int_equal(oxp_bfloat16_from_double(1e300), 0x7f80);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip),
                                       cmocka_unit_test(test_ties), cmocka_unit_test(test_limits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
