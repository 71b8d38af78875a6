// Disjoint ranges of stream positions in ascending order, with gaps between them: what a receiver holds out of order, and what
// a sender knows to be received (the scoreboard of RFC 6675). Bounded: a range that finds no place is refused.

struct PositionRange: BitwiseCopyable {
    var lower: StreamPosition
    var upper: StreamPosition
}

struct RangeSet {
    static let capacity = 128

    private let ranges: UnsafeMutablePointer<PositionRange>
    private(set) var count = 0
    /// Bytes in all ranges.
    private(set) var byteCount = 0

    init(_ memory: UnsafeMutablePointer<PositionRange>) { ranges = memory }

    @inline(__always) subscript(_ index: Int) -> PositionRange { ranges[index] }
    @inline(__always) var isEmpty: Bool { count == 0 }
    /// The end of the last range.
    @inline(__always) var upper: StreamPosition { ranges[count - 1].upper }

    mutating func removeAll() {
        count = 0
        byteCount = 0
    }

    /// The last range that begins at or below `position`, or -1.
    private func last(atOrBelow position: StreamPosition) -> Int {
        var index = count - 1
        while index >= 0 && ranges[index].lower > position { index -= 1 }
        return index
    }

    /// Adds `lower..<upper`, joining what touches. Returns the range it is in, or nil if there is no place.
    mutating func insert(_ lower: StreamPosition, _ upper: StreamPosition) -> PositionRange? {
        assert(lower < upper)
        var first = last(atOrBelow: lower)
        if first < 0 || ranges[first].upper < lower { first += 1 }
        var joined = PositionRange(lower: lower, upper: upper)
        var end = first
        while end < count && ranges[end].lower <= upper {
            joined.lower = min(joined.lower, ranges[end].lower)
            joined.upper = max(joined.upper, ranges[end].upper)
            byteCount -= Int(ranges[end].upper - ranges[end].lower)
            end += 1
        }
        if end == first {
            if count == Self.capacity { return nil }
            var index = count
            while index > first {
                ranges[index] = ranges[index - 1]
                index -= 1
            }
            count += 1
        } else if end > first + 1 {
            let removed = end - first - 1
            for index in end..<count { ranges[index - removed] = ranges[index] }
            count -= removed
        }
        ranges[first] = joined
        byteCount += Int(joined.upper - joined.lower)
        return joined
    }

    /// Forgets everything below `position`.
    mutating func removeBelow(_ position: StreamPosition) {
        var gone = 0
        while gone < count && ranges[gone].upper <= position {
            byteCount -= Int(ranges[gone].upper - ranges[gone].lower)
            gone += 1
        }
        if gone > 0 {
            for index in gone..<count { ranges[index - gone] = ranges[index] }
            count -= gone
        }
        if count > 0 && ranges[0].lower < position {
            byteCount -= Int(position - ranges[0].lower)
            ranges[0].lower = position
        }
    }

    /// Bytes of `lower..<upper` that are in no range.
    func missing(_ lower: StreamPosition, _ upper: StreamPosition) -> Int {
        var result = Int(upper - lower)
        for index in 0..<count {
            let low = max(lower, ranges[index].lower)
            let high = min(upper, ranges[index].upper)
            if low < high { result -= Int(high - low) }
        }
        return result
    }

    /// The range that holds `position`, or the first one above it; -1 if there is none.
    func first(endingAbove position: StreamPosition) -> Int {
        for index in 0..<count where ranges[index].upper > position { return index }
        return -1
    }
}
