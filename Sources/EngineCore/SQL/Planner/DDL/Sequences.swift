// CREATE and ALTER SEQUENCE, and the defaults of sequence options.

import Platform
import SQLSyntax
import SQLTypes

struct SequenceSettings {
    var type: TypeOID
    var increment: Int64 = 1
    var minimum: Int64?
    var maximum: Int64?
    var start: Int64?
    var cache: Int64 = 1
    var isCycling = false
    /// OWNED BY; nil: not mentioned; an empty name: NONE.
    var owner: QualifiedName??
    var restart: Int64??

    init(type: TypeOID) { self.type = type }
    init(_ sequence: SequenceDescriptor) {
        type = sequence.type
        increment = sequence.increment
        minimum = sequence.minimum
        maximum = sequence.maximum
        start = sequence.start
        cache = sequence.cache
        isCycling = sequence.isCycling
    }

    private var typeMaximum: Int64 {
        switch type {
        case .int2: Int64(Int16.max)
        case .int4: Int64(Int32.max)
        default: Int64.max
        }
    }
    private var typeMinimum: Int64 { -typeMaximum - 1 }
    var finalMinimum: Int64 { minimum ?? (increment > 0 ? 1 : typeMinimum) }
    var finalMaximum: Int64 { maximum ?? (increment > 0 ? typeMaximum : -1) }
    var finalStart: Int64 { start ?? (increment > 0 ? finalMinimum : finalMaximum) }

    func applying(_ options: [SequenceOption], isAlter: Bool) throws(EngineError) -> SequenceSettings {
        var new = self
        for option in options {
            switch option {
            case .type(let name):
                let word = name.name.name
                if word.matches("int2") {
                    new.type = .int2
                } else if word.matches("int4") {
                    new.type = .int4
                } else if word.matches("int8") {
                    new.type = .int8
                } else {
                    throw EngineError(
                        .invalidParameterValue, "sequence type must be smallint, integer, or bigint")
                }
                if isAlter {
                    // Bounds that were the old type's follow the new type.
                    if new.maximum == typeMaximum { new.maximum = nil }
                    if new.minimum == typeMinimum { new.minimum = nil }
                }
            case .start(let value): new.start = value
            case .increment(let value):
                if value == 0 { throw EngineError(.invalidParameterValue, "INCREMENT must not be zero") }
                new.increment = value
            case .minimum(let value): new.minimum = value
            case .maximum(let value): new.maximum = value
            case .cache(let value):
                if value < 1 {
                    throw EngineError(.invalidParameterValue, "CACHE (\(value)) must be greater than zero")
                }
                new.cache = value
            case .cycle(let value): new.isCycling = value
            case .ownedBy(let name): new.owner = .some(name)
            case .restart(let value): new.restart = .some(value)
            case .sequenceName: break
            }
        }
        try new.check()
        return new
    }

    private func check() throws(EngineError) {
        if finalMaximum > typeMaximum || finalMaximum < typeMinimum {
            throw EngineError(
                .invalidParameterValue,
                "MAXVALUE (\(finalMaximum)) is out of range for sequence data type \(TypeNames.string(type))")
        }
        if finalMinimum < typeMinimum || finalMinimum > typeMaximum {
            throw EngineError(
                .invalidParameterValue,
                "MINVALUE (\(finalMinimum)) is out of range for sequence data type \(TypeNames.string(type))")
        }
        if finalMinimum >= finalMaximum {
            throw EngineError(
                .invalidParameterValue, "MINVALUE (\(finalMinimum)) must be less than MAXVALUE (\(finalMaximum))")
        }
        if finalStart < finalMinimum {
            throw EngineError(
                .invalidParameterValue,
                "START value (\(finalStart)) cannot be less than MINVALUE (\(finalMinimum))")
        }
        if finalStart > finalMaximum {
            throw EngineError(
                .invalidParameterValue,
                "START value (\(finalStart)) cannot be greater than MAXVALUE (\(finalMaximum))")
        }
    }

    func descriptor(
        oid: ObjectID, schema: ObjectID, name: [UInt8], owner: ObjectID, ownerTable: ObjectID, ownerColumn: Int16,
        isIdentity: Bool, comment: [UInt8]? = nil
    ) -> SequenceDescriptor {
        SequenceDescriptor(
            oid: oid, schema: schema, name: name, owner: owner, type: type, start: finalStart, increment: increment,
            minimum: finalMinimum, maximum: finalMaximum, cache: cache, isCycling: isCycling, ownerTable: ownerTable,
            ownerColumn: ownerColumn, isIdentity: isIdentity, comment: comment)
    }
}

extension DefinitionExecutor {
    func createSequence(_ create: CreateSequence) throws(EngineError) -> [UInt8] {
        let tag = staticBytes("CREATE SEQUENCE")
        if create.persistence == .temporary { throw EngineError.notSupported("temporary sequences") }
        let schema = try creationSchema(create.name)
        if try skipsExisting(schema, create.name.name, ifNotExists: create.ifNotExists) { return tag }
        let settings = try SequenceSettings(type: .int8).applying(create.options, isAlter: false)
        let owner = try owningColumn(settings.owner ?? nil)
        let sequence = settings.descriptor(
            oid: try session.storage.newObjectID(), schema: schema, name: create.name.name.bytes, owner: session.user,
            ownerTable: owner.table, ownerColumn: owner.column, isIdentity: false)
        try writer.create(sequence)
        try services.createSequence(sequence)
        return tag
    }

    private func owningColumn(_ name: QualifiedName?) throws(EngineError) -> (table: ObjectID, column: Int16) {
        guard let name else { return (0, 0) }
        if name.parts.count < 2 {
            throw EngineError(
                .syntaxError, "invalid OWNED BY option", hint: "Specify OWNED BY table.column or OWNED BY NONE.")
        }
        let table = try openTable(QualifiedName(Array(name.parts.dropLast()), position: name.position), .rowExclusive)
        guard let column = table.column(named: name.name.bytes) else {
            throw EngineError(
                .undefinedColumn, "column \"\(name.name.text)\" of relation \"\(text(table.name))\" does not exist")
        }
        return (table.oid, column.number)
    }

    func alterSequence(_ alter: AlterSequence) throws(EngineError) -> [UInt8] {
        let tag = staticBytes("ALTER SEQUENCE")
        guard let relation = try session.lookup(alter.name) else {
            if alter.ifExists {
                notice("relation \"\(alter.name.text)\" does not exist, skipping")
                return tag
            }
            throw missingRelation(alter.name)
        }
        guard case .sequence(let old) = relation else {
            throw EngineError(.wrongObjectType, "\"\(alter.name.name.text)\" is not a sequence")
        }
        let settings = try SequenceSettings(old).applying(alter.options, isAlter: true)
        var owner = (table: old.ownerTable, column: old.ownerColumn)
        if let given = settings.owner { owner = try owningColumn(given) }
        let new = settings.descriptor(
            oid: old.oid, schema: old.schema, name: old.name, owner: old.owner, ownerTable: owner.table,
            ownerColumn: owner.column, isIdentity: old.isIdentity, comment: old.comment)
        try writer.update(new)
        if let restart = settings.restart, let around = session.services {
            try around.setValue(of: new, to: restart ?? new.start, isCalled: false)
        }
        return tag
    }
}
