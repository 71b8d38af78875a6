// Which statement is printed by what.

extension Deparser {
    package mutating func statement(_ statement: Statement) {
        if !mayDescend() { return }
        switch statement {
        case .query(let query): self.query(query)
        case .insert(let insert): self.insert(insert)
        case .update(let update): self.update(update)
        case .delete(let delete): self.delete(delete)
        case .merge(let merge): self.merge(merge)
        case .copy(let copy): self.copy(copy)
        case .transaction, .lockTable, .setConstraints, .set, .show, .discard, .prepare, .execute, .deallocate,
            .declareCursor, .fetch, .closeCursor, .listen, .unlisten, .notify, .load, .alterSystem:
            session(statement)
        case .explain(let explain): self.explain(explain)
        case .vacuum(let vacuum): self.vacuum(vacuum)
        case .reindex(let reindex): self.reindex(reindex)
        case .cluster(let cluster): self.cluster(cluster)
        case .checkpoint: put("CHECKPOINT")
        case .doBlock(let block):
            put("DO ")
            if let language = block.language {
                put("LANGUAGE ")
                name(language)
                put(" ")
            }
            string(block.body)
        case .call(let call):
            put("CALL ")
            function(call)
        case .createRole, .alterRole, .alterRoleSetting, .dropRole, .grant, .grantRole, .reassignOwned: roles(statement)
        case .unsupported(let name): put(name)
        default: definition(statement)
        }
    }

    private mutating func session(_ statement: Statement) {
        switch statement {
        case .transaction(let command): transaction(command)
        case .lockTable(let lock): lockTable(lock)
        case .setConstraints(let set):
            put("SET CONSTRAINTS ")
            if set.constraints.isEmpty { put("ALL") } else { names(set.constraints) }
            put(set.deferred ? " DEFERRED" : " IMMEDIATE")
        case .set(let setting): set(setting)
        case .alterSystem(let setting):
            put("ALTER SYSTEM ")
            set(setting)
        case .show(let show): self.show(show)
        case .discard(let target): discard(target)
        case .prepare(let prepare): self.prepare(prepare)
        case .execute(let execute): self.execute(execute)
        case .deallocate(let name): nameOrAll("DEALLOCATE ", name)
        case .declareCursor(let cursor): declareCursor(cursor)
        case .fetch(let fetch): self.fetch(fetch)
        case .closeCursor(let name): nameOrAll("CLOSE ", name)
        case .listen(let channel): nameOrAll("LISTEN ", channel)
        case .unlisten(let channel):
            put("UNLISTEN ")
            if let channel { name(channel) } else { put("*") }
        case .notify(let channel, let payload):
            nameOrAll("NOTIFY ", channel)
            if let payload {
                put(", ")
                string(payload)
            }
        case .load(let file):
            put("LOAD ")
            string(file)
        default: break
        }
    }

    private mutating func nameOrAll(_ words: StaticString, _ name: Name?) {
        put(words)
        if let name { self.name(name) } else { put("ALL") }
    }

    private mutating func definition(_ statement: Statement) {
        switch statement {
        case .createTable(let table): createTable(table)
        case .createTableAs(let table): createTableAs(table)
        case .alterTable(let alter): alterTable(alter)
        case .createIndex(let index): createIndex(index)
        case .createSequence(let sequence): createSequence(sequence)
        case .alterSequence(let sequence): alterSequence(sequence)
        case .createView(let view): createView(view)
        case .refreshMaterializedView(let refresh):
            put("REFRESH MATERIALIZED VIEW ")
            if refresh.concurrently { put("CONCURRENTLY ") }
            name(refresh.name)
            if !refresh.withData { put(" WITH NO DATA") }
        case .truncate(let truncate): self.truncate(truncate)
        default: objects(statement)
        }
    }
}
