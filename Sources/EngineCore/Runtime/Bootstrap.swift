// What a new device holds: the database `postgres` and the template databases, the role `postgres`, the schema `public`.

import MVCC
import MultiEngine
import Platform
import SQL

extension Engine {
    func bootstrap() throws(EngineError) {
        try transactions.perform { (transaction) throws(EngineError) in
            try CatalogBootstrap.install(
                userName: Array("postgres".utf8), CatalogTree(catalogTree.versions, transaction, self))
        }
    }
}
