// Runs a regular expression's program: all alternatives in step over the text (Pike's machine), so no pattern makes it
// slow. The overall match is the leftmost, and from there the longest (or the shortest, if the pattern prefers that);
// groups are then found by priority among the ways to match exactly that.

struct RegexMatcher: ~Copyable {
    private let program: RegexProgram
    private let instructions: UnsafeMutablePointer<RegexInstruction>
    private let count: Int
    private let slotCount: Int
    /// Thread lists: program counters in priority order, and each thread's slots.
    private let lists: UnsafeMutablePointer<Int32>
    private let slots: UnsafeMutablePointer<Int>
    private let marks: UnsafeMutablePointer<UInt32>
    private var generation: UInt32 = 0
    private let stack: UnsafeMutablePointer<(Int32, Int)>
    private let work: UnsafeMutablePointer<Int>

    init(_ program: RegexProgram) {
        self.program = program
        count = program.instructions.count
        slotCount = 2 * (program.groupCount + 1)
        instructions = .allocate(capacity: count)
        for index in 0..<count { (instructions + index).initialize(to: program.instructions[index]) }
        lists = .allocate(capacity: 2 * count)
        slots = .allocate(capacity: 2 * count * slotCount)
        marks = .allocate(capacity: count)
        marks.initialize(repeating: 0, count: count)
        stack = .allocate(capacity: 3 * count + 8)
        work = .allocate(capacity: slotCount)
    }
    deinit {
        instructions.deinitialize(count: count)
        instructions.deallocate()
        lists.deallocate()
        slots.deallocate()
        marks.deallocate()
        stack.deallocate()
        work.deallocate()
    }

    /// Whether there is a match anywhere.
    mutating func matches(_ text: UnsafeRawBufferPointer) -> Bool {
        run(text, from: 0, anchored: false, end: nil, wanted: .any) != nil
    }

    /// Byte positions of the first match at or after `start`: two per group, the whole first, -1 for a group not met.
    mutating func firstMatch(_ text: UnsafeRawBufferPointer, from start: Int) -> [Int]? {
        guard
            let whole = run(
                text, from: start, anchored: false, end: nil, wanted: program.isGreedy ? .longest : .shortest)
        else { return nil }
        if program.groupCount == 0 { return [whole[0], whole[1]] }
        return run(text, from: whole[0], anchored: true, end: whole[1], wanted: .first) ?? whole
    }

    private enum Wanted { case any, longest, shortest, first }

    private mutating func run(
        _ text: UnsafeRawBufferPointer, from start: Int, anchored: Bool, end: Int?, wanted: Wanted
    ) -> [Int]? {
        var current = 0
        var currentCount = 0
        var best: [Int]?
        var position = start
        generation = generation &+ 1
        while true {
            // New threads start only until something has matched; they start further right, so they come last.
            if best == nil, !anchored || position == start {
                for index in 0..<slotCount { work[index] = -1 }
                add(0, text, position, current, &currentCount)
            }
            if currentCount == 0, best != nil || anchored { break }
            let atEnd = position >= text.count
            var (scalar, size): (UInt32, Int) = (0, 0)
            if !atEnd { (scalar, size) = UTF8Text.decode(text, position) }
            let folded = program.ignoresCase ? CaseMapping.lower(scalar) : scalar
            let next = 1 - current
            var nextCount = 0
            generation = generation &+ 1
            for thread in 0..<currentCount {
                let counter = Int(lists[current * count + thread])
                let threadSlots = slots + (current * count + thread) * slotCount
                var advances = false
                switch instructions[counter] {
                case .match:
                    if let end, end != position { continue }
                    if wanted == .any { return [] }
                    // Of matches that begin alike, later ones are longer; an earlier beginning always wins.
                    let begin = threadSlots[0]
                    if let known = best, begin > known[0] || (begin == known[0] && wanted != .longest) { continue }
                    best = (0..<slotCount).map { threadSlots[$0] }
                    if wanted == .first { return best }
                    continue
                case .scalar(let wantedScalar): advances = !atEnd && wantedScalar == folded
                case .any: advances = !atEnd
                case .anyButNewline: advances = !atEnd && scalar != 0x0A
                case .set(let index):
                    advances =
                        !atEnd
                        && (program.ignoresCase
                            ? program.sets[index].containsIgnoringCase(scalar) : program.sets[index].contains(scalar))
                default: break
                }
                if let known = best, threadSlots[0] > known[0] { continue }
                if let known = best, wanted == .shortest, threadSlots[0] == known[0] { continue }
                if advances {
                    for index in 0..<slotCount { work[index] = threadSlots[index] }
                    add(counter + 1, text, position + size, next, &nextCount)
                }
            }
            if atEnd { break }
            current = next
            currentCount = nextCount
            position += size
        }
        return best
    }

    /// Follows jumps, splits, saves and assertions from `counter`, adding a thread per consuming instruction. `work` holds
    /// the slots and is restored.
    private mutating func add(
        _ counter: Int, _ text: UnsafeRawBufferPointer, _ position: Int, _ list: Int, _ listCount: inout Int
    ) {
        // Entries: (instruction, -1), or (slot to restore as -2 - slot, its old value).
        var depth = 0
        stack[0] = (Int32(counter), -1)
        depth = 1
        while depth > 0 {
            depth -= 1
            let (item, old) = stack[depth]
            if item < 0 {
                work[Int(-2 - item)] = old
                continue
            }
            let counter = Int(item)
            if marks[counter] == generation { continue }
            marks[counter] = generation
            switch instructions[counter] {
            case .jump(let target):
                stack[depth] = (Int32(target), -1)
                depth += 1
            case .split(let first, let second):
                stack[depth] = (Int32(second), -1)
                stack[depth + 1] = (Int32(first), -1)
                depth += 2
            case .save(let slot):
                stack[depth] = (Int32(-2 - slot), work[slot])
                stack[depth + 1] = (Int32(counter + 1), -1)
                depth += 2
                work[slot] = position
            case .assert(let assertion):
                if RegexMatcher.holds(assertion, text, position) {
                    stack[depth] = (Int32(counter + 1), -1)
                    depth += 1
                }
            default:
                lists[list * count + listCount] = Int32(counter)
                let target = slots + (list * count + listCount) * slotCount
                for index in 0..<slotCount { target[index] = work[index] }
                listCount += 1
            }
        }
    }

    private static func holds(_ assertion: RegexAssertion, _ text: UnsafeRawBufferPointer, _ position: Int) -> Bool {
        switch assertion {
        case .textStart: return position == 0
        case .textEnd: return position == text.count
        case .lineStart: return position == 0 || text[position - 1] == 0x0A
        case .lineEnd: return position == text.count || text[position] == 0x0A
        default: break
        }
        let before = position > 0 && isWord(text, position - 1)
        let after = position < text.count && isWord(text, position)
        switch assertion {
        case .wordStart: return !before && after
        case .wordEnd: return before && !after
        case .wordBoundary: return before != after
        default: return before == after
        }
    }
    private static func isWord(_ text: UnsafeRawBufferPointer, _ index: Int) -> Bool {
        let byte = text[index]
        return byte.isLetter || byte.isDigit || byte == UInt8(ascii: "_") || byte >= 0x80
    }
}
