// Schemas, databases, types, functions, roles and privileges, and the statements that treat all kinds of objects alike.

/// Every kind of object that DROP, COMMENT, ALTER … RENAME and GRANT can name.
package enum ObjectKind: UInt8, Sendable {
    case table, index, sequence, view, materializedView, foreignTable, schema, database, type, domain, column
    case constraint, domainConstraint, function, procedure, routine, aggregate, `operator`, operatorClass,
        operatorFamily
    case cast, collation, conversion, trigger, rule, policy, `extension`, language, role, tablespace, largeObject
    case foreignDataWrapper, foreignServer, userMapping, accessMethod, publication, subscription, eventTrigger
    case textSearchParser, textSearchDictionary, textSearchTemplate, textSearchConfiguration, transform, statistics
    case attribute, parameter
}

/// How an object was named.
package struct ObjectReference: Sendable {
    package var name: QualifiedName
    /// ON table, of constraints, triggers, rules and policies.
    package var table: QualifiedName?
    /// Of functions, aggregates and operators; nil when no list was written. An operator's missing operand is nil.
    package var arguments: [TypeName?]?
    /// USING method of operator classes and families.
    package var method: Name?
}

package struct Drop: Sendable {
    package var kind: ObjectKind
    package var objects: [ObjectReference]
    package var ifExists: Bool
    package var cascade: Bool
    package var concurrently: Bool
}

/// ALTER kind name RENAME …
package struct Rename: Sendable {
    /// What gets the new name: the object itself, or one of its columns, constraints or attributes.
    package enum Part: Sendable { case object, column(Name), constraint(Name), attribute(Name, cascade: Bool) }
    package var kind: ObjectKind
    package var object: ObjectReference
    package var part: Part
    package var newName: Name
    package var ifExists: Bool
}

/// ALTER kind name SET SCHEMA …
package struct SetSchema: Sendable {
    package var kind: ObjectKind
    package var object: ObjectReference
    package var schema: Name
    package var ifExists: Bool
}

/// ALTER kind name OWNER TO … for what has no other ALTER; tables and their kin use AlterTableAction.owner.
package struct SetOwner: Sendable {
    package var kind: ObjectKind
    package var object: ObjectReference
    package var owner: RoleSpecification
}

package struct Comment: Sendable {
    package var kind: ObjectKind
    package var object: ObjectReference
    /// nil: IS NULL.
    package var text: [UInt8]?
}

// MARK: - Schemas, databases, extensions

package struct CreateSchema: Sendable {
    /// nil: named after the role.
    package var name: Name?
    package var authorization: RoleSpecification?
    package var ifNotExists: Bool
    /// Elements written inside CREATE SCHEMA.
    package var elements: [Statement]
}

package struct CreateDatabase: Sendable {
    package var name: Name
    /// Names folded and with `_` for spaces: `owner`, `template`, `encoding`, `lc_collate`, `connection_limit`, …
    package var options: [Option]
}

package struct AlterDatabase: Sendable {
    package enum Action: Sendable {
        case options([Option])
        case set(SetVariable)
        case refreshCollation
    }
    package var name: Name
    package var action: Action
}

package struct DropDatabase: Sendable {
    package var name: Name
    package var ifExists: Bool
    package var force: Bool
}

package struct CreateExtension: Sendable {
    package var name: Name
    package var ifNotExists: Bool
    package var options: [Option]
}

// MARK: - Types and functions

package struct CreateType: Sendable {
    package enum Definition: Sendable {
        case enumeration([[UInt8]])
        case composite([ColumnDefinitionItem])
        case range([Option])
        /// CREATE TYPE name (INPUT = …), or with no list at all.
        case base([Option])
    }
    package var name: QualifiedName
    package var definition: Definition
}

package struct AlterType: Sendable {
    package enum Action: Sendable {
        /// ADD VALUE [IF NOT EXISTS] value [BEFORE | AFTER neighbour].
        case addValue([UInt8], ifNotExists: Bool, neighbour: [UInt8]?, after: Bool)
        case renameValue([UInt8], to: [UInt8])
    }
    package var name: QualifiedName
    package var action: Action
}

