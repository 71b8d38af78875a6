// Text that lives as long as the program: names from literals and from static tables.

import Platform

package struct StaticBytes: @unchecked Sendable, ExpressibleByStringLiteral {
    package let start: UnsafePointer<UInt8>
    package let count: Int

    package init(stringLiteral value: StaticString) {
        start = value.utf8Start
        count = value.utf8CodeUnitCount
    }
    /// A part of a static string.
    init(start: UnsafePointer<UInt8>, count: Int) {
        self.start = start
        self.count = count
    }
    package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: count) }
    package var array: [UInt8] { [UInt8](bytes) }
    package var string: String { String(decoding: bytes, as: UTF8.self) }
}
