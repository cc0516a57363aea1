package test

// Calls that this architecture does not have; the number is nobody's.
const (
	oldCalls = false
	sysOpen  = 1 << 20
	sysCreat = 1 << 20
	sysDup2  = 1 << 20

	sysUtime     = 1 << 20
	sysUtimes    = 1 << 20
	sysFutimesat = 1 << 20
)

// Machine code. socketCall is socket(1, 1, 0): mov x8, 198; mov x0, 1; mov x1, 1; mov x2, 0; svc 0. falseStack moves the
// stack to 0x800 behind its own end: mov x19, sp; adr x9, .+0x808; mov sp, x9; trueStack undoes it: mov sp, x19.
const (
	socketCall = "\xc8\x18\x80\xd2\x20\x00\x80\xd2\x21\x00\x80\xd2\x02\x00\x80\xd2\x01\x00\x00\xd4"
	falseStack = "\xf3\x03\x00\x91\x49\x40\x00\x10\x3f\x01\x00\x91"
	trueStack  = "\x7f\x02\x00\x91"
	ret        = "\xc0\x03\x5f\xd6"
)

const map32Bit = 0 // there is no 32-bit ABI to need it

const largeFile = 0o400000 // O_LARGEFILE: open sets it for every 64-bit process
