package trace

import "math/bits"

// Integers are most of an event's text. These two write them in place, where strconv fills a buffer and copies it.

func appendInt(b []byte, v int64) []byte {
	if v < 0 {
		return appendUint(append(b, '-'), -uint64(v))
	}
	return appendUint(b, uint64(v))
}

func appendUint(b []byte, v uint64) []byte {
	n := decimalLength(v)
	end := len(b) + n
	if cap(b) < end {
		b = append(b, make([]byte, n)...)
	}
	b = b[:end]
	for ; v >= 100; v /= 100 {
		end -= 2
		pair := v % 100 * 2
		b[end], b[end+1] = digitPairs[pair], digitPairs[pair+1]
	}
	if v >= 10 {
		b[end-2], b[end-1] = digitPairs[v*2], digitPairs[v*2+1]
	} else {
		b[end-1] = byte('0' + v)
	}
	return b
}

// decimalLength returns the number of decimal digits of v.
func decimalLength(v uint64) int {
	n := (bits.Len64(v|1)*1233)>>12 + 1 // 1233/4096 is log 2 to base 10: right, or one too many or few
	if n < 20 && v >= powersOfTen[n] {
		return n + 1
	}
	if v < powersOfTen[n-1] && n > 1 {
		return n - 1
	}
	return n
}

var powersOfTen = func() (powers [20]uint64) {
	powers[0] = 1
	for i := 1; i < len(powers); i++ {
		powers[i] = powers[i-1] * 10
	}
	return powers
}()

var digitPairs = func() (pairs [200]byte) {
	for i := range 100 {
		pairs[2*i], pairs[2*i+1] = byte('0'+i/10), byte('0'+i%10)
	}
	return pairs
}()
