#include "CPrimitives.h"

_Thread_local void *dbk_core_word;

extern void dbk_fiber_start(void);

void *dbk_stack_prepare(void *top, void (*entry)(void *), void *argument) {
    // After dbk_switch pops everything and returns into dbk_fiber_start, rsp must be 16-byte aligned: its call then
    // gives `entry` the alignment the ABI promises (Swift emits movaps).
    uint64_t *stack = (uint64_t *)((uintptr_t)top & ~(uintptr_t)15);
    *--stack = 0;
    *--stack = 0;
    *--stack = (uint64_t)(uintptr_t)dbk_fiber_start;
    *--stack = 0;                              // rbp
    *--stack = 0;                              // rbx
    *--stack = (uint64_t)(uintptr_t)entry;     // r12
    *--stack = (uint64_t)(uintptr_t)argument;  // r13
    *--stack = 0;                              // r14
    *--stack = 0;                              // r15
    *--stack = 0x1f80ull | (0x037full << 32);  // MXCSR, x87 control word: the ABI's initial values
    return stack;
}

static inline uint64_t crc_word(uint64_t crc, const unsigned char *at) {
    uint64_t word;
    __builtin_memcpy(&word, at, 8);
    __asm__("crc32q %1, %0" : "+r"(crc) : "rm"(word));
    return crc;
}

uint32_t dbk_crc32c(uint32_t seed, const void *bytes, size_t byte_count) {
    const unsigned char *at = bytes;
    uint64_t crc = (uint32_t)~seed;
    while (byte_count >= 8) {
        crc = crc_word(crc, at);
        at += 8;
        byte_count -= 8;
    }
    while (byte_count--) {
        __asm__("crc32b %1, %k0" : "+r"(crc) : "rm"(*at));
        at++;
    }
    return ~(uint32_t)crc;
}
