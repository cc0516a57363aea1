package events

import "github.com/tracee-go/tracee/types/trace"

// What the kernel side and user space must agree on besides the catalogue. The names in C are those of Border.
const (
	Lanes = 4 // buffers per CPU: programs that preempt each other there

	RingCritical = 0
	RingBulk     = 1

	// Flags of an event, set before loading.
	FlagSelected   = 1
	FlagCritical   = 2
	FlagOfThread   = 4 // about the thread itself, or the call that it makes
	FlagUnfiltered = 8
	FlagJudged     = 16 // its arguments have tests to pass
	FlagUrgent     = 32 // the reader is woken for each

	// Flags of a record.
	RecordCompat           = 1 // made through the 32-bit ABI
	RecordContainerStarted = 2
	RecordIOUring          = 4   // submitted through an io_uring
	RecordStack            = 8   // behind the body are the addresses of the stack
	RecordCopied           = 16  // in place of bytes, it says in which file they are
	RecordChunk            = 128 // more bytes of an argument of the event that comes after it

	// What a container is, as the kernel side keeps it.
	ContainerExisted = 1  // when tracing began
	ContainerStarted = 2  // its own program has been executed
	ContainerDress   = 16 // bytes before an id that tell the runtime

	// Tables of syscalls.
	ABINative      = 0
	ABICompat      = 1
	SyscallsPerABI = 1024 // x32 included; a power of two for the verifier
	SyscallTails   = 8
	EnterTails     = 4
	Multiplexed    = 32 // calls behind one number

	// Tables of operations of io_uring.
	UringOperations = 128 // a power of two for the verifier
	UringTails      = 4

	// What is kept of an operation from its submission to its answer.
	UringActive = 1 // somebody needs it
	UringNames  = 2
	UringFD     = 4

	// How the kernel tells of an answer: by request and result; by request and a struct that holds the result; by what
	// the caller knows the request by, and result.
	UringByRequest  = 0
	UringByStruct   = 1
	UringByUserData = 2

	// How the argument in a register is kept.
	KindSlot     = 0
	KindLong     = 1 // sign-extended when it comes through the 32-bit ABI
	KindStr      = 2
	KindStrArray = 3
	KindSockaddr = 4
	KindIntPair  = 5
	KindNone     = 6 // left out

	KindStrArray32 = 7 // of pointers of 32 bits whatever the ABI: x32
	KindFD         = 8 // a descriptor, with the path of its file
	KindFDClosed   = 9 // the same, but the call closes it

	// The slot of a descriptor has its number below, and above that where its path lies in the body, and how long it is.
	FDOffsetShift = 32
	FDLengthShift = 48
	FDNameless    = 0x8000 // in the length: what lies there is the inode's number and type

	// Which argument holds the length of a socket address.
	SockaddrNone      = 0xff
	SockaddrByPointer = 0x80 // the length is an int in the caller's memory, valid when the call succeeded

	// Flags of a syscall.
	SpecActive        = 1   // somebody needs it
	SpecEvent         = 2   // its own event is selected
	SpecEnterEvent    = 4   // ... and sent at entry, because the call does not return
	SpecNotZero       = 8   // no event for a return value of zero: the child's side of fork; an execve that succeeded
	SpecArgumentBlock = 16  // its only argument is the address of an array of 32-bit words: the arguments
	SpecMultiplexer   = 32  // its first argument says which call it stands for: socketcall
	SpecCloses        = 128 // the file of its first argument is to be looked up at entry
	SpecMultiplexed   = 64  // such a call, whose arguments are an array of 32-bit words at the second
)

// Constant is a number with its name in C.
type Constant struct {
	Name  string
	Value int
}

// Border lists the constants for the generated header.
func Border() []Constant {
	return append([]Constant{
		{"LANES", Lanes},
		{"RING_CRITICAL", RingCritical},
		{"RING_BULK", RingBulk},
		{"EVENT_SELECTED", FlagSelected},
		{"EVENT_CRITICAL", FlagCritical},
		{"EVENT_OF_THREAD", FlagOfThread},
		{"EVENT_UNFILTERED", FlagUnfiltered},
		{"EVENT_JUDGED", FlagJudged},
		{"EVENT_URGENT", FlagUrgent},
		{"FLAG_COMPAT", RecordCompat},
		{"FLAG_CONTAINER_STARTED", RecordContainerStarted},
		{"FLAG_STACK", RecordStack},
		{"FLAG_COPIED", RecordCopied},
		{"FLAG_CHUNK", RecordChunk},
		{"FLAG_IO_URING", RecordIOUring},
		{"CONTAINER_EXISTED", ContainerExisted},
		{"CONTAINER_STARTED", ContainerStarted},
		{"CONTAINER_DRESS", ContainerDress},
		{"RUNG_NONE", int(trace.NoRung)},
		{"RUNG_LSM", int(trace.LSM)},
		{"RUNG_FENTRY", int(trace.Fentry)},
		{"RUNG_KPROBE", int(trace.Kprobe)},
		{"RUNG_TRACEPOINT", int(trace.Tracepoint)},
		{"RUNG_CGROUP", int(trace.Cgroup)},
		{"ABI_NATIVE", ABINative},
		{"ABI_COMPAT", ABICompat},
		{"SYSCALLS", SyscallsPerABI},
		{"SYSCALL_TAILS", SyscallTails},
		{"ENTER_TAILS", EnterTails},
		{"MULTIPLEXED", Multiplexed},
		{"URING_OPERATIONS", UringOperations},
		{"URING_TAILS", UringTails},
		{"URING_ACTIVE", UringActive},
		{"URING_NAMES", UringNames},
		{"URING_FD", UringFD},
		{"URING_BY_REQUEST", UringByRequest},
		{"URING_BY_STRUCT", UringByStruct},
		{"URING_BY_USER_DATA", UringByUserData},
		{"SPEC_ACTIVE", SpecActive},
		{"SPEC_EVENT", SpecEvent},
		{"SPEC_ENTER_EVENT", SpecEnterEvent},
		{"SPEC_NOT_ZERO", SpecNotZero},
		{"SPEC_ARGUMENT_BLOCK", SpecArgumentBlock},
		{"SPEC_MULTIPLEXER", SpecMultiplexer},
		{"SPEC_CLOSES", SpecCloses},
		{"SPEC_MULTIPLEXED", SpecMultiplexed},
	}, kinds()...)
}

// kinds are the constants about how arguments are kept.
func kinds() []Constant {
	return []Constant{
		{"KIND_SLOT", KindSlot},
		{"KIND_LONG", KindLong},
		{"KIND_STR", KindStr},
		{"KIND_STR_ARRAY", KindStrArray},
		{"KIND_STR_ARRAY32", KindStrArray32},
		{"KIND_SOCKADDR", KindSockaddr},
		{"KIND_INT_PAIR", KindIntPair},
		{"KIND_NONE", KindNone},
		{"POINTED_MAX", MaxPointed},
		{"KIND_FD", KindFD},
		{"KIND_FD_CLOSED", KindFDClosed},
		{"FD_OFFSET_SHIFT", FDOffsetShift},
		{"FD_LENGTH_SHIFT", FDLengthShift},
		{"FD_NAMELESS", FDNameless},
		{"SOCKADDR_NONE", SockaddrNone},
		{"SOCKADDR_BY_POINTER", SockaddrByPointer},
	}
}
