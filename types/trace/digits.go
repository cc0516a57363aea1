package trace

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// Integers are most of an event's text. These write eight digits at a time, where strconv divides for every two, fills
// a buffer and copies it.

func appendInt(b []byte, v int64) []byte {
	if v < 0 {
		return appendUint(append(b, '-'), -uint64(v))
	}
	return appendUint(b, uint64(v))
}

// group is the first number that eight digits cannot hold.
const group = 100_000_000

func appendUint(b []byte, v uint64) []byte {
	if v < 10 {
		return append(b, byte('0'+v))
	}
	b = slices.Grow(b, 24)
	switch {
	case v < group:
		return appendDigits(b, v)
	case v < group*group:
		return appendEightDigits(appendDigits(b, v/group), v%group)
	default:
		rest := v % (group * group)
		b = appendDigits(b, v/(group*group))
		return appendEightDigits(appendEightDigits(b, rest/group), rest%group)
	}
}

const asciiZeros = 0x3030303030303030

// appendDigits appends a number below group. b has room for eight bytes, even if fewer are needed.
func appendDigits(b []byte, v uint64) []byte {
	digits := eightDigits(v)
	leading := min(bits.TrailingZeros64(digits)/8, 7)
	b = binary.LittleEndian.AppendUint64(b, digits>>(8*leading)|asciiZeros)
	return b[:len(b)-leading]
}

func appendEightDigits(b []byte, v uint64) []byte {
	return binary.LittleEndian.AppendUint64(b, eightDigits(v)|asciiZeros)
}

// eightDigits returns the digits of a number below group, one per byte, the first in the lowest. It halves all parts
// at once: two numbers of four digits, four of two, eight of one. The constants divide by 100 and by 10 by multiplying,
// exactly for numbers of four and of two digits.
func eightDigits(v uint64) uint64 {
	four := v/10000 | v%10000<<32
	hundreds := four * 10486 >> 20 & 0x0000007f_0000007f
	two := hundreds | (four-hundreds*100)<<16
	tens := two * 103 >> 10 & 0x000f000f_000f000f
	return tens | (two-tens*10)<<8
}
