import Platform
enum DateTimeComparison {
    static func make(_ operation: ComparisonOperator, _ left: TypeOID, _ right: TypeOID) -> Kernel {
        return { (frame: KernelFrame) throws(EngineError) in throw .notSupported("comparison across types") }
    }
}