package struct CreateDomain: Sendable {
    package var name: QualifiedName
    package var type: TypeName
    package var collation: QualifiedName?
    package var constraints: [ColumnConstraint]
}

package final class CreateFunction: @unchecked Sendable {
    // Not mutated once the parser has returned it.
    package enum Mode: UInt8, Sendable { case `in`, out, inOut, variadic, table }
    package struct Parameter: Sendable {
        package var mode: Mode
        package var name: Name?
        package var type: TypeName
        package var defaultValue: Expression?
    }
    package enum Body: Sendable {
        case none
        /// AS 'definition' [, 'link symbol'].
        case text([[UInt8]])
        /// RETURN expression.
        case expression(Expression)
        /// BEGIN ATOMIC … END.
        case atomic([Statement])
    }
    package var name: QualifiedName
    package var isProcedure = false
    package var orReplace = false
    package var parameters: [Parameter] = []
    /// nil: none written. RETURNS TABLE adds parameters of mode `.table`.
    package var returns: TypeName?
    package var language: Name?
    /// `immutable`, `strict`, `parallel`, `cost`, `security`, …: as options with word values.
    package var options: [Option] = []
    package var settings: [SetVariable] = []
    package var body: Body = .none
    package init(name: QualifiedName) { self.name = name }
}

// MARK: - Roles and privileges

package enum RoleSpecification: Sendable, Equatable {
    case named(Name)
    case currentRole, currentUser, sessionUser
    case `public`
}

/// CREATE ROLE, USER and GROUP.
package struct CreateRole: Sendable {
    package enum Kind: UInt8, Sendable { case role, user, group }
    package var kind: Kind
    package var name: Name
    package var options: [RoleOption]
}

package enum RoleOption: Sendable {
    /// nil: PASSWORD NULL.
    case password([UInt8]?)
    case superuser(Bool), createDB(Bool), createRole(Bool), inherit(Bool), login(Bool), replication(Bool)
    case bypassRLS(Bool)
    case connectionLimit(Int64)
    case validUntil([UInt8])
    case inRole([RoleSpecification])
    case role([RoleSpecification])
    case admin([RoleSpecification])
    case sysid(Int64)
}

package struct AlterRole: Sendable {
    package var role: RoleSpecification
    package var options: [RoleOption]
}

/// ALTER ROLE name [IN DATABASE d] SET | RESET.
package struct AlterRoleSetting: Sendable {
    /// nil: ALL.
    package var role: RoleSpecification?
    package var database: Name?
    package var setting: SetVariable
}

package struct DropRole: Sendable {
    package var roles: [RoleSpecification]
    package var ifExists: Bool
}

/// GRANT and REVOKE of privileges on objects, and the bodies of ALTER DEFAULT PRIVILEGES.
package final class Grant: @unchecked Sendable {
    // Not mutated once the parser has returned it.
    package struct Privilege: Sendable {
        package var name: Name
        package var columns: [Name]
    }
    package enum Target: Sendable {
        case objects(ObjectKind, [ObjectReference])
        case allInSchema(ObjectKind, [Name])
        /// ALTER DEFAULT PRIVILEGES … ON TABLES.
        case defaults(ObjectKind, forRoles: [RoleSpecification], schemas: [Name])
    }
    package var isGrant: Bool
    /// Empty: ALL.
    package var privileges: [Privilege] = []
    package var target: Target
    package var grantees: [RoleSpecification] = []
    /// WITH GRANT OPTION, or GRANT OPTION FOR.
    package var grantOption = false
    package var grantedBy: RoleSpecification?
    package var cascade = false
    package init(isGrant: Bool, target: Target) {
        self.isGrant = isGrant
        self.target = target
    }
}

package struct GrantRole: Sendable {
    package var isGrant: Bool
    package var roles: [Name]
    package var grantees: [RoleSpecification]
    package var adminOption: Bool
    package var grantedBy: RoleSpecification?
    package var cascade: Bool
}

package struct ReassignOwned: Sendable {
    package var roles: [RoleSpecification]
    /// nil: DROP OWNED.
    package var newOwner: RoleSpecification?
    package var cascade: Bool
}
