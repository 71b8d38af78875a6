// Functions about values and types themselves.

import Platform

extension FunctionRegistry {
    func declareSystem() {
        scalar(
            1081, "format_type", [.oid, .int4], .text, "SQL name of a type with its modifier", volatility: .stable,
            strict: false
        ) {
            (c: inout ScalarCall) throws(EngineError) in
            if c.isNull(0) { return c.setNull() }
            let oid = c.uint32(0)
            if oid == 0 { return c.setReference(StaticBytes(stringLiteral: "-").bytes) }
            if let name = TypeNames.format(
                TypeOID(oid), typmod: c.isNull(1) ? -1 : c.int32(1), isModified: !c.isNull(1))
            {
                try c.set(name)
            } else if let catalog = c.context.catalog, let name = try catalog.name(of: oid, kind: .regtype) {
                try c.set(name)
            } else {
                c.setReference(StaticBytes(stringLiteral: "???").bytes)
            }
        }
        scalar(1619, "pg_typeof", [.any], .regtype, "Type of the argument", volatility: .stable, strict: false) {
            (c: inout ScalarCall) in c.set(c.type(0).oid.rawValue)
        }
        scalar(1269, "pg_column_size", [.any], .int4, "Bytes that the value takes", volatility: .stable) {
            (c: inout ScalarCall) in
            let physical = c.type(0).physical
            c.set(Int32(physical == .bytes ? c.bytes(0).count : physical.width))
        }
        for (oid, name, wantsNull) in [(438 as UInt32, "num_nulls" as StaticBytes, true), (440, "num_nonnulls", false)]
        {
            scalar(
                oid, name, [.any], .int4, "Number of arguments that are, or are not, NULL", variadic: true,
                strict: false
            ) {
                (c: inout ScalarCall) in
                var count: Int32 = 0
                for argument in 0..<c.argumentCount where c.isNull(argument) == wantsNull { count += 1 }
                c.set(count)
            }
        }
        scalar(810, "pg_client_encoding", [], .name, "The client's encoding", volatility: .stable) {
            (c: inout ScalarCall) in
            c.setReference(StaticBytes(stringLiteral: "UTF8").bytes)
        }
        for (oid, name, type) in [
            (400 as UInt32, "hashtext" as StaticBytes, TypeOID.text), (450, "hashint4", .int4),
            (949, "hashint8", .int8),
        ] {
            let kind = ValueClass.of(type)
            scalar(oid, name, [type], .int4, "Hash of the value") { (c: inout ScalarCall) in
                c.set(Int32(truncatingIfNeeded: Hashing.hash(c.cell(0), kind)))
            }
        }
        scalar(3237, "pg_lsn_mi", [.pgLSN, .pgLSN], .numeric, "Bytes between log positions") {
            (c: inout ScalarCall) throws(EngineError) in
            let difference = Int128(UInt64(bitPattern: c.int64(0))) - Int128(UInt64(bitPattern: c.int64(1)))
            try c.setNumeric(Decimal(wide: difference, scale: 0))
        }
        for (oid, name, type) in [
            (351 as UInt32, "btint4cmp" as StaticBytes, TypeOID.int4), (842, "btint8cmp", .int8),
            (350, "btint2cmp", .int2),
            (360, "bttextcmp", .text), (359, "btnamecmp", .name), (1769, "numeric_cmp", .numeric),
            (1092, "date_cmp", .date),
            (2045, "timestamp_cmp", .timestamp), (1314, "timestamptz_cmp", .timestamptz),
            (1315, "interval_cmp", .interval),
            (1107, "time_cmp", .time), (1693, "btboolcmp", .bool), (355, "btfloat8cmp", .float8),
            (354, "btfloat4cmp", .float4),
            (356, "btoidcmp", .oid), (1078, "bpcharcmp", .bpchar), (2960, "uuid_cmp", .uuid),
            (1954, "byteacmp", .bytea),
            (382, "btarraycmp", .anyarray), (2987, "btrecordcmp", .record),
        ] {
            let kind = type == .anyarray ? ValueClass.array : ValueClass.of(type)
            scalar(oid, name, [type, type], .int4, "-1, 0 or 1 as the first sorts before, with or after the second") {
                (c: inout ScalarCall) in c.set(Int32(Comparison.compare(c.cell(0), c.cell(1), kind).signum()))
            }
        }
    }
}
