// Nodes of the B-tree: pure functions of 4 KiB, against a sorted array.

import BTree
import DirectStorage
import Platform

func btreePageCases() -> [SuiteCase] {
    [
        SuiteCase(bare: "btree page: operations keep it equal to a sorted array, with heads and hints") {
            (context) throws(EngineError) in
            try pageFollowsModel(context, .headsAndHints)
        },
        SuiteCase(bare: "btree page: operations keep it equal to a sorted array, plain") {
            (context) throws(EngineError) in
            try pageFollowsModel(context, .plain)
        },
        SuiteCase(
            bare: "btree page: search finds every integer key and its place, at every fill", searchFindsEveryInteger),
        SuiteCase(bare: "btree page: reading a garbled page stays inside it", garbledPageIsHarmless),
        SuiteCase(
            bare: "btree page: redo refuses malformed operations and leaves the page as it was", malformedOperations),
        SuiteCase(bare: "btree page: redo refuses images of other pages and unsound ones", unsoundImages),
    ]
}

/// A page in memory of its own, and a guard page's worth of a known pattern on both sides.
final class PageRig {
    static let id = PageID(7)
    private let memory = UnsafeMutableRawPointer.allocate(byteCount: 3 * pageSize, alignment: pageSize)
    private let before = UnsafeMutableRawPointer.allocate(byteCount: pageSize, alignment: 8)
    var base: UnsafeMutableRawPointer { memory + pageSize }
    var node: TreePage { TreePage(base) }

    init(layout: TreeLayout = .headsAndHints, lower: [UInt8] = [], upper: [UInt8]? = nil) {
        memory.initializeMemory(as: UInt8.self, repeating: 0xa5, count: 3 * pageSize)
        lower.withUnsafeBytes { lower in
            if let upper {
                upper.withUnsafeBytes { upper in
                    node.initialize(
                        id: Self.id, tree: TreeID(3), level: 0, layout: layout, lower: TreeKey(lower),
                        upper: TreeKey(upper), firstChild: .none)
                }
            } else {
                node.initialize(
                    id: Self.id, tree: TreeID(3), level: 0, layout: layout, lower: TreeKey(lower), upper: nil,
                    firstChild: .none)
            }
        }
    }

    deinit {
        memory.deallocate()
        before.deallocate()
    }

    func keep() { before.copyMemory(from: base, byteCount: pageSize) }
    func restore() { base.copyMemory(from: before, byteCount: pageSize) }
    var isAsKept: Bool {
        for index in 0..<pageSize
        where before.load(fromByteOffset: index, as: UInt8.self) != base.load(fromByteOffset: index, as: UInt8.self) {
            return false
        }
        return true
    }
    /// Nothing was written outside the page.
    var isContained: Bool {
        for index in 0..<pageSize
        where memory.load(fromByteOffset: index, as: UInt8.self) != 0xa5
            || memory.load(fromByteOffset: 2 * pageSize + index, as: UInt8.self) != 0xa5
        {
            return false
        }
        return true
    }

    func key(_ slot: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: TreePage.maxKeyByteCount) { buffer, count in
            count = node.copyKey(slot, to: UnsafeMutableRawPointer(buffer.baseAddress!))
        }
    }
}

/// Bytes in memory order.
func precedes(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    for index in 0..<min(a.count, b.count) where a[index] != b[index] { return a[index] < b[index] }
    return a.count < b.count
}

func equalBytes(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    if a.count != b.count { return false }
    for index in 0..<a.count where a[index] != b[index] { return false }
    return true
}

/// Index of the first key not before `key`, and whether it is equal.
func place(_ key: [UInt8], in keys: [[UInt8]]) -> (Int, Bool) {
    var lower = 0
    var upper = keys.count
    while lower < upper {
        let middle = (lower + upper) / 2
        if precedes(keys[middle], key) { lower = middle + 1 } else { upper = middle }
    }
    return (lower, lower < keys.count && equalBytes(keys[lower], key))
}

/// Keys that share prefixes, contain zeros, and are of all lengths.
func randomKey(_ random: inout SuiteRandom, prefix: [UInt8] = [], longest: Int = 24) -> [UInt8] {
    var key = prefix
    let length = random.next(below: longest)
    // Few different bytes: equal heads and keys that are prefixes of others are frequent.
    for _ in 0..<length { key.append(random.next(below: 3) == 0 ? 0 : UInt8(random.next(below: 4) * 85)) }
    return key
}

