package courier

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// taker is a carrier whose behaviour can be changed.
type taker struct {
	mu      sync.Mutex
	got     []string
	batches []int
	behave  func(ctx context.Context, texts [][]byte) (taken int, err error) // nil: takes all
}

func (c *taker) Carry(ctx context.Context, texts [][]byte) error {
	c.mu.Lock()
	behave := c.behave
	c.mu.Unlock()
	taken, err := len(texts), error(nil)
	if behave != nil {
		taken, err = behave(ctx, texts)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, text := range texts[:taken] {
		c.got = append(c.got, string(text))
	}
	c.batches = append(c.batches, taken)
	return err
}

func (c *taker) Close() error { return nil }

func (c *taker) become(behave func(ctx context.Context, texts [][]byte) (int, error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.behave = behave
}

func (c *taker) texts() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.got)
}

func start(t *testing.T, c Config) *Queue {
	t.Helper()
	c.Name, c.Log = "taker", slog.New(slog.DiscardHandler)
	q, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	return q
}

func add(q *Queue, from, to int) {
	for i := from; i < to; i++ {
		q.Add([]byte(strconv.Itoa(i/10)), []byte(strconv.Itoa(i%10)))
	}
}

func numbers(from, to int) (list []string) {
	for i := from; i < to; i++ {
		list = append(list, fmt.Sprintf("%d%d", i/10, i%10))
	}
	return list
}

func wait(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it took too long")
		}
	}
}

// settled says that nothing is on its way to disk.
func (q *Queue) settled() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.back.empty() && q.moving.empty()
}

func broken(context.Context, [][]byte) (int, error) { return 0, errors.New("broken") }

func TestTroubleLosesNothingAndKeepsTheOrder(t *testing.T) {
	for name, trouble := range map[string]func(context.Context, [][]byte) (int, error){
		"fails": broken,
		"hangs": func(ctx context.Context, _ [][]byte) (int, error) { <-ctx.Done(); return 0, ctx.Err() },
		"busy": func(context.Context, [][]byte) (int, error) {
			return 0, &Later{50 * time.Millisecond, errors.New("busy")}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := &taker{behave: trouble}
			q := start(t, Config{Carrier: c, Queue: 20, Batch: 7, Timeout: 50 * time.Millisecond, Drain: 10 * time.Second, Spill: filepath.Join(t.TempDir(), "x")})
			for i := range 50 {
				add(q, 20*i, 20*i+20)
				wait(t, q.settled) // slower than disks are
			}
			c.become(nil)
			wait(t, func() bool { return q.Stats().Sent == 1000 })
			if got := c.texts(); !slices.Equal(got, numbers(0, 1000)) {
				t.Errorf("got %d texts: %v", len(got), got)
			}
			if s := q.Stats(); s.Dropped() != 0 || s.Retried == 0 || s.Spilled == 0 || s.OnDisk != 0 || s.Queued != 0 {
				t.Errorf("stats: %+v", s)
			}
		})
	}
}

func TestWhatIsLeftIsCarriedByTheNextRunInOrder(t *testing.T) {
	spill := filepath.Join(t.TempDir(), "x")
	next := 0
	for range 4 { // each takes a little and leaves more
		taken := 0
		c := &taker{behave: func(_ context.Context, texts [][]byte) (int, error) {
			if taken += len(texts); taken > 30 {
				return 0, errors.New("that is enough")
			}
			return len(texts), nil
		}}
		q := start(t, Config{Carrier: c, Queue: 20, Batch: 3, Drain: 20 * time.Millisecond, Spill: spill})
		for i := range 10 {
			add(q, 100*next+10*i, 100*next+10*i+10)
			wait(t, q.settled)
		}
		q.Close()
		if s := q.Stats(); s.Dropped() != 0 || s.OnDisk == 0 {
			t.Fatalf("stats: %+v", s)
		}
		if got := c.texts(); len(got) != 30 || !slices.Equal(got, numbers(30*next, 30*next+30)) {
			t.Fatalf("run %d got %v", next, got)
		}
		next++
	}
	c := &taker{}
	q := start(t, Config{Carrier: c, Batch: 50, Spill: spill})
	q.Close()
	if got := c.texts(); !slices.Equal(got, numbers(120, 400)) {
		t.Errorf("got %v", got)
	}
	if files, _ := filepath.Glob(spill + ".*"); len(files) != 0 {
		t.Errorf("files are left: %v", files)
	}
}

