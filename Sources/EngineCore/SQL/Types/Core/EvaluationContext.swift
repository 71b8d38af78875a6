// What an expression's value may depend on besides its arguments: session settings, clocks, the catalog's names.

import Platform

/// DateStyle's first half.
package enum DateStyle: UInt8, Sendable { case iso, postgres, sql, german }
/// DateStyle's second half: how ambiguous input dates are read and non-ISO dates written.
package enum DateOrder: UInt8, Sendable { case mdy, dmy, ymd }
package enum IntervalStyle: UInt8, Sendable { case postgres, postgresVerbose, sqlStandard, iso8601 }

/// Names that only the catalog knows. The session supplies one; it may throw as any catalog access may.
package protocol CatalogNames: AnyObject {
    /// `regclass('name')` and kin: OID of the object of reg type `kind` that the (possibly qualified, quoted) name means;
    /// nil if there is none.
    func object(named name: [UInt8], kind: TypeOID) throws(EngineError) -> UInt32?
    /// Name as the reg type prints it, qualified if not visible; nil if there is no such object (its number is printed).
    func name(of object: UInt32, kind: TypeOID) throws(EngineError) -> [UInt8]?
}

/// One per session; fields change with SET and at transaction and statement starts.
package final class EvaluationContext: @unchecked Sendable {
    package var dateStyle = DateStyle.iso
    package var dateOrder = DateOrder.mdy
    package var intervalStyle = IntervalStyle.postgres
    package var timeZone = TimeZone.utc
    /// extra_float_digits: above 0 shortest round-trip output, else that many digits more than 15 (6 for float4).
    package var extraFloatDigits = 1
    /// bytea_output: hex if true, else escape.
    package var byteaHex = true
    /// Microseconds since 2000-01-01 00:00 UTC.
    package var transactionTimestamp: Int64 = 0
    package var statementTimestamp: Int64 = 0
    /// The wall clock and the source of randomness.
    package var platform: (any Platform)?
    package var catalog: (any CatalogNames)?
    /// State of random() and setseed(): xoroshiro128.
    package var randomState: (UInt64, UInt64) = (0, 0)

    package init() {}
}
