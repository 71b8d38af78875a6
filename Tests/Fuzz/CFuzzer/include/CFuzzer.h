// libFuzzer's driver, without its main.
#ifndef CFUZZER_H
#define CFUZZER_H
#include <stddef.h>
#include <stdint.h>

/// Calls `callback` with ever new bytes until something breaks or the options end it. Returns the exit status, or exits.
int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*callback)(const uint8_t *data, size_t size));

/// The same with `argv` as it came; `argv[0]` names the program.
int fuzz_run(int argc, char *const *argv, int (*callback)(const uint8_t *data, size_t size));

#endif
