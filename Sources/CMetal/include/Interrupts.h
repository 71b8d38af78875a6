// What the interrupt handler (traps.S) leaves for Swift to find.
#pragma once
#include <stdint.h>

// Not zero once an interrupt came on LocalAPIC.noticeVector. Read and cleared where interrupts are closed.
extern volatile uint32_t dbk_notice;
static inline uint32_t dbk_notice_get(void) { return dbk_notice; }
static inline void dbk_notice_clear(void) { dbk_notice = 0; }
