// Entries of the 256 vectors (SDM volume 3, chapter 6). Exceptions save everything, vector registers too, because their
// handler is Swift, and run on stacks of their own (IST). Interrupts come only at a halt, whose surroundings are a C call,
// so they save what a call may change and nothing else; all they do is to acknowledge.
    .text
    .balign 16
    .globl dbk_vectors
dbk_vectors:
    .set vector, 0
    .rept 256
    .balign 16
    .if vector != 8 && (vector < 10 || vector > 14) && vector != 17 && vector != 21 && vector != 29 && vector != 30
    pushq $0
    .endif
    pushq $vector
    .if vector < 32
    jmp trap
    .else
    jmp interrupt
    .endif
    .set vector, vector + 1
    .endr

// The frame as TrapFrame in Swift reads it: r15 ... rax, vector, error code, rip, cs, rflags, rsp, ss.
trap:
    pushq %rax
    pushq %rbx
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %rbp
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    cld
    movq %rsp, %rdi
    movq %rsp, %rbx
    subq $512, %rsp
    andq $-16, %rsp
    fxsave64 (%rsp)
    call dbk_trap
    fxrstor64 (%rsp)
    movq %rbx, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rbp
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rbx
    popq %rax
    addq $16, %rsp
    iretq

interrupt:
    pushq %rax
    // LocalAPIC.noticeVector.
    cmpq $0x41, 8(%rsp)
    jne 2f
    movl $1, dbk_notice(%rip)
2:
    // The spurious vector takes no acknowledgement (SDM volume 3, 11.9).
    cmpq $255, 8(%rsp)
    je 1f
    movq dbk_local_apic(%rip), %rax
    movl $0, 0xb0(%rax)
1:  popq %rax
    addq $16, %rsp
    iretq

    .data
    .balign 8
    // Address of the local APIC's registers, set before interrupts are.
    .globl dbk_local_apic, dbk_notice
dbk_local_apic: .quad 0
    // Not zero once the interrupt came that is noted.
dbk_notice: .long 0
    .section .note.GNU-stack, "", @progbits
