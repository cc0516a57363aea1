package cli

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

// instanceFile is locked by the tracee that watches this machine, and says which that is. It is empty when none does, and
// when the last one ended as it should.
const instanceFile = "/run/tracee/instance"

// allowSecondVariable is for harnesses that start many, and for containers.
const allowSecondVariable = "TRACEE_ALLOW_SECOND"

// instanceOptions are about being the only one.
type instanceOptions struct{ allowSecond bool }

func (o *instanceOptions) add(flags *pflag.FlagSet) {
	flags.BoolVar(&o.allowSecond, "allow-second", false, "watch although another tracee does (also by TRACEE_ALLOW_SECOND=1)")
}

// instance is the claim to be the one that watches. The zero value claims nothing.
type instance struct{ file *os.File }

// claim becomes the one that watches, unless there is one. Where that can not be told, it is not, and tracing goes on.
func (o *instanceOptions) claim(path string, log *slog.Logger) (*instance, error) {
	file, err := openInstance(path)
	if err != nil {
		log.Info("whether another tracee watches is not known", "error", err)
		return &instance{}, nil
	}
	before := readInstance(file)
	besides := o.allowSecond || os.Getenv(allowSecondVariable) == "1"
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		file.Close()
		if besides || !errors.Is(err, syscall.EWOULDBLOCK) {
			return &instance{}, nil
		}
		return nil, fmt.Errorf("another tracee watches this machine%s: stop it, or start one more beside it with --allow-second", before)
	}
	if before != "" && besides { // the next that is to be the only one tells
		file.Close()
		return &instance{}, nil
	}
	if before != "" {
		log.Warn("the last tracee did not end by itself: it was killed, or crashed, and nothing was seen since", "which", strings.Trim(before, " ()"))
	}
	text := fmt.Sprintf("pid %d, since %s", os.Getpid(), time.Now().UTC().Format(time.RFC3339))
	if err := errors.Join(file.Truncate(0), write(file, text)); err != nil {
		log.Info("not written down that this tracee watches", "file", path, "error", err)
	}
	return &instance{file}, nil
}

func write(file *os.File, text string) error {
	_, err := file.WriteAt([]byte(text), 0)
	return err
}

// openInstance follows no link: root alone may write where the file is by default, but not in every place of the name.
func openInstance(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
}

// readInstance says in parentheses who wrote the file.
func readInstance(file *os.File) string {
	const longest = 64
	text, err := io.ReadAll(io.NewSectionReader(file, 0, longest))
	if err != nil || len(text) == 0 {
		return ""
	}
	return " (" + strings.ToValidUTF8(strings.TrimSpace(string(text)), "") + ")"
}

// end gives the claim up as one who ends by himself.
func (i *instance) end() {
	if i.file != nil {
		_ = i.file.Truncate(0)
		i.file.Close()
	}
}
