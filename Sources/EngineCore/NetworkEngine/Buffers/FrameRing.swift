// Frames on their way out, in order: filled by the stack, handed to the driver, freed when the device is done with them. Their
// memory stays where it is, so a driver can point descriptors at it.
//
// Invariant: freed <= handed <= filled <= freed + capacity, counted since the start.

struct FrameRing {
    /// In front of every frame; the driver's, for a header of the device such as virtio's.
    static let headroomByteCount = 64

    private let base: UnsafeMutableRawPointer
    private let lengths: UnsafeMutablePointer<UInt32>
    private let slotByteCount: Int
    private let mask: Int
    private(set) var filled = 0
    private(set) var handed = 0
    private(set) var freed = 0

    private static let checksumBit: UInt32 = 1 << 31

    /// `capacity` is a power of two.
    init(_ carver: inout MemoryCarver, capacity: Int, frameByteCount: Int) {
        slotByteCount = (Self.headroomByteCount + frameByteCount + 63) & ~63
        mask = capacity - 1
        base = carver.takeBytes(slotByteCount * capacity, alignment: 4096)
        lengths = carver.take(UInt32.self, capacity)
    }

    @inline(__always) var room: Int { mask &+ 1 &- (filled &- freed) }
    @inline(__always) var pendingCount: Int { filled &- handed }
    @inline(__always) var inFlightCount: Int { handed &- freed }

    @inline(__always) private func frame(_ index: Int) -> UnsafeMutableRawPointer {
        base + (index & mask) * slotByteCount + Self.headroomByteCount
    }

    /// Where the next frame is to be written; nil if the ring is full.
    @inline(__always) var next: UnsafeMutableRawPointer? { room > 0 ? frame(filled) : nil }

    /// The frame at `next` is complete.
    @inline(__always) mutating func commit(byteCount: Int, needsChecksum: Bool) {
        lengths[filled & mask] = UInt32(byteCount) | (needsChecksum ? Self.checksumBit : 0)
        filled &+= 1
    }

    /// The oldest frame that was not handed out yet.
    @inline(__always) mutating func hand() -> (base: UnsafeMutableRawPointer, byteCount: Int, needsChecksum: Bool)? {
        if handed == filled { return nil }
        let length = lengths[handed & mask]
        let result = (frame(handed), Int(length & ~Self.checksumBit), length & Self.checksumBit != 0)
        handed &+= 1
        return result
    }

    /// The `count` oldest frames that were handed out are free again.
    @inline(__always) mutating func free(_ count: Int) {
        precondition(count >= 0 && count <= handed &- freed, "a frame was freed that is not with the device")
        freed &+= count
    }
}