func TestTextsOfAFileThatWasTheWholeQueueAreCarried(t *testing.T) {
	spill := filepath.Join(t.TempDir(), "x")
	var old []byte
	for _, text := range []string{"one", "two"} {
		old = append(binary.LittleEndian.AppendUint32(old, uint32(len(text))), text...)
	}
	if err := os.WriteFile(spill, append(old, 9, 0, 0, 0, 'c', 'u', 't'), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &taker{}
	q := start(t, Config{Carrier: c, Spill: spill})
	q.Add(nil, []byte("three"))
	q.Close()
	if got := c.texts(); !slices.Equal(got, []string{"one", "two", "three"}) {
		t.Errorf("got %v", got)
	}
}

func TestEveryTextIsCounted(t *testing.T) {
	for name, c := range map[string]Config{
		"no room by number": {Queue: 5},
		"no room by bytes":  {QueueBytes: 1000},
		"no space on disk":  {Queue: 5, Spill: "x", SpillMax: 100},
	} {
		t.Run(name, func(t *testing.T) {
			if c.Spill != "" {
				c.Spill = filepath.Join(t.TempDir(), c.Spill)
			}
			c.Carrier, c.Drain = &taker{behave: broken}, 20*time.Millisecond
			q := start(t, c)
			for range 100 {
				q.Add(nil, bytes.Repeat([]byte("x"), 90))
			}
			if name != "no space on disk" && q.Stats().Full == 0 {
				t.Error("nothing was dropped")
			}
			q.Close()
			q.Add(nil, []byte("late"))
			s := q.Stats()
			onDisk := s.OnDisk / 94
			if s.Dropped()+onDisk != 101 || s.Queued != 0 {
				t.Errorf("stats: %+v", s)
			}
		})
	}
}

func TestPartOfABatchIsTriedAgain(t *testing.T) {
	tries := 0
	c := &taker{}
	c.behave = func(_ context.Context, texts [][]byte) (int, error) {
		if tries++; tries == 1 {
			return 0, &Partial{Again: []int{1, 3}, Refused: 1, Err: errors.New("some")}
		}
		return len(texts), nil
	}
	q := start(t, Config{Carrier: c, Batch: 4})
	add(q, 0, 4)
	wait(t, func() bool { return q.Stats().Sent == 3 })
	if got := c.texts(); !slices.Equal(got, []string{"01", "03"}) {
		t.Errorf("again: %v", got)
	}
	if s := q.Stats(); s.Refused != 1 || s.Queued != 0 {
		t.Errorf("stats: %+v", s)
	}
}

func TestBatchThatIsTooLargeIsHalved(t *testing.T) {
	c := &taker{}
	c.behave = func(_ context.Context, texts [][]byte) (int, error) {
		if len(texts) > 2 || slices.ContainsFunc(texts, func(text []byte) bool { return string(text) == "05" }) {
			return 0, fmt.Errorf("413: %w", ErrTooLarge)
		}
		return len(texts), nil
	}
	q := start(t, Config{Carrier: c, Batch: 8})
	add(q, 0, 8)
	wait(t, func() bool { s := q.Stats(); return s.Sent == 7 && s.Refused == 1 })
	if got := c.texts(); !slices.Equal(got, []string{"00", "01", "02", "03", "04", "06", "07"}) {
		t.Errorf("got %v", got)
	}
}

func TestCarrierThatNeverAnswersDoesNotHoldTheEnd(t *testing.T) {
	release := make(chan struct{})
	spill := filepath.Join(t.TempDir(), "x")
	c := &taker{behave: func(_ context.Context, texts [][]byte) (int, error) { <-release; return len(texts), nil }}
	q := start(t, Config{Carrier: c, Drain: 20 * time.Millisecond, Spill: spill})
	add(q, 0, 10)
	started := time.Now()
	q.Close()
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("the end took %v", took)
	}
	if s := q.Stats(); s.OnDisk == 0 || s.Dropped() != 0 {
		t.Errorf("stats: %+v", s)
	}
	close(release)
	<-q.done
	if _, err := os.Stat(spill + ".999999"); err != nil {
		t.Error(err)
	}
}

