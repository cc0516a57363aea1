package tracer

import (
	"bytes"
	"log/slog"
	"os"
	"testing"
	"time"
)

func newTestCache(t *testing.T, memory, disk int64) *cache {
	t.Helper()
	c, err := newCache(CacheConfig{memory * blockSize, disk * blockSize, t.TempDir()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

const cachedRecord = 40_000 // so that few fill a block

// feedCache puts n records, pausing now and then, and closes done when all are put.
func feedCache(c *cache, n int) (done chan int) {
	done = make(chan int, 1)
	go func() {
		put := 0
		for ; put < n && c.put(timed(0, put, cachedRecord)); put++ {
			if put%50 == 17 && !c.pause() {
				break
			}
		}
		c.end()
		done <- put
	}()
	return done
}

// awaitFull returns when feedCache waits for room, or has put everything.
func awaitFull(t *testing.T, c *cache, done chan int) {
	t.Helper()
	for limit := time.Now().Add(time.Minute); len(done) == 0 && c.total().Stalls == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("neither full nor fed")
		}
	}
}

// drainCache takes everything until the end.
func drainCache(t *testing.T, c *cache) (records int) {
	t.Helper()
	for limit := time.Now().Add(time.Minute); time.Now().Before(limit); {
		block, ended := c.take()
		if block == nil {
			if ended {
				return records
			}
			c.wait(10 * time.Millisecond)
			continue
		}
		eachRecord(block, func(record []byte) bool {
			if want := timed(0, records, cachedRecord); !bytes.Equal(record, want) {
				t.Fatalf("record %d is not what was put: it says %d", records, numberOf(record))
			}
			records++
			return true
		})
		c.taken(block)
	}
	t.Fatal("no end")
	return 0
}

func TestTheCacheGivesWhatWasPut(t *testing.T) {
	for _, test := range []struct {
		name         string
		memory, disk int64
	}{{"in memory", 64, 0}, {"on disk", 1, 64}, {"in little memory", 1, 0}, {"on little disk", 1, 3}} {
		t.Run(test.name, func(t *testing.T) {
			c := newTestCache(t, test.memory, test.disk)
			done := feedCache(c, 1000)
			awaitFull(t, c, done)
			if got := drainCache(t, c); got != 1000 || <-done != 1000 {
				t.Errorf("got %d records", got)
			}
			stats := c.total()
			roomy := (test.memory+test.disk)*blockSize > 1000*(cachedRecord+200)
			if (stats.Stalls == 0) != roomy || (stats.SpilledBytes > 0) != (test.disk > 0) || stats.LostRecords+stats.DiskErrors > 0 {
				t.Errorf("got %+v", stats)
			}
			if limit := (test.memory + test.disk) * blockSize; stats.PeakBytes > limit || stats.PeakBytes == 0 {
				t.Errorf("got a peak of %d, want at most %d", stats.PeakBytes, limit)
			}
		})
	}
}

func TestAStalledConsumerLosesNothingUntilTheCacheIsFull(t *testing.T) {
	c := newTestCache(t, 2, 20)
	const fits = 21 * (blockSize / (cachedRecord + 8 + 4 + 152)) // one block is not full when feedCache pauses
	select {
	case put := <-feedCache(c, fits):
		if put != fits {
			t.Errorf("put %d records, want %d", put, fits)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the cache is full too early")
	}
	if got := drainCache(t, c); got != fits {
		t.Errorf("got %d records, want %d", got, fits)
	}
}

func TestTheCacheGoesOnWithoutItsDisk(t *testing.T) {
	c := newTestCache(t, 1, 64)
	if err := c.spill.file.Close(); err != nil {
		t.Fatal(err)
	}
	done := feedCache(c, 200)
	awaitFull(t, c, done)
	if got := drainCache(t, c); got != 200 || <-done != 200 {
		t.Errorf("got %d records", got)
	}
	if stats := c.total(); stats.DiskErrors == 0 || stats.LostRecords > 0 {
		t.Errorf("got %+v", stats)
	}
}

func TestWhatTheDiskDamagesIsCounted(t *testing.T) {
	c := newTestCache(t, 1, 64)
	const records = 200
	<-feedCache(c, records)
	if _, err := c.spill.file.WriteAt([]byte("damage"), blockSize/2); err != nil {
		t.Fatal(err)
	}
	got := 0
	for block, ended := c.take(); !ended; block, ended = c.take() {
		eachRecord(block, func([]byte) bool { got++; return true })
	}
	if lost := int(c.total().LostRecords); lost == 0 || got+lost != records {
		t.Errorf("got %d and lost %d records of %d", got, lost, records)
	}
}

func TestWhoPutsIsNotKeptWaitingForNobody(t *testing.T) {
	c := newTestCache(t, 1, 0)
	done := feedCache(c, 1000)
	time.Sleep(20 * time.Millisecond)
	c.giveUp()
	select {
	case put := <-done:
		if put == 1000 {
			t.Error("everything was put into a cache that is full")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("still waiting")
	}
}

func TestTheFileOfTheCacheHasNoName(t *testing.T) {
	dir := t.TempDir()
	s, err := newSpill(dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("got %v, %v", files, err)
	}
	if _, err := newSpill(dir+"/nothing", 1); err == nil {
		t.Error("made a file in a directory that does not exist")
	}
}

// Who puts must not sleep on room that came while it tried the disk.
func TestABrokenDiskNeverHoldsUpWhoIsRead(t *testing.T) {
	c := newTestCache(t, 1, 64)
	if err := c.spill.file.Close(); err != nil {
		t.Fatal(err)
	}
	const records = 20_000
	done := feedCache(c, records)
	if got := drainCache(t, c); got != records || <-done != records {
		t.Errorf("got %d records", got)
	}
}
