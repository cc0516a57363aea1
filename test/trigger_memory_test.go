package test

import (
	"golang.org/x/sys/unix"
)

// The alerts as v0.8 numbers them.
const (
	alertMmapWX      = 1
	alertMprotectX   = 2
	alertMprotectWX  = 3
	alertMprotectNoW = 4
)

const (
	readWrite = unix.PROT_READ | unix.PROT_WRITE
	readExec  = unix.PROT_READ | unix.PROT_EXEC
	allAccess = readWrite | unix.PROT_EXEC
)

func (a *actor) mmap(protection int) uintptr {
	return uintptr(a.must(unix.SYS_MMAP, 0, 1<<16, uintptr(protection), unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, ^uintptr(0)))
}

func (a *actor) mprotect(address uintptr, protection int) {
	a.must(unix.SYS_MPROTECT, address, 1<<16, uintptr(protection))
}

func alertMemory(a *actor) {
	blind := a.blind("mem_prot_alert") && !a.CalledBack // to all but mmap
	alert := func(n uint32) {
		if n == alertMmapWX || !blind {
			a.want("mem_prot_alert", arguments{"alert": n})
		}
	}
	both := a.mmap(allAccess)
	alert(alertMmapWX)
	a.mprotect(both, readExec)
	alert(alertMprotectNoW)
	a.mprotect(both, allAccess)
	alert(alertMprotectWX)

	unpacked := a.mmap(readWrite)
	a.mprotect(unpacked, readExec)
	alert(alertMprotectX)
	a.must(unix.SYS_PKEY_MPROTECT, unpacked, 1<<16, allAccess, ^uintptr(0))
	alert(alertMprotectWX)

	hidden := a.mmap(unix.PROT_NONE)
	a.mprotect(hidden, allAccess)
	alert(alertMprotectX)
}

func changeMemory(a *actor) {
	data := a.mmap(readWrite)
	a.mprotect(data, unix.PROT_READ)
	a.mprotect(data, readWrite)
	code := a.mmap(readExec)
	a.mprotect(code, readExec)
	a.mprotect(code, unix.PROT_READ)
	raw(unix.SYS_MPROTECT, data+1, 1<<16, allAccess)
	raw(unix.SYS_MPROTECT, 0x10000, 1<<16, readExec) // nothing is there
	raw(unix.SYS_MMAP, 0, 1<<16, allAccess, unix.MAP_PRIVATE, ^uintptr(0))
	// A change that fails leaves nothing behind for the next.
	raw(unix.SYS_MPROTECT, data, ^uintptr(0xfff), readExec)
	a.mprotect(data, readWrite)
}
