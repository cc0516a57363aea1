package signatures

//go:generate go run ./gen ../docs/detections.md

import "slices"

// Description is what there is to know about a built-in signature, for documentation.
type Description struct {
	ID       string
	Aliases  []string // the ids that later versions of Tracee give to the same thing
	Name     string
	Meaning  string
	Severity int
	Tactic   string // of MITRE ATT&CK
	// Technique is the id of a technique of MITRE ATT&CK, version 19, and Former the id that it had before, if another.
	Technique, TechniqueName, Former string
	Response                         string   // what to do about a finding
	Benign                           string   // what else causes it
	Events                           []string // that it looks at
	Origin                           string   // of the events, "" for any
}

// Describe returns the descriptions of the built-in signatures, in the order of All.
func Describe() []Description {
	var list []Description
	for _, d := range sorted() {
		list = append(list, Description{
			ID: d.id, Aliases: slices.Clone(d.aliases), Name: d.name, Meaning: d.doc, Severity: d.severity,
			Tactic: d.technique.tactic, Technique: d.technique.id, TechniqueName: d.technique.name, Former: d.technique.former,
			Response: d.response, Benign: d.benign, Events: slices.Clone(d.events), Origin: d.origin,
		})
	}
	return list
}
