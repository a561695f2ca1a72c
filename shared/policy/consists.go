package policy

import "strings"

// Alphabets of identifiers, for [Consists].
const (
	Lower   = "abcdefghijklmnopqrstuvwxyz"
	Digits  = "0123456789"
	Hex     = Digits + "abcdef"
	Letters = Lower + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// Consists tells whether s has from shortest to longest bytes, and each of them is in an alphabet of ASCII. A regular
// expression that counts costs each cold start of a function: it is compiled to as many steps as it counts to.
func Consists(s, alphabet string, shortest, longest int) bool {
	return shortest <= len(s) && len(s) <= longest && strings.Trim(s, alphabet) == ""
}
