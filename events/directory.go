package events

import "github.com/tracee-go/tracee/types/trace"

const unseenEntries = "Listings by getdents, the call of old 32-bit programs; and what another thread does to the list before " +
	"the call returns."

// What a listing of a directory has that a file system never gives: entries without an inode, which ls does not show.
var (
	HiddenInodes = declare(Event{
		ID: 740, Name: "hidden_inodes",
		Hooks:  function("filldir64", sysExit("zeroed_entries", "getdents64")),
		Args:   []trace.Field{{Name: "hidden_process", Type: CharStr, Doc: "name of the entry"}},
		Doc:    "A directory was listed, and an entry has no inode: a way to hide files and processes.",
		Unseen: unseenEntries,
	})
	ZeroedInodes = declare(Event{
		ID: 830, Name: "zeroed_inodes",
		Hooks:  function("filldir64", sysExit("zeroed_entries", "getdents64")),
		Args:   []trace.Field{{Name: "dirent_name", Type: Str}},
		Doc:    "The same as hidden_inodes, by the name that newer versions of Tracee give it.",
		Unseen: unseenEntries,
	})
)
