// What a new device holds: the database `postgres` and the template databases, the role `postgres`, the schema `public`.

import MVCC
import MultiEngine
import Platform
import SQL

extension Engine {
    func bootstrap() throws(EngineError) {
        let transaction = try transactions.makeTransaction()
        defer { transactions.close(transaction) }
        transaction.begin()
        let storage = CatalogTree(catalogTree.versions, transaction, self)
        try CatalogBootstrap.install(userName: Array("postgres".utf8), storage)
        try transaction.commit()
    }
}
