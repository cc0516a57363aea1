package main

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/tracee-go/tracee/tracer"
	"github.com/tracee-go/tracee/types/trace"
)

// mark is an argument of getpriority that nobody else uses; the second one is the number of the call.
const mark = 0x50a6

// ledger keeps the books of numbered calls: each that was made has to come once, or to be told as lost.
type ledger struct {
	made atomic.Int64

	mu           sync.Mutex
	next         int64 // number of the call after the last one that came
	came, twice  int64
	lost, missed int64 // calls, as lost_events tells; times that a program was not run, which is told per program
	broken       int64 // lines that are no events
}

// read takes what a sensor prints as JSON, to its end.
func (l *ledger) read(source io.Reader) {
	var e trace.Event
	for r := trace.NewJSONReader(source, nil); ; {
		err := r.Read(&e)
		if err != nil && !isBadRecord(err) {
			return
		}
		l.add(&e, err)
	}
}

func isBadRecord(err error) bool {
	var bad *trace.BadRecord
	return errors.As(err, &bad)
}

func (l *ledger) add(e *trace.Event, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil:
		l.broken++
	case e.EventName == "getpriority":
		number, _ := e.Lookup("who")
		l.came++
		if number.Int() < l.next {
			l.twice++
		}
		l.next = max(l.next, number.Int()+1)
	case e.EventName == "lost_events":
		name, _ := e.Lookup("event")
		count, _ := e.Lookup("lost")
		reason, _ := e.Lookup("reason")
		switch {
		case reason.Value() == tracer.ProgramMissed:
			l.missed += int64(count.Uint())
		case name.Value() == "getpriority":
			l.lost += int64(count.Uint())
		}
	}
}

// faults says what does not add up.
func (l *ledger) faults() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	made := l.made.Load()
	fmt.Printf("%10d calls made: %d came, %d told as lost, %d programs not run\n", made, l.came, l.lost, l.missed)
	var faults []string
	if l.twice > 0 {
		faults = append(faults, fmt.Sprintf("%d calls came twice, or out of order", l.twice))
	}
	if sum := l.came + l.lost; sum > made || sum+l.missed < made {
		faults = append(faults, fmt.Sprintf("%d calls were made, but %d came and %d were told as lost", made, l.came, l.lost))
	}
	if l.broken > 0 {
		faults = append(faults, fmt.Sprintf("%d lines are no events", l.broken))
	}
	return faults
}
