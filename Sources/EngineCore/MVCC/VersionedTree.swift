// A B+-tree whose entries carry versions: reading through a view, and what its writers share. The changes themselves are
// in VersionedTreeWrites.swift, their undoing in VersionedTreeUndo.swift.
//
// Rows are handed in as payloads: sixteen bytes of room for the header, then the row, so that no copy is made to put the
// header in front.

import BTree
import BufferPool
import Platform
import Synchronization
import WALEngine

package final class VersionedTree: @unchecked Sendable {
    package let tree: BTree
    package unowned(unsafe) let manager: TransactionManager
    /// Explicit row locks exist here: keys are rowids.
    package let isTable: Bool
    private let dropped = Atomic<Bool>(false)
    // See `Transaction.built`.
    let usableFrom = Atomic<UInt64>(0)
    let builder = Atomic<UInt64>(0)
    let builtAt = Atomic<UInt64>(0)

    /// `isTable`: keys are eight-byte rowids, which explicit row locks name.
    package init(_ tree: BTree, _ manager: TransactionManager, isTable: Bool) {
        self.tree = tree
        self.manager = manager
        self.isTable = isTable
    }

    package var id: TreeID { tree.treeID }
    package var isDropped: Bool { dropped.load(ordering: .acquiring) }

    /// False if the tree was built from newer rows than the view may see, and lacks the versions that it would.
    @inline(__always) package func isUsable(_ view: ReadView) -> Bool {
        view.snapshot >= usableFrom.load(ordering: .acquiring) || isUsableToBuilder(view)
    }
    private func isUsableToBuilder(_ view: ReadView) -> Bool {
        view.owner == builder.load(ordering: .relaxed) && view.snapshot >= builtAt.load(ordering: .relaxed)
    }

    /// Gives all pages back. Nobody may use the tree any more but purges, which find it dropped.
    func drop() throws(EngineError) {
        if dropped.exchange(true, ordering: .acquiringAndReleasing) { return }
        try tree.allocator.freeTree(tree.treeID)
    }

    // MARK: Reading

    /// The row with `key` that `view` sees, copied to `copy`; false if there is none. Allocates nothing once the copy has
    /// grown.
    @inline(__always)
    package func read(_ key: UnsafeRawBufferPointer, _ view: ReadView, into copy: inout RowCopy) throws(EngineError)
        -> Bool
    {
        guard let isSpilled = try copyEntry(TreeKey(key), into: &copy) else { return false }
        return try resolve(isSpilled: isSpilled, view, &copy)
    }

    /// Copies the row with `key` that `view` sees to `target`, as far as it has room, and returns its length; nil if there is
    /// none. For short rows: reads them where they lie. Allocates nothing, unless the row is spilled or not the newest
    /// version.
    package func lookup(
        _ key: TreeKey, _ view: ReadView, into target: UnsafeMutableRawBufferPointer
    ) throws(EngineError) -> Int? {
        let pool = tree.pool
        while true {
            let place = try tree.find(key)
            guard let base = place.base else {
                if pool.validate(place.page, place.token) { return nil }
                continue
            }
            let writer = RowHeader.writer(base)
            // The top bits are "in doubt" and "tombstone": one comparison finds rows stamped with a commit the view sees.
            if writer > view.snapshot && !view.slots.isForgotten(writer) || place.isSpilled { break }
            let row = place.byteCount &- RowHeader.byteCount
            if row < 0 { break }
            let count = row < target.count ? row : target.count
            if count == 8 {
                target.storeBytes(
                    of: base.loadUnaligned(fromByteOffset: RowHeader.byteCount, as: UInt64.self), as: UInt64.self)
            } else if let to = target.baseAddress {
                to.copyMemory(from: base + RowHeader.byteCount, byteCount: count)
            }
            if pool.validate(place.page, place.token) { return row }
        }
        return try lookupSlowly(key, view, target)
    }

    @inline(never)
    private func lookupSlowly(
        _ key: TreeKey, _ view: ReadView, _ target: UnsafeMutableRawBufferPointer
    ) throws(EngineError) -> Int? {
        var copy = RowCopy()
        guard try read(key.bytes, view, into: &copy) else { return nil }
        let count = min(copy.row.count, target.count)
        if count > 0 {
            target.baseAddress.unsafelyUnwrapped.copyMemory(
                from: copy.row.baseAddress.unsafelyUnwrapped, byteCount: count)
        }
        return copy.row.count
    }

    /// The newest version that is committed, or the transaction's own, whatever the view: uniqueness checks and the
    /// catalog. Does not wait: of a row that another transaction is changing, the version before.
    package func readNewest(_ key: UnsafeRawBufferPointer, _ transaction: Transaction, into copy: inout RowCopy)
        throws(EngineError) -> Bool
    {
        guard let isSpilled = try copyEntry(TreeKey(key), into: &copy) else { return false }
        // Made after the entry was copied, the view has every commit that made its mark in the copy.
        return try resolve(isSpilled: isSpilled, transaction.newestView, &copy)
    }

    /// The entry's payload as it was at one moment, and whether it is spilled; nil if there is no entry.
    @inline(__always)
    private func copyEntry(_ key: TreeKey, into copy: inout RowCopy) throws(EngineError) -> Bool? {
        let pool = tree.pool
        while true {
            let place = try tree.find(key)
            if place.base != nil { copy.payload.assign(place.payload) }
            if pool.validate(place.page, place.token) { return place.base == nil ? nil : place.isSpilled }
        }
    }

    @inline(__always)
    private func resolve(isSpilled: Bool, _ view: ReadView, _ copy: inout RowCopy) throws(EngineError) -> Bool {
        guard let found = try view.version(copy.payload.bytes, isSpilled: isSpilled, &copy.older) else { return false }
        copy.row = found.row
        if found.isSpilled { try readSpilled(found, &copy) }
        return true
    }

    /// For cursors: the bytes of a spilled version, read to `copy`.
    package func readSpilled(_ version: SeenVersion, into copy: inout RowCopy) throws(EngineError)
        -> UnsafeRawBufferPointer
    {
        try readSpilled(version, &copy)
        return copy.row
    }

    /// A chain that a registered snapshot can see is not freed, so one that cannot be read is damaged.
    @inline(never)
    func readSpilled(_ version: SeenVersion, _ copy: inout RowCopy) throws(EngineError) {
        let stub = (
            version.row.loadUnaligned(as: UInt64.self), version.row.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
        )
        copy.payload.resize(SpilledPayload.byteCount)
        copy.payload.base.storeBytes(of: stub.0, toByteOffset: 16, as: UInt64.self)
        copy.payload.base.storeBytes(of: stub.1, toByteOffset: 24, as: UInt64.self)
        guard try tree.readSpilled(&copy.payload) else {
            throw EngineError(
                .dataCorrupted, "a long row of tree \(id.rawValue) cannot be read",
                hint: "Its overflow pages are damaged; restore the table from a backup.")
        }
        copy.row = UnsafeRawBufferPointer(rebasing: copy.payload.bytes[RowHeader.byteCount...])
    }
}

