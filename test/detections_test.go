package test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// ways are what somebody does who does not want to be seen, each with the signature that sees it. The test binary does it
// under the name of the way.
var ways = map[string]struct {
	signature string
	do        func(a *actor)
}{
	"w-open":     {"TRC-2001", func(a *actor) { a.readHashes(unix.AT_FDCWD, hashes) }},
	"w-openat2":  {"TRC-2001", openatTwo},
	"w-dotdot":   {"TRC-2001", func(a *actor) { a.readHashes(unix.AT_FDCWD, "/usr/../etc/./shadow") }},
	"w-root":     {"TRC-2001", func(a *actor) { a.readHashes(unix.AT_FDCWD, "/proc/self/root/etc/shadow") }},
	"w-relative": {"TRC-2001", openRelative},
	"w-symlink":  {"TRC-2001", openLink},
	"w-thread":   {"TRC-2001", openByThread},
	"w-bind":     {"TRC-2001", openBindMount},
	"w-bindfile": {"TRC-2001", openMountedFile},
	"w-handle":   {"TRC-2001", openHandle},
	"w-int80":    {"TRC-2001", openBy32Bits},
	"w-uring":    {"TRC-2001", openByRing},
	"w-uring2":   {"TRC-2015", openByRing},
	"w-hardlink": {"TRC-2002", linkHashes},
	"w-linked":   {"TRC-2001", readSecondName},
	"w-tree":     {"TRC-2001", openMovedTree},
	"sshd":       {"TRC-2001", func(a *actor) { a.readHashes(unix.AT_FDCWD, hashes) }}, // a name that may
	"w-mknod":    {"TRC-2221", makeDisk},
	"w-replace":  {"TRC-2201", func(a *actor) { a.renameIn("/var/log", "auth.log") }},
	"w-preload":  {"TRC-7", func(a *actor) { a.renameIn("/etc", "ld.so.preload") }},
	"w-memfd":    {"TRC-5", executeMemory},
	"w-shm":      {"TRC-5", func(a *actor) { a.executeCopy("/dev/shm/w-shm") }},
	"w-loader":   {"TRC-2308", executeByLinker},
	"w-selfmem":  {"TRC-3", openOwnMemory},
	"w-cron":     {"TRC-1027", func(a *actor) { a.writeIn("/etc/cron.d", "job") }},
	"w-unit":     {"TRC-2101", func(a *actor) { a.writeIn("/etc/systemd/system", "evil.service") }},
	"w-pam":      {"TRC-2104", func(a *actor) { a.renameIn("/etc/pam.d", "su") }},
	"w-kworker":  {"TRC-2204", func(a *actor) { a.check(os.WriteFile("/proc/self/comm", []byte("kworker/0:3"), 0o600)) }},
	"w-memory":   {"TRC-2401", mapEverything},
	"nginx":      {"TRC-12", func(a *actor) { a.check(unix.Exec("/bin/sh", []string{"sh", "-c", ":"}, nil)) }},
}

func init() {
	maps.Copy(disguises, func() map[string]func() error {
		all := map[string]func() error{}
		for name, way := range ways {
			all[name] = func() (err error) {
				defer func() {
					if f, ok := recover().(failure); ok {
						err = f
					}
				}()
				way.do(&actor{})
				return nil
			}
		}
		return all
	}())
}

const hashes = "/etc/shadow"

func (a *actor) readHashes(dir int, path string) {
	fd, err := unix.Openat(dir, path, unix.O_RDONLY, 0)
	a.check(err)
	a.check(unix.Close(fd))
}

func openatTwo(a *actor) {
	fd, err := unix.Openat2(unix.AT_FDCWD, hashes, &unix.OpenHow{})
	a.check(err)
	a.check(unix.Close(fd))
}

func openRelative(a *actor) {
	dir, err := unix.Open("/etc", unix.O_PATH|unix.O_DIRECTORY, 0)
	a.check(err)
	a.readHashes(dir, "shadow")
}

func openLink(a *actor) {
	dir, err := os.MkdirTemp("", "way")
	a.check(err)
	defer os.RemoveAll(dir)
	a.check(os.Symlink("/etc", dir+"/e"))
	a.readHashes(unix.AT_FDCWD, dir+"/e/shadow")
}

func openByThread(a *actor) {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		fd, err := unix.Open(hashes, unix.O_RDONLY, 0)
		_ = unix.Close(fd)
		done <- err
	}()
	a.check(<-done)
}

