// Conversions between the character types, and from text to references.

import Platform

extension FunctionRegistry {
    func declareTextCasts() {
        for (oid, name, from, to) in [
            (406 as UInt32, "text" as StaticBytes, TypeOID.name, TypeOID.text), (1401, "varchar", .name, .varchar),
            (408, "bpchar", .name, .bpchar),
        ] {
            scalar(oid, name, [from], to, "The name as text") { (c: inout ScalarCall) throws(EngineError) in
                try c.setText(c.bytes(0))
            }
        }
        for (oid, from) in [(407 as UInt32, TypeOID.text), (1400, .varchar), (409, .bpchar)] {
            scalar(oid, "name", [from], .name, "The text as a name, at most 63 bytes") { (c: inout ScalarCall) in
                c.setReference(UTF8Text.clip(from == .bpchar ? Comparison.unpadded(c.bytes(0)) : c.bytes(0), 63))
            }
        }
        scalar(401, "text", [.bpchar], .text, "Without trailing blanks") { (c: inout ScalarCall) throws(EngineError) in
            try c.setText(Comparison.unpadded(c.bytes(0)))
        }
        scalar(946, "text", [.char], .text, "The character as text") { (c: inout ScalarCall) throws(EngineError) in
            c.frame.scratch.removeAll()
            if c.int8(0) != 0 { c.frame.scratch.append(UInt8(bitPattern: c.int8(0))) }
            try c.setText(c.frame.scratch.bytes)
        }
        scalar(860, "bpchar", [.char], .bpchar, "The character as text") { (c: inout ScalarCall) throws(EngineError) in
            c.frame.scratch.removeAll()
            if c.int8(0) != 0 { c.frame.scratch.append(UInt8(bitPattern: c.int8(0))) }
            try c.setText(c.frame.scratch.bytes)
        }
        scalar(944, "char", [.text], .char, "First byte of the text") { (c: inout ScalarCall) in
            c.set(Cell(Int8(bitPattern: c.bytes(0).first ?? 0)))
        }
        scalar(2971, "text", [.bool], .text, "true or false") { (c: inout ScalarCall) throws(EngineError) in
            try c.setText(StaticBytes(stringLiteral: c.bool(0) ? "true" : "false").bytes)
        }
        scalar(1079, "regclass", [.text], .regclass, "The relation of that name", volatility: .stable) {
            (c: inout ScalarCall) throws(EngineError) in
            c.set(try IdentifierIO.parseReference(c.bytes(0), .regclass, c.context))
        }
        for (oid, name, type) in [(668 as UInt32, "bpchar" as StaticBytes, TypeOID.bpchar), (669, "varchar", .varchar)]
        {
            scalar(oid, name, [type, .int4, .bool], type, "Coerced to a length; the flag says the cast was explicit") {
                (c: inout ScalarCall) throws(EngineError) in
                if type == .varchar {
                    c.setReference(try StringIO.limit(c.bytes(0), c.int32(1), isExplicit: c.bool(2)))
                } else {
                    try c.frame.result.setDatum(c.row, try StringIO.pad(c.bytes(0), c.int32(1), isExplicit: c.bool(2)))
                }
            }
        }
    }
}
