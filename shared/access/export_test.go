package access

// Overrides are what tests alone change.
type Overrides = overrides

// MaxBody is how much of an answer's body is read.
const MaxBody = maxBody

// With gives the options with overrides.
func (o Options) With(v Overrides) *Options {
	o.overrides = v
	return &o
}