func TestWhoIsGoneIsToldOnce(t *testing.T) {
	told := make(chan error, 10)
	c := &taker{behave: func(context.Context, [][]byte) (int, error) { return 0, fmt.Errorf("pipe: %w", ErrGone) }}
	q := start(t, Config{Carrier: c, Gone: func(err error) { told <- err }})
	add(q, 0, 10)
	if err := <-told; !strings.Contains(err.Error(), "pipe") {
		t.Error(err)
	}
	add(q, 0, 10)
	q.Close()
	if s := q.Stats(); s.Left != 20 || len(told) > 0 {
		t.Errorf("stats: %+v", s)
	}
}

func TestASteadyFlowAllocatesNothing(t *testing.T) {
	c := &taker{behave: func(context.Context, [][]byte) (int, error) { return 0, nil }}
	q := start(t, Config{Carrier: c, Batch: 100, QueueBytes: 1 << 20, Queue: 10000})
	head, text := []byte("head"), bytes.Repeat([]byte("x"), 1000)
	if n := testing.AllocsPerRun(20000, func() { q.Add(head, text) }); n >= 1 {
		t.Errorf("%v allocations", n)
	}
}

// disk is a queue on disk, beside lists of what went in and came out.
type disk struct {
	*spill
	t         *rapid.T
	path      string
	want, got []string
}

func (d *disk) open() {
	var err error
	if d.spill, err = openSpill(d.path, 1<<40); err != nil {
		d.t.Fatal(err)
	}
	d.max = 0 // the smallest files; append does not look whether there is room
}

func (d *disk) put() {
	var f fifo
	for range rapid.IntRange(1, 5).Draw(d.t, "texts") {
		text := fmt.Sprint(len(d.want), strings.Repeat("x", rapid.SampledFrom([]int{0, 10, 5000, 70000}).Draw(d.t, "size")))
		f.add(nil, []byte(text))
		d.want = append(d.want, text)
	}
	for _, b := range f.take() {
		d.mu.Lock()
		err := d.append(b.bytes)
		d.mu.Unlock()
		if err != nil {
			d.t.Fatal(err)
		}
	}
}

func (d *disk) take() bool {
	b, err := d.next()
	if err != nil {
		return false
	}
	var f fifo
	f.give([]*block{b})
	for _, text := range f.peek(nil, 1<<30, 1<<60) {
		d.got = append(d.got, string(text))
	}
	return true
}

// restart is another process; some of what was read was not sent, and goes back.
func (d *disk) restart() {
	back := min(len(d.got), rapid.IntRange(0, 3).Draw(d.t, "back"))
	var front [][]byte
	for _, text := range d.got[len(d.got)-back:] {
		front = append(front, []byte(text))
	}
	d.got = d.got[:len(d.got)-back]
	if err := d.close(front, nil); err != nil {
		d.t.Fatal(err)
	}
	d.open()
}

func TestSpillIsAQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "spill")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		d := &disk{t: t, path: filepath.Join(dir, "x")}
		d.open()
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0, 1, 2:
				d.put()
			case 3, 4:
				d.take()
			case 5:
				d.restart()
			}
		}
		for d.take() {
		}
		if !slices.Equal(d.got, d.want) || d.unread.Load() != 0 {
			t.Fatalf("got %d of %d texts", len(d.got), len(d.want))
		}
		if err := d.close(nil, nil); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	q, err := New(Config{Name: "none", Carrier: &taker{behave: func(context.Context, [][]byte) (int, error) { return 0, nil }}, Batch: 1000, Queue: 100000, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer q.Close()
	text := bytes.Repeat([]byte("x"), 1400)
	for b.Loop() {
		q.Add(nil, text)
	}
}
