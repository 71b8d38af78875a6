// The root of everything on the device: four copies of one 4 KiB block, at pages 0 to 3, little-endian.
//
//    0  checksum u32     CRC32C of bytes 8..<4096, so equal copies have equal checksums
//    4  copy u32         which of the four: tells a misdirected copy
//    8  magic u64        "DBKERNEL"
//   16  version u32, page size u32
//   24  sequence u64     one more with every update
//   32  parent u32       checksum of the superblock that this one followed
//   36  flags u32        bit 0: clean shutdown
//   40  uuid             16 bytes, made when the device was formatted
//   56  boot count u64   one more with every open
//   64  layout           7 × u64, see DiskLayout
//  120  checkpoint       LSN, redo LSN, undo LSN: 3 × u64
//  144  roots            8 × u64: for the floors above (catalog tree, …)
//  208  checkpoint       analysis LSN, table LSN: 2 × u64
//  224  zeros
//
// Bytes 0 to 24 mean the same in every version, so that an unknown version can be told from damage.

import CPrimitives
import Platform

package struct Superblock: Equatable, Sendable {
    package var sequence: UInt64 = 0
    package var parentChecksum: UInt32 = 0
    /// The engine stopped in order: nothing to redo or undo after the checkpoint.
    package var isCleanShutdown = false
    package var uuidHigh: UInt64
    package var uuidLow: UInt64
    /// How often the device was opened. Persisted before anything derived from it is used.
    package var bootCount: UInt64 = 0
    package var layout: DiskLayout
    package var checkpoint = Checkpoint()
    package var roots: Roots = Roots()

    package static let copyCount = 4
    package static let formatVersion: UInt32 = 2
    /// "DBKERNEL" read as little-endian.
    package static let magic: UInt64 = 0x4c45_4e52_454b_4244

    package init(uuidHigh: UInt64, uuidLow: UInt64, layout: DiskLayout) {
        self.uuidHigh = uuidHigh
        self.uuidLow = uuidLow
        self.layout = layout
    }

    /// Where recovery begins.
    package struct Checkpoint: Equatable, Sendable {
        /// The log was durable up to here: it must be readable that far. Zero before the first checkpoint.
        package var checkpointLSN = LSN.zero
        /// Redo scans the log from here: no page on the device lacks a change of an earlier record.
        package var redoLSN = LSN.zero
        /// Every transaction that was running has its first record at or after this.
        package var undoLSN = LSN.zero
        /// Recovery reads the log from here, and the zone holds it from here on. Zero: from the lesser of the two above.
        package var analysisLSN = LSN.zero
        /// The log record that says which transactions were running at `analysisLSN`, and where the blocks before it lie that
        /// hold what these have to undo. Zero: none was running, and there are no such blocks.
        package var tableLSN = LSN.zero
        package init(
            checkpointLSN: LSN = .zero, redoLSN: LSN = .zero, undoLSN: LSN = .zero, analysisLSN: LSN = .zero,
            tableLSN: LSN = .zero
        ) {
            self.checkpointLSN = checkpointLSN
            self.redoLSN = redoLSN
            self.undoLSN = undoLSN
            self.analysisLSN = analysisLSN
            self.tableLSN = tableLSN
        }

        /// Recovery looks only at what was durable.
        package var isConsistent: Bool {
            max(redoLSN, undoLSN) <= checkpointLSN && max(analysisLSN, tableLSN) <= checkpointLSN
        }

        /// Where reading the log begins.
        package var startLSN: LSN { tableLSN == .zero ? max(analysisLSN, min(redoLSN, undoLSN)) : analysisLSN }
    }

    /// Eight numbers for the floors above: root pages, counters. What each slot means is theirs.
    package struct Roots: Equatable, Sendable {
        private var values: InlineArray<8, UInt64> = .init(repeating: 0)
        package static let count = 8
        package init() {}
        package subscript(index: Int) -> UInt64 {
            get { values[index] }
            set { values[index] = newValue }
        }
        package static func == (a: Roots, b: Roots) -> Bool {
            for index in 0..<count where a[index] != b[index] { return false }
            return true
        }
    }

    /// Seed of this device's page checksums.
    package var pageChecksum: PageChecksum {
        var words: (UInt64, UInt64) = (uuidHigh.littleEndian, uuidLow.littleEndian)
        return PageChecksum(seed: withUnsafeBytes(of: &words) { dbk_crc32c(0, $0.baseAddress, $0.count) })
    }

    // MARK: Bytes

    /// Fills a 4 KiB block with copy number `copy`; returns its checksum.
    @discardableResult
    package func encode(into block: UnsafeMutableRawPointer, copy: Int) -> UInt32 {
        assert(copy >= 0 && copy < Self.copyCount)
        assert(layout.isConsistent)
        block.initializeMemory(as: UInt8.self, repeating: 0, count: pageSize)
        block.setLittle(4, UInt32(copy))
        block.setLittle(8, Self.magic)
        block.setLittle(16, Self.formatVersion)
        block.setLittle(20, UInt32(pageSize))
        block.setLittle(24, sequence)
        block.setLittle(32, parentChecksum)
        block.setLittle(36, UInt32(isCleanShutdown ? 1 : 0))
        block.setLittle(40, uuidHigh)
        block.setLittle(48, uuidLow)
        block.setLittle(56, bootCount)
        block.setLittle(64, layout.deviceByteCount)
        block.setLittle(72, layout.walFirstPage)
        block.setLittle(80, layout.walPageCount)
        block.setLittle(88, layout.doubleWriteFirstPage)
        block.setLittle(96, layout.doubleWritePageCount)
        block.setLittle(104, layout.dataFirstPage)
        block.setLittle(112, layout.extentCount)
        block.setLittle(120, checkpoint.checkpointLSN.rawValue)
        block.setLittle(128, checkpoint.redoLSN.rawValue)
        block.setLittle(136, checkpoint.undoLSN.rawValue)
        for index in 0..<Roots.count { block.setLittle(144 + index * 8, roots[index]) }
        block.setLittle(208, checkpoint.analysisLSN.rawValue)
        block.setLittle(216, checkpoint.tableLSN.rawValue)
        let checksum = Self.checksum(block)
        block.setLittle(0, checksum)
        return checksum
    }

    /// Reads a block whose checksum, magic and version were found right.
    init(decoding block: UnsafeRawPointer) {
        sequence = block.little(24, as: UInt64.self)
        parentChecksum = block.little(32, as: UInt32.self)
        isCleanShutdown = block.little(36, as: UInt32.self) & 1 != 0
        uuidHigh = block.little(40, as: UInt64.self)
        uuidLow = block.little(48, as: UInt64.self)
        bootCount = block.little(56, as: UInt64.self)
        layout = DiskLayout(
            deviceByteCount: block.little(64, as: UInt64.self), walFirstPage: block.little(72, as: UInt64.self),
            walPageCount: block.little(80, as: UInt64.self), doubleWriteFirstPage: block.little(88, as: UInt64.self),
            doubleWritePageCount: block.little(96, as: UInt64.self), dataFirstPage: block.little(104, as: UInt64.self),
            extentCount: block.little(112, as: UInt64.self))
        checkpoint = Checkpoint(
            checkpointLSN: LSN(block.little(120, as: UInt64.self)), redoLSN: LSN(block.little(128, as: UInt64.self)),
            undoLSN: LSN(block.little(136, as: UInt64.self)), analysisLSN: LSN(block.little(208, as: UInt64.self)),
            tableLSN: LSN(block.little(216, as: UInt64.self)))
        for index in 0..<Roots.count { roots[index] = block.little(144 + index * 8, as: UInt64.self) }
    }

    static func checksum(_ block: UnsafeRawPointer) -> UInt32 { dbk_crc32c(0, block + 8, pageSize - 8) }
}
