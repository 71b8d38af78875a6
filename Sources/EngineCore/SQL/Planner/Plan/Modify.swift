// Plans that write or lock rows.
//
// READ COMMITTED re-evaluation: when the row to update, delete or lock turns out to have changed meanwhile, the executor
// waits, replaces the target's columns in the child's row with the newest version (`Recheck.columns`), evaluates
// `Recheck.predicate` over that row, and goes on with it or drops it.

import Platform
import SQLTypes

package struct Recheck {
    /// Which slots of the child's row hold which columns of the target.
    package var columns: [(number: Int16, slot: Int)]
    /// Over the child's row; nil: always.
    package var predicate: BoundExpression?
}

package struct CheckConstraintPlan {
    package var name: [UInt8]
    package var expression: BoundExpression
}

/// What every written row must pass, over the new tuple: slot i is column number i + 1.
package struct RowConstraints {
    /// Column numbers.
    package var notNull: [Int16] = []
    package var checks: [CheckConstraintPlan] = []
}

/// Expressions over the *result row* of a modification: slots 0..<n are the new row by column number (the deleted row
/// for DELETE; n = descriptor.columns.count, dropped ones included as NULL), slot n is ctid, slots n + 1… are the
/// child's columns.
package struct Returning {
    package var expressions: [BoundExpression]
}

package final class InsertNode: PlanNode, @unchecked Sendable {
    package enum ConflictAction {
        case none
        /// DO NOTHING.
        case skip
        /// DO UPDATE: assignments and predicate are over the existing row (slots 0..<n), its ctid (n), then the
        /// proposed row (n + 1 ..< 2n + 1).
        case update(assignments: [ColumnAssignment], predicate: BoundExpression?)
    }
    package let table: TableDescriptor
    /// One per column number, over the child's row: values given, defaults, NULL. Generated columns: see `generated`.
    package let values: [BoundExpression]
    /// Stored generated columns, over the new tuple, after `values`.
    package let generated: [ColumnAssignment]
    package let constraints: RowConstraints
    package let conflict: ConflictAction
    /// Unique indexes that arbitrate; empty with DO NOTHING means all.
    package let arbiters: [IndexDescriptor]
    package let returning: Returning?
    init(
        table: TableDescriptor, child: PlanNode, values: [BoundExpression], generated: [ColumnAssignment],
        constraints: RowConstraints, conflict: ConflictAction, arbiters: [IndexDescriptor], returning: Returning?,
        output: [OutputColumn]
    ) {
        self.table = table
        self.values = values
        self.generated = generated
        self.constraints = constraints
        self.conflict = conflict
        self.arbiters = arbiters
        self.returning = returning
        super.init(output: output, children: [child])
    }
    package override var name: String { "Insert" }
}

/// The column with this number takes the value.
package struct ColumnAssignment {
    package var number: Int16
    package var expression: BoundExpression
}

/// A child's row with the same rowid a second time is ignored (joins may repeat one).
package final class UpdateNode: PlanNode, @unchecked Sendable {
    package let table: TableDescriptor
    /// The child's slot with the target's ctid.
    package let rowIDSlot: Int
    /// Over the child's row.
    package let assignments: [ColumnAssignment]
    package let generated: [ColumnAssignment]
    package let constraints: RowConstraints
    package let recheck: Recheck
    package let returning: Returning?
    /// Key columns of some index are assigned: FOR UPDATE strength, otherwise NO KEY UPDATE.
    package let changesKey: Bool
    init(
        table: TableDescriptor, child: PlanNode, rowIDSlot: Int, assignments: [ColumnAssignment],
        generated: [ColumnAssignment],
        constraints: RowConstraints, recheck: Recheck, returning: Returning?, changesKey: Bool, output: [OutputColumn]
    ) {
        self.table = table
        self.rowIDSlot = rowIDSlot
        self.assignments = assignments
        self.generated = generated
        self.constraints = constraints
        self.recheck = recheck
        self.returning = returning
        self.changesKey = changesKey
        super.init(output: output, children: [child])
    }
    package override var name: String { "Update" }
}

package final class DeleteNode: PlanNode, @unchecked Sendable {
    package let table: TableDescriptor
    package let rowIDSlot: Int
    package let recheck: Recheck
    package let returning: Returning?
    init(
        table: TableDescriptor, child: PlanNode, rowIDSlot: Int, recheck: Recheck, returning: Returning?,
        output: [OutputColumn]
    ) {
        self.table = table
        self.rowIDSlot = rowIDSlot
        self.recheck = recheck
        self.returning = returning
        super.init(output: output, children: [child])
    }
    package override var name: String { "Delete" }
}

package enum RowLockStrength: UInt8, Sendable { case keyShare, share, noKeyUpdate, update }
package enum RowLockWait: UInt8, Sendable { case block, skipLocked, noWait }

/// SELECT … FOR UPDATE and kin: locks each row of the targets, in order; a row that is gone or fails its recheck is
/// dropped, one whose rowid slot is NULL (outer join) is not locked.
package final class LockRowsNode: PlanNode, @unchecked Sendable {
    package struct Target {
        package var table: TableDescriptor
        package var rowIDSlot: Int
        package var strength: RowLockStrength
        package var wait: RowLockWait
        package var recheck: Recheck
    }
    package let targets: [Target]
    init(child: PlanNode, targets: [Target]) {
        self.targets = targets
        super.init(output: child.output, children: [child])
    }
    package override var name: String { "LockRows" }
}
