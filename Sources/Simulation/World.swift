// What all lives of one history share, and which errors its faults excuse.

import Platform
import SimulatedPlatform

final class World: @unchecked Sendable {
    let profile: SimulationProfile
    let disk: SimulatedDisk
    let verdict = Verdict()
    let dependencies = Dependencies()
    /// The machine that runs now.
    var machine: SimulatedPlatform?
    /// The sessions that are at work in it.
    var sessions: [SimulatedSession] = []
    var isDraining: Bool { machine?.isDraining ?? false }

    init(_ profile: SimulationProfile, _ disk: SimulatedDisk) {
        self.profile = profile
        self.disk = disk
    }

    /// True if the world has done something that a client must expect to hear of this way: conflicts always, faults only where
    /// there was one.
    func isExpected(_ error: EngineError) -> Bool {
        switch error.state {
        case .serializationFailure, .deadlockDetected: true
        default: isExcused(error)
        }
    }

    /// True if a fault of this life explains the error.
    func isExcused(_ error: EngineError) -> Bool {
        switch error.state {
        // Undo moves to the device, if that has room.
        case .outOfMemory: (machine?.refusedCount ?? 0) > 0 || profile.isTight
        case .diskFull: profile.isTight
        case .ioError: disk.metCount > 0 || disk.failedCount > 0
        case .dataCorrupted, .indexCorrupted: disk.metCount > 0
        // What cannot be read, or is damaged, is not taken for empty.
        case .cannotConnectNow: disk.metCount > 0 || disk.failedCount > 0
        // A write that has gone astray on a device that was not formatted yet: now it holds something.
        case .objectInUse: disk.metCount > 0
        default: false
        }
    }

    /// Who is at what, and who waits for whom. Once the machine stands still.
    var account: String {
        var parts: [String] = []
        for session in sessions {
            guard let text = session.account(among: sessions, at: machine?.time ?? 0) else { continue }
            parts.append("session \(session.number) \(text)")
        }
        return parts.isEmpty ? "no session is at work" : parts.joined(separator: "; ")
    }

    /// True if something may have ended the process.
    var hasHadFaults: Bool { disk.metCount + disk.failedCount + (machine?.refusedCount ?? 0) > 0 }

    /// Faults are over, and no damage is left.
    func becomeCalm() {
        disk.mend()
        disk.isCalm = true
        machine?.isCalm = true
    }
}
