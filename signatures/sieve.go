package signatures

import (
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

var (
	_ detect.Sieved = (*signature)(nil)
	_ detect.Sieve  = (*surroundings)(nil)
)

// Sieve implements detect.Sieved: the rules about files share the index of their paths.
func (s *signature) Sieve() (detect.Sieve, int) {
	if s.files == nil {
		return nil, 0
	}
	return s.around, s.files.number
}

// Sift implements detect.Sieve: it looks the path of an event up for all rules about files. From other events these learn
// together.
func (s *surroundings) Sift(e *trace.Event) (concerned []uint64, ok bool) {
	switch e.EventName {
	case "security_file_open", "security_inode_unlink", "do_truncate":
		s.sifted = append(s.sifted[:0], s.index.wanting(text(e, "pathname"))...)
	case "security_inode_symlink":
		s.sifted = append(s.sifted[:0], s.index.wanting(text(e, "linkpath"))...)
	case "security_inode_rename": // two paths
		return nil, false
	default:
		s.see(e)
		s.sifted = append(s.sifted[:0], s.index.nobody...)
	}
	return s.sifted, true
}
