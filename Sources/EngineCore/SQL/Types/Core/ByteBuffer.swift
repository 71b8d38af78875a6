// A growable run of bytes that text and binary output, keys and messages are appended to.

import ArenaAlloc
import Platform

/// Move-only, so that its memory has one owner; passed `inout`.
///
/// A buffer made with a limit stops growing at it, or when large values have used up their memory: what is appended then is
/// lost, `isOverflowing` says so, and whoever reads the buffer asks.
@usableFromInline
package struct ByteBuffer: ~Copyable {
    package private(set) var base: UnsafeMutableRawPointer
    package private(set) var count = 0
    package private(set) var capacity: Int
    /// Something did not fit. Until `removeAll` or `truncate`.
    package private(set) var isOverflowing = false
    private var isTooLong = false
    private static let alwaysGranted = 1 << 20
    private let limit: Int
    /// What was charged for a large buffer.
    private var charged = 0
    private var budget: MemoryBudget?

    package init(capacity: Int = 256, limit: Int = Int.max) {
        self.capacity = max(capacity, 16)
        self.limit = limit
        base = UnsafeMutableRawPointer.allocate(byteCount: self.capacity, alignment: 16)
    }
    // Embedded Swift wants to see the deinit of a move-only type wherever one ends.
    @inlinable deinit { release() }
    @usableFromInline func release() {
        ValueMemory.release(charged, to: budget)
        base.deallocate()
    }

    /// Errors: 54000 or 53200 if something was lost.
    package func check() throws(EngineError) {
        guard isOverflowing else { return }
        if isTooLong {
            throw EngineError(.programLimitExceeded, "a value of more than \(limit) bytes is too large")
        }
        throw EngineError(.outOfMemory, "out of memory", detail: "A value has more than \(count) bytes.")
    }

    package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }
    package var array: [UInt8] { [UInt8](bytes) }

    @inline(__always) package mutating func removeAll() {
        count = 0
        isOverflowing = false
    }
    /// Empties the buffer, and gives back the memory of a large one.
    package mutating func shrink(to byteCount: Int) {
        removeAll()
        if capacity <= byteCount { return }
        release()
        charged = 0
        capacity = byteCount
        base = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 16)
    }
    /// Cuts back to `count` bytes.
    @inline(__always) package mutating func truncate(to count: Int) {
        assert(count <= self.count)
        self.count = count
        isOverflowing = false
    }
    /// False if there is no room for as much.
    @discardableResult
    @inline(__always) package mutating func reserve(_ more: Int) -> Bool {
        count + more <= capacity || grow(more)
    }
    @inline(never) private mutating func grow(_ more: Int) -> Bool {
        if isOverflowing { return false }
        if count + more > limit {
            isOverflowing = true
            isTooLong = true
            return false
        }
        let size = min(max(capacity * 2, count + more), limit)
        if limit < Int.max {
            if budget == nil { budget = ValueMemory.budget }
            var isCharged = true
            do throws(EngineError) {
                // Old and new exist side by side while one is copied to the other.
                try ValueMemory.charge(size, to: budget)
            } catch {
                // What a client is told must not depend on what others hold.
                guard size <= Self.alwaysGranted else {
                    isOverflowing = true
                    isTooLong = false
                    return false
                }
                isCharged = false
            }
            ValueMemory.release(charged, to: budget)
            charged = isCharged ? size : 0
        }
        let larger = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
        larger.copyMemory(from: base, byteCount: count)
        base.deallocate()
        base = larger
        capacity = size
        return true
    }
    @inline(__always) package mutating func append(_ byte: UInt8) {
        guard reserve(1) else { return }
        base.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
        count += 1
    }
    @inline(__always) package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, bytes.count > 0, reserve(bytes.count) else { return }
        (base + count).copyMemory(from: source, byteCount: bytes.count)
        count += bytes.count
    }
    package mutating func append(_ bytes: [UInt8]) {
        guard reserve(bytes.count) else { return }
        for byte in bytes {
            base.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
            count += 1
        }
    }
    package mutating func append(_ text: StaticString) {
        append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }
    /// Appends in network byte order.
    @inline(__always) package mutating func appendBig<T: FixedWidthInteger & BitwiseCopyable>(_ value: T) {
        guard reserve(MemoryLayout<T>.size) else { return }
        base.setBig(count, value)
        count += MemoryLayout<T>.size
    }
    /// Overwrites bytes at `offset`, in network byte order.
    @inline(__always) package mutating func setBig<T: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, _ value: T) {
        // In a buffer that overflows there may be no such bytes.
        guard offset + MemoryLayout<T>.size <= count else { return assert(isOverflowing) }
        base.setBig(offset, value)
    }
    @inline(__always) package mutating func appendLittle<T: FixedWidthInteger & BitwiseCopyable>(_ value: T) {
        guard reserve(MemoryLayout<T>.size) else { return }
        base.setLittle(count, value)
        count += MemoryLayout<T>.size
    }
    /// Appends decimal digits, with a sign if negative.
    package mutating func append(decimal value: Int64) {
        if value < 0 { append(UInt8(ascii: "-")) }
        append(decimal: value.magnitude, width: 1)
    }
    /// Appends at least `width` decimal digits, zero-padded. Precondition: width ≤ 20.
    package mutating func append(decimal value: UInt64, width: Int) {
        guard reserve(20) else { return }
        var digits = 1
        var bound: UInt64 = 10
        while digits < 20, value >= bound {
            digits += 1
            let (next, overflow) = bound.multipliedReportingOverflow(by: 10)
            if overflow { break }
            bound = next
        }
        digits = max(digits, width)
        var rest = value
        var position = count + digits
        while position > count {
            position -= 1
            base.storeBytes(of: UInt8(0x30 + rest % 10), toByteOffset: position, as: UInt8.self)
            rest /= 10
        }
        count += digits
    }
}
