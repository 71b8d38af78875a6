// SERIALIZABLE on top of snapshots, by precision locking (Jordan, Banerjee, Batman 1981; Neumann et al., SIGMOD 2015): a
// transaction notes the key ranges that its results depend on, and at commit they are held against the keys written by the
// serializable transactions that committed since its snapshot. No conflict: its reads would have been the same at its
// commit, so it is as if it ran whole at that moment, and the transactions that write are serialisable in commit order.
// One that only reads sees a prefix of that order and is not checked. Ranges are intensional, so phantoms fall out of it.
//
// The keys written are read straight from the committed transactions' undo records: they exist as long as a snapshot older
// than the commit is registered, and only such a transaction asks.
//
// Validation and the commit record happen under one mutex, so no two transactions overlook each other.

import BTree
import Fibers
import Platform

/// One range of keys of one tree, in the transaction's predicate memory.
struct ReadRange: BitwiseCopyable {
    var tree: UInt
    var lower: UnsafeRawBufferPointer
    /// Exclusive; empty for no bound; of a point, nil.
    var upper: UnsafeRawBufferPointer?

    @inline(__always) func contains(_ key: UnsafeRawBufferPointer) -> Bool {
        guard let upper else { return compare(lower, key) == 0 }
        return compare(lower, key) <= 0 && (upper.count == 0 || compare(key, upper) < 0)
    }
}

/// Bytewise order.
@inline(__always) func compare(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
    TreeKey(a).compare(TreeKey(b))
}

/// What a serializable transaction has read. Bounded: when it has noted too much, it forgets the ranges and remembers the
/// trees as wholes, which can only abort more.
struct ReadPredicates {
    private var ranges: UnsafeMutablePointer<ReadRange>?
    private(set) var count = 0
    private var memory: UnsafeMutableRawPointer?
    private var used = 0
    private var isCoarse = false

    static let rangeLimit = 4096
    static let byteLimit = 256 << 10

    /// Trees are told apart by address.
    mutating func add(_ tree: VersionedTree, point key: UnsafeRawBufferPointer) {
        add(UInt(bitPattern: Unmanaged.passUnretained(tree).toOpaque()), key, nil)
    }
    mutating func add(_ tree: VersionedTree, _ lower: UnsafeRawBufferPointer, _ upper: UnsafeRawBufferPointer) {
        add(UInt(bitPattern: Unmanaged.passUnretained(tree).toOpaque()), lower, upper)
    }

    private mutating func add(_ tree: UInt, _ lower: UnsafeRawBufferPointer, _ upper: UnsafeRawBufferPointer?) {
        if memory == nil {
            memory = .allocate(byteCount: Self.byteLimit, alignment: 16)
            ranges = .allocate(capacity: Self.rangeLimit)
        }
        if isCoarse { return addWhole(tree) }
        if count > 0, let ranges {
            let last = ranges[count - 1]
            if last.tree == tree && compare(last.lower, lower) == 0 {
                if upper == nil && last.upper == nil { return }
                if let upper, let before = last.upper, compare(upper, before) == 0 { return }
            }
        }
        if count == Self.rangeLimit || used + lower.count + (upper?.count ?? 0) > Self.byteLimit {
            coarsen()
            return addWhole(tree)
        }
        ranges.unsafelyUnwrapped[count] = ReadRange(tree: tree, lower: keep(lower), upper: upper.map { keep($0) })
        count += 1
    }

    private mutating func keep(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        let at = memory.unsafelyUnwrapped + used
        if let source = bytes.baseAddress { at.copyMemory(from: source, byteCount: bytes.count) }
        used += bytes.count
        return UnsafeRawBufferPointer(start: at, count: bytes.count)
    }

    private mutating func addWhole(_ tree: UInt) {
        let ranges = ranges.unsafelyUnwrapped
        for index in 0..<count where ranges[index].tree == tree { return }
        // More trees than fit: a range of tree 0 stands for everything.
        let nothing = UnsafeRawBufferPointer(start: memory, count: 0)
        let isFull = count == Self.rangeLimit
        ranges[isFull ? 0 : count] = ReadRange(tree: isFull ? 0 : tree, lower: nothing, upper: nothing)
        if !isFull { count += 1 }
    }

    private mutating func coarsen() {
        isCoarse = true
        let old = count
        count = 0
        let ranges = ranges.unsafelyUnwrapped
        for index in 0..<old { addWhole(ranges[index].tree) }
        used = 0
    }

    /// True if a key written in a tree was read, or its absence was.
    func contains(_ tree: UInt, _ key: UnsafeRawBufferPointer) -> Bool {
        guard let ranges else { return false }
        for index in 0..<count where ranges[index].tree == tree || ranges[index].tree == 0 {
            if ranges[index].tree == 0 || ranges[index].contains(key) { return true }
        }
        return false
    }

    /// True if what the change wrote was read, or its absence was.
    func contains(_ record: UndoRecord) -> Bool {
        if record.action != .insertRun { return contains(record.tree, record.key) }
        if count == 0 { return false }
        for index in 0..<record.runCount {
            var key = (record.firstRowID + UInt64(index)).bigEndian
            if withUnsafeBytes(of: &key, { contains(record.tree, $0) }) { return true }
        }
        return false
    }

    mutating func reset() {
        count = 0
        used = 0
        isCoarse = false
    }

    /// Gives the memory back; at the end of the session.
    mutating func deallocate() {
        memory?.deallocate()
        ranges?.deallocate()
        memory = nil
        ranges = nil
    }
}

final class SerializableValidation: @unchecked Sendable {
    private let mutex = FiberMutex()
    /// Committed serializable transactions, in commit order: end LSN and newest undo record.
    private var committed: [(end: UInt64, newestUndo: UInt64)] = []
    private var first = 0

    static var failure: EngineError {
        EngineError(
            .serializationFailure,
            "could not serialize access due to read/write dependencies among transactions",
            detail: "Reason code: Canceled on commit, because what the transaction read has changed.",
            hint: "The transaction might succeed if retried.")
    }

    /// Validates, then appends the commit record by `append`, which returns its end LSN and does not park.
    func commit(_ transaction: Transaction, append: () -> UInt64) throws(EngineError) -> UInt64 {
        mutex.lock()
        defer { mutex.unlock() }
        prune(transaction.manager)
        var copy = UndoCopy()
        for index in first..<committed.count where committed[index].end > transaction.firstSnapshot {
            var undo = committed[index].newestUndo
            while undo != 0 {
                let record = try transaction.manager.undoArea.record(undo, &copy)
                let isRead = transaction.predicates.contains(record)
                if isRead && !Mutation.isActive(.writeSkewAllowed) { throw Self.failure }
                undo = record.previous
            }
        }
        let end = append()
        committed.append((end, transaction.newestUndo))
        return end
    }

    /// Drops those that every snapshot sees; their undo memory may be gone.
    private func prune(_ manager: TransactionManager) {
        let horizon = manager.horizon()
        while first < committed.count && committed[first].end <= horizon { first += 1 }
        if first > 1024 && first * 2 > committed.count {
            committed.removeFirst(first)
            first = 0
        }
    }

    func forget(_ transaction: Transaction) { transaction.predicates.reset() }
}
