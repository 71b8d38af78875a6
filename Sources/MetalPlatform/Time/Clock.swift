// Time: the time-stamp counter, measured once against the ACPI power-management timer (ACPI 6.5, 4.8.3.3) or, where there is
// none, the 8254; the wall clock from the CMOS clock at the start plus what the counter has counted since.

import CMetal
import Platform

struct Clock {
    /// Nanoseconds per tick as a fraction of 2^32.
    private let scale: UInt64
    private let origin: UInt64
    /// Microseconds since 1970 at `origin`.
    private let wallAtOrigin: Int64
    let ticksPerSecond: UInt64
    /// Decrements of the local APIC's timer per second, divided by 16.
    let timerPerSecond: UInt64

    /// Takes 10 ms. `powerTimer` is the port of the ACPI timer, 0 if there is none; `timer` is sampled with it.
    init(powerTimer: UInt16, apic: LocalAPIC) {
        apic.startTimer(count: .max, vector: 0x40, isMasked: true)
        let firstCount = apic.timerCount
        let first = dbk_processor_tsc()
        let elapsed = powerTimer != 0 ? Self.waitPowerTimer(powerTimer) : Self.waitIntervalTimer()
        let last = dbk_processor_tsc()
        let lastCount = apic.timerCount
        apic.startTimer(count: 0, vector: 0x40, isMasked: true)
        // elapsed is in nanoseconds.
        let ticks = max(1, last &- first)
        ticksPerSecond = ticks * 1_000_000_000 / elapsed
        timerPerSecond = UInt64(firstCount &- lastCount) * 1_000_000_000 / elapsed
        scale = (elapsed << 32) / ticks
        origin = dbk_boot_tsc_get()
        let since = Int64(Self.convert(dbk_processor_tsc() &- origin, scale) / 1000)
        wallAtOrigin = Self.readCMOS() * 1_000_000 - since
    }

    @inline(__always) private static func convert(_ ticks: UInt64, _ scale: UInt64) -> UInt64 {
        let product = ticks.multipliedFullWidth(by: scale)
        return product.high << 32 | product.low >> 32
    }

    /// Since the loader entered the image.
    @inline(__always) var now: Nanoseconds { Nanoseconds(Self.convert(dbk_processor_tsc() &- origin, scale)) }

    var wallClock: Int64 { wallAtOrigin + Int64(now.rawValue / 1000) }

    // MARK: References

    /// About 10 ms of the 3.579545 MHz counter, whose low 24 bits every machine has; nanoseconds passed.
    private static func waitPowerTimer(_ port: UInt16) -> UInt64 {
        let first = dbk_in32(port) & 0xff_ffff
        var passed: UInt32 = 0
        while passed < 35_795 { passed = (dbk_in32(port) & 0xff_ffff) &- first & 0xff_ffff }
        return UInt64(passed) * 1_000_000_000 / 3_579_545
    }

    /// 10 ms of the 8254's channel 2, mode 0 (Intel 8254 data sheet).
    private static func waitIntervalTimer() -> UInt64 {
        let count: UInt16 = 11_932
        dbk_out8(0x61, dbk_in8(0x61) & 0xfc)
        dbk_out8(0x43, 0xb0)
        dbk_out8(0x42, UInt8(count & 0xff))
        dbk_out8(0x42, UInt8(count >> 8))
        dbk_out8(0x61, dbk_in8(0x61) | 1)
        while dbk_in8(0x61) & 0x20 == 0 {}
        return UInt64(count) * 1_000_000_000 / 1_193_182
    }

    // MARK: CMOS (Motorola MC146818)

    private static func cmos(_ register: UInt8) -> UInt8 {
        dbk_out8(0x70, register | 0x80)
        return dbk_in8(0x71)
    }

    /// Seconds since 1970, UTC. Read twice until both agree: an update may come between.
    private static func readCMOS() -> Int64 {
        var last = sample()
        while true {
            let next = sample()
            var same = true
            for index in 0..<6 where next[index] != last[index] { same = false }
            if same { break }
            last = next
        }
        var v = last
        let mode = cmos(0x0b)
        let isAfternoon = v[2] & 0x80 != 0
        v[2] &= 0x7f
        if mode & 4 == 0 { for index in 0..<6 { v[index] = v[index] / 16 * 10 + v[index] & 15 } }
        if mode & 2 == 0 { v[2] = v[2] % 12 + (isAfternoon ? 12 : 0) }
        return days(year: 2000 + Int64(v[5]), month: Int64(v[4]), day: Int64(v[3])) * 86_400 + Int64(v[2]) * 3600
            + Int64(v[1]) * 60 + Int64(v[0])
    }

    /// Seconds, minutes, hours, day, month, year.
    private static func sample() -> [6 of UInt8] {
        while cmos(0x0a) & 0x80 != 0 {}
        return [cmos(0), cmos(2), cmos(4), cmos(7), cmos(8), cmos(9)]
    }

    /// Days from 1970-01-01 in the proleptic Gregorian calendar.
    private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let y = month <= 2 ? year - 1 : year
        let era = y / 400
        let yearOfEra = y - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}
