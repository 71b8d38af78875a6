// EXPLAIN's option list.

import Platform
import SQLSyntax

extension ExplainOptions {
    /// Errors: 42601 for an unknown option, 22023 for a bad value.
    init(_ list: [Option], _ context: StatementContext) throws(EngineError) {
        self.init()
        var timing: Bool?
        var summary: Bool?
        for option in list {
            let name = option.name
            if name.matches("analyze") {
                isAnalyze = try ExplainOptions.flag(option)
            } else if name.matches("verbose") {
                isVerbose = try ExplainOptions.flag(option)
            } else if name.matches("costs") {
                showsCosts = try ExplainOptions.flag(option)
            } else if name.matches("timing") {
                timing = try ExplainOptions.flag(option)
            } else if name.matches("buffers") {
                showsBuffers = try ExplainOptions.flag(option)
            } else if name.matches("summary") {
                summary = try ExplainOptions.flag(option)
            } else if name.matches("settings") || name.matches("wal") {
                _ = try ExplainOptions.flag(option)
            } else if name.matches("format") {
                guard case .word(let value) = option.value, value.matches("text") else {
                    throw EngineError.notSupported(
                        "EXPLAIN with a format other than text", position: context.position(option.position))
                }
            } else {
                throw EngineError(
                    .syntaxError, "unrecognized EXPLAIN option \"\(name.text)\"",
                    position: context.position(option.position))
            }
        }
        if timing == true, !isAnalyze {
            throw EngineError(.invalidParameterValue, "EXPLAIN option TIMING requires ANALYZE")
        }
        showsTiming = timing ?? true
        showsSummary = summary ?? isAnalyze
    }

    private static func flag(_ option: Option) throws(EngineError) -> Bool {
        switch option.value {
        case .none: return true
        case .boolean(let value): return value
        case .integer(let value): if value == 0 || value == 1 { return value == 1 }
        case .word(let name):
            if name.matches("on") || name.matches("true") { return true }
            if name.matches("off") || name.matches("false") { return false }
        default: break
        }
        throw EngineError(.syntaxError, "\(option.name.text) requires a Boolean value")
    }
}
