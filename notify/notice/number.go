package notice

import (
	"math"
	"strconv"
	"strings"
)

// Number writes a value for people: three significant digits, integers as they are.
func Number(v float64) string { return digits(v, 3) }

// digits writes v with n significant digits.
func digits(v float64, n int) string {
	switch abs := math.Abs(v); {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 1):
		return "infinity"
	case math.IsInf(v, -1):
		return "-infinity"
	case v == math.Trunc(v) && abs < 1e6:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case abs >= 1e-3 && abs < 1e6:
		decimals := max(n-1-int(math.Floor(math.Log10(abs))), 0)
		return strconv.FormatFloat(v, 'f', decimals, 64)
	}
	return exponent(strconv.FormatFloat(v, 'e', n-1, 64))
}

// exponent takes the padding out of 1.00e-05.
func exponent(text string) string {
	mantissa, exp, ok := strings.Cut(text, "e")
	if !ok {
		return text
	}
	if strings.Contains(mantissa, ".") {
		mantissa = strings.TrimRight(strings.TrimRight(mantissa, "0"), ".")
	}
	sign := ""
	if exp[0] == '-' {
		sign = "-"
	}
	return mantissa + "e" + sign + strings.TrimLeft(exp[1:], "0")
}

// Rate writes a learning rate: as short as it is, at most three significant digits.
func Rate(v float64) string {
	if short := exponent(strconv.FormatFloat(v, 'g', -1, 64)); len(short) <= 7 && !math.IsNaN(v) && !math.IsInf(v, 0) {
		return short
	}
	if math.Abs(v) >= 1e-3 && math.Abs(v) < 1e6 {
		return strings.TrimRight(digits(v, 3), "0")
	}
	return digits(v, 3)
}

// Pair writes two values with as many digits as it takes to tell them apart.
func Pair(a, b float64) (string, string) {
	for n := 3; n < 7; n++ {
		if x, y := digits(a, n), digits(b, n); x != y || a == b {
			return x, y
		}
	}
	return digits(a, 7), digits(b, 7)
}
