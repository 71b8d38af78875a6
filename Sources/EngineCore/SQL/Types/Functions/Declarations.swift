// Every declaration file's entry point, in one list.

extension FunctionRegistry {
    func declareAll() {
        declareComparisons()
        declareIntegers()
        declareFloats()
        declareSums()
        declareExtremes()
        declareCollecting()
        declareDateTime()
        declareFormatting()
        declareDateParts()
        declarePatterns()
        declareSetFunctions()
        declareText()
        declareArrays()
        declareEncodings()
        declareNumerics()
        declareMath()
        declareSystem()
    }
}
