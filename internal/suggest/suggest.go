// Package suggest helps people who mistyped a name.
//
// DidYouMean is all of it: a hint to append to an error message. It promises nothing about which of several equally near
// names it picks, and suggests nothing that is far from what was typed.
package suggest

import (
	"strings"

	"github.com/agnivade/levenshtein"
)

// DidYouMean returns " (did you mean X?)" for the name among those known that is nearest to the given one, and nothing
// when none is near: at most one letter in four may differ.
func DidYouMean(given string, known []string) string {
	best, nearest := "", 2+len(given)/4
	for _, name := range known {
		if d := levenshtein.ComputeDistance(strings.ToLower(given), strings.ToLower(name)); d < nearest {
			best, nearest = name, d
		}
	}
	if best == "" {
		return ""
	}
	return " (did you mean " + best + "?)"
}