func randomPayload(_ random: inout SuiteRandom, longest: Int = 120) -> [UInt8] {
    let seed = random.next()
    return (0..<random.next(below: longest)).map { UInt8(truncatingIfNeeded: seed >> UInt64($0 % 8 * 8) &+ UInt64($0)) }
}

private func pageFollowsModel(_ context: SuiteContext, _ layout: TreeLayout) throws(EngineError) {
    for round in 0..<40 {
        var random = SuiteRandom(seed: UInt64(round))
        let prefix: [UInt8] = round % 2 == 0 ? [] : [1, 2, 3, 4, 5]
        let rig =
            round % 2 == 0
            ? PageRig(layout: layout) : PageRig(layout: layout, lower: prefix, upper: prefix + [255, 255])
        var keys: [[UInt8]] = []
        var payloads: [[UInt8]] = []
        for _ in 0..<600 {
            let key = randomKey(&random, prefix: prefix)
            let payload = randomPayload(&random)
            let (slot, found) = place(key, in: keys)
            let suffix = key.count - (prefix.count)
            key.withUnsafeBytes { bytes in
                let (at, isThere) = rig.node.search(TreeKey(bytes))
                context.expect(at == slot && isThere == found, "search gives \(at) \(isThere), not \(slot) \(found)")
            }
            if found && random.next(below: 2) == 0 {
                apply(rig, PageOpcode.remove, little(slot))
                keys.remove(at: slot)
                payloads.remove(at: slot)
            } else if found {
                if payload.count - payloads[slot].count > rig.node.freeByteCount { continue }
                apply(rig, PageOpcode.replace, little(slot) + little(payload.count) + payload)
                payloads[slot] = payload
            } else {
                if TreePage.spaceNeeded(suffixByteCount: suffix, payloadByteCount: payload.count)
                    > rig.node.freeByteCount
                {
                    continue
                }
                apply(
                    rig, PageOpcode.insert,
                    little(slot) + little(suffix) + little(payload.count) + key[prefix.count...] + payload)
                keys.insert(key, at: slot)
                payloads.insert(payload, at: slot)
            }
        }
        context.expectEqual(rig.node.slotCount, keys.count, "slots")
        var used = rig.node.lowerFence.count + rig.node.upperFence.count
        for slot in 0..<min(rig.node.slotCount, keys.count) {
            context.expect(equalBytes(rig.key(slot), keys[slot]), "key \(slot) differs")
            context.expect(equalBytes(Array(rig.node.payload(slot)), payloads[slot]), "payload \(slot) differs")
            used += TreePage.slotByteCount + keys[slot].count - prefix.count + payloads[slot].count
        }
        context.expectEqual(TreePage.capacity - rig.node.freeByteCount, used, "bytes in use")
        context.expect(rig.isContained, "bytes outside the page were written")
    }
}

/// Made by a copy of two bytes, not of two elements: Swift 6.3 takes the store of an array's second byte for dead when all that
/// reads it, once everything is inlined, is a load of both bytes at the first one's address.
private func little(_ value: Int) -> [UInt8] { withUnsafeBytes(of: UInt16(value).littleEndian) { Array($0) } }

private func apply(_ rig: PageRig, _ opcode: UInt16, _ operands: [UInt8]) {
    operands.withUnsafeBytes { bytes in
        do throws(EngineError) {
            try BTreeRedo.apply(rig.base, PageRig.id, opcode: opcode, bytes)
        } catch {
            preconditionFailure("the model thought that there is room")
        }
    }
}

private func searchFindsEveryInteger(_ context: SuiteContext) throws(EngineError) {
    for stride in [UInt64(1), 3, 1 << 20, 0x1_0000_0000] {
        let rig = PageRig()
        var count: UInt64 = 0
        // Even multiples are in the page, the odd ones between them are not.
        while rig.node.freeByteCount >= 40 {
            var key = (count * 2 * stride).bigEndian
            let bytes = withUnsafeBytes(of: &key) { Array($0) }
            apply(rig, PageOpcode.insert, little(Int(count)) + little(8) + little(8) + bytes + bytes)
            count += 1
            for probe in 0..<count * 2 {
                var sought = (probe * stride).bigEndian
                withUnsafeBytes(of: &sought) { bytes in
                    let (slot, found) = rig.node.search(TreeKey(bytes))
                    context.expect(
                        slot == Int((probe + 1) / 2) && found == (probe % 2 == 0),
                        "with \(count) keys, \(probe) is found at \(slot)")
                }
            }
        }
    }
}

