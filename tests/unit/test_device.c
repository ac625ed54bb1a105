/* Devices: the embedded files, refusals of bad ones, and this machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/device.h"
#include "support/world.h"

typedef struct parse_request {
    oxp_arena *arena;
    const char *xml;
    const oxp_device *device;
} parse_request;

static void parse(void *arg) {
    parse_request *r = arg;
    r->device = oxp_device_parse(r->arena, "test.xml", r->xml, strlen(r->xml));
}

static void refuse(world *w, const char *xml, const char *says) {
    parse_request r = {w->arena, xml, NULL};
    oxp_error_clear(w->ctx);
    assert_int_equal(oxp_try(w->ctx, parse, &r), OXP_E_RULE);
    if (strstr(oxp_error_text(w->ctx), says) == NULL)
        fail_msg("'%s' does not say '%s'", oxp_error_text(w->ctx), says);
}

static void every_device_is_complete(void **state) {
    world *w = *state;
    const oxp_device *const *list;
    size_t n = oxp_device_list(w->arena, &list);
    assert_true(n >= 10);
    for (size_t i = 0; i < n; i++) {
        const oxp_device *d = list[i];
        assert_true(d->peak[OXP_FLOAT] > 1e10 && d->bandwidth > 1e9 && d->memory >= 1000000000);
        assert_true(d->launch > 0 && d->launch < 1e-3);
        for (int c = 0; c < OXP_CLASS_COUNT; c++)
            assert_true(d->efficiency[c] > 0 && d->efficiency[c] <= 1);
        assert_true(d->n_sources > 10);
        for (size_t k = 0; k < d->n_sources; k++)
            assert_true(strlen(d->sources[k].text) > 20);
        if (i > 0)
            assert_string_not_equal(list[i - 1]->id, d->id);
        assert_ptr_not_equal(oxp_device_find(w->arena, d->id), NULL);
    }
}

static void figures_of_known_devices(void **state) {
    world *w = *state;
    const oxp_device *t4 = oxp_device_find(w->arena, "t4");
    assert_non_null(t4);
    assert_true(t4->peak[OXP_FLOAT] == 8.1e12 && t4->peak[OXP_FLOAT16] == 65e12);
    assert_true(t4->bandwidth == 320e9);
    assert_false(oxp_device_supports(t4, OXP_BFLOAT16));
    const oxp_device *pi = oxp_device_find(w->arena, "raspberry-pi-5");
    assert_int_equal(pi->kind, OXP_DEVICE_CPU);
    assert_null(oxp_device_find(w->arena, "abacus"));
}

static void bad_files_are_refused(void **state) {
    world *w = *state;
    refuse(w, "<device", "well-formed");
    refuse(w, "<machine/>", "<device>");
    refuse(w, "<!DOCTYPE device [<!ENTITY a 'b'>]><device id='a' name='b' kind='gpu'/>", "DTD");
    refuse(w, "<device name='x' kind='gpu'/>", "id");
    refuse(w, "<device id='x' name='x' kind='gpu'/>", "lacks");
    refuse(w, "<device id='x' name='x' kind='gpu'><speed/></device>", "speed");
    refuse(w,
           "<device id='x' name='x' kind='gpu'><peak dtype='float31' ops='1' source='s'/></device>",
           "float31");
    refuse(w,
           "<device id='x' name='x' kind='gpu'><peak dtype='float32' ops='fast' source='s'/>"
           "</device>",
           "fast");
    refuse(w,
           "<device id='x' name='x' kind='gpu'><peak dtype='float32' ops='1e12' source='s'/>"
           "</device>",
           "source");
}

static void host_is_measured(void **state) {
    world *w = *state;
    const oxp_device *d = oxp_device_find(w->arena, "host");
    assert_non_null(d);
    assert_true(d->peak[OXP_FLOAT] > 1e8 && d->peak[OXP_FLOAT] < 1e15);
    assert_true(d->bandwidth > 1e8 && d->bandwidth < 1e13);
    assert_true(d->threads >= 1 && d->memory > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_device_is_complete, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(figures_of_known_devices, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(bad_files_are_refused, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(host_is_measured, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
