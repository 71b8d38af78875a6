// What kinds of worlds there are. A seed chooses one of them and draws its numbers.

import Platform
import SimulatedPlatform

package struct SimulationProfile: Sendable {
    package var name: StaticString
    package var machine = MachineProfile()
    package var disk = DiskProfile()
    /// Power losses, after each of which the database is opened again.
    package var roundCount = 4
    package var sessionCount = 6
    package var memoryByteCount = 32 << 20
    package var logByteCount: UInt64 = 4 << 20
    /// Nanoseconds from opening to the loss of power.
    package var life: ClosedRange<Int> = 1_000_000...150_000_000
    /// Of a thousand notes: how many are too long for a page.
    package var longNotePermille = 20

    init(_ name: StaticString) { self.name = name }

    /// The last is drawn by no seed: on its disk, histories must fail.
    package static let names: [StaticString] = ["calm", "torn", "slow", "cores", "long", "brief", "lying"]

    /// The profile of that name, nil if there is none.
    package static func named(_ name: String) -> SimulationProfile? {
        for (index, candidate) in names.enumerated() where Array("\(candidate)".utf8) == Array(name.utf8) {
            return make(index)
        }
        return nil
    }

    package static func drawn(_ random: inout SimulationRandom) -> SimulationProfile {
        make(random.next(below: names.count - 1))
    }

    private static func make(_ index: Int) -> SimulationProfile {
        var profile = SimulationProfile(names[index])
        switch index {
        case 0:
            // Whole pages are written whole, nothing is refused: what fails here fails always.
            profile.disk.atomicWriteByteCount = 4096
            profile.disk.refusedPermille = 0
            profile.disk.shortPermille = 0
            profile.disk.slowPermille = 0
        case 2:
            profile.disk.slowPermille = 100
            profile.disk.queueDepth = 4
            profile.disk.refusedPermille = 100
            profile.life = 50_000_000...1_000_000_000
        case 3:
            profile.machine.coreCount = 4
            profile.sessionCount = 12
            profile.machine.turn = 50...100_000
        case 4:
            profile.longNotePermille = 400
            profile.disk.shortPermille = 50
            profile.life = 50_000_000...400_000_000
        case 5:
            // The power goes during recovery, too.
            profile.life = 100_000...8_000_000
            profile.roundCount = 12
        case 6: profile.disk.liesAboutFlush = true
        default: break
        }
        profile.machine.clockJumpPermille = 1
        return profile
    }
}
