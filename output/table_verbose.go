package output

// TableVerbose prints more of each event than Table.
var TableVerbose = declare(Format{
	Name: "table-verbose",
	Doc:  "events in table format with extra fields per event",
	New:  func(c Config) (Printer, error) { return newTable(c, verboseColumns, verboseContainerColumns), nil },
})

var (
	verboseColumns          = []column{uts, container, mntNS, pidNS, uid, comm, pid, tid, ppid, ret, name}
	verboseContainerColumns = []column{uts, container, mntNS, pidNS, uid, comm, pidHost, tidHost, ppidHost, ret, name}
)
