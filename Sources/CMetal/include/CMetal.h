// What Swift cannot say about a bare x86-64: instructions without a Swift name, device registers (volatile), words per core,
// and the symbols of boot.S, traps.S and the linker script. Sources: Intel SDM volumes 2 and 3.
#pragma once
#include <stddef.h>
#include <stdint.h>

// ---- Words per core (below FS) ------------------------------------------------------------------------------------
extern _Thread_local uint32_t dbk_core_number;
static inline uint32_t dbk_core_number_get(void) { return dbk_core_number; }
static inline void dbk_core_number_set(uint32_t value) { dbk_core_number = value; }
// How deep in exceptions the core is: one that comes in another is a panic.
extern _Thread_local uint32_t dbk_trap_depth;
static inline uint32_t dbk_trap_depth_add(int32_t by) { return dbk_trap_depth += by; }

// ---- Symbols ------------------------------------------------------------------------------------------------------
extern uint64_t dbk_start_info, dbk_boot_tsc;
extern uint64_t dbk_is_multiboot;
extern uint8_t dbk_root_pointer[64];
extern char dbk_image_start[], dbk_text_end[], dbk_rodata_end[], dbk_image_end[], dbk_tls_byte_count[];
extern char dbk_boot_stack[], dbk_boot_stack_top[], dbk_boot_pml4[];
extern char dbk_trampoline[], dbk_trampoline_end[], dbk_trampoline_parameters[];
// 256 entries, 16 bytes apart.
extern char dbk_vectors[];
extern uint64_t dbk_local_apic;
static inline uintptr_t dbk_symbol_image_start(void) { return (uintptr_t)dbk_image_start; }
static inline uintptr_t dbk_symbol_text_end(void) { return (uintptr_t)dbk_text_end; }
static inline uintptr_t dbk_symbol_rodata_end(void) { return (uintptr_t)dbk_rodata_end; }
static inline uintptr_t dbk_symbol_image_end(void) { return (uintptr_t)dbk_image_end; }
static inline uintptr_t dbk_symbol_tls_byte_count(void) { return (uintptr_t)dbk_tls_byte_count; }
static inline uintptr_t dbk_symbol_boot_stack(void) { return (uintptr_t)dbk_boot_stack; }
static inline uintptr_t dbk_symbol_boot_stack_top(void) { return (uintptr_t)dbk_boot_stack_top; }
static inline uintptr_t dbk_symbol_vectors(void) { return (uintptr_t)dbk_vectors; }
static inline uintptr_t dbk_symbol_trampoline(void) { return (uintptr_t)dbk_trampoline; }
static inline uintptr_t dbk_symbol_trampoline_end(void) { return (uintptr_t)dbk_trampoline_end; }
static inline uintptr_t dbk_symbol_trampoline_parameters(void) { return (uintptr_t)dbk_trampoline_parameters; }

// Where an application processor begins in Swift.
extern void dbk_core_main(void);
static inline uintptr_t dbk_symbol_core_main(void) { return (uintptr_t)dbk_core_main; }
static inline void dbk_local_apic_set(uint64_t base) { dbk_local_apic = base; }
static inline uint64_t dbk_boot_tsc_get(void) { return dbk_boot_tsc; }
static inline uint64_t dbk_start_info_get(void) { return dbk_start_info; }
static inline uint64_t dbk_is_multiboot_get(void) { return dbk_is_multiboot; }
static inline uintptr_t dbk_symbol_root_pointer(void) { return (uintptr_t)dbk_root_pointer; }

