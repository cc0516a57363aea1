package cli

import "runtime/debug"

// version is that of the module, which the go command writes into the program: a tag, or what it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
