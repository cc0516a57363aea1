package trace

import (
	"math"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

func TestDigitsAreThoseOfStrconv(t *testing.T) {
	numbers := []uint64{0, math.MaxUint64, math.MaxInt64, 1 << 63}
	for power := uint64(1); power < math.MaxUint64/10; power *= 10 {
		numbers = append(numbers, power-1, power, power+1, power*9)
	}
	for n := range uint64(10_000) { // all that a multiplication divides
		numbers = append(numbers, n, n*10_000)
	}
	for _, n := range numbers {
		checkDigits(t, n)
	}
	rapid.Check(t, func(t *rapid.T) { checkDigits(t, rapid.Uint64().Draw(t, "n")>>rapid.IntRange(0, 63).Draw(t, "shift")) })
}

func checkDigits(t interface{ Fatalf(string, ...any) }, n uint64) {
	if got, want := string(appendUint([]byte("x"), n)), "x"+strconv.FormatUint(n, 10); got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
	if got, want := string(appendInt(nil, int64(n))), strconv.FormatInt(int64(n), 10); got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
}
