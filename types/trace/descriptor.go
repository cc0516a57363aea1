package trace

import (
	"encoding/binary"
	"strconv"
)

// The slot of a descriptor, see Type.Descriptor.
const (
	fdOffsetShift = 32
	fdLengthShift = 48
	fdNameless    = 0x8000
	namelessSize  = 16 // number of the inode, and its mode
)

// Types of files, from stat(2).
const (
	modeType   = 0o170000
	modeSocket = 0o140000
	modePipe   = 0o010000
)

// hasFile reports whether the argument is a descriptor whose file is known.
func (a Arg) hasFile() bool {
	return a.event.FilePaths && a.Type().Descriptor && a.Uint()>>fdLengthShift != 0
}

// appendDescriptor appends the number and the file: 5=/path, 3=socket:[4026] or 4=pipe:[17], as the kernel names them.
func (a Arg) appendDescriptor(b []byte) []byte {
	slot := a.Uint()
	b = append(strconv.AppendInt(b, a.Int(), 10), '=')
	start, length := int(uint16(slot>>fdOffsetShift)), int(slot>>fdLengthShift)
	nameless := length&fdNameless != 0
	length &^= fdNameless
	if start+length > len(a.event.body) {
		return b
	}
	text := a.event.body[start:][:length]
	switch {
	case nameless && length >= namelessSize:
		return appendNameless(b, binary.LittleEndian.Uint64(text), binary.LittleEndian.Uint64(text[8:]))
	case nameless:
		return b
	case text[0] == '[': // [eventfd], [eventpoll] and so on
		b = append(b, "anon_inode:"...)
	}
	return append(b, text...)
}

func appendNameless(b []byte, inode, mode uint64) []byte {
	kind := "inode"
	switch mode & modeType {
	case modeSocket:
		kind = "socket"
	case modePipe:
		kind = "pipe"
	}
	b = append(append(b, kind...), ":["...)
	return append(strconv.AppendUint(b, inode, 10), ']')
}
