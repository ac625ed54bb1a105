/* replay.c - runs a fuzz target over files without a fuzzer: usage: fuzz_x_replay FILE... */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <stdbool.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern const bool fuzz_thorough;
const bool fuzz_thorough = true;

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        FILE *f = fopen(argv[i], "rb");
        long size = -1;
        if (f && fseek(f, 0, SEEK_END) == 0)
            size = ftell(f);
        uint8_t *data = size < 0 ? NULL : malloc((size_t)size + 1);
        if (!data || fseek(f, 0, SEEK_SET) != 0 ||
            fread(data, 1, (size_t)size, f) != (size_t)size) {
            fprintf(stderr, "%s: cannot be read\n", argv[i]);
            return 1;
        }
        LLVMFuzzerTestOneInput(data, (size_t)size);
        free(data);
        fclose(f);
    }
    printf("%d files\n", argc - 1);
    return 0;
}
