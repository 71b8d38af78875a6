// The registry of all system relations.

import Platform
import SQLTypes

package final class SystemRelations: Sendable {
    package let all: [SystemRelation]
    init() {
        var all: [SystemRelation] = []
        all.append(contentsOf: [])
        self.all = all
    }
    package func relation(_ oid: ObjectID) -> SystemRelation? {
        for relation in all where relation.oid == oid { return relation }
        return nil
    }
    package func relation(in schema: ObjectID, named name: [UInt8]) -> SystemRelation? {
        for relation in all where relation.schema == schema && bytesEqual(name, relation.name) { return relation }
        return nil
    }
}

func bytesEqual(_ bytes: [UInt8], _ literal: StaticString) -> Bool {
    let count = literal.utf8CodeUnitCount
    if bytes.count != count { return false }
    for index in 0..<count where bytes[index] != literal.utf8Start[index] { return false }
    return true
}
