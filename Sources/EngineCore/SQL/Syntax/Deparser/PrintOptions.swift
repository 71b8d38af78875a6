// Option lists as SQL.

extension Deparser {
    /// `(name value, …)`.
    mutating func utilityOptions(_ options: [Option]) {
        put("(")
        for (index, option) in options.enumerated() {
            separate(index)
            label(option.name)
            if case .none = option.value { continue }
            put(" ")
            value(option.value)
        }
        put(")")
    }

    /// `(namespace.name = value, …)`.
    mutating func storageOptions(_ options: [Option]) {
        put("(")
        for (index, option) in options.enumerated() {
            separate(index)
            if let namespace = option.namespace {
                label(namespace)
                put(".")
            }
            label(option.name)
            if case .none = option.value { continue }
            put(" = ")
            value(option.value)
        }
        put(")")
    }

    /// ` WITH (…)`, or nothing.
    mutating func withOptions(_ options: [Option]) {
        if options.isEmpty { return }
        put(" WITH ")
        storageOptions(options)
    }

    /// An option's name: any word will do.
    private mutating func label(_ name: Name) {
        if Keyword.of(name) == .identifier { self.name(name) } else { put(name.bytes) }
    }

    mutating func value(_ value: Option.Value) {
        switch value {
        case .none: break
        case .boolean(let flag): put(flag ? "true" : "false")
        case .integer(let number): put(number)
        case .numeric(let text): put(text)
        case .string(let bytes): string(bytes)
        case .word(let word): label(word)
        case .star: put("*")
        case .list(let names):
            put("(")
            self.names(names)
            put(")")
        case .type(let type): self.type(type)
        }
    }
}
