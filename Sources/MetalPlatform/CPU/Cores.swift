// Starting the other processors (SDM volume 3, 9.4) and giving all of them work. A processor without work halts.

import CMetal
import Platform
import Synchronization

/// A worker's side of one core.
struct CoreState: ~Copyable {
    /// Whether a wake must send an interrupt.
    let sleep = Atomic<UInt32>(Sleep.awake)
    let isStarted = Atomic<Bool>(false)
    var apicID: UInt32 = 0
    var hasTimer = false
    private let padding: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0)
    init(apicID: UInt32) { self.apicID = apicID }
}

enum Sleep {
    static let awake: UInt32 = 0
    static let asleep: UInt32 = 1
    /// A wake came since the last park.
    static let notified: UInt32 = 2
}

/// What all cores run at the moment.
final class CoreWork: @unchecked Sendable {
    let generation = Atomic<UInt32>(0)
    let running = Atomic<Int>(0)
    var body: (@Sendable (CoreIndex) -> Void)?
}

/// What an application processor finds when it comes up; they come up one after another.
struct StartingCore {
    var number: UInt32 = 0
    var descriptors: CoreDescriptors?
    var vectors: InterruptTable?
    var apic: LocalAPIC?
    var work: Unmanaged<CoreWork>?
    var state: UnsafeMutablePointer<CoreState>?
}

nonisolated(unsafe) var startingCore = StartingCore()

/// Where another processor comes from boot.S.
package func coreMain() {
    let start = startingCore
    dbk_core_number_set(start.number)
    guard let descriptors = start.descriptors, let vectors = start.vectors, let apic = start.apic,
        let work = start.work?.takeUnretainedValue(), let state = start.state
    else { return }
    descriptors.load(vectors: vectors)
    apic.enable()
    state.pointee.isStarted.store(true, ordering: .releasing)
    var seen: UInt32 = 0
    while true {
        let generation = work.generation.load(ordering: .acquiring)
        if generation == seen {
            // Interrupts are closed: one that comes now ends the halt at once.
            dbk_halt_until_interrupt()
            continue
        }
        seen = generation
        let core = CoreIndex(start.number)
        machine.space.unsafelyUnwrapped.pointee.enter(core)
        work.body?(core)
        machine.space.unsafelyUnwrapped.pointee.turn(core)
        machine.space.unsafelyUnwrapped.pointee.leave(core)
        work.running.subtract(1, ordering: .acquiringAndReleasing)
    }
}

enum ProcessorStart {
    /// Below 1 MiB, in RAM that nobody else uses.
    private static let trampoline: UInt = 0x8000
    private static let stackByteCount = 256 << 10

    /// Starts `cores[1...]`, which had their INIT 10 ms ago; how many cores run then, counting the first. One that does not come up ends it.
    static func run(
        _ cores: UnsafeMutablePointer<CoreState>, count: Int, vectors: InterruptTable, apic: LocalAPIC, work: CoreWork,
        clock: Clock, frames: UnsafeMutablePointer<Frames>, tables: UnsafeMutablePointer<PageTables>
    ) -> Int {
        let code = dbk_symbol_trampoline()
        UnsafeMutableRawPointer(bitPattern: trampoline).unsafelyUnwrapped.copyMemory(
            from: UnsafeRawPointer(bitPattern: code).unsafelyUnwrapped,
            byteCount: Int(dbk_symbol_trampoline_end() - code))
        let parameters = UnsafeMutablePointer<UInt64>(
            bitPattern: trampoline + dbk_symbol_trampoline_parameters() - code
        ).unsafelyUnwrapped
        for core in 1..<count {
            // A guard page under the stack would split a large page; the stack is a reserved range instead, touched whole.
            guard let stack = machine.space.unsafelyUnwrapped.pointee.reserve(byteCount: stackByteCount + pageSize),
                let block = frames.pointee.allocate(order: 0), let descriptors = CoreDescriptors(frames: frames)
            else { return core }
            machine.space.unsafelyUnwrapped.pointee.protect(stack, pageCount: 1)
            for page in 1...stackByteCount / pageSize {
                let node = machine.space.unsafelyUnwrapped.pointee.cores[core].node
                if tables.pointee.materialise(stack + UInt(page * pageSize), node: node) == nil { return core }
            }
            clear(block, byteCount: pageSize)
            // The thread-local words lie below FS, which holds its own address.
            let base = block + 2048
            UnsafeMutablePointer<UInt>(bitPattern: base).unsafelyUnwrapped.pointee = base
            startingCore = StartingCore(
                number: UInt32(core), descriptors: descriptors, vectors: vectors, apic: apic,
                work: .passUnretained(work), state: cores + core)
            parameters[0] = UInt64(tables.pointee.root)
            parameters[1] = UInt64(stack + UInt(pageSize + stackByteCount))
            parameters[2] = UInt64(base)
            parameters[3] = UInt64(dbk_symbol_core_main())
            dbk_full_fence()
            for _ in 0..<2 {
                apic.sendStartup(cores[core].apicID, page: UInt32(trampoline >> 12))
                wait(clock, .milliseconds(100)) { cores[core].isStarted.load(ordering: .acquiring) }
                if cores[core].isStarted.load(ordering: .acquiring) { break }
            }
            if !cores[core].isStarted.load(ordering: .acquiring) { return core }
        }
        return count
    }

    private static func wait(_ clock: Clock, _ duration: Nanoseconds, _ isOver: () -> Bool) {
        let end = clock.now + duration
        while !isOver() && clock.now < end {}
    }
}
