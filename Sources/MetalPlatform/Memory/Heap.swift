// The malloc family for Swift's objects: size classes in chunks of 64 KiB, a list of free objects per core and class, and
// whole frames for what is larger (after Bonwick's slabs, USENIX 1994, with his magazines of 2001 as per-core lists).
//
// An object's class is found through the word of its frame, so objects carry no header. Objects of a class whose size is a
// power of two are aligned to it. Chunks stay with their class.

import CMetal
import Platform

struct Heap: ~Copyable {
    private static let chunkOrder = 4
    private static let chunkByteCount = 4096 << chunkOrder
    /// Sizes above take frames of their own.
    private static let largestSmall = 8192
    static let maxCores = 64

    struct List: BitwiseCopyable {
        /// First free object, whose first word links to the next; 0 is none.
        var head: UInt = 0
        var count = 0
    }

    private let guardLock = SpinLock()
    /// Free objects of all cores, by class.
    private let shared: UnsafeMutablePointer<List>
    /// `sizeClassCount` lists for each core.
    private let lists: UnsafeMutablePointer<List>

    /// 16 to 128 by 16, then four classes for each doubling to 8192.
    static let sizeClassCount = 8 + 4 * 6

    static func sizeClass(_ byteCount: Int) -> Int {
        if byteCount <= 128 { return (max(byteCount, 1) - 1) / 16 }
        let top = Int.bitWidth - 1 - (byteCount - 1).leadingZeroBitCount
        return 8 + (top - 7) * 4 + ((byteCount - 1) >> (top - 2)) & 3
    }

    static func byteCount(_ sizeClass: Int) -> Int {
        if sizeClass < 8 { return (sizeClass + 1) * 16 }
        let step = sizeClass - 8
        return (5 + step & 3) << (step / 4 + 5)
    }

    /// `memory` is zeroed and holds `memoryByteCount` bytes.
    init(memory: UnsafeMutableRawPointer) {
        shared = memory.bindMemory(to: List.self, capacity: Self.sizeClassCount * (Self.maxCores + 1))
        lists = shared + Self.sizeClassCount
    }
    static var memoryByteCount: Int { MemoryLayout<List>.stride * sizeClassCount * (maxCores + 1) }

    /// Nil if there is no memory. `alignment` is a power of two.
    mutating func allocate(_ byteCount: Int, alignment: Int, _ frames: UnsafeMutablePointer<Frames>) -> UInt? {
        var size = byteCount
        if alignment > 16 { size = Self.powerOfTwo(from: max(size, alignment)) }
        if size > Self.largestSmall || alignment > 4096 { return allocateLarge(size, alignment, frames) }
        let sizeClass = Self.sizeClass(size)
        let list = lists + Int(dbk_core_number_get()) * Self.sizeClassCount + sizeClass
        if list.pointee.head == 0 && !refill(list, sizeClass, frames) { return nil }
        let object = list.pointee.head
        list.pointee.head = UnsafePointer<UInt>(bitPattern: object).unsafelyUnwrapped.pointee
        list.pointee.count -= 1
        return object
    }

    mutating func free(_ object: UInt, _ frames: UnsafeMutablePointer<Frames>) {
        let word = frames.pointee.word(object)
        switch word & 0xff {
        case FrameKind.slab:
            let sizeClass = Int(word >> 8 & 0xff)
            let list = lists + Int(dbk_core_number_get()) * Self.sizeClassCount + sizeClass
            UnsafeMutablePointer<UInt>(bitPattern: object).unsafelyUnwrapped.pointee = list.pointee.head
            list.pointee.head = object
            list.pointee.count += 1
            let batch = Self.batch(sizeClass)
            if list.pointee.count > 2 * batch { spill(list, sizeClass, batch) }
        case FrameKind.large:
            frames.pointee.freeRun(object, Int(word >> 16))
        default:
            preconditionFailure("free of an address that is no heap object")
        }
    }

    /// Bytes that the object can hold.
    func capacity(_ object: UInt, _ frames: UnsafeMutablePointer<Frames>) -> Int {
        let word = frames.pointee.word(object)
        return word & 0xff == FrameKind.slab ? Self.byteCount(Int(word >> 8 & 0xff)) : Int(word >> 16) * 4096
    }

    private mutating func allocateLarge(_ byteCount: Int, _ alignment: Int, _ frames: UnsafeMutablePointer<Frames>)
        -> UInt?
    {
        // A run is aligned to the power of two that covers it; a stricter alignment takes a longer run.
        let (padded, overflow) = max(byteCount, alignment).addingReportingOverflow(4095)
        if overflow { return nil }
        let count = padded / 4096
        guard let base = frames.pointee.allocateRun(count) else { return nil }
        frames.pointee.setWord(base, FrameKind.large | UInt64(count) << 16)
        return base
    }

    /// Objects that move between a core and the shared list at a time: about a page's worth, at least 4.
    private static func batch(_ sizeClass: Int) -> Int { max(4, min(64, 8192 / byteCount(sizeClass))) }

    private mutating func refill(
        _ list: UnsafeMutablePointer<List>, _ sizeClass: Int, _ frames: UnsafeMutablePointer<Frames>
    ) -> Bool {
        guardLock.lock()
        defer { guardLock.unlock() }
        let common = shared + sizeClass
        if common.pointee.head == 0 && !carve(common, sizeClass, frames) { return false }
        move(Self.batch(sizeClass), from: common, to: list)
        return true
    }

    private mutating func spill(_ list: UnsafeMutablePointer<List>, _ sizeClass: Int, _ count: Int) {
        guardLock.lock()
        move(count, from: list, to: shared + sizeClass)
        guardLock.unlock()
    }

    private func move(_ count: Int, from: UnsafeMutablePointer<List>, to: UnsafeMutablePointer<List>) {
        var left = count
        while left > 0 && from.pointee.head != 0 {
            let object = UnsafeMutablePointer<UInt>(bitPattern: from.pointee.head).unsafelyUnwrapped
            from.pointee.head = object.pointee
            object.pointee = to.pointee.head
            to.pointee.head = UInt(bitPattern: object)
            from.pointee.count -= 1
            to.pointee.count += 1
            left -= 1
        }
    }

    /// Makes a chunk into free objects.
    private func carve(
        _ list: UnsafeMutablePointer<List>, _ sizeClass: Int, _ frames: UnsafeMutablePointer<Frames>
    ) -> Bool {
        guard let chunk = frames.pointee.allocate(order: Self.chunkOrder) else { return false }
        for frame in 0..<UInt(1 << Self.chunkOrder) {
            frames.pointee.setWord(chunk + frame * Frames.byteCount, FrameKind.slab | UInt64(sizeClass) << 8)
        }
        let size = Self.byteCount(sizeClass)
        var offset = Self.chunkByteCount / size * size
        while offset > 0 {
            offset -= size
            let object = UnsafeMutablePointer<UInt>(bitPattern: chunk + UInt(offset)).unsafelyUnwrapped
            object.pointee = list.pointee.head
            list.pointee.head = UInt(bitPattern: object)
            list.pointee.count += 1
        }
        return true
    }

    private static func powerOfTwo(from value: Int) -> Int {
        value <= 1 ? 1 : 1 << (Int.bitWidth - (value - 1).leadingZeroBitCount)
    }
}
