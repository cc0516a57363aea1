package filter

// Names are what an expression of --trace can begin with, besides arguments of events.
func Names() []string { return names() }
