// The proleptic Gregorian calendar: day numbers and civil dates. Algorithms after Howard Hinnant, "chrono-Compatible
// Low-Level Date Algorithms". Years are astronomical (1 BC is year 0); day 0 and microsecond 0 are 2000-01-01 00:00.

import Platform

package enum Calendar {
    static let microsecondsPerSecond: Int64 = 1_000_000
    static let microsecondsPerMinute: Int64 = 60_000_000
    static let microsecondsPerHour: Int64 = 3_600_000_000
    package static let microsecondsPerDay: Int64 = 86_400_000_000

    /// Dates run from 4714-11-24 BC to 5874897-12-31, timestamps from the same day to 294276-12-31.
    static let firstDay: Int64 = -2_451_545
    /// The day after the last.
    static let endDay: Int64 = 2_145_031_949
    static let firstTimestamp: Int64 = -211_813_488_000_000_000
    static let endTimestamp: Int64 = 9_223_371_331_200_000_000

    /// Infinite values.
    package static let dateInfinity = Int32.max
    package static let dateNegativeInfinity = Int32.min
    package static let infinity = Int64.max
    package static let negativeInfinity = Int64.min
    @inline(__always) static func isFinite(_ timestamp: Int64) -> Bool {
        timestamp != Int64.max && timestamp != Int64.min
    }
    @inline(__always) static func isFinite(_ date: Int32) -> Bool { date != Int32.max && date != Int32.min }
    static func isValid(_ timestamp: Int64) -> Bool { timestamp >= firstTimestamp && timestamp < endTimestamp }

    /// Day number of a civil date; months outside 1...12 are not accepted.
    static func day(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let y = month <= 2 ? year - 1 : year
        let era = (y >= 0 ? y : y - 399) / 400
        let yearOfEra = y - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        // Day 0 of the algorithm is 0000-03-01; 2000-01-01 is 730,425 days later.
        return era * 146_097 + dayOfEra - 730_425
    }

    static func civil(_ day: Int) -> (year: Int, month: Int, day: Int) {
        let z = day + 730_425
        let era = (z >= 0 ? z : z - 146_096) / 146_097
        let dayOfEra = z - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shifted + 2) / 5 + 1)
    }

    static func isLeap(_ year: Int) -> Bool { (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 }
    static func dayCount(_ year: Int, _ month: Int) -> Int {
        switch month {
        case 2: isLeap(year) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
    /// 0 Sunday … 6 Saturday.
    static func weekday(_ day: Int) -> Int {
        let value = (day + 6) % 7
        return value < 0 ? value + 7 : value
    }
    static func dayOfYear(_ year: Int, _ month: Int, _ day: Int) -> Int {
        Calendar.day(year, month, day) - Calendar.day(year, 1, 1) + 1
    }
    /// ISO 8601 week and the year it belongs to.
    static func isoWeek(_ day: Int) -> (year: Int, week: Int) {
        // The week's Thursday decides its year.
        let weekday = weekday(day)
        let thursday = day - (weekday == 0 ? 6 : weekday - 1) + 3
        let year = civil(thursday).year
        return (year, (thursday - Calendar.day(year, 1, 1)) / 7 + 1)
    }
    /// Monday of an ISO week.
    static func isoWeekStart(_ year: Int, _ week: Int) -> Int {
        let fourth = day(year, 1, 4)
        let weekday = weekday(fourth)
        return fourth - (weekday == 0 ? 6 : weekday - 1) + 7 * (week - 1)
    }

    /// Day number and microseconds within the day.
    @inline(__always) static func split(_ timestamp: Int64) -> (day: Int64, time: Int64) {
        var day = timestamp / microsecondsPerDay
        var time = timestamp % microsecondsPerDay
        if time < 0 {
            time += microsecondsPerDay
            day -= 1
        }
        return (day, time)
    }
}

/// A timestamp taken apart.
struct DateFields {
    var year = 2000
    var month = 1
    var day = 1
    /// Microseconds since midnight.
    var time: Int64 = 0

    init() {}
    init(_ timestamp: Int64) {
        let (dayNumber, time) = Calendar.split(timestamp)
        (year, month, day) = Calendar.civil(Int(dayNumber))
        self.time = time
    }
    var dayNumber: Int { Calendar.day(year, month, day) }
    var hour: Int { Int(time / Calendar.microsecondsPerHour) }
    var minute: Int { Int(time / Calendar.microsecondsPerMinute % 60) }
    var second: Int { Int(time / Calendar.microsecondsPerSecond % 60) }
    /// Seconds and their fraction.
    var secondMicroseconds: Int64 { time % Calendar.microsecondsPerMinute }

    /// nil if beyond the range of timestamps.
    var timestamp: Int64? {
        let day = Int64(dayNumber)
        guard day >= Calendar.firstDay, day <= 106_751_983 else { return nil }
        let (product, overflow) = day.multipliedReportingOverflow(by: Calendar.microsecondsPerDay)
        let (sum, carry) = product.addingReportingOverflow(time)
        return overflow || carry || !Calendar.isValid(sum) ? nil : sum
    }
}

enum DateTimeErrors {
    static func timestampOutOfRange() -> EngineError { EngineError(.datetimeFieldOverflow, "timestamp out of range") }
    static func dateOutOfRange() -> EngineError { EngineError(.datetimeFieldOverflow, "date out of range") }
    static func intervalOutOfRange() -> EngineError { EngineError(.datetimeFieldOverflow, "interval out of range") }
}
