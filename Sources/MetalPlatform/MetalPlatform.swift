// The engine's world in Ring 0: one worker per processor, page tables of its own, an NVMe or virtio disk.
//
// Swift code runs with interrupts closed, always: they are let in only where a core halts, and all they do is end the halt.
// So no handler ever meets half-changed data, and what a core waits for is found by polling.

import CMetal
import CPrimitives
import NetworkEngine
import Platform
import Synchronization

package final class MetalPlatform: Platform, @unchecked Sendable {
    package let topology: Topology
    package let blockGeometry: BlockGeometry
    package let commandLine: CommandLine
    private let disk: any BlockDriver
    private let network: MetalNetwork
    private let clock: Clock
    private let apic: LocalAPIC
    private let cores: UnsafeMutablePointer<CoreState>
    private let work: CoreWork
    private let frames: UnsafeMutablePointer<Frames>
    private let space: UnsafeMutablePointer<ReservedSpace>
    private let output: UnsafeMutablePointer<ConsoleOutput>
    private let powerButton: PowerButton?
    private let console: ConsoleInput
    private let stopRequest = StopRequest()

    init(_ parts: MachineParts) {
        topology = parts.topology
        disk = parts.disk
        network = parts.network
        blockGeometry = parts.disk.geometry
        commandLine = parts.commandLine
        clock = parts.clock
        apic = parts.apic
        cores = parts.cores
        work = parts.work
        frames = parts.frames
        space = parts.space
        output = parts.output
        powerButton = parts.powerButton
        console = parts.console
    }

    // MARK: Cores

    package func runWorkers(_ body: @escaping @Sendable (CoreIndex) -> Void) {
        work.body = body
        work.running.store(topology.coreCount - 1, ordering: .relaxed)
        work.generation.add(1, ordering: .releasing)
        for core in 1..<max(1, topology.coreCount) { apic.interrupt(cores[core].apicID) }
        space.pointee.enter(0)
        body(0)
        space.pointee.turn(0)
        space.pointee.leave(0)
        while work.running.load(ordering: .acquiring) > 0 { dbk_pause() }
        work.body = nil
        // What the workers gave up goes now that none of them runs.
        space.pointee.turn(0)
    }

    package func park(_ core: CoreIndex, until deadline: Nanoseconds) {
        submit(core)
        let state = cores + core
        let (wasFirst, _) = state.pointee.sleep.compareExchange(
            expected: Sleep.awake, desired: Sleep.asleep, ordering: .acquiringAndReleasing)
        if wasFirst {
            halt(core, until: deadline)
        }
        state.pointee.sleep.store(Sleep.awake, ordering: .releasing)
    }

    private func driveNetwork() {
        if dbk_notice_get() != 0 { hearNotice() }
        console.look(clock.now)
        network.drive(wake: { wake($0) }, log: { log($0) })
    }

    /// The power button, the serial line or the keyboard: what comes seldom and is not looked at in every turn.
    @inline(never) private func hearNotice() {
        dbk_notice_clear()
        if let powerButton, powerButton.ask() { requestStop() }
        console.take()
    }

    /// Interrupts that came for what was polled meanwhile are let in first; after that, whatever ends the wait leaves one
    /// pending, so nothing is missed between the last look and the halt.
    private func halt(_ core: CoreIndex, until deadline: Nanoseconds) {
        dbk_take_interrupts()
        var deadline = deadline
        if core == MetalNetwork.owner {
            driveNetwork()
            network.arm()
            defer { network.disarm() }
            if network.hasWork || console.isDue { return }
            deadline = min(deadline, network.deadline)
            return halt(core, until: deadline, unless: disk.hasCompletions(core))
        }
        halt(core, until: deadline, unless: disk.hasCompletions(core) || network.stack.hasCompletions(core))
    }

    private func halt(_ core: CoreIndex, until deadline: Nanoseconds, unless hasWork: Bool) {
        if hasWork || stopRequest.isDue(core) { return }
        if cores[core].sleep.load(ordering: .acquiring) != Sleep.asleep { return }
        space.pointee.turn(core)
        var deadline = deadline
        let now = clock.now
        if space.pointee.hasLimbo(core) { deadline = min(deadline, now + .milliseconds(1)) }
        if disk.isWaiting(core) {
            // Without interrupts: look again soon. With them: now and then, for the commands' time limits.
            deadline = min(deadline, now + (disk.canInterrupt(core) ? .seconds(1) : .microseconds(50)))
        }
        if !(now < deadline) { return }
        if deadline == .never {
            if cores[core].hasTimer { apic.startTimer(count: 0, vector: LocalAPIC.wakeVector) }
            cores[core].hasTimer = false
        } else {
            let wait = min((deadline - now).rawValue, 10_000_000_000)
            let count = wait.multipliedFullWidth(by: clock.timerPerSecond)
            let ticks = UInt64(1_000_000_000).dividingFullWidth((count.high, count.low)).quotient
            apic.startTimer(
                count: UInt32(clamping: max(1, ticks)), vector: LocalAPIC.wakeVector)
            cores[core].hasTimer = true
        }
        space.pointee.leave(core)
        dbk_halt_until_interrupt()
        space.pointee.enter(core)
    }

    package func wake(_ core: CoreIndex) {
        // Only the one who turns asleep into notified pays for the interrupt.
        if cores[core].sleep.exchange(Sleep.notified, ordering: .acquiringAndReleasing) == Sleep.asleep {
            apic.interrupt(cores[core].apicID)
        }
    }

    package func submit(_ core: CoreIndex) {
        if core != MetalNetwork.owner && network.service.hasRequests(from: core) { wake(MetalNetwork.owner) }
        disk.submit(core)
    }

    package func poll(_ core: CoreIndex, into events: UnsafeMutableBufferPointer<CompletionEvent>) -> Int {
        space.pointee.turn(core)
        var count = 0
        if core == MetalNetwork.owner {
            driveNetwork()
            if let event = console.completion() {
                events[0] = event
                count = 1
            }
        }
        if stopRequest.isDue(core), let event = stopRequest.take(core) {
            events[count] = event
            count += 1
        }
        count += network.stack.takeCompletions(core, into: UnsafeMutableBufferPointer(rebasing: events[count...]))
        if count == events.count { return count }
        return count
            + disk.poll(core, into: UnsafeMutableBufferPointer(rebasing: events[count...]), now: clock.now)
    }

    // MARK: Time

    package func now() -> Nanoseconds { clock.now }
    package func wallClock() -> Int64 { clock.wallClock }

    // MARK: Memory

    package func allocate(byteCount: Int, node: Int, huge: Bool) -> UnsafeMutableRawPointer? {
        let count = (byteCount + pageSize - 1) / pageSize
        guard count > 0 else { return nil }
        guard let base = frames.pointee.allocateRun(count, node: node) else { return allocateScattered(count) }
        clear(base, byteCount: count * pageSize)
        return UnsafeMutableRawPointer(bitPattern: base)
    }

    /// No run of frames is long enough: single frames behind a reserved range.
    private func allocateScattered(_ count: Int) -> UnsafeMutableRawPointer? {
        if frames.pointee.freeFrameCount < count + count / 256 { return nil }
        guard let base = space.pointee.reserve(byteCount: count * pageSize) else { return nil }
        for page in 0..<count
        where space.pointee.materialise(base + UInt(page * pageSize), core: Int(dbk_core_number_get())) == nil {
            space.pointee.release(base, core: Int(dbk_core_number_get()))
            return nil
        }
        return UnsafeMutableRawPointer(bitPattern: base)
    }

    package func deallocate(_ base: UnsafeMutableRawPointer, byteCount: Int) {
        let address = UInt(bitPattern: base)
        if address >= reservedBase {
            space.pointee.release(address, core: Int(dbk_core_number_get()))
        } else {
            frames.pointee.freeRun(address, (byteCount + pageSize - 1) / pageSize)
        }
    }

    package func reserve(byteCount: Int) -> UnsafeMutableRawPointer? {
        space.pointee.reserve(byteCount: byteCount).flatMap { UnsafeMutableRawPointer(bitPattern: $0) }
    }

    package func discard(_ base: UnsafeMutableRawPointer, pageCount: Int) {
        let address = UInt(bitPattern: base)
        space.pointee.discard(
            from: address, to: address + UInt(pageCount * pageSize), core: Int(dbk_core_number_get()))
    }

    package func restore(_ base: UnsafeMutableRawPointer, pageCount: Int) {
        let core = Int(dbk_core_number_get())
        for page in 0..<pageCount
        where space.pointee.materialise(UInt(bitPattern: base) + UInt(page * pageSize), core: core) == nil {
            preconditionFailure("no memory for a page that the budget allows")
        }
    }

    package func protect(_ base: UnsafeMutableRawPointer, pageCount: Int) {
        space.pointee.protect(UInt(bitPattern: base), pageCount: pageCount)
    }

    // MARK: Block device

    package func queueBlock(
        _ core: CoreIndex, _ operation: BlockOperation, _ vectors: UnsafeMutableBufferPointer<IOVector>,
        offset: UInt64, tag: Tag
    ) -> Bool { disk.queue(core, operation, vectors, offset: offset, tag: tag) }

    // MARK: Streams

    package func listen(address: String) throws(EngineError) -> (StreamHandle, boundAddress: String) {
        try network.service.listen(address: address)
    }
    package func queueAccept(_ core: CoreIndex, _ listener: StreamHandle, tag: Tag) -> Bool {
        network.service.queueAccept(core, listener, tag: tag)
    }
    package func queueConnect(_ core: CoreIndex, to address: String, tag: Tag) throws(EngineError) -> Bool {
        try network.service.queueConnect(core, to: address, tag: tag)
    }
    package func queueReceive(_ core: CoreIndex, _ stream: StreamHandle, into buffer: IOVector, tag: Tag) -> Bool {
        network.service.queueReceive(core, stream, into: buffer, tag: tag)
    }
    package func queueSend(_ core: CoreIndex, _ stream: StreamHandle, _ buffer: IOVector, tag: Tag) -> Bool {
        network.service.queueSend(core, stream, buffer, tag: tag)
    }
    package func shutdown(_ stream: StreamHandle) {
        network.service.shutdown(stream)
        wake(MetalNetwork.owner)
    }
    package func close(_ stream: StreamHandle) {
        network.service.close(stream)
        wake(MetalNetwork.owner)
    }

    // MARK: The rest

    package func queueStopRequest(_ core: CoreIndex, tag: Tag) -> Bool {
        stopRequest.queue(core, tag: tag)
        return true
    }

    /// Asks the engine to stop, as the power button does. On any core.
    package func requestStop() {
        if let core = stopRequest.ask() { wake(core) }
    }

    package func consoleWrite(_ bytes: UnsafeRawBufferPointer) { output.pointee.write(bytes) }
    package var hasConsoleInput: Bool { console.isPresent }
    package func queueConsoleInput(_ core: CoreIndex, tag: Tag) -> Bool {
        precondition(core == MetalNetwork.owner, "the console is the first core's")
        console.queue(tag)
        return true
    }
    package func readConsole(_ bytes: UnsafeMutableRawBufferPointer) -> Int { console.read(bytes) }
    package var canReboot: Bool { true }
    package func describe(_ part: MachinePart) -> [String] {
        switch part {
        case .disk: [disk.summary] + disk.health()
        case .network: network.describe()
        case .memory: ["memory: \(memory.free >> 20) of \(memory.total >> 20) MiB free"] + memoryByNode
        }
    }

    private var memoryByNode: [String] {
        if frames.pointee.nodeCount == 1 { return [] }
        return (0..<frames.pointee.nodeCount).map {
            "node \($0): \((frames.pointee.freeFrameCount(of: $0) * pageSize) >> 20) MiB free"
        }
    }
    package func entropy(_ bytes: UnsafeMutableRawBufferPointer) { Entropy.fill(bytes) }
    package func exit(status: Int32) -> Never { machineExit(status: status) }
    /// Free and all memory, in bytes.
    package var memory: (free: Int, total: Int) {
        (frames.pointee.freeFrameCount * pageSize, frames.pointee.totalFrameCount * pageSize)
    }
}
