package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// watcher learns from the kernel when a file that was open for writing is closed: the last descriptor and the last mapping
// of one opening, on whatever way (close, exit, exec, munmap).
type watcher struct {
	fd    int
	files map[int32]fileKey
	by    map[fileKey]int32
}

func newWatcher() (*watcher, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watch files: %w", err)
	}
	return &watcher{fd: fd, files: map[int32]fileKey{}, by: map[fileKey]int32{}}, nil
}

// add watches a file by a descriptor of it.
func (w *watcher) add(key fileKey, f *os.File) error {
	wd, err := unix.InotifyAddWatch(w.fd, "/proc/self/fd/"+strconv.Itoa(int(f.Fd())), unix.IN_CLOSE_WRITE)
	if err != nil {
		return err
	}
	w.files[int32(wd)], w.by[key] = key, int32(wd)
	return nil
}

func (w *watcher) remove(key fileKey) {
	wd, ok := w.by[key]
	if !ok {
		return
	}
	_, _ = unix.InotifyRmWatch(w.fd, uint32(wd)) // it may have gone with the file
	delete(w.by, key)
	delete(w.files, wd)
}

// closed returns the files that were closed since it was asked last. When the kernel's queue ran over, it returns all.
func (w *watcher) closed() (keys []fileKey) {
	buffer := make([]byte, 16<<10)
	for {
		n, err := unix.Read(w.fd, buffer)
		if err != nil || n <= 0 {
			return keys
		}
		for at := 0; at+unix.SizeofInotifyEvent <= n; {
			wd := int32(binary.NativeEndian.Uint32(buffer[at:]))
			mask := binary.NativeEndian.Uint32(buffer[at+4:])
			at += unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(buffer[at+12:]))
			if mask&unix.IN_Q_OVERFLOW != 0 {
				for _, key := range w.files {
					keys = append(keys, key)
				}
				continue
			}
			if key, ok := w.files[wd]; ok {
				keys = append(keys, key)
			}
		}
	}
}

func (w *watcher) close() error {
	if w.fd < 0 {
		return nil
	}
	err := unix.Close(w.fd)
	w.fd = -1
	return errors.Join(err)
}
