package detect

import (
	"fmt"
	"slices"
	"strconv"
)

// Severities name the levels of the property "Severity", from 0 up, as v0.8's signatures use them.
var Severities = []string{"info", "low", "medium", "high", "critical"}

// Unrated is the severity of signatures that have none of these.
const Unrated = "unrated"

// Severity names how bad what the signature finds is.
func (m SignatureMetadata) Severity() string {
	level, err := strconv.Atoi(fmt.Sprint(m.Properties["Severity"]))
	if err != nil || level < 0 || level >= len(Severities) {
		return Unrated
	}
	return Severities[level]
}

// SeverityLevel is the place of a name in Severities, -1 for all others.
func SeverityLevel(name string) int { return slices.Index(Severities, name) }