// alone enters a mount namespace, in which a directory of memory is free to be used.
func (a *actor) alone() (dir string) {
	runtime.LockOSThread()
	a.check(unix.Unshare(unix.CLONE_NEWNS))
	a.check(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	a.check(unix.Mount("tmpfs", "/mnt", "tmpfs", 0, ""))
	return "/mnt"
}

func openBindMount(a *actor) {
	dir := a.alone() + "/d1/d2/e"
	a.check(os.MkdirAll(dir, 0o700))
	a.check(unix.Mount("/etc", dir, "", unix.MS_BIND, ""))
	a.readHashes(unix.AT_FDCWD, dir+"/shadow")
}

func openMountedFile(a *actor) {
	file := a.alone() + "/notes"
	a.check(os.WriteFile(file, nil, 0o600))
	a.check(unix.Mount(hashes, file, "", unix.MS_BIND, ""))
	a.readHashes(unix.AT_FDCWD, file)
}

func openHandle(a *actor) {
	handle, _, err := unix.NameToHandleAt(unix.AT_FDCWD, hashes, 0)
	a.check(err)
	mount, err := unix.Open("/etc", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	a.check(err)
	fd, err := unix.OpenByHandleAt(mount, handle, unix.O_RDONLY)
	a.check(err)
	a.check(unix.Close(fd))
}

func openBy32Bits(a *actor) {
	_, m := a.compat()
	a.int80("open", m.string(hashes), unix.O_RDONLY, 0)
}

func openByRing(a *actor) {
	path := append([]byte(hashes), 0)
	r := a.newRing(0)
	if fd := r.do(request{operation: opOpenat, fd: unix.AT_FDCWD, address: uint64(keep(&path[0]))}); fd < 0 {
		a.fail(unix.Errno(-fd))
	}
}

func linkHashes(a *actor) {
	dir := a.alone()
	a.check(os.Mkdir(dir+"/etc", 0o700))
	a.check(os.WriteFile(dir+hashes, nil, 0o600))
	a.check(os.Link(dir+hashes, dir+"/notes"))
}

func readSecondName(a *actor) {
	linkHashes(a)
	a.readHashes(unix.AT_FDCWD, "/mnt/notes")
}

// openMovedTree mounts the file elsewhere without mount.
func openMovedTree(a *actor) {
	file := a.alone() + "/notes"
	a.check(os.WriteFile(file, nil, 0o600))
	tree, err := unix.OpenTree(unix.AT_FDCWD, hashes, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	a.check(err)
	a.check(unix.MoveMount(tree, "", unix.AT_FDCWD, file, unix.MOVE_MOUNT_F_EMPTY_PATH))
	a.readHashes(unix.AT_FDCWD, file)
}

func makeDisk(a *actor) {
	a.check(unix.Mknod(a.alone()+"/disk", unix.S_IFBLK|0o600, int(unix.Mkdev(7, 0))))
}

func openOwnMemory(a *actor) {
	memory, err := os.OpenFile("/proc/self/mem", os.O_RDWR, 0)
	a.check(err)
	a.check(memory.Close())
}

const doesNothing = "/bin/true"

// executeCopy executes a copy of a program.
func (a *actor) executeCopy(path string) {
	content, err := os.ReadFile(doesNothing)
	a.check(err)
	a.check(os.WriteFile(path, content, 0o700))
	child := exec.Command(path)
	a.check(child.Run())
	a.check(os.Remove(path))
}

// executeMemory executes a program that lies in memory, by a link that gives the process the name of this one.
func executeMemory(a *actor) {
	content, err := os.ReadFile(doesNothing)
	a.check(err)
	fd, err := unix.MemfdCreate("x", 0)
	a.check(err)
	_, err = unix.Write(fd, content)
	a.check(err)
	link := a.alone() + "/w-memfd"
	a.check(os.Symlink(fmt.Sprintf("/proc/self/fd/%d", fd), link))
	a.check(unix.Exec(link, []string{"x"}, nil))
}

// executeByLinker executes the dynamic linker, under the name of this way, and lets it start the program.
func executeByLinker(a *actor) {
	link := a.alone() + "/w-loader"
	a.check(os.Symlink(dynamicLinker(), link))
	a.check(unix.Exec(link, []string{"x", doesNothing}, nil))
}

// dynamicLinker is the one that programs of this machine name, "" if it is not known.
func dynamicLinker() string {
	for _, path := range []string{"/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return ""
}

// writeIn writes a file into a directory of the system, of which there is only a copy in memory.
func (a *actor) writeIn(dir, name string) {
	a.alone()
	a.check(unix.Mount("tmpfs", dir, "tmpfs", 0, ""))
	a.check(os.WriteFile(filepath.Join(dir, name), []byte("#\n"), 0o600))
}

func (a *actor) renameIn(dir, name string) {
	file := a.alone() + "/x"
	a.check(os.WriteFile(file, []byte("#\n"), 0o600))
	a.check(unix.Mount("tmpfs", dir, "tmpfs", 0, ""))
	a.check(os.WriteFile(filepath.Join(dir, "x"), []byte("#\n"), 0o600))
	a.check(os.Rename(filepath.Join(dir, "x"), filepath.Join(dir, name)))
}

func mapEverything(a *actor) {
	_, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_ANON|unix.MAP_PRIVATE)
	a.check(err)
}

// possible says why a way can not be gone here, "" if it can.
func possible(way string) string {
	switch way {
	case "w-int80":
		if _, err := os.Stat("/proc/sys/abi/vsyscall32"); runtime.GOARCH != "amd64" || errors.Is(err, os.ErrNotExist) {
			return "the kernel takes no calls of the 32-bit ABI"
		}
	case "w-uring", "w-uring2":
		if raw(unix.SYS_IO_URING_SETUP, 0, 0) == -int(unix.ENOSYS) {
			return "the kernel has no io_uring"
		}
	case "w-loader":
		if dynamicLinker() == "" {
			return "the machine has no dynamic linker where it is looked for"
		}
	case "w-unit":
		if _, err := os.Stat("/etc/systemd/system"); err != nil {
			return err.Error()
		}
	}
	return ""
}

// foundBy matches the finding of a signature about a process of a name.
func foundBy(signature, name string) *regexp.Regexp {
	return regexp.MustCompile(fmt.Sprintf(`(?m)^\{.*"id":%q.*"processName":%q.*\}$`, signature, name))
}

// buildCommands builds commands of the module, and returns the directory where they are.
func buildCommands(t *testing.T, packages string) string {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("building the commands needs the go tool")
	}
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", dir, packages)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	return dir
}

// TestDetectionsDoNotDependOnTheWay does the same in many ways, on the hooks that this kernel has.
func TestDetectionsDoNotDependOnTheWay(t *testing.T) {
	if _, err := os.Stat(hashes); err != nil {
		t.Skip(err)
	}
	c := run(t, buildCommands(t, "../cmd/tracee"), "tracee --output json")
	c.await(foundBy("TRC-2001", "w-open"), func() { disguised(t, "w-open") })
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			if why := possible(name); why != "" {
				t.Skip(why)
			}
			disguised(t, name)
			seen := foundBy(way.signature, name)
			if !c.grows(seen, 0, patience) {
				t.Errorf("%s did not see it", way.signature)
			}
		})
	}
	c.interrupt()
}

