package events

import "github.com/tracee-go/tracee/types/trace"

// The types of arguments, named as in v0.8. The values of integers are what the C type of that name holds on a 64-bit
// kernel.
var (
	Bool  = &trace.Type{Name: "bool", Kind: trace.Bool}
	Int   = &trace.Type{Name: "int", Kind: trace.Int32}
	UInt  = &trace.Type{Name: "unsigned int", Kind: trace.Uint32}
	U8    = &trace.Type{Name: "u8", Kind: trace.Uint8}
	U16   = &trace.Type{Name: "u16", Kind: trace.Uint16}
	U32   = &trace.Type{Name: "u32", Kind: trace.Uint32}
	U64   = &trace.Type{Name: "u64", Kind: trace.Uint64}
	Long  = &trace.Type{Name: "long", Kind: trace.Int64}
	ULong = &trace.Type{Name: "unsigned long", Kind: trace.Uint64}

	ClockIDT         = &trace.Type{Name: "clockid_t", Kind: trace.Int32}
	ConstClockIDT    = &trace.Type{Name: "const clockid_t", Kind: trace.Int32}
	FD               = &trace.Type{Name: "int", Kind: trace.Int32, Descriptor: true}
	UFD              = &trace.Type{Name: "unsigned int", Kind: trace.Uint32, Descriptor: true}
	DevT             = &trace.Type{Name: "dev_t", Kind: trace.Uint32}
	GidT             = &trace.Type{Name: "gid_t", Kind: trace.Int32}
	KeySerialT       = &trace.Type{Name: "key_serial_t", Kind: trace.Int32}
	KeyT             = &trace.Type{Name: "key_t", Kind: trace.Int32}
	LandlockRuleType = &trace.Type{Name: "landlock_rule_type", Kind: trace.Int32}
	LOff             = &trace.Type{Name: "loff_t", Kind: trace.Uint64}
	ModeT            = &trace.Type{Name: "mode_t", Kind: trace.Uint32}
	MqdT             = &trace.Type{Name: "mqd_t", Kind: trace.Int32}
	Off              = &trace.Type{Name: "off_t", Kind: trace.Uint64}
	Off64            = &trace.Type{Name: "off_t", Kind: trace.Uint64} // 64 bits in 32-bit ABIs too, see Registers
	OldGidT          = &trace.Type{Name: "old_gid_t", Kind: trace.Uint16}
	OldOldUidT       = &trace.Type{Name: "old_old_uid_t", Kind: trace.Uint16}
	OldUidT          = &trace.Type{Name: "old_uid_t", Kind: trace.Uint16}
	PidT             = &trace.Type{Name: "pid_t", Kind: trace.Int32}
	QidT             = &trace.Type{Name: "qid_t", Kind: trace.Uint32} // v0.8 takes it for an address
	Size             = &trace.Type{Name: "size_t", Kind: trace.Uint64}
	TimerT           = &trace.Type{Name: "timer_t", Kind: trace.Int32}
	UidT             = &trace.Type{Name: "uid_t", Kind: trace.Int32}
	UModeT           = &trace.Type{Name: "umode_t", Kind: trace.Uint16}
)

// Types whose values the kernel side reads from memory.
var (
	AddressT    = &trace.Type{Name: "const char*", Kind: trace.String} // the kernel side stores its 4 or 16 bytes
	BytesT      = &trace.Type{Name: "bytes", Kind: trace.Bytes}
	CharStr     = &trace.Type{Name: "char*", Kind: trace.String}
	CredT       = &trace.Type{Name: "slim_cred_t", Kind: trace.Cred}
	IntPairT    = &trace.Type{Name: "int[2]", Kind: trace.IntPair}
	SockaddrPtr = &trace.Type{Name: "struct sockaddr*", Kind: trace.Sockaddr}
	Str         = &trace.Type{Name: "const char*", Kind: trace.String}
	StrArray    = &trace.Type{Name: "const char*const*", Kind: trace.Strings}
	StrVec      = &trace.Type{Name: "const char**", Kind: trace.Strings}
)

