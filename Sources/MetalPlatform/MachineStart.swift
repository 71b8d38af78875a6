// From boot.S to a platform: memory, console, exceptions, tables, clock, devices, cores, in the order in which each needs the
// ones before. What is missing is said on the console and ends the machine.

import CMetal
import NetworkEngine
import Platform
import Synchronization

/// What the platform is made of.
struct MachineParts {
    var topology: Topology
    var disk: any BlockDriver
    var network: MetalNetwork
    var commandLine: CommandLine
    var clock: Clock
    var apic: LocalAPIC
    var cores: UnsafeMutablePointer<CoreState>
    var work: CoreWork
    var frames: UnsafeMutablePointer<Frames>
    var space: UnsafeMutablePointer<ReservedSpace>
    var output: UnsafeMutablePointer<ConsoleOutput>
    var powerButton: PowerButton?
    var console: ConsoleInput
}

extension MetalPlatform {
    /// Once, by boot.S's core.
    package static func start() -> MetalPlatform {
        let start = StartInfo()
        guard start.isValid, EarlyMemory.setUp(start), let frames = machine.frames, let tables = machine.tables,
            let output = machine.console
        else {
            // Without memory there is no console object; the port is enough for a sentence.
            for byte in "no PVH start information, or no memory\r\n".utf8 { dbk_out8(0x3f8, byte) }
            machineExit(status: 72)
        }
        say("DBKernel")
        // Page tables, stacks and the devices' queues and buffers take less.
        let free = frames.pointee.freeFrameCount * pageSize
        if free < 16 << 20 { stop("too little memory: \(free >> 20) MiB are free, at least 16 must be", status: 72) }
        guard let vectors = InterruptTable(frames: frames), let descriptors = CoreDescriptors(frames: frames) else {
            stop("too little memory", status: 72)
        }
        descriptors.load(vectors: vectors)
        // A stack that overflows meets this page, not what lies below it.
        tables.pointee.takeAway(dbk_symbol_boot_stack())
        Symbols.base = start.module.base
        Symbols.byteCount = Int(start.module.byteCount)
        requireProcessor()

        var text: [UInt8] = []
        for index in 0..<start.commandLineByteCount { text.append(start.commandLine[index]) }
        let commandLine = CommandLine(text)
        let hardware = ACPITables(tables: tables).read(rootPointer: start.rootPointer)
        // A null pointer is a fault from here on; the firmware's data there have been read.
        tables.pointee.takeAway(0)
        let apicBase = hardware.localAPIC
        if !tables.pointee.mapDevice(apicBase, byteCount: pageSize) {
            stop("the local APIC cannot be mapped", status: 72)
        }
        let apic = LocalAPIC(base: apicBase)
        dbk_local_apic_set(UInt64(apicBase))
        // The legacy interrupt controllers stay silent.
        dbk_out8(0x21, 0xff)
        dbk_out8(0xa1, 0xff)
        apic.enable()
        let processors = order(hardware.processors, first: apic.id)
        let wanted = min(processors.count, commandLine.byteCount("cores") ?? processors.count, Heap.maxCores)
        // They want 10 ms between INIT and start-up, which is how long measuring the clock takes.
        for core in 1..<max(1, wanted) { apic.sendInit(processors[core].apicID) }
        let clock = Clock(powerTimer: hardware.powerTimer, apic: apic)

        let cores = UnsafeMutablePointer<CoreState>.allocate(capacity: wanted)
        for core in 0..<wanted { (cores + core).initialize(to: CoreState(apicID: processors[core].apicID)) }
        let space = UnsafeMutablePointer<ReservedSpace>.allocate(capacity: 1)
        let nodeOfCore = (0..<wanted).map { processors[$0].node }
        let distance = distances(hardware, nodeOfCore)
        frames.pointee.divide(hardware.memory, count: distance.count, distance: distance)
        space.initialize(to: ReservedSpace(tables: tables, frames: frames, nodeOfCore: nodeOfCore))
        machine.space = space
        let work = CoreWork()
        let count = ProcessorStart.run(
            cores, count: wanted, vectors: vectors, apic: apic, work: work, clock: clock, frames: frames, tables: tables
        )
        if count < wanted { say("warning: core \(count) of \(wanted) does not start; going on with \(count)") }
        // The work must outlive the cores, which know its address.
        _ = Unmanaged.passRetained(work)

        let identifiers = (0..<count).map { cores[$0].apicID }
        let bus = PCIBus(tables: tables, hardware: hardware)
        chooseConsoles(bus, commandLine, output, apicID: apic.id, frames: frames)
        if let source = Entropy.setUp(findEntropy(bus, frames: frames), clock: clock) {
            say("random numbers: from \(source)")
        } else {
            say("warning: there is neither RDRAND nor a virtio entropy device: random numbers are guessable")
        }
        let disk = findDisk(bus, commandLine, identifiers, frames: frames, clock: clock)
        say("disk: \(disk.summary)")
        let network = makeNetwork(bus, commandLine, identifiers, frames: frames, clock: clock)
        let lines = InterruptLines(hardware, tables: tables)
        let powerButton = PowerButton(hardware, lines, apicID: apic.id, clock: clock) { say($0) }
        let console = ConsoleInput(output, lines, apicID: apic.id) { say($0) }
        let platform = MetalPlatform(
            MachineParts(
                topology: Topology(nodeOfCore: Array(nodeOfCore.prefix(count)), distance: distance), disk: disk,
                network: network,
                commandLine: commandLine,
                clock: clock, apic: apic, cores: cores, work: work, frames: frames, space: space, output: output,
                powerButton: powerButton, console: console))
        say(
            "\(count) \(count == 1 ? "core" : "cores"), \(platform.memory.free >> 20) of \(platform.memory.total >> 20) "
                + "MiB of memory free, \(clock.ticksPerSecond / 1_000_000) MHz")
        return platform
    }

