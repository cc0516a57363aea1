package library

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// ThreadStat is what the kernel says of a process or thread in a file stat of /proc.
type ThreadStat struct {
	State byte          // Z, X: it has ended
	Start time.Duration // since boot, in StartTicks
}

// StartTick is the unit in which the kernel tells the start of a thread there: USER_HZ is 100 everywhere.
const StartTick = 10 * time.Millisecond

// ReadStat reads such a file.
func ReadStat(path string) (s ThreadStat, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return s, err
	}
	const startField = 22 - 3 // the first field behind the name, which may hold anything, is the third
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) <= startField {
		return s, fmt.Errorf("%s has %d fields behind the name", path, len(fields))
	}
	ticks, err := strconv.ParseInt(string(fields[startField]), 10, 64)
	return ThreadStat{State: fields[0][0], Start: time.Duration(ticks) * StartTick}, err
}

// Ended says that it runs no more, though somebody has yet to be told.
func (s ThreadStat) Ended() bool { return s.State == 'Z' || s.State == 'X' }
