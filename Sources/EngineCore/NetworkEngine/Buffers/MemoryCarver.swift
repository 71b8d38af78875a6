// Cuts one piece of memory into the stack's tables. Run once without memory it only counts, so that size and layout cannot
// disagree.

struct MemoryCarver {
    private let base: UnsafeMutableRawPointer?
    private(set) var byteCount = 0

    /// Without `base`, counts.
    init(_ base: UnsafeMutableRawPointer?) { self.base = base }

    /// Room for `count` values, on a cache line of its own; not initialised. Counting, an address that must not be touched.
    mutating func take<T: ~Copyable>(_ type: T.Type, _ count: Int) -> UnsafeMutablePointer<T> {
        takeBytes(count * MemoryLayout<T>.stride).assumingMemoryBound(to: type)
    }

    mutating func takeBytes(_ count: Int, alignment: Int = 64) -> UnsafeMutableRawPointer {
        byteCount = (byteCount + alignment - 1) & ~(alignment - 1)
        let offset = byteCount
        byteCount += count
        guard let base else { return UnsafeMutableRawPointer(bitPattern: 64).unsafelyUnwrapped }
        return base + offset
    }
}
