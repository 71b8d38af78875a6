// The corpus of the fuzzers, which holds whatever has once broken the engine: none of it may again.

import Foundation
import FuzzTargets
import Testing

@Suite(.serialized)
struct FuzzCorpus {
    @Test(arguments: FuzzTarget.allCases)
    func breaksNothing(_ target: FuzzTarget) throws {
        let folder = URL(filePath: #filePath).appending(path: "../../Fuzz/corpus/\(target.rawValue)").standardized
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        #expect(!files.isEmpty)
        let fuzzer = target.makeFuzzer()
        for file in files.sorted(by: { $0.path < $1.path }) {
            // A trap ends the process, and what was said last names the input.
            FileHandle.standardError.write(Data("\(target.rawValue)/\(file.lastPathComponent)\n".utf8))
            let finding = try Data(contentsOf: file).withUnsafeBytes { fuzzer.take($0) }
            #expect(finding == nil, "\(file.lastPathComponent)")
        }
    }
}