// scenarios are what the script of a directory of scenarios can do, by the ids that it lists, and who sees it.
var scenarios = map[string]string{
	"S01": "TRC-2001", "S03": "TRC-2001", "S05": "TRC-2205", "S07": "TRC-2015", "S09": "TRC-2016", "S11": "TRC-2001", "S13": "TRC-5",
	"S15": "TRC-2206", "S17": "TRC-2401", "S19": "TRC-3", "S21": "TRC-2204", "S23": "TRC-2301", "S25": "TRC-2302", "S27": "TRC-2303",
	"S29": "TRC-2305", "S31": "TRC-2101", "S33": "TRC-2103", "S35": "TRC-2104", "S37": "TRC-2201", "S39": "TRC-2501", "S41": "TRC-2005",
}

// scenariosVariable names a directory with run.sh, which provokes what its arguments name: S01 reads /etc/shadow, and so on.
const scenariosVariable = "TRACEE_SCENARIOS"

func TestScenariosAreDetected(t *testing.T) {
	dir := os.Getenv(scenariosVariable)
	if dir == "" {
		t.Skip(scenariosVariable + " does not name a directory with a script run.sh that takes ids of scenarios, such as S01")
	}
	c := run(t, buildCommands(t, "../cmd/tracee"), "tracee --output json")
	c.await(foundBy("TRC-2001", "w-open"), func() { disguised(t, "w-open") })
	for id, signature := range scenarios {
		t.Run(id, func(t *testing.T) {
			seen := regexp.MustCompile(fmt.Sprintf(`(?m)^\{[^{]*\{"id":%q`, signature))
			for attempt := 1; ; attempt++ { // a race may have no winner
				before := c.matches(seen)
				output, err := exec.Command("bash", filepath.Join(dir, "run.sh"), id).CombinedOutput()
				if err != nil {
					t.Fatalf("%v: %s", err, output)
				}
				if c.grows(seen, before, 3*time.Second) {
					return
				}
				if attempt == 5 {
					t.Fatalf("%s did not see it: %s", signature, output)
				}
			}
		})
	}
	c.interrupt()
}
