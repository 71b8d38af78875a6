// From the loader to Swift's main: PVH hands over a 32-bit flat machine without paging (Xen's docs/misc/pvh.pandoc:
// ebx = start info, CS, DS, ES, SS flat, interrupts off). This makes it a 64-bit one with the first GiB mapped at its own
// addresses and calls main. Everything else is done in Swift.
//
// GRUB, which boots the ISO image from BIOS and UEFI, does not know PVH. It finds a Multiboot2 header (Multiboot2
// Specification 2.0, 3.1 and 3.3) and enters a machine in the same state, with another description of it in ebx.

    .section .note.Xen, "a", @note
    .balign 4
    .long 4, 4, 18          // name size, descriptor size, XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long dbk_pvh_entry

    .section .multiboot, "a", @progbits
    .balign 8
multiboot_header:
    .long 0xe85250d6, 0, multiboot_header_end - multiboot_header
    .long -(0xe85250d6 + (multiboot_header_end - multiboot_header))
    .word 3, 0              // entry address
    .long 12, dbk_multiboot_entry
    .balign 8
    .word 6, 0              // modules on page boundaries
    .long 8
    .word 0, 0
    .long 8
multiboot_header_end:

    .section .boot, "ax", @progbits
    .code32
    .globl dbk_multiboot_entry
dbk_multiboot_entry:
    movl $1, dbk_is_multiboot
    .globl dbk_pvh_entry
dbk_pvh_entry:
    cld
    movl $dbk_boot_stack_top, %esp
    movl %ebx, dbk_start_info
    rdtsc
    movl %eax, dbk_boot_tsc
    movl %edx, dbk_boot_tsc + 4

    // Page tables: PML4[0] -> PDPT[0] -> 512 pages of 2 MiB.
    movl $dbk_boot_pdpt + 3, dbk_boot_pml4
    movl $dbk_boot_directory + 3, dbk_boot_pdpt
    xorl %ecx, %ecx
    movl $0x83, %eax        // present, writable, large
1:  movl %eax, dbk_boot_directory(, %ecx, 8)
    addl $0x200000, %eax
    incl %ecx
    cmpl $512, %ecx
    jne 1b

    movl $dbk_boot_pml4, %eax
    call dbk_enter_long_mode
    .code64
    movabsq $dbk_boot_stack_top, %rsp

    // The boot core's thread-local block: zeros, with FS at its end holding its own address.
    leaq dbk_boot_tls_end(%rip), %rax
    movq %rax, (%rax)
    movq %rax, %rdx
    shrq $32, %rdx
    movl $0xc0000100, %ecx  // IA32_FS_BASE
    wrmsr

    xorl %ebp, %ebp
    xorl %edi, %edi
    xorl %esi, %esi
    call main
    ud2

// In 32-bit mode with EAX = PML4: switches to long mode with SSE on and returns there. Clobbers EAX, ECX, EDX. The stack's
// top word is the 32-bit return address.
    .code32
    .globl dbk_enter_long_mode
dbk_enter_long_mode:
    movl %eax, %cr3
    movl %cr4, %eax
    orl $0x6a0, %eax        // PAE, PGE, OSFXSR, OSXMMEXCPT
    movl %eax, %cr4
    movl $0xc0000080, %ecx  // EFER
    rdmsr
    orl $0x100, %eax        // LME
    wrmsr
    movl %cr0, %eax
    andl $~0x4, %eax        // EM off
    orl $0x80010022, %eax   // PG, WP, NE, MP
    movl %eax, %cr0
    popl %edx
    lgdt dbk_boot_gdt_pointer
    ljmp $8, $1f
    .code64
1:  movw $16, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    xorl %eax, %eax
    movw %ax, %fs
    movw %ax, %gs
    fninit
    jmpq *%rdx

    .balign 8
dbk_boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff    // 64-bit code
    .quad 0x00cf93000000ffff    // data
dbk_boot_gdt_pointer:
    .word 23
    .long dbk_boot_gdt
    .long 0

// An application processor starts here in real mode; copied below 1 MiB by Swift (SDM volume 3, 9.4.4). The parameters
// follow the code: PML4, stack top, FS base, Swift's entry.
    .balign 16
    .globl dbk_trampoline, dbk_trampoline_end, dbk_trampoline_parameters
    .code16
dbk_trampoline:
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    xorl %ebx, %ebx
    movw %ax, %bx
    shll $4, %ebx
    leal (trampoline_gdt - dbk_trampoline)(%ebx), %eax
    movl %eax, trampoline_gdt_pointer + 2 - dbk_trampoline
    leal (trampoline_32 - dbk_trampoline)(%ebx), %eax
    movl %eax, trampoline_far - dbk_trampoline
    lgdtl trampoline_gdt_pointer - dbk_trampoline
    movl %cr0, %eax
    orl $1, %eax
    movl %eax, %cr0
    ljmpl *(trampoline_far - dbk_trampoline)
    .code32
trampoline_32:
    movw $16, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    leal (dbk_trampoline_end - dbk_trampoline + 256)(%ebx), %esp
    movl (dbk_trampoline_parameters - dbk_trampoline)(%ebx), %eax
    movl $dbk_enter_long_mode, %ecx
    call *%ecx
    .code64
    leaq dbk_trampoline_parameters(%rip), %rbx
    movq 8(%rbx), %rsp
    movl 16(%rbx), %eax
    movl 20(%rbx), %edx
    movl $0xc0000100, %ecx
    wrmsr
    xorl %ebp, %ebp
    callq *24(%rbx)
    ud2
    .balign 8
trampoline_gdt:
    .quad 0
    .quad 0x00cf9b000000ffff    // 32-bit code
    .quad 0x00cf93000000ffff    // data
trampoline_gdt_pointer:
    .word 23
    .long 0
trampoline_far:
    .long 0
    .word 8
    .balign 8
dbk_trampoline_parameters:
    .quad 0, 0, 0, 0
dbk_trampoline_end:

    .section .data
    .globl dbk_start_info, dbk_is_multiboot, dbk_root_pointer, dbk_boot_tsc
    .balign 8
dbk_start_info: .quad 0
    // 1 if the start info is Multiboot2's.
dbk_is_multiboot: .quad 0
    // Room for a copy of the RSDP, which Multiboot2 hands over by value.
dbk_root_pointer: .skip 64
dbk_boot_tsc: .quad 0

    .section .bss
    .balign 4096
    .globl dbk_boot_pml4
dbk_boot_pml4: .skip 4096
dbk_boot_pdpt: .skip 4096
dbk_boot_directory: .skip 4096
    // The boot core's stack; Swift takes its lowest page away as a guard.
    .globl dbk_boot_stack, dbk_boot_stack_top
dbk_boot_stack: .skip 1 << 20
dbk_boot_stack_top:
    .skip 1024
    .balign 64
dbk_boot_tls_end: .skip 64
    .section .note.GNU-stack, "", @progbits
