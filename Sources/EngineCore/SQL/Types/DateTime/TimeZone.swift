// Session time zones.

package struct TimeZone: Sendable {
    /// As SHOW TimeZone prints it.
    package let name: [UInt8]
    let offset: Int32
    package static var utc: TimeZone { TimeZone(name: Array("UTC".utf8), offset: 0) }
}
