package tracer

import (
	"encoding/binary"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// CacheConfig is the size of a queue between the rings and the consumer. While it has room, a consumer that stands still
// loses nothing. A zero value means no queue: then the ring is all that there is.
type CacheConfig struct {
	MemoryBytes int64
	DiskBytes   int64  // used when the memory is full; 0: not at all
	Directory   string // for the file, which has no name there
}

func (c CacheConfig) enabled() bool { return c.MemoryBytes > 0 || c.DiskBytes > 0 }

// CacheStats say what a queue was used for.
type CacheStats struct {
	PeakBytes    int64  // most that was held at a time, in memory and on disk
	SpilledBytes int64  // written to disk, in total
	Stalls       uint64 // how often it was full, and the rings had to do
	DiskErrors   uint64 // blocks that could not be written, and stayed in memory, or not be read
	LostRecords  uint64 // in blocks that could not be read
}

// blockSize is what a queue takes, counts and writes at a time.
const blockSize = 1 << 20

// cache is a queue of records. One goroutine puts, another one takes. Records lie in blocks, so that the two meet once in
// a megabyte; the block that is being filled is handed over early when the other side has nothing to do.
type cache struct {
	log     *slog.Logger
	memory  int64 // blocks of memory that may wait
	spill   *spill
	filling []byte        // of the goroutine that puts
	records uint64        // in it
	ready   chan struct{} // there is something to take, or the end

	mu       sync.Mutex
	room     sync.Cond
	waiting  []cacheBlock // the oldest first
	inMemory int64
	held     int64 // bytes that wait
	spare    [][]byte
	ended    bool // no more will be put
	given    bool // no more will be taken
	warned   bool
	stats    CacheStats
}

// cacheBlock is a block in memory, or on disk.
type cacheBlock struct {
	bytes   []byte
	length  int
	records uint64
	slot    int64 // on disk, if bytes is nil
	sum     uint32
}

func newCache(config CacheConfig, log *slog.Logger) (*cache, error) {
	c := &cache{log: log, memory: max(1, config.MemoryBytes/blockSize), ready: make(chan struct{}, 1)}
	c.room.L = &c.mu
	if config.DiskBytes > 0 {
		var err error
		if c.spill, err = newSpill(config.Directory, max(1, config.DiskBytes/blockSize)); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Close frees the file.
func (c *cache) Close() error {
	if c.spill == nil {
		return nil
	}
	return c.spill.Close()
}

// put appends a record. It waits while there is no room, and reports false when nobody takes any more.
func (c *cache) put(record []byte) bool {
	if len(c.filling)+len(record)+4 > blockSize && !c.handOver() {
		return false
	}
	if c.filling == nil {
		c.filling = c.emptyBlock()
	}
	c.filling = binary.LittleEndian.AppendUint32(c.filling, uint32(len(record)))
	c.filling = append(c.filling, record...)
	c.records++
	return true
}

func (c *cache) emptyBlock() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.spare); n > 0 {
		b := c.spare[n-1]
		c.spare = c.spare[:n-1]
		return b
	}
	return make([]byte, 0, blockSize)
}

// pause is called when there is nothing to put for the moment: what there is can be had, if somebody waits for it.
func (c *cache) pause() bool {
	c.mu.Lock()
	hungry := len(c.waiting) == 0
	c.mu.Unlock()
	return !hungry || c.handOver()
}

// end hands over the rest.
func (c *cache) end() {
	c.handOver()
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	c.wake()
}

// giveUp lets whoever puts go on to its end: nothing will be taken any more.
func (c *cache) giveUp() {
	c.mu.Lock()
	c.given = true
	c.mu.Unlock()
	c.room.Broadcast()
}

func (c *cache) wake() {
	select {
	case c.ready <- struct{}{}:
	default:
	}
}

// handOver puts the block that is being filled into the queue.
func (c *cache) handOver() bool {
	if len(c.filling) == 0 {
		return true
	}
	block := cacheBlock{bytes: c.filling, length: len(c.filling), records: c.records}
	c.mu.Lock()
	defer c.mu.Unlock()
	for stalled := false; ; stalled = true {
		if c.given {
			return false
		}
		if c.inMemory < c.memory {
			c.inMemory++
			break
		}
		if c.spill != nil {
			if c.spilled(&block) {
				break
			}
			if c.given || c.inMemory < c.memory { // while the disk was tried, and nobody is told again
				continue
			}
		}
		if !stalled {
			c.stats.Stalls++
			c.wake()
		}
		c.room.Wait()
	}
	c.waiting = append(c.waiting, block)
	c.filling, c.records = nil, 0
	c.held += int64(block.length)
	c.stats.PeakBytes = max(c.stats.PeakBytes, c.held)
	c.wake()
	return true
}

// spilled writes a block to disk. It is called with the lock, which it gives up meanwhile.
func (c *cache) spilled(block *cacheBlock) bool {
	slot, ok := c.spill.take()
	if !ok {
		return false
	}
	c.mu.Unlock()
	sum, err := c.spill.write(slot, block.bytes)
	c.mu.Lock()
	if err != nil {
		c.spill.giveBack(slot)
		c.stats.DiskErrors++
		if !c.warned {
			c.warned = true
			c.log.Warn("cache: could not write to disk; only memory is used", "error", err)
		}
		return false
	}
	c.recycle(block.bytes)
	block.bytes, block.slot, block.sum = nil, slot, sum
	c.stats.SpilledBytes += int64(block.length)
	return true
}

// spareMemory is how many empty blocks are kept.
const spareMemory = 4

// recycle keeps an empty block. It is called with the lock.
func (c *cache) recycle(b []byte) {
	if len(c.spare) < spareMemory {
		c.spare = append(c.spare, b[:0])
	}
}

var errCacheDamaged = errors.New("cache: a block on disk is not what was written")

// take returns the next block, nil if there is none at the moment. ended: nor will there be one. What the disk does not
// give back is counted.
func (c *cache) take() (block []byte, ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.waiting) > 0 {
		next := c.waiting[0]
		c.waiting = c.waiting[1:]
		c.held -= int64(next.length)
		if next.bytes != nil {
			c.inMemory--
			c.room.Signal()
			return next.bytes, false
		}
		c.mu.Unlock()
		block, err := c.spill.read(next.slot, next.length, next.sum)
		c.mu.Lock()
		c.spill.free(next.slot)
		c.room.Signal()
		if err == nil {
			return block, false
		}
		c.stats.DiskErrors++
		c.stats.LostRecords += next.records
		c.log.Error("cache: events are lost", "records", next.records, "error", err)
	}
	return nil, c.ended
}

// taken gives a block back.
func (c *cache) taken(block []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recycle(block)
}

// wait blocks until there is something to take, or for the duration.
func (c *cache) wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-c.ready:
	case <-timer.C:
	}
}

func (c *cache) total() CacheStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}

// eachRecord calls yield with the records of a block until it reports false, and reports whether it never did.
func eachRecord(block []byte, yield func(record []byte) bool) bool {
	for len(block) > 0 {
		size := binary.LittleEndian.Uint32(block)
		if block = block[4:]; !yield(block[:size:size]) {
			return false
		}
		block = block[size:]
	}
	return true
}
