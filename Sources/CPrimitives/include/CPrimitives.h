// What Swift cannot say: the stack switch, CRC32C, the time-stamp counter, a per-core word, and a spin hint.
// Everything here is freestanding: it compiles unchanged for Linux and for Ring 0.
#pragma once
#include <stddef.h>
#include <stdint.h>

// ---- Fibers -------------------------------------------------------------------------------------------------------
// Saves the callee-saved registers and MXCSR/x87 control words on the current stack, stores the stack pointer in
// *saved, and continues from `target` (System V AMD64 ABI 1.0, section 3.2.1).
void dbk_switch(void **saved, void *target);
// Prepares a fresh stack whose first switch calls entry(argument). `top` is the highest address; returns the stack
// pointer to switch to. entry must never return.
void *dbk_stack_prepare(void *top, void (*entry)(void *), void *argument);

// One word per core: the worker that runs on it. Thread-local on Linux, FS-relative in Ring 0.
extern _Thread_local void *dbk_core_word;
static inline void *dbk_core_word_get(void) { return dbk_core_word; }
static inline void dbk_core_word_set(void *value) { dbk_core_word = value; }

// ---- Processor ----------------------------------------------------------------------------------------------------
static inline uint64_t dbk_tsc(void) {
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return ((uint64_t)high << 32) | low;
}
// The stack pointer, near enough: bounds recursion by the bytes it takes.
static inline uintptr_t dbk_stack_pointer(void) { return (uintptr_t)__builtin_frame_address(0); }
static inline void dbk_pause(void) { __asm__ volatile("pause"); }
static inline void dbk_prefetch(const void *address) { __builtin_prefetch(address); }
// A tree page's first two lines: header and hints.
static inline void dbk_prefetch_header(const void *page) {
    __builtin_prefetch(page);
    __builtin_prefetch((const char *)page + 64);
}
// Twelve lines: header, hints, and slots as far as they reach in a page of short entries.
static inline void dbk_prefetch_leaf(const void *page) {
    for (int line = 0; line < 12; line++) __builtin_prefetch((const char *)page + 64 * line);
}

// Of 16 ascending integers: how many are less than `value`, plus 256 times how many are not greater. If they do not ascend,
// any two numbers up to 16. SSE2.
static inline uint32_t dbk_rank16(const void *integers, uint32_t value) {
    typedef int32_t v4i __attribute__((vector_size(16)));
    typedef int16_t v8i __attribute__((vector_size(16)));
    typedef char v16i __attribute__((vector_size(16)));
    typedef int32_t v4u __attribute__((vector_size(16), aligned(1)));
    const v4u *at = (const v4u *)integers;
    // Signed comparison orders unsigned integers whose top bits are flipped.
    const int32_t top = (int32_t)0x80000000u, flipped = (int32_t)value ^ top;
    const v4i needle = {flipped, flipped, flipped, flipped}, flip = {top, top, top, top};
    const v4i a = (v4i)at[0] ^ flip, b = (v4i)at[1] ^ flip, c = (v4i)at[2] ^ flip, d = (v4i)at[3] ^ flip;
    const v16i less = __builtin_ia32_packsswb128(
        __builtin_ia32_packssdw128(a < needle, b < needle), __builtin_ia32_packssdw128(c < needle, d < needle));
    const v16i greater = __builtin_ia32_packsswb128(
        __builtin_ia32_packssdw128(a > needle, b > needle), __builtin_ia32_packssdw128(c > needle, d > needle));
    // Ascending: the lanes that are less come first, those that are greater last.
    const uint32_t below = __builtin_ctz(~(uint32_t)__builtin_ia32_pmovmskb128(less));
    const uint32_t upTo = __builtin_ctz((uint32_t)__builtin_ia32_pmovmskb128(greater) | 0x10000);
    return below | upTo << 8;
}

// CRC32C (Castagnoli, RFC 3720 appendix B.4), by the SSE4.2 instruction. `seed` is 0 or an earlier result.
uint32_t dbk_crc32c(uint32_t seed, const void *bytes, size_t byte_count);