    /// A line on the console.
    package static func say(_ text: String) {
        var line = text + "\n"
        line.withUTF8 { bytes in machine.console?.pointee.write(UnsafeRawBufferPointer(bytes)) }
    }

    package static func stop(_ text: String, status: Int32) -> Never {
        say("error: " + text)
        machineExit(status: status)
    }

    private static func requireProcessor() {
        if dbk_cpuid(1, 0).c & 1 << 20 == 0 {
            stop("this processor has no SSE 4.2 (QEMU: -cpu max)", status: 72)
        }
    }

    /// The processor that runs comes first.
    private static func order(_ processors: [ProcessorEntry], first: UInt32) -> [ProcessorEntry] {
        var ordered = [ProcessorEntry(apicID: first, node: 0)]
        for processor in processors {
            if processor.apicID == first { ordered[0] = processor } else { ordered.append(processor) }
        }
        return ordered
    }

    /// Between all nodes that there are: what SLIT says, or 10 to oneself and 20 to others.
    private static func distances(_ hardware: Hardware, _ nodeOfCore: [Int]) -> [[Int]] {
        var count = (nodeOfCore.max() ?? 0) + 1
        for region in hardware.memory { count = max(count, region.node + 1) }
        if hardware.distance.count >= count { return hardware.distance }
        return (0..<count).map { from in (0..<count).map { from == $0 ? 10 : 20 } }
    }