private func garbledPageIsHarmless(_ context: SuiteContext) throws(EngineError) {
    var random = SuiteRandom(seed: 11)
    let rig = PageRig()
    var sum = 0
    for round in 0..<20_000 {
        // Sometimes noise all over, sometimes only in header and slots, sometimes extreme values.
        let limit = round % 3 == 0 ? pageSize : 256
        for offset in stride(from: 32, to: limit, by: 8) {
            let value = round % 5 == 0 ? (random.next(below: 2) == 0 ? UInt64.max : 0) : random.next()
            rig.base.storeBytes(of: value, toByteOffset: offset, as: UInt64.self)
        }
        rig.base.storeBytes(of: UInt8(round & 1), toByteOffset: 49, as: UInt8.self)
        let key = randomKey(&random, longest: 40)
        key.withUnsafeBytes { bytes in
            let node = rig.node
            let (slot, _) = node.search(TreeKey(bytes))
            let child = node.childIndex(TreeKey(bytes))
            sum &+= Int(truncatingIfNeeded: node.child(child).rawValue) &+ slot
            for index in [0, slot, max(0, slot - 1), node.slotCount - 1] where index >= 0 && index < node.slotCount {
                inside(context, rig, node.suffix(index).bytes)
                inside(context, rig, UnsafeRawBufferPointer(node.payload(index)))
                sum &+= rig.key(index).count
            }
            inside(context, rig, node.prefix.bytes)
            inside(context, rig, node.lowerFence.bytes)
            inside(context, rig, node.upperFence.bytes)
        }
    }
    context.expect(sum != 1, "the result is used")
    context.expect(rig.isContained, "bytes outside the page were written")
}

private func inside(_ context: SuiteContext, _ rig: PageRig, _ bytes: UnsafeRawBufferPointer) {
    let start = bytes.baseAddress! - UnsafeRawPointer(rig.base)
    context.expect(start >= 0 && start + bytes.count <= pageSize, "\(start) + \(bytes.count) is outside the page")
}

private func unsoundImages(_ context: SuiteContext) throws(EngineError) {
    let rig = PageRig()
    for index in 0..<20 {
        apply(rig, PageOpcode.insert, little(index) + little(1) + little(4) + [UInt8(index), 1, 2, 3, 4])
    }
    let image = [UInt8](UnsafeRawBufferPointer(start: rig.base, count: pageSize))
    rig.keep()
    func expect(_ isTaken: Bool, _ what: StaticString, at offset: Int, _ byte: UInt8) {
        var operands = little(pageSize) + little(pageSize) + image
        operands[4 + offset] = byte
        operands.withUnsafeBytes { bytes in
            do throws(EngineError) {
                try BTreeRedo.apply(rig.base, PageRig.id, opcode: PageOpcode.image, bytes)
                context.expect(isTaken, "\(what) was taken")
            } catch {
                context.expect(!isTaken, "\(what) was refused")
                context.expect(rig.isAsKept, "\(what) was refused and changed the page")
            }
        }
        rig.restore()
    }
    expect(true, "a sound image", at: 8, image[8])
    expect(false, "the image of another page", at: 8, image[8] + 1)
    expect(false, "an image with one slot too few", at: 32, image[32] - 1)
    expect(false, "an image of a leaf on level 1", at: 48, 1)
    expect(false, "an image with a slot outside of the heap", at: 129, 0)
}

private func malformedOperations(_ context: SuiteContext) throws(EngineError) {
    let rig = PageRig()
    for index in 0..<20 {
        apply(rig, PageOpcode.insert, little(index) + little(1) + little(4) + [UInt8(index), 1, 2, 3, 4])
    }
    rig.keep()
    var random = SuiteRandom(seed: 5)
    var refused = 0
    for _ in 0..<5_000 {
        var operands: [UInt8] = []
        for _ in 0..<random.next(below: 40) { operands.append(UInt8(random.next(below: 6) * 51)) }
        let opcode = UInt16(random.next(below: 24))
        operands.withUnsafeBytes { bytes in
            do throws(EngineError) {
                try BTreeRedo.apply(rig.base, PageRig.id, opcode: opcode, bytes)
                // It happened to make sense; the page must still be sound.
                context.expect(rig.isContained, "operation \(opcode) wrote outside the page")
                for slot in 0..<rig.node.slotCount { inside(context, rig, rig.node.suffix(slot).bytes) }
            } catch {
                refused += 1
                context.expect(error.state == .dataCorrupted, "refused with another error")
                context.expect(rig.isAsKept, "operation \(opcode) was refused and changed the page")
            }
        }
        rig.restore()
    }
    context.expect(refused > 1_000, "only \(refused) operations were refused")
}
