// The comparison functions behind = <> < <= > >=, for every pair of types that has them.

import Platform

enum ComparisonOperator: UInt8, Sendable {
    case eq, ne, lt, le, gt, ge

    init(_ name: StaticBytes) {
        let first = name.start[0]
        let second = name.start[1]
        switch (first, second) {
        case (UInt8(ascii: "e"), _): self = .eq
        case (UInt8(ascii: "n"), _): self = .ne
        case (UInt8(ascii: "l"), UInt8(ascii: "t")): self = .lt
        case (UInt8(ascii: "l"), _): self = .le
        case (UInt8(ascii: "g"), UInt8(ascii: "t")): self = .gt
        default: self = .ge
        }
    }
    var documentation: StaticString {
        switch self {
        case .eq: "Equal"
        case .ne: "Not equal"
        case .lt: "Less than"
        case .le: "Less than or equal"
        case .gt: "Greater than"
        case .ge: "Greater than or equal"
        }
    }
    /// From the sign of a comparison.
    @inline(__always) func holds(_ order: Int) -> Bool {
        switch self {
        case .eq: order == 0
        case .ne: order != 0
        case .lt: order < 0
        case .le: order <= 0
        case .gt: order > 0
        case .ge: order >= 0
        }
    }
}

extension FunctionRegistry {
    func declareComparisons() {
        for line in TextTable(comparisonRows) {
            let left = line[2].type
            let right = line[3].type
            let operation = ComparisonOperator(line[4])
            let crossesZones =
                left != right && [.date, .timestamp, .timestamptz].contains(left)
                && (left == .timestamptz || right == .timestamptz)
            kernel(
                line[0].unsigned, line[1], [left, right], .bool, operation.documentation,
                volatility: crossesZones ? .stable : .immutable, ComparisonKernels.make(operation, left, right))
        }
    }
}

enum ComparisonKernels {
    static func make(_ operation: ComparisonOperator, _ left: TypeOID, _ right: TypeOID) -> Kernel {
        let classLeft = ValueClass.of(left)
        let classRight = ValueClass.of(right)
        switch (classLeft, classRight) {
        case (.int16, .int16): return integers(operation, Int16.self, Int16.self)
        case (.int16, .int32): return integers(operation, Int16.self, Int32.self)
        case (.int16, .int64): return integers(operation, Int16.self, Int64.self)
        case (.int32, .int16): return integers(operation, Int32.self, Int16.self)
        case (.int32, .int32): return same(operation, Int32.self)
        case (.int32, .int64) where left == .int4: return integers(operation, Int32.self, Int64.self)
        case (.int64, .int16): return integers(operation, Int64.self, Int16.self)
        case (.int64, .int32) where right == .int4: return integers(operation, Int64.self, Int32.self)
        case (.int64, .int64) where left == right: return same(operation, Int64.self)
        case (.bool, .bool), (.char, .char): return same(operation, UInt8.self)
        case (.unsigned32, .unsigned32), (.unsigned32, .int32): return same(operation, UInt32.self)
        case (.unsigned64, .unsigned64): return same(operation, UInt64.self)
        case (.float64, .float64): return floats(operation, Double.self, Double.self)
        case (.float32, .float32): return floats(operation, Float.self, Float.self)
        case (.float32, .float64): return floats(operation, Float.self, Double.self)
        case (.float64, .float32): return floats(operation, Double.self, Float.self)
        case (.bytes, .bytes): return byteStrings(operation)
        case (.numeric, .numeric):
            return { (frame: KernelFrame) in
                Loops.views(frame, Bool.self) {
                    operation.holds(Numeric.compare($0, $1))
                }
            }
        default:
            if left != right { return DateTimeComparison.make(operation, left, right) }
            return cells(operation, classLeft)
        }
    }

