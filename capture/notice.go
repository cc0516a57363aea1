package capture

import (
	"os"
	"slices"

	"github.com/tracee-go/tracee/events"
	"github.com/tracee-go/tracee/types/trace"
)

// notice is what the kernel side says of something that is to be captured. It does not refer to the event.
type notice struct {
	event           int         // its id
	context         trace.Event // whom it is about; without arguments
	pid, parent     int
	path            string
	key             fileKey
	mode            uint16
	fd              int
	pos, size       int64
	address         uint64
	whole           int64
	sequence, ctime uint64
	name            string
	bytes           []byte
	own             *os.File // taken hold of when the notice came; nil: not tried, or without success
	holdErr         error
	held            *held
	packets         []remembered // of the process, remembered when a signature asked
}

// Arguments that all internal events of files and memory have, in one order.
var (
	argPath       = events.CaptureExec.Schema().Index("pathname")
	argDev        = events.CaptureExec.Schema().Index("dev")
	argInode      = events.CaptureExec.Schema().Index("inode")
	argGeneration = events.CaptureExec.Schema().Index("generation")
	argMode       = events.CaptureExec.Schema().Index("mode")
	argFD         = events.CaptureExec.Schema().Index("fd")
	argPos        = events.CaptureExec.Schema().Index("pos")
	argSize       = events.CaptureExec.Schema().Index("size")
	argAddress    = events.CaptureExec.Schema().Index("address")
	argWhole      = events.CaptureExec.Schema().Index("whole")
	argSequence   = events.CaptureExec.Schema().Index("sequence")
	argCtime      = events.CaptureExec.Schema().Index("ctime")
	argName       = events.CaptureExec.Schema().Index("name")
	argBytes      = events.CaptureExec.Schema().Index("bytes")
)

func newNotice(e *trace.Event) *notice {
	number := func(index int) uint64 {
		if a, ok := e.At(index); ok {
			return a.Uint()
		}
		return 0
	}
	text := func(index int) string {
		if a, ok := e.At(index); ok {
			return string(a.Raw())
		}
		return ""
	}
	n := &notice{
		event: e.EventID, context: contextOf(e), pid: e.HostProcessID, parent: e.HostParentProcessID,
		path: text(argPath),
		key:  fileKey{uint32(number(argDev)), number(argInode), uint32(number(argGeneration))},
		mode: uint16(number(argMode)), fd: int(int32(number(argFD))),
		pos: int64(number(argPos)), size: int64(number(argSize)), address: number(argAddress), whole: int64(number(argWhole)),
		sequence: number(argSequence), ctime: number(argCtime), name: text(argName),
	}
	if a, ok := e.At(argBytes); ok {
		n.bytes = slices.Clone(a.Raw())
		if int64(len(n.bytes)) > n.size {
			n.bytes = n.bytes[:n.size]
		}
	}
	return n
}

// contextOf is the event without its arguments.
func contextOf(e *trace.Event) trace.Event {
	context := *e
	context.SetRecord(events.ArtifactCaptured.Schema(), 0, 0, nil)
	context.StackAddresses = nil
	context.ReturnValue = 0
	return context
}

// record begins the record of what a notice is about.
func (n *notice) record(kind string) Record {
	r := recordOf(&n.context, kind)
	r.Pathname, r.Device, r.Inode, r.Address = n.path, n.key.device, n.key.inode, n.address
	return r
}

func recordOf(context *trace.Event, kind string) Record {
	user := context.UserID
	return Record{
		Kind: kind, ProcessName: context.ProcessName, HostProcessID: context.HostProcessID, UserID: &user,
		ProcessEntityID: context.ProcessEntityID, Executable: context.Executable, ContainerID: context.ContainerID,
	}
}

// Types of files in a mode.
const (
	formatMask = 0o170000
	formatFile = 0o100000
	formatChar = 0o020000
)

func (n *notice) regular() bool { return n.mode&formatMask == formatFile }
