// INSERT, UPDATE and DELETE after binding: a source of rows and what to do with each.
//
// `row` are the columns of the target's new (or deleted) row as RETURNING, CHECK and generated columns see it; they are
// not columns of the source. Plan/Modify.swift says how they become slots.

import Platform
import SQLTypes

/// A row image of the target: columns by attribute number - 1 (nil where dropped), and its ctid.
struct RowImage {
    var columns: [ColumnID?]
    var ctid: ColumnID
    var tableOID: ColumnID?
}

struct BoundConstraints {
    var notNull: [Int16] = []
    var checks: [CheckConstraintPlan] = []
}

enum BoundConflict {
    case none
    case skip
    case update(assignments: [ColumnAssignment], predicate: BoundExpression?)
}

final class BoundModification {
    let kind: PlannedQuery.Kind
    let table: TableDescriptor
    var source: Logical
    /// INSERT: one per column number.
    var values: [BoundExpression] = []
    /// UPDATE.
    var assignments: [ColumnAssignment] = []
    var generated: [ColumnAssignment] = []
    var constraints = BoundConstraints()
    var row: RowImage
    /// ON CONFLICT DO UPDATE: the existing row is `row` then, the proposed one this.
    var excluded: RowImage?
    var conflict = BoundConflict.none
    var arbiters: [IndexDescriptor] = []
    /// UPDATE, DELETE: the scan of the target, and the condition to test again.
    var target: GetNode?
    var condition: [BoundExpression] = []
    var returning: [BoundTarget] = []
    var hasReturning = false

    init(kind: PlannedQuery.Kind, table: TableDescriptor, source: Logical, row: RowImage) {
        self.kind = kind
        self.table = table
        self.source = source
        self.row = row
    }
}
