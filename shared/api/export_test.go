package api

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
	for c, a := range answers {
		all[string(c)] = a.status
	}
	return all
}
