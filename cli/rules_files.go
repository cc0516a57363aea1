package cli

import (
	"os"
	"slices"

	"github.com/tracee-go/tracee/rules"
	"github.com/tracee-go/tracee/signatures/rego"
	"github.com/tracee-go/tracee/types/detect"
)

// join adds the signatures of rule files to the built-in ones. An id is one signature: where a file has that of a
// built-in one, the file counts, unless it is still as it was shipped and so says the same, slower.
func (c *rulesCommand) join(builtIn []detect.Signature, set *rules.Set) []detect.Signature {
	all, stand := joined(builtIn, set)
	for _, s := range stand {
		c.log.Warn("a rule file stands in for a built-in signature", "signature", idOf(s), "file", set.Files[s])
	}
	return all
}

// joined is what join makes of them, and which of the files stand in for a built-in signature.
func joined(builtIn []detect.Signature, set *rules.Set) (all, stand []detect.Signature) {
	var added []detect.Signature
	for _, s := range set.Signatures {
		taken := slices.IndexFunc(builtIn, func(b detect.Signature) bool { return idOf(b) == idOf(s) })
		if taken < 0 {
			added = append(added, s)
		} else if !shipped(set.Files[s].Path) {
			builtIn = slices.Delete(builtIn, taken, taken+1)
			added, stand = append(added, s), append(stand, s)
		}
	}
	return append(builtIn, added...), stand
}

func idOf(s detect.Signature) string {
	metadata, _ := s.GetMetadata()
	return metadata.ID
}

func fileOf(s detect.Signature) string {
	if f, ok := s.(interface{ File() string }); ok {
		return f.File()
	}
	return ""
}

func shipped(file string) bool {
	content, err := os.ReadFile(file)
	return err == nil && rego.Unchanged(file, content)
}

// otherIDs are further ids by which a signature can be asked for.
func otherIDs(s detect.Signature) []string {
	if a, ok := s.(interface{ Aliases() []string }); ok {
		return a.Aliases()
	}
	return nil
}
