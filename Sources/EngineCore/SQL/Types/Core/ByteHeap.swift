// Memory for the long strings of one vector: chunks that grow, freed or reused together when the vector is reset.

import ArenaAlloc
import Platform

package final class ByteHeap: @unchecked Sendable {
    @usableFromInline var cursor: UnsafeMutableRawPointer?
    @usableFromInline var remaining = 0
    private var chunks: [UnsafeMutableRawBufferPointer] = []
    /// What large chunks were charged to.
    private var budget: MemoryBudget?
    /// Chunks up to this size are kept for reuse.
    private static let usualByteCount = 1 << 20

    package init() {}
    deinit { for chunk in chunks { free(chunk) } }

    /// `byteCount` bytes aligned to 8, alive until `reset`. Throws 53200 when memory is out.
    @inlinable package func allocate(_ byteCount: Int) throws(EngineError) -> UnsafeMutableRawPointer {
        let rounded = (byteCount + 7) & ~7
        if rounded > remaining { try grow(rounded) }
        let start = cursor.unsafelyUnwrapped
        cursor = start + rounded
        remaining -= rounded
        return start
    }

    /// A view of a copy of `bytes`.
    @inlinable package func copy(_ bytes: UnsafeRawBufferPointer) throws(EngineError) -> ByteView {
        if bytes.count <= ByteView.inlineCapacity { return ByteView(referencing: bytes) }
        let target = try allocate(bytes.count)
        target.copyMemory(from: bytes.baseAddress.unsafelyUnwrapped, byteCount: bytes.count)
        return ByteView(referencing: UnsafeRawBufferPointer(start: target, count: bytes.count))
    }

    /// Frees everything but the last chunk, which is reused unless a long value made it large.
    package func reset() {
        guard let last = chunks.last else { return }
        for chunk in chunks.dropLast() { free(chunk) }
        if last.count > Self.usualByteCount {
            free(last)
            chunks.removeAll()
            cursor = nil
            remaining = 0
            return
        }
        if chunks.count > 1 { chunks = [last] }
        cursor = last.baseAddress
        remaining = last.count
    }

    private func free(_ chunk: UnsafeMutableRawBufferPointer) {
        ValueMemory.release(chunk.count, to: budget)
        chunk.deallocate()
    }

    @usableFromInline func grow(_ byteCount: Int) throws(EngineError) {
        guard byteCount <= ValueMemory.longestValue else {
            throw EngineError(.programLimitExceeded, "value of \(byteCount) bytes is too large")
        }
        let size = max(byteCount, min(max((chunks.last?.count ?? 2048) * 2, 4096), Self.usualByteCount))
        if chunks.isEmpty { budget = ValueMemory.budget }
        try ValueMemory.charge(size, to: budget)
        let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: size, alignment: 16)
        chunks.append(chunk)
        cursor = chunk.baseAddress
        remaining = size
    }
}
