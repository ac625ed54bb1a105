/* fake_ort.c - a library that looks like ONNX Runtime at first sight, for the checks of bad
 * runtimes. FAKE_ORT says what is wrong with it: "crash", "old" (default), "nothing", "hang". */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct api_base {
    const void *(*get_api)(uint32_t version);
    const char *(*version)(void);
} api_base;

static const void *no_api(uint32_t version) {
    (void)version;
    return NULL;
}

static const char *old_version(void) {
    return "0.1.0";
}

__attribute__((visibility("default"))) const api_base *OrtGetApiBase(void);
const api_base *OrtGetApiBase(void) {
    static const api_base base = {no_api, old_version};
    const char *how = getenv("FAKE_ORT");
    if (how && !strcmp(how, "crash"))
        abort();
    if (how && !strcmp(how, "hang"))
        sleep(1000);
    return how && !strcmp(how, "nothing") ? NULL : &base;
}