    private static func same<T: FixedWidthInteger & BitwiseCopyable & Sendable>(
        _ operation: ComparisonOperator, _ type: T.Type
    ) -> Kernel {
        switch operation {
        case .eq: return { Loops.binary($0, T.self, T.self, Bool.self) { $0 == $1 } }
        case .ne: return { Loops.binary($0, T.self, T.self, Bool.self) { $0 != $1 } }
        case .lt: return { Loops.binary($0, T.self, T.self, Bool.self) { $0 < $1 } }
        case .le: return { Loops.binary($0, T.self, T.self, Bool.self) { $0 <= $1 } }
        case .gt: return { Loops.binary($0, T.self, T.self, Bool.self) { $0 > $1 } }
        case .ge: return { Loops.binary($0, T.self, T.self, Bool.self) { $0 >= $1 } }
        }
    }
    private static func integers<
        A: FixedWidthInteger & BitwiseCopyable & Sendable, B: FixedWidthInteger & BitwiseCopyable & Sendable
    >(
        _ operation: ComparisonOperator, _ left: A.Type, _ right: B.Type
    ) -> Kernel {
        switch operation {
        case .eq: return { Loops.binary($0, A.self, B.self, Bool.self) { Int64($0) == Int64($1) } }
        case .ne: return { Loops.binary($0, A.self, B.self, Bool.self) { Int64($0) != Int64($1) } }
        case .lt: return { Loops.binary($0, A.self, B.self, Bool.self) { Int64($0) < Int64($1) } }
        case .le: return { Loops.binary($0, A.self, B.self, Bool.self) { Int64($0) <= Int64($1) } }
        case .gt: return { Loops.binary($0, A.self, B.self, Bool.self) { Int64($0) > Int64($1) } }
        case .ge: return { Loops.binary($0, A.self, B.self, Bool.self) { Int64($0) >= Int64($1) } }
        }
    }
    /// NaN equals itself and is above everything.
    private static func floats<
        A: BinaryFloatingPoint & BitwiseCopyable & Sendable, B: BinaryFloatingPoint & BitwiseCopyable & Sendable
    >(
        _ operation: ComparisonOperator, _ left: A.Type, _ right: B.Type
    ) -> Kernel {
        return { (frame: KernelFrame) in
            Loops.binary(frame, A.self, B.self, Bool.self) {
                operation.holds(Comparison.float(Double($0), Double($1)))
            }
        }
    }
    private static func byteStrings(_ operation: ComparisonOperator) -> Kernel {
        switch operation {
        case .eq:
            return { Loops.views($0, Bool.self) { equal($0, $1) } }
        case .ne:
            return { Loops.views($0, Bool.self) { !equal($0, $1) } }
        default:
            return { (frame: KernelFrame) in
                Loops.views(frame, Bool.self) {
                    operation.holds(Comparison.bytes($0, $1))
                }
            }
        }
    }
    @inline(__always) private static func equal(_ a: ByteView, _ b: ByteView) -> Bool {
        if a.head != b.head { return false }
        if a.isInline { return a.tail == b.tail }
        return Comparison.bytes(a, b) == 0
    }
    /// One value at a time: for types compared by a procedure. NULL rows are skipped, their bytes may be no value.
    private static func cells(_ operation: ComparisonOperator, _ kind: ValueClass) -> Kernel {
        scalarKernel(strict: true) { (call: inout ScalarCall) throws(EngineError) in
            call.set(operation.holds(Comparison.compare(call.cell(0), call.cell(1), kind)))
        }
    }
}