// ---- Ports and device memory --------------------------------------------------------------------------------------
static inline uint8_t dbk_in8(uint16_t port) {
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
static inline uint16_t dbk_in16(uint16_t port) {
    uint16_t value;
    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
static inline uint32_t dbk_in32(uint16_t port) {
    uint32_t value;
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
static inline void dbk_out8(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port)); }
static inline void dbk_out16(uint16_t port, uint16_t value) { __asm__ volatile("outw %0, %1" ::"a"(value), "Nd"(port)); }
static inline void dbk_out32(uint16_t port, uint32_t value) { __asm__ volatile("outl %0, %1" ::"a"(value), "Nd"(port)); }

// Device registers and memory that a device writes: never cached in a register, never merged.
static inline uint8_t dbk_read8(uintptr_t at) { return *(volatile uint8_t *)at; }
static inline uint16_t dbk_read16(uintptr_t at) { return *(volatile uint16_t *)at; }
static inline uint32_t dbk_read32(uintptr_t at) { return *(volatile uint32_t *)at; }
static inline uint64_t dbk_read64(uintptr_t at) { return *(volatile uint64_t *)at; }
static inline void dbk_write8(uintptr_t at, uint8_t value) { *(volatile uint8_t *)at = value; }
static inline void dbk_write16(uintptr_t at, uint16_t value) { *(volatile uint16_t *)at = value; }
static inline void dbk_write32(uintptr_t at, uint32_t value) { *(volatile uint32_t *)at = value; }
static inline void dbk_write64(uintptr_t at, uint64_t value) { *(volatile uint64_t *)at = value; }
// Loads and stores before are done before those after. On x86-64 between write-back memory only the compiler must be told
// for acquire and release; `dbk_full_fence` also orders an earlier store before a later load.
static inline uint16_t dbk_read16_acquire(uintptr_t at) { return __atomic_load_n((uint16_t *)at, __ATOMIC_ACQUIRE); }
static inline void dbk_write16_release(uintptr_t at, uint16_t value) {
    __atomic_store_n((uint16_t *)at, value, __ATOMIC_RELEASE);
}
static inline void dbk_full_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

// ---- Atomic words of page tables ----------------------------------------------------------------------------------
static inline uint64_t dbk_atomic_load(uintptr_t at) { return __atomic_load_n((uint64_t *)at, __ATOMIC_ACQUIRE); }
static inline void dbk_atomic_store(uintptr_t at, uint64_t value) {
    __atomic_store_n((uint64_t *)at, value, __ATOMIC_RELEASE);
}
static inline int dbk_atomic_replace(uintptr_t at, uint64_t expected, uint64_t desired) {
    return __atomic_compare_exchange_n(
        (uint64_t *)at, &expected, desired, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

// ---- Processor ----------------------------------------------------------------------------------------------------
static inline uint64_t dbk_rdmsr(uint32_t number) {
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(number));
    return (uint64_t)high << 32 | low;
}
static inline void dbk_wrmsr(uint32_t number, uint64_t value) {
    __asm__ volatile("wrmsr" ::"c"(number), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}
typedef struct { uint32_t a, b, c, d; } dbk_cpuid_result;
static inline dbk_cpuid_result dbk_cpuid(uint32_t leaf, uint32_t subleaf) {
    dbk_cpuid_result r;
    __asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(subleaf));
    return r;
}
static inline uint64_t dbk_read_cr2(void) {
    uint64_t value;
    __asm__ volatile("movq %%cr2, %0" : "=r"(value));
    return value;
}
static inline uint64_t dbk_read_cr3(void) {
    uint64_t value;
    __asm__ volatile("movq %%cr3, %0" : "=r"(value));
    return value;
}
static inline void dbk_write_cr3(uint64_t value) { __asm__ volatile("movq %0, %%cr3" ::"r"(value) : "memory"); }
static inline void dbk_invlpg(uintptr_t at) { __asm__ volatile("invlpg (%0)" ::"r"(at) : "memory"); }
static inline void dbk_load_gdt(const void *pointer) {
    // Reloads CS through a far return; the data segments keep their selectors, which mean the same.
    __asm__ volatile(
        "lgdt (%0)\n\tpushq $8\n\tleaq 1f(%%rip), %%rax\n\tpushq %%rax\n\tlretq\n1:" ::"r"(pointer) : "rax", "memory");
}
static inline void dbk_load_idt(const void *pointer) { __asm__ volatile("lidt (%0)" ::"r"(pointer) : "memory"); }
static inline void dbk_load_task(uint16_t selector) { __asm__ volatile("ltr %0" ::"r"(selector)); }
// Interrupts are open only here: from the instruction after sti until one has come.
static inline void dbk_halt_until_interrupt(void) { __asm__ volatile("sti; hlt; cli" ::: "memory"); }
// Takes the interrupts that wait and returns.
static inline void dbk_take_interrupts(void) { __asm__ volatile("sti; nop; nop; cli" ::: "memory"); }
static inline void dbk_stop(void) { for (;;) __asm__ volatile("cli; hlt"); }
// Zeros memory: unoptimised Swift does it byte by byte.
void *memset(void *destination, int value, size_t count);
static inline void dbk_clear(uintptr_t at, size_t byte_count) { memset((void *)at, 0, byte_count); }
// Touches the two pages below the stack pointer, so that they are in memory.
static inline void dbk_probe_stack(void) {
    __asm__ volatile("orq $0, -4096(%%rsp)\n\torq $0, -8192(%%rsp)" ::: "memory", "cc");
}
static inline void *dbk_frame_pointer(void) { return __builtin_frame_address(0); }
// A random word from the processor; 0 and false if it has none to give.
static inline int dbk_rdrand(uint64_t *value) {
    unsigned char ok;
    __asm__ volatile("rdrand %0; setc %1" : "=r"(*value), "=qm"(ok));
    return ok;
}
static inline uint64_t dbk_processor_tsc(void) {
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}
