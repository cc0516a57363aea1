package sink

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tracee-go/tracee/internal/courier"
)

var fileKind = kind{
	schemes: []string{"file"}, form: "file:///path", doc: "a file, a line each; it is continued",
	example: "file:///var/log/tracee.json?size=100MB&keep=5&gzip=true",
	parameters: []parameter{
		{"size", "100MB", "begin a new file when this one is so large",
			func(d *Destination, value string) error { return size(&d.options.size, value) }},
		{"age", "24h", "begin a new file when this one is so old",
			func(d *Destination, value string) error { return period(&d.options.age, value) }},
		{"keep", "5", "how many earlier files to keep (default: all)",
			func(d *Destination, value string) error { return number(&d.options.keep, value, 1) }},
		{"gzip", "true", "compress the earlier files",
			func(d *Destination, value string) error { return yes(&d.options.compress, value) }},
	},
	batch: 1000,
	check: func(d *Destination) error {
		if d.address != "" || !strings.HasPrefix(d.path, "/") || strings.HasSuffix(d.path, "/") {
			return errors.New("no absolute path of a file")
		}
		o := &d.options
		if o.size == 0 && o.age == 0 && (o.keep > 0 || o.compress) {
			return errors.New("keep and gzip are about earlier files, which size or age make")
		}
		d.path = filepath.Clean(d.path)
		return nil
	},
	open: func(d *Destination, c Config) (courier.Carrier, error) {
		w := &fileCarrier{path: d.path, options: d.options, log: c.Log}
		if w.log == nil {
			w.log = slog.Default()
		}
		if err := w.open(); err != nil {
			return nil, fmt.Errorf("%s: %w", d.Name, err)
		}
		return w, nil
	},
}

// fileCarrier writes lines to a file, and puts it aside when it is large or old.
type fileCarrier struct {
	path string
	options
	log *slog.Logger

	file  *os.File
	size  int64
	began time.Time
	lines []byte

	tidying sync.WaitGroup
	tidied  sync.Mutex
}

// open continues the file, behind its last whole line.
func (w *fileCarrier) open() error {
	if err := os.MkdirAll(filepath.Dir(w.path), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(w.path, os.O_RDWR|os.O_CREATE|os.O_APPEND|syscall.O_NONBLOCK, 0o640)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no regular file")
	}
	if err != nil {
		return errors.Join(err, file.Close())
	}
	w.file, w.size, w.began = file, info.Size(), born(file, info)
	last := []byte{'\n'}
	if w.size > 0 {
		_, err = file.ReadAt(last, w.size-1)
	}
	if err == nil && last[0] != '\n' {
		_, err = file.Write([]byte{'\n'})
		w.size++
	}
	if err != nil {
		return errors.Join(err, w.shut())
	}
	return nil
}

