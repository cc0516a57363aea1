package test

import (
	"encoding/gob"
	"fmt"
	"reflect"
	"strings"
)

// matcher stands for a value that is not known to the last bit.
type matcher interface{ match(got any) error }

// ticks is a time in the unit of /proc, which is coarser than that of events: ns.
type ticks uint64

// beginningOf is a string or a list of strings of which only the beginning has to be there.
type beginningOf struct{ Whole any }

// anything is for what no user can know.
type anything struct{}

// lowBits is a number of which only the lowest three bits are known.
type lowBits uint64

func (m lowBits) match(got any) error {
	if n, ok := got.(uint64); !ok || n&7 != uint64(m) {
		return fmt.Errorf("got %#x, want %#x in the lowest bits", got, uint64(m))
	}
	return nil
}

func init() {
	gob.Register(lowBits(0))
	gob.Register(ticks(0))
	gob.Register(beginningOf{})
	gob.Register(anything{})
}

const nanosecondsPerTick = 10_000_000 // USER_HZ is 100 on every architecture

func (m ticks) match(got any) error {
	if n, ok := got.(uint64); !ok || n/nanosecondsPerTick != uint64(m) {
		return fmt.Errorf("got %v, want %d ticks of 10 ms", got, m)
	}
	return nil
}

func (anything) match(any) error { return nil }

func (m beginningOf) match(got any) error {
	whole, ok := m.Whole.([]string)
	if !ok {
		if strings.HasPrefix(m.Whole.(string), got.(string)) {
			return nil
		}
		return fmt.Errorf("got %.100q, want a beginning of %.100q", got, m.Whole)
	}
	cut := got.([]string)
	if len(cut) > len(whole) {
		return fmt.Errorf("got %d elements, want %d at most", len(cut), len(whole))
	}
	for i, element := range cut {
		if element != whole[i] && (i < len(cut)-1 || !strings.HasPrefix(whole[i], element)) {
			return fmt.Errorf("element %d: got %.100q, want a beginning of %.100q", i, element, whole[i])
		}
	}
	return nil
}

// matches compares a decoded value with the one wanted.
func matches(got, want any) error {
	if m, ok := want.(matcher); ok {
		return m.match(got)
	}
	if empty(got) && empty(want) && reflect.TypeOf(got) == reflect.TypeOf(want) {
		return nil // gob does not tell an empty one from nil
	}
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("got %#v, want %#v", got, want)
	}
	return nil
}

func empty(value any) bool {
	v := reflect.ValueOf(value)
	return (v.Kind() == reflect.Slice || v.Kind() == reflect.Map) && v.Len() == 0
}

// endOf is a path of which only the end has to be there.
type endOf struct{ Whole string }

func init() { gob.Register(endOf{}) }

func (m endOf) match(got any) error {
	if end, ok := got.(string); ok && len(end) > len(m.Whole)/2 && strings.HasSuffix(m.Whole, end) {
		return nil
	}
	return fmt.Errorf("got %.100q, want an end of %.100q", got, m.Whole)
}
