// Exceptions. A page fault in a reserved range brings memory and goes on; everything else says what is known and stops the
// machine: recovery does the rest at the next start.

import CMetal
import Platform

/// What traps.S pushes, lowest address first.
struct TrapFrame: BitwiseCopyable {
    var r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax: UInt64
    var vector, errorCode: UInt64
    var rip, cs, rflags, rsp, ss: UInt64
}

/// Called by traps.S.
package func trap(_ pushed: UnsafeMutableRawPointer) {
    let frame = pushed.assumingMemoryBound(to: TrapFrame.self)
    let depth = dbk_trap_depth_add(1)
    if frame.pointee.vector == 14 && depth == 1 {
        let address = UInt(dbk_read_cr2())
        // Not present, no reserved bits: the only fault that is part of the plan.
        if frame.pointee.errorCode & 9 == 0 && address >= reservedBase && address < reservedEnd
            && bringPage(address)
        {
            _ = dbk_trap_depth_add(-1)
            return
        }
    }
    panic(frame, depth: Int(depth))
}

private func bringPage(_ address: UInt) -> Bool {
    guard let space = machine.space else { return false }
    return space.pointee.materialise(address, core: Int(dbk_core_number_get())) != nil
}

private func panic(_ frame: UnsafeMutablePointer<TrapFrame>, depth: Int) -> Never {
    guard let console = machine.console else { stopCore() }
    // A panic inside a panic only ends.
    if depth > 2 { machineExit(status: 70) }
    let out = PlainText(console)
    let vector = Int(frame.pointee.vector)
    out.text("\npanic: ")
    out.text(exceptionName(vector))
    if vector == 6 { out.text(" (a broken invariant traps here)") }
    out.text(" on core ")
    out.decimal(UInt64(dbk_core_number_get()))
    out.text(", error code ")
    out.hex(frame.pointee.errorCode, digits: 8)
    if vector == 14 {
        out.text(", address ")
        out.hex(dbk_read_cr2())
        explainFault(UInt(dbk_read_cr2()), out)
    }
    if depth > 1 { out.text(", inside another exception") }
    registers(frame, out)
    backtrace(frame, out)
    out.text("\nthe machine stops here; what was committed is on the disk\n")
    machineExit(status: 70)
}

private func explainFault(_ address: UInt, _ out: PlainText) {
    if address < 4096 {
        out.text(" (nothing is mapped at zero)")
    } else if address >= reservedBase && address < reservedEnd {
        guard let space = machine.space, let frames = machine.frames else { return }
        if !space.pointee.contains(address) {
            out.text(" (outside every reserved range)")
        } else if frames.pointee.freeFrameCount == 0 {
            out.text(" (out of memory)")
        } else {
            out.text(" (a guard page: a stack has overflowed)")
        }
    }
}

private func registers(_ frame: UnsafeMutablePointer<TrapFrame>, _ out: PlainText) {
    let f = frame.pointee
    func line(_ name: StaticString, _ value: UInt64, _ isFirst: Bool = false) {
        out.text(isFirst ? "\n  " : "  ")
        out.text(name)
        out.text(" ")
        out.hex(value)
    }
    line("rip", f.rip, true)
    line("rsp", f.rsp)
    line("rbp", f.rbp)
    line("flg", f.rflags)
    line("rax", f.rax, true)
    line("rbx", f.rbx)
    line("rcx", f.rcx)
    line("rdx", f.rdx)
    line("rsi", f.rsi, true)
    line("rdi", f.rdi)
    line("r8 ", f.r8)
    line("r9 ", f.r9)
    line("r10", f.r10, true)
    line("r11", f.r11)
    line("r12", f.r12)
    line("r13", f.r13)
    line("r14", f.r14, true)
    line("r15", f.r15)
    line("cr3", dbk_read_cr3())
}

/// Follows the frame pointers while they rise and lie in memory.
private func backtrace(_ frame: UnsafeMutablePointer<TrapFrame>, _ out: PlainText) {
    out.text("\nbacktrace:")
    callSite(frame.pointee.rip, out)
    var at = UInt(frame.pointee.rbp)
    for _ in 0..<64 {
        guard at & 7 == 0, at >= 4096, let tables = machine.tables, tables.pointee.isMapped(at),
            tables.pointee.isMapped(at + 8), let words = UnsafePointer<UInt>(bitPattern: at)
        else { break }
        let next = words[0]
        if words[1] < dbk_symbol_image_start() || words[1] >= dbk_symbol_text_end() { break }
        callSite(UInt64(words[1]), out)
        if next <= at { break }
        at = next
    }
}

private func callSite(_ address: UInt64, _ out: PlainText) {
    out.text("\n  ")
    out.hex(address)
    Symbols.describe(UInt(address), out)
}

private func exceptionName(_ vector: Int) -> StaticString {
    switch vector {
    case 0: "divide error"
    case 1: "debug exception"
    case 2: "non-maskable interrupt"
    case 3: "breakpoint"
    case 4: "overflow"
    case 5: "bound range exceeded"
    case 6: "invalid opcode"
    case 7: "no vector unit"
    case 8: "double fault"
    case 10: "invalid task state"
    case 11: "segment not present"
    case 12: "stack segment fault"
    case 13: "general protection"
    case 14: "page fault"
    case 16: "x87 error"
    case 17: "alignment check"
    case 18: "machine check"
    case 19: "SIMD error"
    default: "unexpected exception"
    }
}

private func stopCore() -> Never {
    dbk_stop()
    while true {}
}
