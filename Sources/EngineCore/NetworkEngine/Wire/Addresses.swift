// Addresses of the link and of the network, as integers in host order.

import Platform

/// An Ethernet address (IEEE 802): the first byte on the wire is the most significant of the low 48 bits.
package struct MACAddress: RawRepresentable, BitwiseCopyable, Sendable {
    package var rawValue: UInt64
    @inline(__always) package init(rawValue: UInt64) { self.rawValue = rawValue & 0xffff_ffff_ffff }
    package static let broadcast = MACAddress(rawValue: 0xffff_ffff_ffff)
    package static let none = MACAddress(rawValue: 0)
    /// Broadcast and multicast.
    @inline(__always) package var isGroup: Bool { rawValue >> 40 & 1 != 0 }
    @inline(__always) package static func == (a: MACAddress, b: MACAddress) -> Bool { a.rawValue == b.rawValue }
    @inline(__always) package static func != (a: MACAddress, b: MACAddress) -> Bool { a.rawValue != b.rawValue }

    @inline(__always) package static func load(_ base: UnsafeRawPointer) -> MACAddress {
        MACAddress(rawValue: UInt64(base.big(0, as: UInt16.self)) << 32 | UInt64(base.big(2, as: UInt32.self)))
    }
    @inline(__always) func store(_ base: UnsafeMutableRawPointer) {
        base.setBig(0, UInt16(truncatingIfNeeded: rawValue >> 32))
        base.setBig(2, UInt32(truncatingIfNeeded: rawValue))
    }
}

package struct IPv4Address: RawRepresentable, BitwiseCopyable, Sendable {
    package var rawValue: UInt32
    @inline(__always) package init(rawValue: UInt32) { self.rawValue = rawValue }
    @inline(__always) package init(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8) {
        rawValue = UInt32(a) << 24 | UInt32(b) << 16 | UInt32(c) << 8 | UInt32(d)
    }
    package static let any = IPv4Address(rawValue: 0)
    package static let broadcast = IPv4Address(rawValue: UInt32.max)
    @inline(__always) package var isLoopback: Bool { rawValue >> 24 == 127 }
    /// Class D and E, and the network "this": never a host's address.
    @inline(__always) package var isNoHost: Bool { rawValue >> 28 >= 14 || rawValue >> 24 == 0 }
    @inline(__always) package static func == (a: IPv4Address, b: IPv4Address) -> Bool { a.rawValue == b.rawValue }
    @inline(__always) package static func != (a: IPv4Address, b: IPv4Address) -> Bool { a.rawValue != b.rawValue }

    package var text: String {
        "\(rawValue >> 24).\(rawValue >> 16 & 255).\(rawValue >> 8 & 255).\(rawValue & 255)"
    }

    /// A dotted quad in decimal; nil for anything else.
    package init?<Bytes: Collection>(_ text: Bytes) where Bytes.Element == UInt8 {
        var value: UInt32 = 0
        var part = -1
        var parts = 0
        for byte in text {
            if byte == UInt8(ascii: ".") {
                if part < 0 || parts == 3 { return nil }
                value = value << 8 | UInt32(part)
                part = -1
                parts += 1
            } else {
                guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9"), part != 0 else { return nil }
                part = max(part, 0) * 10 + Int(byte - UInt8(ascii: "0"))
                if part > 255 { return nil }
            }
        }
        if part < 0 || parts != 3 { return nil }
        rawValue = value << 8 | UInt32(part)
    }
}

/// An address with a port, as `A.B.C.D:PORT`.
package struct IPv4Endpoint: BitwiseCopyable, Sendable {
    package var address: IPv4Address
    package var port: UInt16
    package init(_ address: IPv4Address, _ port: UInt16) {
        self.address = address
        self.port = port
    }

    /// Nil if the text is nothing of the kind.
    package init?(_ text: [UInt8]) {
        guard let colon = text.lastIndex(of: UInt8(ascii: ":")), let address = IPv4Address(text[..<colon]) else {
            return nil
        }
        let digits = text[(colon + 1)...]
        if digits.isEmpty || digits.count > 5 { return nil }
        var port = 0
        for digit in digits {
            guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { return nil }
            port = port * 10 + Int(digit - UInt8(ascii: "0"))
        }
        if port > 65535 { return nil }
        self.address = address
        self.port = UInt16(port)
    }

    package var text: String { "\(address.text):\(port)" }
}
