// What the platform asks of a disk's driver. One queue for each core, used by that core alone.

import CMetal
import Platform

protocol BlockDriver: AnyObject {
    var geometry: BlockGeometry { get }
    /// A line for the console.
    var summary: String { get }
    /// What the device says of its own state, line by line; may take milliseconds.
    func health() -> [String]
    /// False, having done nothing, if there is no room for all of it.
    func queue(
        _ core: CoreIndex, _ operation: BlockOperation, _ vectors: UnsafeMutableBufferPointer<IOVector>, offset: UInt64,
        tag: Tag
    ) -> Bool
    /// Hands what is queued to the device, with one doorbell.
    func submit(_ core: CoreIndex)
    /// Moves completions; `now` is for the commands' time limits.
    func poll(_ core: CoreIndex, into events: UnsafeMutableBufferPointer<CompletionEvent>, now: Nanoseconds) -> Int
    /// True if `poll` would find something.
    func hasCompletions(_ core: CoreIndex) -> Bool
    /// True while the device owes this core something.
    func isWaiting(_ core: CoreIndex) -> Bool
    /// False if the device cannot end a halt of the core: then the core looks again after a while.
    func canInterrupt(_ core: CoreIndex) -> Bool
}

/// The physical address of a byte, bringing memory if it lies in a reserved range that has none there yet; nil if there is
/// none to be had.
@inline(__always) func physicalAddress(_ pointer: UnsafeMutableRawPointer) -> PhysicalAddress? {
    let address = UInt(bitPattern: pointer)
    if address < reservedBase { return address }
    return machine.space.unsafelyUnwrapped.pointee.materialise(address, core: Int(dbk_core_number_get()))
}

/// Brings memory to all pages of a vector; false if there is none. A driver asks before it queues the first command of a
/// request, since a request half queued could not be taken back.
func isBacked(_ vector: IOVector) -> Bool {
    var at = UInt(bitPattern: vector.base)
    if at < reservedBase { return true }
    let end = at + UInt(vector.byteCount)
    while at < end {
        guard let pointer = UnsafeMutableRawPointer(bitPattern: at), physicalAddress(pointer) != nil else {
            return false
        }
        at = at & ~4095 + 4096
    }
    return true
}
