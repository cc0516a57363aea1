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

const map32Bit = 0 // there is no 32-bit ABI to need it

const largeFile = 0o400000 // O_LARGEFILE: open sets it for every 64-bit process
