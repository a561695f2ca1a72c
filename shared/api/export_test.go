package api

// Limits are the bounds of a configuration, for tests to change.
func (c *Config) Limits() *limits { return &c.limits }

// Routes lists every "METHOD pattern" of the table, GET without its HEAD.
func Routes() []string {
	var all []string
	for _, rt := range routes {
		for method := range rt.methods {
			all = append(all, method+" "+rt.pattern)
		}
	}
	return all
}

// Codes lists every problem code with its status.
func Codes() map[string]int {
	all := map[string]int{}
	for c, p := range problems {
		all[string(c)] = p.status
	}
	return all
}
