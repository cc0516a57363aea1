package rules

import (
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
)

// marks counts the numbers that goroutines of signatures were marked with.
var marks atomic.Uint64

// marked runs f below functions whose names spell a number. So the profile of the heap tells whose memory is whose, also
// where several signatures have the same code: it knows the functions that led to an allocation, and no goroutine. A stack
// in the profile has 32 functions, hence digits to the base of 8.
func marked(n uint64, f func()) {
	switch n & 7 {
	case 0:
		mark0(n>>3, f)
	case 1:
		mark1(n>>3, f)
	case 2:
		mark2(n>>3, f)
	case 3:
		mark3(n>>3, f)
	case 4:
		mark4(n>>3, f)
	case 5:
		mark5(n>>3, f)
	case 6:
		mark6(n>>3, f)
	default:
		mark7(n>>3, f)
	}
}

func further(n uint64, f func()) {
	if n == 0 {
		f()
		return
	}
	marked(n, f)
}

//go:noinline
func mark0(n uint64, f func()) { further(n, f) }

//go:noinline
func mark1(n uint64, f func()) { further(n, f) }

//go:noinline
func mark2(n uint64, f func()) { further(n, f) }

//go:noinline
func mark3(n uint64, f func()) { further(n, f) }

//go:noinline
func mark4(n uint64, f func()) { further(n, f) }

//go:noinline
func mark5(n uint64, f func()) { further(n, f) }

//go:noinline
func mark6(n uint64, f func()) { further(n, f) }

//go:noinline
func mark7(n uint64, f func()) { further(n, f) }

// markOf reads the number out of a stack, whose innermost function comes first; 0: there is none.
func markOf(stack []uintptr) (n uint64) {
	frames := runtime.CallersFrames(stack)
	for {
		frame, more := frames.Next()
		if digit, ok := strings.CutPrefix(frame.Function, markPrefix); ok && len(digit) == 1 && digit[0] < '8' {
			n = n<<3 | uint64(digit[0]-'0')
		}
		if !more {
			return n
		}
	}
}

// markPrefix is how the names of the functions begin, as the runtime knows them.
var markPrefix = reflect.TypeFor[isolated]().PkgPath() + ".mark"