// born is when a file was made.
func born(file *os.File, info os.FileInfo) time.Time {
	var x unix.Statx_t
	err := unix.Statx(int(file.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_BTIME, &x)
	switch {
	case info.Size() == 0:
		return time.Now()
	case err == nil && x.Mask&unix.STATX_BTIME != 0:
		return time.Unix(x.Btime.Sec, int64(x.Btime.Nsec))
	default:
		return info.ModTime()
	}
}

func (w *fileCarrier) shut() error {
	if w.file == nil {
		return nil
	}
	file := w.file
	w.file = nil
	return file.Close()
}

// Carry appends a batch. What a full disk took of it is taken back.
func (w *fileCarrier) Carry(_ context.Context, texts [][]byte) error {
	w.lines = w.lines[:0]
	for _, text := range texts {
		w.lines = append(append(w.lines, messageOf(text).text...), '\n')
	}
	if err := w.ready(int64(len(w.lines))); err != nil {
		return err
	}
	n, err := w.file.Write(w.lines)
	if err != nil {
		if n > 0 {
			err = errors.Join(err, w.file.Truncate(w.size))
		}
		return errors.Join(err, w.shut())
	}
	w.size += int64(n)
	if cap(w.lines) > courier.DefaultBatchBytes*2 {
		w.lines = nil
	}
	return nil
}

// ready sees to it that there is a file, and that it is the one at the path: somebody may have moved or removed it.
func (w *fileCarrier) ready(more int64) error {
	if w.file != nil {
		ours, err := w.file.Stat()
		there, err2 := os.Stat(w.path)
		if err != nil || err2 != nil || !os.SameFile(ours, there) {
			_ = w.shut() // it is not ours any more
		} else {
			w.size = ours.Size()
		}
	}
	if w.file == nil {
		if err := w.open(); err != nil {
			return err
		}
	}
	full := w.options.size > 0 && w.size+more > w.options.size
	old := w.age > 0 && time.Since(w.began) >= w.age
	if w.size == 0 || !full && !old {
		return nil
	}
	return w.rotate()
}

// asideTime is in the names of earlier files, so that they sort by age.
const asideTime = "20060102T150405.000000000"

func (w *fileCarrier) rotate() error {
	aside := w.path + "." + time.Now().UTC().Format(asideTime)
	if err := errors.Join(w.shut(), os.Rename(w.path, aside)); err != nil {
		return err
	}
	w.tidying.Go(w.tidy)
	return w.open()
}

// tidy compresses and deletes earlier files, beside the writing of the present one.
func (w *fileCarrier) tidy() {
	w.tidied.Lock()
	defer w.tidied.Unlock()
	earlier, err := w.earlier()
	if err == nil && w.keep > 0 {
		for len(earlier) > w.keep {
			err = errors.Join(err, os.Remove(earlier[0]))
			earlier = earlier[1:]
		}
	}
	for _, name := range earlier {
		if w.compress && !strings.HasSuffix(name, ".gz") {
			err = errors.Join(err, compressFile(name))
		}
	}
	if err != nil {
		w.log.Error("earlier files of an output", "file", w.path, "error", err)
	}
}

// earlier lists the files that were put aside, the oldest first.
func (w *fileCarrier) earlier() (names []string, err error) {
	entries, err := os.ReadDir(filepath.Dir(w.path))
	for _, entry := range entries {
		rest, ok := strings.CutPrefix(entry.Name(), filepath.Base(w.path)+".")
		if !ok || !entry.Type().IsRegular() {
			continue
		}
		if _, err := time.Parse(asideTime, strings.TrimSuffix(rest, ".gz")); err == nil {
			names = append(names, filepath.Join(filepath.Dir(w.path), entry.Name()))
		}
	}
	slices.Sort(names)
	return names, err
}

func compressFile(name string) error {
	from, err := os.Open(name)
	if err != nil {
		return err
	}
	defer from.Close()
	temporary := name + ".part"
	to, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NOFOLLOW, 0o640)
	if err != nil {
		return err
	}
	z := gzip.NewWriter(to)
	_, err = io.Copy(z, from)
	if err = errors.Join(err, z.Close(), to.Close()); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return errors.Join(os.Rename(temporary, name+".gz"), os.Remove(name))
}

// Close waits until earlier files are in order.
func (w *fileCarrier) Close() error {
	w.tidying.Wait()
	return w.shut()
}

var stdoutKind = kind{
	schemes: []string{"stdout"}, form: "stdout://", doc: "standard output, a line each", example: "stdout://?format=ecs",
	batch: 1000,
	check: func(d *Destination) error {
		if d.address != "" || d.path != "" {
			return errors.New("standard output has no address")
		}
		return nil
	},
	open: func(_ *Destination, c Config) (courier.Carrier, error) {
		if c.Stdout == nil {
			c.Stdout = os.Stdout
		}
		return stdoutCarrier{c.Stdout}, nil
	},
}

// stdoutCarrier writes lines to standard output.
type stdoutCarrier struct{ to io.Writer }

func (w stdoutCarrier) Carry(_ context.Context, texts [][]byte) error {
	lines := append(bytes.Join(bare(texts), []byte("\n")), '\n')
	_, err := w.to.Write(lines)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, fs.ErrClosed) {
		return fmt.Errorf("%w: %w", err, courier.ErrGone)
	}
	return err
}

func (stdoutCarrier) Close() error { return nil }