    private static func findDisk(
        _ bus: PCIBus, _ commandLine: CommandLine, _ cores: [UInt32], frames: UnsafeMutablePointer<Frames>, clock: Clock
    ) -> any BlockDriver {
        let timeLimit = Nanoseconds.seconds(UInt64(max(1, commandLine.byteCount("disk-timeout") ?? 20)))
        var found: [PCIFunction] = []
        var virtio: [PCIFunction] = []
        bus.enumerate { function in
            // Mass storage, non-volatile memory, NVM Express.
            if function.classCode == 0x01_08_02 { found.append(function) }
            // Transitional and modern numbers of the virtio disk.
            if function.vendor == 0x1af4 && (function.device == 0x1001 || function.device == 0x1042) {
                virtio.append(function)
            }
        }
        for function in found {
            do throws(EngineError) {
                return try NVMeController(
                    function, cores: cores, timeLimit: timeLimit, frames: frames, clock: clock
                ) { say($0) }
            } catch {
                say("error: \(error.message)")
            }
        }
        for function in virtio {
            do throws(EngineError) {
                return try VirtioBlock(
                    function, cores: cores, timeLimit: timeLimit, frames: frames, clock: clock
                ) { say($0) }
            } catch {
                say("error: \(error.message)")
            }
        }
        stop("there is no disk: give the machine an NVMe or a virtio one", status: 73)
    }

    private static func findEntropy(_ bus: PCIBus, frames: UnsafeMutablePointer<Frames>) -> VirtioEntropy? {
        findVirtio(bus, 4) { (function) throws(EngineError) in try VirtioEntropy(function, frames: frames) }
    }

    /// `console=`: some of serial, screen and virtio, with commas; without it, all there are.
    private static func chooseConsoles(
        _ bus: PCIBus, _ commandLine: CommandLine, _ output: UnsafeMutablePointer<ConsoleOutput>, apicID: UInt32,
        frames: UnsafeMutablePointer<Frames>
    ) {
        let names = commandLine.text("console").map { $0.utf8.split(separator: 0x2c).map { Array($0) } }
        func isNamed(_ name: String) -> Bool { names?.contains(Array(name.utf8)) ?? true }
        for name in names ?? [] where !["serial", "screen", "virtio"].contains(where: { Array($0.utf8) == name }) {
            say(
                "warning: there is no console \"\(String(decoding: name, as: UTF8.self))\": serial, screen and virtio are"
            )
        }
        var device: VirtioConsole?
        if isNamed("virtio") {
            device = findVirtio(bus, 3) { (function) throws(EngineError) in
                try VirtioConsole(function, apicID: apicID, frames: frames)
            }
        }
        let hasSerial = isNamed("serial") && output.pointee.hasSerial
        let hasScreen = isNamed("screen") && output.pointee.hasScreen
        if names != nil && !hasSerial && !hasScreen && device == nil {
            return say("warning: there is none of the consoles named: all are used")
        }
        output.pointee.use(serial: hasSerial, screen: hasScreen, device: device)
    }

    /// The first virtio device of a type (section 5) that can be used, or none.
    private static func findVirtio<Device>(
        _ bus: PCIBus, _ type: UInt16, _ make: (PCIFunction) throws(EngineError) -> Device
    ) -> Device? {
        // Of those that transitional devices have.
        let transitional: UInt16 =
            switch type {
            case 1: 0x1000
            case 3: 0x1003
            default: 0x1005
            }
        var device: Device?
        bus.enumerate { function in
            let number = function.device
            if function.vendor != 0x1af4 || number != 0x1040 + type && number != transitional || device != nil {
                return
            }
            do throws(EngineError) {
                device = try make(function)
            } catch {
                say("error: \(error.message)")
            }
        }
        return device
    }

    /// The first virtio network device that can be used, or none.
    private static func makeNetwork(
        _ bus: PCIBus, _ commandLine: CommandLine, _ cores: [UInt32], frames: UnsafeMutablePointer<Frames>, clock: Clock
    ) -> MetalNetwork {
        let device = findVirtio(bus, 1) { (function) throws(EngineError) in
            try VirtioNet(function, apicID: cores[0], frames: frames)
        }
        if device == nil { say("network: no device") }
        do throws(EngineError) {
            return try MetalNetwork(
                device: device, address: commandLine.value("ip"), coreCount: cores.count, clock: clock, frames: frames)
        } catch {
            stop(error.description, status: 74)
        }
    }
}
