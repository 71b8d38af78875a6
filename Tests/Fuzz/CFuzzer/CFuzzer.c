#include "CFuzzer.h"

int fuzz_run(int argc, char *const *argv, int (*callback)(const uint8_t *data, size_t size)) {
    char **copy = (char **)argv;
    return LLVMFuzzerRunDriver(&argc, &copy, callback);
}
