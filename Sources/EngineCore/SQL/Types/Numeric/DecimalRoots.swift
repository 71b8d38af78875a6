// Square roots, exponentials and logarithms of decimals to any number of places.

import Platform

extension Decimal {
    /// Rounded to `scale` decimals. Precondition: finite, not negative.
    func squareRoot(scale: Int) -> Decimal {
        if digits.isEmpty {
            var zero = Decimal.zero
            zero.scale = max(scale, 0)
            return zero
        }
        // Newton's iteration from a double's 15 digits; every step doubles them.
        let working = max(scale, 0) + 8
        let half = weight / 2
        var scaled = self
        scaled.weight -= 2 * half
        var root = Decimal((scaled.float(single: false) ?? 1).squareRoot(), significant: 15)
        root.weight += half
        root.round(to: working)
        if root.isZero { return root }
        let wanted = working + max(0, (half + 1) * 4) + 2
        var correct = 14
        while correct < 2 * wanted {
            let quotient = Decimal.divide(self, root, scale: working, rounding: true)
            root = Decimal.multiply(Decimal.add(root, quotient), Decimal(unscaled: 5, scale: 1), scale: working)
            correct *= 2
        }
        root.round(to: scale)
        return root
    }
}
