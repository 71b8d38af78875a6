// A disk in memory that returns to a saved state at the cost of the pages that were written since.

import CLinux
import Platform

final class FuzzDisk {
    static let byteCount = 32 << 20
    /// What machines read and write.
    let bytes: UnsafeMutableRawPointer
    private let saved: UnsafeMutableRawPointer
    private var changed: [Int] = []
    private var isChanged = [Bool](repeating: false, count: byteCount / pageSize)

    /// Of zeros.
    init() {
        guard let bytes = dbk_reserve(Self.byteCount), let saved = dbk_reserve(Self.byteCount) else {
            preconditionFailure("no memory for a disk")
        }
        self.bytes = bytes
        self.saved = saved
    }

    deinit {
        dbk_unmap(bytes, Self.byteCount)
        dbk_unmap(saved, Self.byteCount)
    }

    func page(_ number: Int) -> UnsafeMutableRawPointer { bytes + number * pageSize }
    func savedPage(_ number: Int) -> UnsafeRawPointer { UnsafeRawPointer(saved + number * pageSize) }

    /// What lies there is about to change.
    func noteWrite(offset: Int, byteCount: Int) {
        if byteCount == 0 { return }
        for page in offset / pageSize...(offset + byteCount - 1) / pageSize where !isChanged[page] {
            isChanged[page] = true
            changed.append(page)
        }
    }

    func save() { forEachChanged { (saved + $0).copyMemory(from: bytes + $0, byteCount: pageSize) } }
    func restore() { forEachChanged { (bytes + $0).copyMemory(from: saved + $0, byteCount: pageSize) } }

    private func forEachChanged(_ body: (_ offset: Int) -> Void) {
        for page in changed {
            body(page * pageSize)
            isChanged[page] = false
        }
        changed.removeAll(keepingCapacity: true)
    }
}
