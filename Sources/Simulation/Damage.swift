// Damage to a device while nothing runs: `check` must find all of it, and what is mended must be as it was.

import DirectStorage
import EngineCore
import Fibers
import LayoutManager
import Platform
import Runtime
import SharedSuite
import SimulatedPlatform

extension History {
    private var layout: DiskLayout? {
        do throws(EngineError) {
            return try DiskLayout.compute(
                deviceByteCount: profile.disk.byteCount,
                options: LayoutOptions(
                    walByteCount: profile.logByteCount, doubleWriteByteCount: profile.doubleWriteByteCount))
        } catch { return nil }
    }

    var logPages: Range<Int> {
        guard let layout else { return 0..<0 }
        return Int(layout.walFirstPage)..<Int(layout.walFirstPage + layout.walPageCount)
    }
    var superblockPages: Range<Int> { 0..<Superblock.copyCount }

    /// A few times: some damage, a check, and the device mended.
    func examine() {
        for _ in 0..<4 where world.verdict.failure == nil {
            inspection = Inspection()
            for _ in 0...random.next(below: 4) { _ = disk.harm(random.next(below: 2) == 0 ? .rotten : .unreadable) }
            live(.examine)
            // What the check has written to is whole again.
            inspection.damagedPages = disk.damagedPages
            disk.mend()
            if world.verdict.failure == nil { live(.compare) }
        }
    }

    func inspect() throws(EngineError) {
        do throws(EngineError) {
            _ = try DatabaseCheck.run(options) { [self] in inspection.said.append($0) }
        } catch {
            // It has met what it cannot do without, and says so.
            guard error.state == .dataCorrupted || error.state == .ioError else { throw error }
            inspection.hasEnded = true
        }
    }

    /// Every damaged page of the data zone that is in use was named; and what the sessions know is there.
    func compareInspection(_ scheduler: Scheduler) throws(EngineError) {
        let engine = try Engine.open(options)
        if let layout, !inspection.hasEnded {
            for page in inspection.damagedPages
            where layout.contains(PageID(UInt64(page))) && engine.isPageInUse(UInt64(page)) && !inspection.names(page) {
                world.verdict.fail(
                    "check has not found the damage to page \(page): \(inspection.said.joined(separator: "; "))")
            }
        }
        let server = try serve(engine)
        if isCreated {
            let sessions = try openSessions(engine, scheduler)
            try verify(sessions, scheduler)
            try onEach(scheduler) { sessions[$0].end() }
        }
        server?.stop()
        try engine.close()
    }
}

/// What a check of a damaged device said.
struct Inspection {
    var damagedPages: [Int] = []
    var said: [String] = []
    var hasEnded = false

    func names(_ page: Int) -> Bool {
        let wanted = Array("page \(page) ".utf8)
        return said.contains { line in
            let bytes = Array(line.utf8)
            return bytes.indices.contains { bytes[$0...].starts(with: wanted) }
        }
    }
}