// oid name left right operator
private let comparisonRows: StaticString = """
    852 int48eq 23 20 eq
    853 int48ne 23 20 ne
    854 int48lt 23 20 lt
    56 boollt 16 16 lt
    57 boolgt 16 16 gt
    855 int48gt 23 20 gt
    856 int48le 23 20 le
    857 int48ge 23 20 ge
    84 boolne 16 16 ne
    60 booleq 16 16 eq
    61 chareq 18 18 eq
    62 nameeq 19 19 eq
    63 int2eq 21 21 eq
    64 int2lt 21 21 lt
    65 int4eq 23 23 eq
    66 int4lt 23 23 lt
    67 texteq 25 25 eq
    240 nameeqtext 19 25 eq
    241 namelttext 19 25 lt
    242 nameletext 19 25 le
    243 namegetext 19 25 ge
    244 namegttext 19 25 gt
    245 namenetext 19 25 ne
    247 texteqname 25 19 eq
    248 textltname 25 19 lt
    249 textlename 25 19 le
    250 textgename 25 19 ge
    251 textgtname 25 19 gt
    252 textnename 25 19 ne
    68 xideq 28 28 eq
    1319 xideqint4 28 23 eq
    69 cideq 29 29 eq
    1292 tideq 27 27 eq
    1265 tidne 27 27 ne
    467 int8eq 20 20 eq
    468 int8ne 20 20 ne
    469 int8lt 20 20 lt
    470 int8gt 20 20 gt
    471 int8le 20 20 le
    472 int8ge 20 20 ge
    474 int84eq 20 23 eq
    475 int84ne 20 23 ne
    476 int84lt 20 23 lt
    477 int84gt 20 23 gt
    478 int84le 20 23 le
    479 int84ge 20 23 ge
    144 int4ne 23 23 ne
    145 int2ne 21 21 ne
    146 int2gt 21 21 gt
    147 int4gt 23 23 gt
    148 int2le 21 21 le
    149 int4le 23 23 le
    151 int2ge 21 21 ge
    150 int4ge 23 23 ge
    157 textne 25 25 ne
    158 int24eq 21 23 eq
    159 int42eq 23 21 eq
    160 int24lt 21 23 lt
    161 int42lt 23 21 lt
    162 int24gt 21 23 gt
    163 int42gt 23 21 gt
    164 int24ne 21 23 ne
    165 int42ne 23 21 ne
    166 int24le 21 23 le
    167 int42le 23 21 le
    168 int24ge 21 23 ge
    169 int42ge 23 21 ge
    184 oideq 26 26 eq
    185 oidne 26 26 ne
    716 oidlt 26 26 lt
    1638 oidgt 26 26 gt
    717 oidle 26 26 le
    1639 oidge 26 26 ge
    287 float4eq 700 700 eq
    288 float4ne 700 700 ne
    289 float4lt 700 700 lt
    291 float4gt 700 700 gt
    290 float4le 700 700 le
    292 float4ge 700 700 ge
    70 charne 18 18 ne
    1246 charlt 18 18 lt
    72 charle 18 18 le
    73 chargt 18 18 gt
    74 charge 18 18 ge
    659 namene 19 19 ne
    619 oidvectorne 30 30 ne
    677 oidvectorlt 30 30 lt
    681 oidvectorgt 30 30 gt
    678 oidvectorle 30 30 le
    680 oidvectorge 30 30 ge
    679 oidvectoreq 30 30 eq
    655 namelt 19 19 lt
    656 namele 19 19 le
    657 namegt 19 19 gt
    658 namege 19 19 ge
    740 text_lt 25 25 lt
    741 text_le 25 25 le
    742 text_gt 25 25 gt
    743 text_ge 25 25 ge
    293 float8eq 701 701 eq
    294 float8ne 701 701 ne
    295 float8lt 701 701 lt
    296 float8le 701 701 le
    297 float8gt 701 701 gt
    298 float8ge 701 701 ge
    1062 aclitemeq 1033 1033 eq
    1048 bpchareq 1042 1042 eq
    1053 bpcharne 1042 1042 ne
    1049 bpcharlt 1042 1042 lt
    1050 bpcharle 1042 1042 le
    1051 bpchargt 1042 1042 gt
    1052 bpcharge 1042 1042 ge
    744 array_eq 2277 2277 eq
    390 array_ne 2277 2277 ne
    391 array_lt 2277 2277 lt
    392 array_gt 2277 2277 gt
    393 array_le 2277 2277 le
    396 array_ge 2277 2277 ge
    1086 date_eq 1082 1082 eq
    1091 date_ne 1082 1082 ne
    1087 date_lt 1082 1082 lt
    1088 date_le 1082 1082 le
    1089 date_gt 1082 1082 gt
    1090 date_ge 1082 1082 ge
    1145 time_eq 1083 1083 eq
    1106 time_ne 1083 1083 ne
    1102 time_lt 1083 1083 lt
    1103 time_le 1083 1083 le
    1104 time_gt 1083 1083 gt
    1105 time_ge 1083 1083 ge
    299 float48eq 700 701 eq
    300 float48ne 700 701 ne
    301 float48lt 700 701 lt
    303 float48gt 700 701 gt
    302 float48le 700 701 le
    304 float48ge 700 701 ge
    305 float84eq 701 700 eq
    306 float84ne 701 700 ne
    307 float84lt 701 700 lt
    309 float84gt 701 700 gt
    308 float84le 701 700 le
    310 float84ge 701 700 ge
    1152 timestamptz_eq 1184 1184 eq
    1153 timestamptz_ne 1184 1184 ne
    1154 timestamptz_lt 1184 1184 lt
    1155 timestamptz_le 1184 1184 le
    1157 timestamptz_gt 1184 1184 gt
    1156 timestamptz_ge 1184 1184 ge
    1162 interval_eq 1186 1186 eq
    1163 interval_ne 1186 1186 ne
    1164 interval_lt 1186 1186 lt
    1165 interval_le 1186 1186 le
    1167 interval_gt 1186 1186 gt
    1166 interval_ge 1186 1186 ge
    1691 boolle 16 16 le
    1692 boolge 16 16 ge
    1718 numeric_eq 1700 1700 eq
    1719 numeric_ne 1700 1700 ne
    1722 numeric_lt 1700 1700 lt
    1723 numeric_le 1700 1700 le
    1720 numeric_gt 1700 1700 gt
    1721 numeric_ge 1700 1700 ge
    1850 int28eq 21 20 eq
    1851 int28ne 21 20 ne
    1852 int28lt 21 20 lt
    1853 int28gt 21 20 gt
    1854 int28le 21 20 le
    1855 int28ge 21 20 ge
    1856 int82eq 20 21 eq
    1857 int82ne 20 21 ne
    1858 int82lt 20 21 lt
    1859 int82gt 20 21 gt
    1860 int82le 20 21 le
    1861 int82ge 20 21 ge
    1948 byteaeq 17 17 eq
    1953 byteane 17 17 ne
    1949 bytealt 17 17 lt
    1950 byteale 17 17 le
    1951 byteagt 17 17 gt
    1952 byteage 17 17 ge
    2052 timestamp_eq 1114 1114 eq
    2053 timestamp_ne 1114 1114 ne
    2054 timestamp_lt 1114 1114 lt
    2055 timestamp_le 1114 1114 le
    2057 timestamp_gt 1114 1114 gt
    2056 timestamp_ge 1114 1114 ge
    2338 date_lt_timestamp 1082 1114 lt
    2339 date_le_timestamp 1082 1114 le
    2340 date_eq_timestamp 1082 1114 eq
    2342 date_ge_timestamp 1082 1114 ge
    2341 date_gt_timestamp 1082 1114 gt
    2343 date_ne_timestamp 1082 1114 ne
    2351 date_lt_timestamptz 1082 1184 lt
    2352 date_le_timestamptz 1082 1184 le
    2353 date_eq_timestamptz 1082 1184 eq
    2355 date_ge_timestamptz 1082 1184 ge
    2354 date_gt_timestamptz 1082 1184 gt
    2356 date_ne_timestamptz 1082 1184 ne
    2364 timestamp_lt_date 1114 1082 lt
    2365 timestamp_le_date 1114 1082 le
    2366 timestamp_eq_date 1114 1082 eq
    2368 timestamp_ge_date 1114 1082 ge
    2367 timestamp_gt_date 1114 1082 gt
    2369 timestamp_ne_date 1114 1082 ne
    2377 timestamptz_lt_date 1184 1082 lt
    2378 timestamptz_le_date 1184 1082 le
    2379 timestamptz_eq_date 1184 1082 eq
    2381 timestamptz_ge_date 1184 1082 ge
    2380 timestamptz_gt_date 1184 1082 gt
    2382 timestamptz_ne_date 1184 1082 ne
    2520 timestamp_lt_timestamptz 1114 1184 lt
    2521 timestamp_le_timestamptz 1114 1184 le
    2522 timestamp_eq_timestamptz 1114 1184 eq
    2524 timestamp_ge_timestamptz 1114 1184 ge
    2523 timestamp_gt_timestamptz 1114 1184 gt
    2525 timestamp_ne_timestamptz 1114 1184 ne
    2527 timestamptz_lt_timestamp 1184 1114 lt
    2528 timestamptz_le_timestamp 1184 1114 le
    2529 timestamptz_eq_timestamp 1184 1114 eq
    2531 timestamptz_ge_timestamp 1184 1114 ge
    2530 timestamptz_gt_timestamp 1184 1114 gt
    2532 timestamptz_ne_timestamp 1184 1114 ne
    2791 tidlt 27 27 lt
    2790 tidgt 27 27 gt
    2793 tidle 27 27 le
    2792 tidge 27 27 ge
    2956 uuid_eq 2950 2950 eq
    2959 uuid_ne 2950 2950 ne
    2954 uuid_lt 2950 2950 lt
    2958 uuid_gt 2950 2950 gt
    2955 uuid_le 2950 2950 le
    2957 uuid_ge 2950 2950 ge
    2981 record_eq 2249 2249 eq
    2982 record_ne 2249 2249 ne
    2983 record_lt 2249 2249 lt
    2984 record_gt 2249 2249 gt
    2985 record_le 2249 2249 le
    2986 record_ge 2249 2249 ge
    3233 pg_lsn_eq 3220 3220 eq
    3236 pg_lsn_ne 3220 3220 ne
    3231 pg_lsn_lt 3220 3220 lt
    3235 pg_lsn_gt 3220 3220 gt
    3232 pg_lsn_le 3220 3220 le
    3234 pg_lsn_ge 3220 3220 ge
    3308 xidneq 28 28 ne
    3309 xidneqint4 28 23 ne
    5084 xid8eq 5069 5069 eq
    5085 xid8ne 5069 5069 ne
    5034 xid8lt 5069 5069 lt
    5035 xid8gt 5069 5069 gt
    5036 xid8le 5069 5069 le
    5037 xid8ge 5069 5069 ge
    """
