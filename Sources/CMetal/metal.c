#include "CMetal.h"

_Thread_local uint32_t dbk_core_number;
_Thread_local uint32_t dbk_trap_depth;

// ---- The runtime's names that Swift refuses to define -------------------------------------------------------------
extern void *dbk_malloc(size_t byte_count);
extern void dbk_free(void *object);
void *malloc(size_t byte_count) { return dbk_malloc(byte_count); }
void free(void *object) { dbk_free(object); }

double sqrt(double value) {
    double root;
    __asm__("sqrtsd %1, %0" : "=x"(root) : "x"(value));
    return root;
}

// Division of 128 by 128 bits (compiler-rt's names): by the processor where the divisor fits 64 bits, else bit by bit.
typedef unsigned __int128 u128;
static u128 divide(u128 a, u128 b, u128 *remainder) {
    uint64_t high = (uint64_t)(a >> 64), low = (uint64_t)a;
    if ((uint64_t)(b >> 64) == 0) {
        uint64_t d = (uint64_t)b, q1 = high / d, r = high % d, q0;
        __asm__("divq %4" : "=a"(q0), "=d"(r) : "a"(low), "d"(r), "r"(d) : "cc");
        *remainder = r;
        return (u128)q1 << 64 | q0;
    }
    u128 quotient = 0, rest = 0;
    for (int bit = 127; bit >= 0; bit--) {
        rest = rest << 1 | (a >> bit & 1);
        if (rest >= b) {
            rest -= b;
            quotient |= (u128)1 << bit;
        }
    }
    *remainder = rest;
    return quotient;
}
u128 __udivti3(u128 a, u128 b) {
    u128 rest;
    return divide(a, b, &rest);
}
u128 __umodti3(u128 a, u128 b) {
    u128 rest;
    divide(a, b, &rest);
    return rest;
}

// ---- Memory -------------------------------------------------------------------------------------------------------
// The four functions that compilers call without being asked. Compiled with -fno-builtin, or their loops would become calls
// to themselves; by 16 bytes, which both real processors and QEMU's do well at every length.
typedef long long wide __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint64_t word __attribute__((aligned(1), may_alias));
typedef uint32_t half __attribute__((aligned(1), may_alias));
typedef uint16_t quarter __attribute__((aligned(1), may_alias));

// Up to 32 bytes: everything is loaded before anything is stored, so the ranges may overlap.
static inline void move_short(unsigned char *to, const unsigned char *from, size_t count) {
    if (count >= 16) {
        wide a = *(const wide *)from, b = *(const wide *)(from + count - 16);
        *(wide *)to = a;
        *(wide *)(to + count - 16) = b;
    } else if (count >= 8) {
        uint64_t a = *(const word *)from, b = *(const word *)(from + count - 8);
        *(word *)to = a;
        *(word *)(to + count - 8) = b;
    } else if (count >= 4) {
        uint32_t a = *(const half *)from, b = *(const half *)(from + count - 4);
        *(half *)to = a;
        *(half *)(to + count - 4) = b;
    } else if (count >= 2) {
        uint16_t a = *(const quarter *)from, b = *(const quarter *)(from + count - 2);
        *(quarter *)to = a;
        *(quarter *)(to + count - 2) = b;
    } else if (count) {
        *to = *from;
    }
}

void *memmove(void *destination, const void *source, size_t count) {
    unsigned char *to = destination;
    const unsigned char *from = source;
    if (count <= 32) {
        move_short(to, from, count);
    } else if ((uintptr_t)to - (uintptr_t)from >= count) {
        wide last = *(const wide *)(from + count - 16);
        unsigned char *end = to + count - 16;
        while (to + 48 < end) {
            wide a = *(const wide *)from, b = *(const wide *)(from + 16), c = *(const wide *)(from + 32);
            *(wide *)to = a;
            *(wide *)(to + 16) = b;
            *(wide *)(to + 32) = c;
            to += 48;
            from += 48;
        }
        for (; to < end; to += 16, from += 16) *(wide *)to = *(const wide *)from;
        *(wide *)end = last;
    } else {
        wide first = *(const wide *)from;
        size_t left = count;
        for (; left > 16; left -= 16) *(wide *)(to + left - 16) = *(const wide *)(from + left - 16);
        *(wide *)to = first;
    }
    return destination;
}

void *memcpy(void *restrict destination, const void *restrict source, size_t count) {
    return memmove(destination, source, count);
}

void *memset(void *destination, int value, size_t count) {
    unsigned char *to = destination;
    uint64_t bytes = (unsigned char)value * 0x0101010101010101ull;
    if (count >= 16) {
        wide w = {(long long)bytes, (long long)bytes};
        unsigned char *end = to + count - 16;
        for (; to < end; to += 16) *(wide *)to = w;
        *(wide *)end = w;
    } else if (count >= 8) {
        *(word *)to = bytes;
        *(word *)(to + count - 8) = bytes;
    } else {
        for (; count; count--) *to++ = (unsigned char)value;
    }
    return destination;
}

int memcmp(const void *left, const void *right, size_t count) {
    const unsigned char *a = left, *b = right;
    for (; count >= 8; count -= 8, a += 8, b += 8) {
        uint64_t x = *(const word *)a, y = *(const word *)b;
        if (x != y) {
            x = __builtin_bswap64(x);
            y = __builtin_bswap64(y);
            return x < y ? -1 : 1;
        }
    }
    for (; count; count--, a++, b++)
        if (*a != *b) return *a < *b ? -1 : 1;
    return 0;
}
