package signatures

import (
	"github.com/tracee-go/tracee/types/detect"
	"github.com/tracee-go/tracee/types/trace"
)

var (
	_ detect.Sieved = (*signature)(nil)
	_ detect.Sieve  = (*surroundings)(nil)
)

// groups of signatures that are not about certain files, and are yet not to see every event that they select. Their numbers
// follow those of the rules about files.
const (
	ofScripts   = iota // files are opened by who was given them to run
	ofDocuments        // files are opened that people keep, to be changed
	ofDeeds            // it is of no use that a process is there: they only learn from it
	groups
)

// group is a number behind those of the rules about files.
func group(n int) int { return len(fileRules) + n }

// Sieve implements detect.Sieved: the rules about files share the index of their paths.
func (s *signature) Sieve() (detect.Sieve, int) {
	if s.files != nil {
		return s.around, s.files.number
	}
	switch s.matcher.(type) {
	case *downloads, scriptWatcher:
		return s.around, group(ofScripts)
	case *overwriting:
		return s.around, group(ofDocuments)
	case *commandMatcher, watcher:
		return s.around, group(ofDeeds)
	}
	return nil, 0
}

// Sift implements detect.Sieve: it looks the path of an event up for all rules about files. From other events these learn
// together.
func (s *surroundings) Sift(e *trace.Event) (concerned []uint64, ok bool) {
	switch e.EventName {
	case "security_file_open":
		path := text(e, "pathname")
		s.sift(e, path)
		s.concerns(ofDeeds)
		if s.runsScript(e, path) {
			s.concerns(ofScripts)
		}
		if opensDocument(e, path) {
			s.concerns(ofDocuments)
		}
	case "security_inode_unlink", "do_truncate":
		s.sift(e, text(e, "pathname"))
		s.concerns(ofDeeds)
	case "security_inode_symlink":
		s.sift(e, text(e, "linkpath"))
		s.concerns(ofDeeds)
	case "security_inode_rename": // two paths
		return nil, false
	case "sched_process_fork", "existing_process":
		s.see(e)
		s.sifted = append(s.sifted[:0], s.index.nobody...)
	default:
		s.see(e)
		s.sifted = append(s.sifted[:0], s.index.nobody...)
		s.concerns(ofDeeds)
		s.concerns(ofScripts)
	}
	return s.sifted, true
}

// concerns notes that a group is to see the event.
func (s *surroundings) concerns(n int) { hit(s.sifted, group(n)) }

// sift notes the rules that a path is of interest to.
func (s *surroundings) sift(e *trace.Event, path string) {
	s.sifted = append(s.sifted[:0], s.index.wanting(path)...)
	if e.ContainerID == "" {
		return
	}
	for i, more := range s.index.elsewhere {
		s.sifted[i] |= more
	}
}
