// `dbkernel-sim bulk`: a sink and a source of bytes over the engine's own network stack, to measure it against Linux's.

import ArgumentParser
import Fibers
import Glibc
import HostPlatform
import Platform

struct Bulk: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bulk", abstract: "Takes bytes on port 5001 and sends bytes on port 5002, to measure the network.",
        shouldDisplay: false)

    @Option(help: "As for serve: tap:NAME,ip=ADDRESS/LENGTH.")
    var net: String

    func run() throws {
        do throws(EngineError) {
            guard let tap = TapOptions(net) else {
                throw EngineError(.invalidParameterValue, "invalid network \"\(net)\"")
            }
            // A platform has a disk; nobody uses this one.
            var options = HostPlatform.Options(
                diskPath: "/tmp/dbkernel-bulk-\(getpid()).disk", diskByteCount: 1 << 20, createIfMissing: true,
                cores: 1,
                takesSignals: true)
            options.tap = tap
            let platform = try HostPlatform(options: options)
            unlink(options.diskPath)
            let scheduler = Scheduler(platform: platform)
            try scheduler.run {
                do throws(EngineError) {
                    try serve(platform, scheduler, port: 5001, sends: false)
                    try serve(platform, scheduler, port: 5002, sends: true)
                    print("ready")
                    fflush(nil)
                    _ = Completion.wait { platform.queueStopRequest(0, tag: $0) }
                } catch {
                    print("error: \(error.message)")
                }
                scheduler.stop()
            }
        } catch {
            throw Failure.report(error)
        }
    }

    private func serve(_ platform: HostPlatform, _ scheduler: Scheduler, port: Int, sends: Bool) throws(EngineError) {
        let (listener, _) = try platform.listen(address: "0.0.0.0:\(port)")
        try scheduler.spawn(on: 0, .interactive, "acceptor") {
            let queue = AcceptQueue(listener)
            while let stream = queue.next() {
                _ = try? scheduler.spawn(on: 0, .interactive, "bulk") { transfer(platform, stream, sends: sends) }
            }
        }
    }
}

/// Until the peer ends the stream.
private func transfer(_ platform: HostPlatform, _ stream: StreamHandle, sends: Bool) {
    let vector = IOVector(base: .allocate(byteCount: 256 << 10, alignment: 4096), byteCount: 256 << 10)
    vector.base.initializeMemory(as: UInt8.self, repeating: 0x61, count: vector.byteCount)
    while true {
        let result = Completion.wait {
            sends
                ? platform.queueSend(0, stream, vector, tag: $0)
                : platform.queueReceive(0, stream, into: vector, tag: $0)
        }
        if result <= 0 { break }
    }
    platform.close(stream)
    vector.base.deallocate()
}