/// A row that a read has found. `row` points into the copy or, for an older version, into undo memory; it is valid as
/// long as the view that found it and until the copy's next use.
package struct RowCopy: ~Copyable {
    package var payload = PayloadBuffer()
    /// For `ReadView.version`.
    package var older = UndoCopy()
    package internal(set) var row = UnsafeRawBufferPointer(start: nil, count: 0)
    /// Which version a writer found.
    package private(set) var version = RowVersion.none

    package init() {}

    /// As it was found by a writer: perhaps a stub.
    package private(set) var seen = SeenVersion(row: UnsafeRawBufferPointer(start: nil, count: 0), isSpilled: false)

    /// The newest version, whoever sees it.
    mutating func assign(_ source: UnsafeRawBufferPointer, isSpilled: Bool) {
        payload.assign(source)
        row = UnsafeRawBufferPointer(rebasing: payload.bytes[RowHeader.byteCount...])
        seen = SeenVersion(row: row, isSpilled: isSpilled)
        version = RowVersion(undo: RowHeader.undo(payload.bytes.baseAddress.unsafelyUnwrapped))
    }
}

/// What became of the row's newest version, seen from a transaction that wants to change it.
enum VersionState {
    /// By another transaction that has not ended.
    case inDoubt(UInt64)
    case own
    /// 0: visible to everybody.
    case committed(UInt64)
}

extension VersionedTree {
    @inline(__always)
    func state(_ writer: UInt64, _ transaction: Transaction) -> VersionState {
        if !RowHeader.isInDoubt(writer) { return .committed(writer & RowHeader.writerMask) }
        let id = writer & RowHeader.writerMask
        if id == transaction.id.rawValue { return .own }
        return foreignState(id)
    }

    private func foreignState(_ id: UInt64) -> VersionState {
        let slot = manager.slots.slot(of: id)
        if slot.pointee.id.load(ordering: .acquiring) != id { return .committed(0) }
        let commit = slot.pointee.commitLSN.load(ordering: .acquiring)
        if slot.pointee.id.load(ordering: .acquiring) != id { return .committed(0) }
        // Committed but not yet durable is in doubt still: what it wrote may be lost in a crash.
        if commit != 0 && commit <= manager.log.durableLSN.rawValue { return .committed(commit) }
        return .inDoubt(id)
    }

    /// The header's writer with what is known of it put in: spares readers of the undo record the slot.
    @inline(__always)
    func resolved(_ writer: UInt64, _ state: VersionState) -> UInt64 {
        if case .committed(let commit) = state { return writer & RowHeader.tombstone | commit }
        return writer
    }
}
