package settings

import (
	"strings"

	"github.com/spf13/pflag"
)

// Setting is a key of a file, as people are told of it.
type Setting struct {
	Key   string
	Takes string // "true or false", "a time, as 10s"
	Does  string
	Flag  *pflag.Flag
}

// Describe returns what there is to set, in the order of the declarations.
func Describe(flags *pflag.FlagSet) []Setting {
	var all []Setting
	flags.VisitAll(func(f *pflag.Flag) {
		if !hasKey(f) {
			return
		}
		_, usage := pflag.UnquoteUsage(f)
		all = append(all, Setting{f.Name, wants(f), strings.ReplaceAll(usage, "\n", " "), f})
	})
	return all
}
