// The functions that assembly, C and Swift's runtime call by name. They are here because an image's machine code is made for
// its executable target alone, of what is reached from there; libraries are bodies to be taken from, without code of their own.

import MetalPlatform

@c(dbk_trap) func trapEntry(_ frame: UnsafeMutableRawPointer) { trap(frame) }

@c(dbk_core_main) func coreEntry() { coreMain() }

@c(posix_memalign) func posixAllocateAligned(
    _ result: UnsafeMutablePointer<UnsafeMutableRawPointer?>, _ alignment: Int, _ byteCount: Int
) -> CInt {
    result.pointee = allocateObject(byteCount, alignment: alignment)
    return 0
}

@c(dbk_malloc) func cAllocate(_ byteCount: Int) -> UnsafeMutableRawPointer { allocateObject(byteCount, alignment: 16) }

@c(dbk_free) func cFree(_ object: UnsafeMutableRawPointer?) {
    if let object { freeObject(object) }
}

@c(putchar) func cPutCharacter(_ character: CInt) -> CInt {
    putCharacter(UInt8(truncatingIfNeeded: character))
    return character
}

@c(arc4random_buf) func cRandom(_ bytes: UnsafeMutableRawPointer, _ byteCount: Int) {
    fillWithEntropy(UnsafeMutableRawBufferPointer(start: bytes, count: byteCount))
}
