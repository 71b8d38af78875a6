// The parts of NVM Express that the driver speaks (NVM Express Base 1.4): registers (section 3.1), entries of the queues
// (4.2, 4.6), admin commands (5), NVM commands (6).

import CMetal
import Platform

enum NVMeRegister {
    static let capabilities: UInt = 0x00
    static let version: UInt = 0x08
    static let configuration: UInt = 0x14
    static let status: UInt = 0x1c
    static let adminAttributes: UInt = 0x24
    static let adminSubmission: UInt = 0x28
    static let adminCompletion: UInt = 0x30
    static let doorbells: UInt = 0x1000
}

/// CAP.
struct NVMeCapabilities {
    let rawValue: UInt64
    var maxQueueEntries: Int { Int(rawValue & 0xffff) + 1 }
    /// Nanoseconds that enabling and disabling may take.
    var timeout: UInt64 { max(1, rawValue >> 24 & 0xff) * 500_000_000 }
    var doorbellStride: UInt { 4 << UInt(rawValue >> 32 & 0xf) }
    var supportsNVMCommands: Bool { rawValue >> 37 & 1 != 0 }
    var minPageShift: Int { 12 + Int(rawValue >> 48 & 0xf) }
    var maxPageShift: Int { 12 + Int(rawValue >> 52 & 0xf) }
}

enum NVMeAdminOpcode {
    static let createSubmissionQueue: UInt8 = 0x01
    static let getLogPage: UInt8 = 0x02
    static let createCompletionQueue: UInt8 = 0x05
    static let identify: UInt8 = 0x06
    static let abort: UInt8 = 0x08
    static let setFeatures: UInt8 = 0x09
}

enum NVMeOpcode {
    static let flush: UInt8 = 0
    static let write: UInt8 = 1
    static let read: UInt8 = 2
}

/// A completion's status field without the phase bit (4.6.1).
struct NVMeStatus: BitwiseCopyable {
    let rawValue: UInt32
    static var abortRequested: NVMeStatus { NVMeStatus(rawValue: 0x07) }

    /// Worth another try: the device does not forbid it, and the reason is none of the medium's. Aborted, submission queue
    /// deleted, command interrupted, namespace not ready.
    var isTransient: Bool {
        let forbidsRetry = rawValue & 0x4000 != 0
        return !forbidsRetry && (code == 0x07 || code == 0x08 || code == 0x21 || code == 0x82)
    }
    /// Status code type and status code.
    var code: UInt32 { rawValue & 0x7ff }
}

/// A submission queue entry, 64 bytes.
struct NVMeCommand: BitwiseCopyable {
    /// Opcode in the low byte, command identifier in the high half.
    var head: UInt32 = 0
    var namespace: UInt32 = 0
    var reserved: UInt64 = 0
    var metadata: UInt64 = 0
    var prp1: UInt64 = 0
    var prp2: UInt64 = 0
    var dword10: UInt32 = 0
    var dword11: UInt32 = 0
    var dword12: UInt32 = 0
    var dword13: UInt32 = 0
    var dword14: UInt32 = 0
    var dword15: UInt32 = 0

    init(_ opcode: UInt8, namespace: UInt32 = 0) {
        head = UInt32(opcode)
        self.namespace = namespace
    }
}

/// SMART / Health Information (5.14.1.2).
struct NVMeHealth {
    private let page: UnsafeRawPointer
    static let byteCount = 512
    init(_ page: UnsafeRawPointer) { self.page = page }

    private func count(_ offset: Int) -> UInt64 { page.little(offset, as: UInt64.self) }
    private func byte(_ offset: Int) -> UInt8 { page.load(fromByteOffset: offset, as: UInt8.self) }

    var lines: [String] {
        [
            "critical warnings 0x\(String(byte(0), radix: 16)), \(Int(page.littleUnaligned(1)) - 273) degrees, "
                + "spare \(byte(3)) % (threshold \(byte(4)) %), \(byte(5)) % used",
            // A data unit is a thousand blocks of 512 bytes.
            "read \(count(32) * 512_000 >> 20) MiB, written \(count(48) * 512_000 >> 20) MiB, \(count(64)) reads, "
                + "\(count(80)) writes",
            "\(count(112)) power cycles, \(count(128)) hours, \(count(144)) unsafe shutdowns, \(count(160)) media errors, "
                + "\(count(176)) entries in the error log",
        ]
    }
}

extension UnsafeRawPointer {
    fileprivate func littleUnaligned(_ offset: Int) -> UInt16 {
        UInt16(load(fromByteOffset: offset, as: UInt8.self)) | UInt16(load(fromByteOffset: offset + 1, as: UInt8.self))
            << 8
    }
}

/// What the driver wants to know of Identify Controller (figure 247) and Identify Namespace (figure 245).
struct NVMeIdentity {
    var model: [UInt8] = []
    /// Bytes in one command; 0 is no limit.
    var maxTransferByteCount = 0
    var hasVolatileCache = false
    var blockShift = 0
    var blockCount: UInt64 = 0
    var atomicBlockCount = 1
    var metadataByteCount = 0

    mutating func readController(_ page: UnsafeRawPointer, minPageShift: Int) {
        model = (24..<64).map { page.load(fromByteOffset: $0, as: UInt8.self) }
        while model.last == 0x20 { model.removeLast() }
        let shift = Int(page.load(fromByteOffset: 77, as: UInt8.self))
        maxTransferByteCount = shift == 0 || shift > 20 ? 0 : 1 << (shift + minPageShift)
        hasVolatileCache = page.load(fromByteOffset: 525, as: UInt8.self) & 1 != 0
        atomicBlockCount = Int(page.little(528, as: UInt16.self)) + 1
    }

    mutating func readNamespace(_ page: UnsafeRawPointer) {
        blockCount = page.little(0, as: UInt64.self)
        let format = Int(page.load(fromByteOffset: 26, as: UInt8.self) & 15)
        let description = page.little(128 + 4 * format, as: UInt32.self)
        blockShift = Int(description >> 16 & 0xff)
        metadataByteCount = Int(description & 0xffff)
        // NSFEAT bit 1: the namespace has an atomic write unit of its own.
        if page.load(fromByteOffset: 24, as: UInt8.self) & 2 != 0 {
            atomicBlockCount = Int(page.little(36, as: UInt16.self)) + 1
        }
    }
}