// Types whose values are made in user space.
var (
	DNSQueries      = &trace.Type{Name: "[]trace.DnsQueryData", Kind: trace.Document}
	DNSResponses    = &trace.Type{Name: "[]trace.DnsResponseData", Kind: trace.Document}
	HookedSymbolMap = &trace.Type{Name: "map[string]trace.HookedSymbolData", Kind: trace.Document}
	HookedSymbols   = &trace.Type{Name: "[]trace.HookedSymbolData", Kind: trace.Document}
	LibraryPath     = &trace.Type{Name: "const char*", Kind: trace.String} // has filters of its own
	PacketMetadata  = document("trace.PacketMetadata")
	PktMeta         = document("trace.PktMeta")
	ProtoDNS        = document("trace.ProtoDNS")
	ProtoHTTP       = document("trace.ProtoHTTP")
	ProtoHTTPReq    = document("trace.ProtoHTTPRequest")
	ProtoHTTPResp   = document("trace.ProtoHTTPResponse")
	ProtoICMP       = document("trace.ProtoICMP")
	ProtoICMPv6     = document("trace.ProtoICMPv6")
	ProtoIPv4       = document("trace.ProtoIPv4")
	ProtoIPv6       = document("trace.ProtoIPv6")
	ProtoTCP        = document("trace.ProtoTCP")
	ProtoUDP        = document("trace.ProtoUDP")
	Symbols         = &trace.Type{Name: "const char*const*", Kind: trace.Strings} // filters look at each
	ULongs          = &trace.Type{Name: "unsigned long[]", Kind: trace.Document}
)

// document is a type whose values travel as JSON.
func document(name string) *trace.Type { return &trace.Type{Name: name, Kind: trace.Document} }

// The two pointers that every JSON reader of v0.8 accepts; others are declared where they are used.
var (
	ConstVoidPtr = pointer("const void*")
	VoidPtr      = pointer("void*")
)

// pointer is the type of an address that is shown as such, and of handles that v0.8 shows like one.
func pointer(name string) *trace.Type { return &trace.Type{Name: name, Kind: trace.Pointer} }

// Types with a textual form for parse-arguments.
var (
	AccessMode      = flagged(Int, accessModes)
	AlertT          = keepName(text(U32, alertText))
	BPFCmd          = named(Int, bpfCommands)
	BPFProgramType  = named(Int, bpfProgramTypes)
	CapabilityT     = named(Int, capabilities)
	Clock           = named(ClockIDT, clocks)
	CloneFlags      = text(ULong, cloneFlagsText)
	ConstClock      = named(ConstClockIDT, clocks)
	DirFD           = perhapsNamed(Int, directories) // a descriptor of a directory
	ExecveatFlags   = flagged(Int, execveatFlags)
	FcntlArg        = partly(ULong, fileArgumentText)
	FcntlCmd        = named(Int, fileCommands)
	FanotifyMask    = flagged(U64, fanotifyMask)
	FileTypeU       = text(UModeT, fileTypeText)
	FutexOperation  = flagged(Int, futexOperations)
	GetSockoptName  = within(Int, getSockoptText)
	InodeMode       = text(ModeT, inodeModeText)
	InodeModeU      = text(UModeT, inodeModeText)
	IoctlRequest    = text(ULong, ioctlText)
	IOPriority      = text(Int, ioPriorityText)
	KernelReadType  = text(Int, kernelReadText)
	Keyring         = perhapsNamed(KeySerialT, keyrings)
	MemoryPolicy    = text(Int, memoryPolicyText)
	MessageFlags    = flagged(Int, messageFlags)
	MmapFlags       = flagged(Int, mmapFlags)
	MountFlags      = flagged(ULong, mountFlags)
	OpenFlags       = text(Int, openFlagsText)
	PrctlArg        = partly(ULong, prctlArgumentText)
	PrctlOption     = named(Int, prctlOptions)
	ProtFlags       = flagged(Int, protections)
	PtraceRequest   = named(Long, ptraceRequests)
	QuotaCommand    = text(Int, quotaCommandText)
	Resource        = named(Int, resources)
	SchedulerPolicy = flagged(Int, schedulerPolicies)
	Signal          = text(Int, signalText)
	SocketDomain    = text(Int, socketDomainText)
	SocketProtocol  = within(Int, socketProtocolText)
	SocketType      = text(Int, socketTypeText)
	SockoptLevel    = named(Int, socketLevels)
	SockoptName     = within(Int, setSockoptText)
	SyscallNumber   = keepName(text(Int, syscallText))
	UringOperation  = text(Int, uringOperationText)
	WaitOptions     = flagged(Int, waitOptions)
)

// text is a plain type whose values parse-arguments turns into strings.
func text(plain *trace.Type, render func(uint64) string) *trace.Type {
	return &trace.Type{Name: plain.Name, Kind: plain.Kind, Text: render}
}

// within is text for values that mean what another argument of their event says.
func within(plain *trace.Type, render func(uint64, *trace.Event) string) *trace.Type {
	t := text(plain, func(value uint64) string { return render(value, &trace.Event{}) })
	t.TextIn = render
	return t
}

// partly is within for values that stay numbers where render answers "".
func partly(plain *trace.Type, render func(uint64, *trace.Event) string) *trace.Type {
	t := within(plain, render)
	t.Partial = true
	return t
}

// keepName marks the types that v0.8 leaves under their own name when their values become strings.
func keepName(t *trace.Type) *trace.Type {
	t.KeepName = true
	return t
}
