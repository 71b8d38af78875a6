// The binary COPY format (PostgreSQL 15 manual, COPY, "Binary Format"): an 11-byte signature, flags, a header extension,
// then tuples of length-prefixed fields, and -1 as the end.

import Platform
import QueryExec
import SQL
import SQLTypes

enum CopyBinary {
    static let signature: [UInt8] = [0x50, 0x47, 0x43, 0x4F, 0x50, 0x59, 0x0A, 0xFF, 0x0D, 0x0A, 0x00]
}

/// Reads tuples from pieces cut anywhere: what is not whole yet is carried over.
final class CopyBinaryReader {
    private let plan: CopyPlan
    private let batch: CopyBatch
    private let evaluation: EvaluationContext
    private var carry: [UInt8] = []
    private var hasHeader = false
    private var isAtEnd = false

    init(_ plan: CopyPlan, _ target: CopyTarget, _ evaluation: EvaluationContext) {
        self.plan = plan
        self.evaluation = evaluation
        batch = CopyBatch(plan, target)
    }

    func feed(_ piece: UnsafeRawBufferPointer) throws(EngineError) {
        if carry.isEmpty {
            let used = try consume(piece)
            carry.append(contentsOf: UnsafeRawBufferPointer(rebasing: piece[used...]))
            return
        }
        carry.append(contentsOf: piece)
        let whole = carry
        let used = try whole.withBytes { (raw) throws(EngineError) in try consume(raw) }
        carry.removeFirst(used)
    }

    func finish() throws(EngineError) {
        guard isAtEnd else { throw EngineError(.badCopyFileFormat, "unexpected EOF in COPY data") }
        try batch.flush()
    }

    /// Reads whole tuples; returns the bytes used up.
    private func consume(_ bytes: UnsafeRawBufferPointer) throws(EngineError) -> Int {
        var position = 0
        if !hasHeader {
            guard let used = try header(bytes) else { return 0 }
            position = used
            hasHeader = true
        }
        while !isAtEnd, let used = try tuple(bytes, from: position) { position = used }
        if isAtEnd, position < bytes.count {
            throw EngineError(.badCopyFileFormat, "received copy data after EOF marker")
        }
        return position
    }

    private func header(_ bytes: UnsafeRawBufferPointer) throws(EngineError) -> Int? {
        guard bytes.count >= 19, let base = bytes.baseAddress else { return nil }
        for index in 0..<11 where bytes[index] != CopyBinary.signature[index] {
            throw EngineError(.badCopyFileFormat, "COPY file signature not recognized")
        }
        let flags = base.big(11, as: UInt32.self)
        guard flags & 0xFFFF_0000 == 0 else {
            throw EngineError(.badCopyFileFormat, "unrecognized critical flags in COPY file header")
        }
        let extra = Int(base.big(15, as: Int32.self))
        guard extra >= 0, extra <= 1 << 20 else {
            throw EngineError(.badCopyFileFormat, "invalid COPY file header (wrong length)")
        }
        return bytes.count >= 19 + extra ? 19 + extra : nil
    }

    /// One tuple from `start`: the position behind it, nil if it is not whole. Nothing is stored of one that is not.
    private func tuple(_ bytes: UnsafeRawBufferPointer, from start: Int) throws(EngineError) -> Int? {
        guard bytes.count - start >= 2, let base = bytes.baseAddress else { return nil }
        let count = Int(base.big(start, as: Int16.self))
        if count == -1 {
            isAtEnd = true
            return start + 2
        }
        guard count == plan.columns.count else {
            throw EngineError(
                .badCopyFileFormat, "row field count is \(count), expected \(plan.columns.count)")
        }
        guard isWhole(bytes, start + 2, count) else { return nil }
        var position = start + 2
        for column in 0..<count {
            let length = Int(base.big(position, as: Int32.self))
            position += 4
            if length == -1 {
                batch.vectors[column].setNull(batch.row)
                continue
            }
            guard length >= 0 else { throw EngineError(.badCopyFileFormat, "invalid field size") }
            let field = UnsafeRawBufferPointer(rebasing: bytes[position..<position + length])
            try batch.vectors[column].setDatum(
                batch.row, try TypeIO.receive(field, plan.columns[column].type, evaluation))
            position += length
        }
        try batch.endRow()
        return position
    }

    private func isWhole(_ bytes: UnsafeRawBufferPointer, _ start: Int, _ count: Int) -> Bool {
        var position = start
        for _ in 0..<count {
            guard bytes.count - position >= 4, let base = bytes.baseAddress else { return false }
            position += 4 + max(0, Int(base.big(position, as: Int32.self)))
            guard position <= bytes.count else { return false }
        }
        return true
    }
}
