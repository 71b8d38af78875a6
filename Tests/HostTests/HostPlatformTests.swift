// What only Linux has: the disk file and its lock, signals, the ring's absence.

import Fibers
import Glibc
import HostPlatform
import Platform
import Synchronization
import Testing

@Suite(.serialized)
struct HostPlatformTests {
    @Test func aSecondUserOfTheDiskIsRefused() throws {
        try withScratchDisk { path in
            let first = try HostPlatform(
                options: .init(diskPath: path, diskByteCount: 1 << 20, createIfMissing: true, cores: 1))
            let error = #expect(throws: EngineError.self) {
                _ = try HostPlatform(options: .init(diskPath: path, cores: 1))
            }
            #expect(error?.state == .objectInUse)
            withExtendedLifetime(first) {}
        }
    }

    @Test func theLockEndsWithThePlatform() throws {
        try withScratchDisk { path in
            for _ in 0..<3 {
                let platform = try HostPlatform(
                    options: .init(diskPath: path, diskByteCount: 1 << 20, createIfMissing: true, cores: 2))
                let scheduler = Scheduler(platform: platform)
                try scheduler.run { scheduler.stop() }
            }
        }
    }

    @Test func aDiskLargerThanTheFileSystemIs53100AndLeavesNothing() throws {
        try withScratchDisk { path in
            let error = #expect(throws: EngineError.self) {
                _ = try HostPlatform(
                    options: .init(diskPath: path, diskByteCount: 1 << 50, createIfMissing: true, cores: 1))
            }
            #expect(error?.state == .diskFull)
            #expect(access(path, F_OK) != 0)
        }
    }

    @Test func aMissingDiskIsNotCreatedUnasked() throws {
        try withScratchDisk { path in
            let error = #expect(throws: EngineError.self) {
                _ = try HostPlatform(options: .init(diskPath: path, cores: 1))
            }
            #expect(error?.state == .ioError)
            #expect(access(path, F_OK) != 0)
        }
    }

    @Test func aDiskGrowsAndNeverShrinks() throws {
        try withScratchDisk { path in
            for (asked, expected) in [(1, 1), (4, 4), (2, 4), (0, 4)] as [(UInt64, UInt64)] {
                let platform = try HostPlatform(
                    options: .init(diskPath: path, diskByteCount: asked << 20, createIfMissing: true, cores: 1))
                #expect(platform.blockGeometry.byteCount == expected << 20)
            }
        }
    }

    @Test(arguments: [false, true])
    func aSignalIsAStopRequest(fallback: Bool) throws {
        try withScratchDisk { path in
            let platform = try HostPlatform(
                options: .init(
                    diskPath: path, diskByteCount: 1 << 20, createIfMissing: true, cores: 2, forceFallback: fallback,
                    takesSignals: true))
            let scheduler = Scheduler(platform: platform)
            let count = Atomic<Int>(0)
            try scheduler.run {
                for round in 1...2 {
                    _ = try? scheduler.spawn(on: 0, .background, "killer") {
                        Fiber.sleep(.milliseconds(2))
                        // To the worker that waits: the process of the tests has threads that do not block the signal.
                        pthread_kill(pthread_self(), round == 1 ? SIGTERM : SIGINT)
                    }
                    let result = Completion.wait { platform.queueStopRequest(0, tag: $0) }
                    if result > 0 { count.add(1, ordering: .relaxed) }
                }
                scheduler.stop()
            }
            #expect(count.load(ordering: .relaxed) == 2)
        }
    }

    @Test func aWorkerSleepsWhileThereIsNothingToDo() throws {
        try withScratchDisk { path in
            let platform = try HostPlatform(
                options: .init(diskPath: path, diskByteCount: 1 << 20, createIfMissing: true, cores: 2))
            let scheduler = Scheduler(platform: platform)
            let used = Atomic<Int>(0)
            try scheduler.run {
                let ended = Atomic<Int>(0)
                for core in 0..<2 {
                    _ = try? scheduler.spawn(on: core, .background, "sleeper") {
                        let start = threadMicroseconds()
                        Fiber.sleep(.milliseconds(500))
                        used.add(threadMicroseconds() - start, ordering: .relaxed)
                        if ended.add(1, ordering: .relaxed).newValue == 2 { scheduler.stop() }
                    }
                }
                while ended.load(ordering: .relaxed) < 2 { Fiber.park() }
            }
            #expect(used.load(ordering: .relaxed) < 10_000, "microseconds of CPU in half a second of idleness")
        }
    }
}

/// CPU time of the calling thread, user and system.
private func threadMicroseconds() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return time.tv_sec * 1_000_000 + time.tv_nsec / 1000
}
