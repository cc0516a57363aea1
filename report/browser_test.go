package report

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// browserPatience is long, because a browser is slow to start on a busy machine.
const browserPatience = 4 * time.Minute

// browse shows a page in a browser without a window, and returns what became of it.
func browse(t *testing.T, path string, more ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), browserPatience)
	defer cancel()
	args := append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
		"--user-data-dir=" + t.TempDir(), "--virtual-time-budget=3000",
	}, more...)
	command := exec.CommandContext(ctx, "chromium", append(args, "file://"+path)...)
	command.WaitDelay = time.Second
	out, err := command.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		t.Fatalf("chromium: %v\n%s", err, exit.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// callers is a server that notes what it is asked for.
type callers struct {
	mu    sync.Mutex
	paths []string
}

func (c *callers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.paths = append(c.paths, r.URL.Path)
	w.Header().Set("Content-Type", "text/javascript")
	_, _ = w.Write([]byte("document.title = 'owned'"))
}

func (c *callers) got() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.paths, " ")
}

func TestBrowserRunsNothingOfARecordingAndAsksNobody(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser takes seconds")
	}
	if _, err := exec.LookPath("chromium"); err != nil {
		t.Skip("there is no chromium: apt-get install chromium")
	}
	var called callers
	server := httptest.NewServer(&called)
	defer server.Close()
	attack := `"'></code></script></style></title></svg><script src="` + server.URL + `/script"></script><img src="` + server.URL +
		`/image" onerror="document.title='owned'"><link rel="stylesheet" href="` + server.URL + `/style"><script>document.title='owned'</script>`

	dir := t.TempDir()
	save := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	// The same on a page that does nothing against it shows that the attack is one.
	if seen := browse(t, save("open.html", "<title>a</title>"+attack), "--dump-dom"); !strings.Contains(seen, "<title>owned</title>") || called.got() == "" {
		t.Fatalf("the attack does nothing to any page: asked for %q\n%s", called.got(), seen)
	}
	called.paths = nil

	page, _ := write(t, of(everything(attack)))
	seen := browse(t, save("report.html", page), "--dump-dom")
	if asked := called.got(); asked != "" {
		t.Errorf("the page asked for %s", asked)
	}
	if strings.Contains(seen, "<title>owned") {
		t.Error("a script of the recording ran")
	}
	if !strings.Contains(seen, `<span class="tools" id="tools">`) {
		t.Error("the page's own script did not run: the tools are hidden")
	}
}
