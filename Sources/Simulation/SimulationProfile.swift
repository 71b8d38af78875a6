// What kinds of worlds there are. A seed chooses one of them and draws its numbers.

import DirectStorage
import Platform
import SimulatedPlatform

package struct SimulationProfile: Sendable {
    package var name: StaticString
    package var machine = MachineProfile()
    package var disk = DiskProfile()
    package var network = NetworkProfile()
    /// Losses of power, after each of which the database is opened again.
    package var roundCount = 8
    package var sessionCount = 5
    package var memoryByteCount = 32 << 20
    /// Pages that the cache may hold at most; nil as many as memory allows.
    package var cachePageCount: Int?
    package var logByteCount: UInt64 = 1 << 20
    /// Nanoseconds from opening to the loss of power, half of them in the lower quarter.
    package var life: ClosedRange<Int> = 500_000...50_000_000
    /// Of a thousand notes: how many are too long for a page.
    package var longNotePermille = 20
    /// Rows that are loaded at a time, at most.
    package var bulkRowCount = 300
    package var doubleWriteByteCount: UInt64?
    /// All sessions are serializable and meet at a few rows.
    package var isShared = false
    /// The power goes mostly when the log has just been written.
    package var diesAtLog = false
    /// The device may have no room.
    package var isTight = false

    init(_ name: StaticString) { self.name = name }

    private typealias Change = @Sendable (inout SimulationProfile) -> Void

    /// The worlds that seeds draw, each a change of the plain one.
    private static let worlds: [(name: StaticString, change: Change)] = [
        (
            "calm",
            { profile in
                // Whole pages are written whole, nothing is refused: what fails here fails always.
                profile.disk.atomicWriteByteCount = 4096
                profile.disk.refusedPermille = 0
                profile.disk.shortPermille = 0
                profile.disk.slowPermille = 0
                profile.life = 500_000...25_000_000
            }
        ),
        ("torn", { _ in }),
        (
            "slow",
            { profile in
                profile.disk.slowPermille = 100
                profile.disk.queueDepth = 4
                profile.disk.refusedPermille = 100
                profile.life = 10_000_000...200_000_000
            }
        ),
        (
            "cores",
            { profile in
                profile.machine.coreCount = 4
                profile.sessionCount = 12
                profile.machine.turn = 50...100_000
            }
        ),
        (
            "long",
            { profile in
                profile.longNotePermille = 400
                profile.disk.shortPermille = 50
                profile.life = 10_000_000...80_000_000
            }
        ),
        (
            "brief",
            { profile in
                // The power goes during recovery, too.
                profile.life = 100_000...8_000_000
                profile.roundCount = 16
                profile.diesAtLog = true
            }
        ),
        (
            "shared",
            { profile in
                profile.isShared = true
                profile.sessionCount = 6
                profile.machine.coreCount = 3
                profile.life = 1_000_000...30_000_000
            }
        ),
        (
            "wrap",
            { profile in
                // The log comes round often, and always waits for the next checkpoint.
                profile.doubleWriteByteCount = UInt64(1024 - Superblock.copyCount - 96) * UInt64(pageSize)
                profile.disk.slowPermille = 20
                profile.bulkRowCount = 1500
                profile.longNotePermille = 50
                profile.roundCount = 12
                profile.life = 500_000...40_000_000
            }
        ),
        (
            "tiny",
            { profile in
                profile.disk.byteCount = 64 << 20
                // Pages come and go.
                profile.cachePageCount = 160
                profile.bulkRowCount = 4000
                profile.longNotePermille = 150
            }
        ),
        (
            "network",
            { profile in
                profile.network.isThere = true
                profile.network.lostPermille = 5
                profile.network.doubledPermille = 5
                profile.network.latePermille = 20
                profile.network.partitionPause = 10_000_000...500_000_000
                profile.life = 2_000_000...400_000_000
                profile.roundCount = 6
            }
        ),
        (
            "full",
            { profile in
                profile.disk.byteCount = 32 << 20
                profile.bulkRowCount = 20_000
                profile.longNotePermille = 200
                profile.sessionCount = 8
                profile.life = 10_000_000...150_000_000
                profile.isTight = true
            }
        ),
        (
            "sparse",
            { profile in
                profile.disk.byteCount = 64 << 20
                // The file system beneath the device's file is full now and then.
                profile.disk.storableByteCount = 10 << 20
                profile.bulkRowCount = 5000
                profile.isTight = true
            }
        ),
        (
            "poor",
            { profile in
                profile.disk.byteCount = 64 << 20
                profile.machine.outOfMemoryPermille = 20
                profile.bulkRowCount = 1000
            }
        ),
        (
            "failing",
            { profile in
                profile.disk.byteCount = 64 << 20
                profile.disk.readErrorPermille = 5
                profile.disk.writeErrorPermille = 2
                profile.disk.flushErrorPermille = 5
                profile.cachePageCount = 160
                profile.bulkRowCount = 2000
            }
        ),
        (
            "rotten",
            { profile in
                profile.disk.byteCount = 64 << 20
                profile.disk.latentPermille = 10
                profile.disk.rotPermille = 20
                profile.disk.misdirectedReadPermille = 2
                profile.disk.misdirectedWritePermille = 10
                profile.cachePageCount = 160
                profile.bulkRowCount = 2000
            }
        ),
    ]

    /// The profile of that name, nil if there is none. `lying` is drawn by no seed: on its disk, histories must fail.
    package static func named(_ name: String) -> SimulationProfile? {
        if Array(name.utf8) == Array("lying".utf8) {
            var profile = SimulationProfile("lying")
            profile.disk.liesAboutFlush = true
            return profile
        }
        for (index, world) in worlds.enumerated() where Array("\(world.name)".utf8) == Array(name.utf8) {
            return make(index)
        }
        return nil
    }

    package static func drawn(_ random: inout SimulationRandom) -> SimulationProfile {
        make(random.next(below: worlds.count))
    }

    private static func make(_ index: Int) -> SimulationProfile {
        var profile = SimulationProfile(worlds[index].name)
        worlds[index].change(&profile)
        profile.machine.clockJumpPermille = 1
        return profile
    }
}
