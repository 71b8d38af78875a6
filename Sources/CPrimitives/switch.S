// The stack switch: the System V AMD64 callee-saved registers and the two control words, nothing else.
    .text
    .globl dbk_switch
    .type dbk_switch, @function
dbk_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    subq $8, %rsp
    stmxcsr (%rsp)
    fnstcw 4(%rsp)
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    ldmxcsr (%rsp)
    fldcw 4(%rsp)
    addq $8, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size dbk_switch, .-dbk_switch

// First return address of a fresh fiber: r12 holds the entry, r13 its argument (put there by dbk_stack_prepare).
    .globl dbk_fiber_start
    .type dbk_fiber_start, @function
dbk_fiber_start:
    xorl %ebp, %ebp
    movq %r13, %rdi
    callq *%r12
    ud2
    .size dbk_fiber_start, .-dbk_fiber_start
    .section .note.GNU-stack, "", @progbits
