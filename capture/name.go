package capture

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// nameMax is what is kept of a name that others chose; with what is added, a file name stays below the 255 of the kernel.
const nameMax = 128

// safeName makes a part of a file name of a text that others chose. Another text has another name, as far as that
// matters: what had to be replaced or cut is marked with the beginning of a hash.
func safeName(text string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("._-+@=,:", r):
			return r
		}
		return '_'
	}, text)
	if len(name) > nameMax {
		name = name[:nameMax]
	}
	if strings.Trim(name, ".") == "" {
		name = "_" + strings.ReplaceAll(name, ".", "_")
	}
	if name == text {
		return name
	}
	sum := sha256.Sum256([]byte(text))
	return name + "~" + hex.EncodeToString(sum[:4])
}
