// A disk file that lives as long as one test.

import Glibc

/// Calls `body` with the path of a file that does not exist yet, and removes it afterwards.
func withScratchDisk(_ body: (String) throws -> Void) throws {
    let directory = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(directory)/dbkernel-test-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw ScratchError.noDirectory }
    let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let path = "\(folder)/scratch.disk"
    defer {
        unlink(path)
        rmdir(folder)
    }
    try body(path)
}

enum ScratchError: Error { case noDirectory }
