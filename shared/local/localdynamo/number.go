package localdynamo

import (
	"math/big"
	"strconv"
	"strings"
)

// number is a decimal as DynamoDB keeps it: up to 38 significant digits, magnitude 1E-130 to 9.99…E+125. It is zero,
// or 0.digits times ten to the power exp; two equal numbers are equal in all fields.
type number struct {
	negative bool
	digits   string // no leading and no trailing zero; "" is the number 0
	exp      int
}

const (
	maxDigits   = 38
	maxExponent = 126  // of 0.digits, so 9.99…E+125
	minExponent = -129 // 1E-130
)

// parseNumber reads what a caller sent. The error is a ValidationException.
func parseNumber(s string) (number, error) {
	var n number
	mantissa, exponent := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		var ok bool
		if exponent, ok = parseExponent(s[i+1:]); !ok {
			return n, errNoNumber()
		}
		mantissa = s[:i]
	}
	if mantissa != "" && (mantissa[0] == '-' || mantissa[0] == '+') {
		n.negative, mantissa = mantissa[0] == '-', mantissa[1:]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := whole + fraction
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return n, errNoNumber()
	}
	return n.normal(digits, len(whole)+exponent)
}

// parseExponent reads the part after the e. What is far out of range is cut to something that still is.
func parseExponent(s string) (int, bool) {
	sign := 1
	if s != "" && (s[0] == '-' || s[0] == '+') {
		if s[0] == '-' {
			sign = -1
		}
		s = s[1:]
	}
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	exponent := 0
	for _, c := range s {
		exponent = min(exponent*10+int(c-'0'), 1<<30)
	}
	return sign * exponent, true
}

// normal takes the zeros off 0.digits times ten to the power exp, and checks the bounds.
func (n number) normal(digits string, exp int) (number, error) {
	trimmed := strings.TrimLeft(digits, "0")
	n.exp = exp - (len(digits) - len(trimmed))
	n.digits = strings.TrimRight(trimmed, "0")
	switch {
	case n.digits == "":
		return number{}, nil
	case n.exp > maxExponent:
		return n, invalid("Number overflow. Attempting to store a number with magnitude larger than supported range")
	case n.exp < minExponent:
		return n, invalid("Number underflow. Attempting to store a number with magnitude smaller than supported range")
	case len(n.digits) > maxDigits:
		return n, invalid("Attempting to store more than 38 significant digits in a Number")
	}
	return n, nil
}

func errNoNumber() *apiError {
	return invalid("The parameter cannot be converted to a numeric value")
}

// String is the number without an exponent, as DynamoDB answers it.
func (n number) String() string {
	if n.digits == "" {
		return "0"
	}
	sign := ""
	if n.negative {
		sign = "-"
	}
	switch {
	case n.exp <= 0:
		return sign + "0." + strings.Repeat("0", -n.exp) + n.digits
	case n.exp >= len(n.digits):
		return sign + n.digits + strings.Repeat("0", n.exp-len(n.digits))
	}
	return sign + n.digits[:n.exp] + "." + n.digits[n.exp:]
}

// key is a byte string that sorts as the number does: sign, exponent, digits; for a negative number the complement.
func (n number) key() []byte {
	if n.digits == "" {
		return []byte{0x80}
	}
	key := append([]byte{byte(n.exp - minExponent)}, n.digits...)
	if !n.negative {
		return append([]byte{0xC0}, key...)
	}
	for i := range key {
		key[i] = ^key[i]
	}
	// The end must sort after every longer number, which is a smaller one.
	return append(append([]byte{0x40}, key...), 0xFF)
}

// plus adds m, or takes it away. The error is a ValidationException when the result is out of bounds.
func (n number) plus(m number, minus bool) (number, error) {
	if m.digits != "" {
		m.negative = m.negative != minus
	}
	lowest := min(n.exp-len(n.digits), m.exp-len(m.digits))
	sum := new(big.Int).Add(n.integer(lowest), m.integer(lowest))
	digits := new(big.Int).Abs(sum).String()
	return number{negative: sum.Sign() < 0}.normal(digits, len(digits)+lowest)
}

// integer is the number divided by ten to the power lowest, which makes it whole.
func (n number) integer(lowest int) *big.Int {
	i := new(big.Int)
	if n.digits == "" {
		return i
	}
	i.SetString(n.digits+strings.Repeat("0", n.exp-len(n.digits)-lowest), 10)
	if n.negative {
		i.Neg(i)
	}
	return i
}

// numberOf is a small whole number that is not negative.
func numberOf(n int) number {
	digits := strconv.Itoa(n)
	return number{digits: strings.TrimRight(digits, "0"), exp: len(digits)}.orZero()
}

// orZero brings the digits of zero to their one form.
func (n number) orZero() number {
	if n.digits == "" {
		return number{}
	}
	return n
}
