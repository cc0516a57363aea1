package sink

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

func body(r *http.Request) []byte {
	var from io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		from, _ = gzip.NewReader(r.Body)
	}
	text, _ := io.ReadAll(from)
	return text
}

func address(server *httptest.Server) string {
	_, address, _ := strings.Cut(server.URL, "://")
	return address
}

func TestWebhookGetsObjectsOrLists(t *testing.T) {
	var mu sync.Mutex
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, r.URL.String()+" "+r.Header.Get("Authorization")+r.Header.Get("Content-Type")+" "+string(body(r)))
	}))
	defer server.Close()
	secret := filepath.Join(t.TempDir(), "headers")
	if err := os.WriteFile(secret, []byte("Authorization: Bearer s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, "webhook+http://"+address(server)+"/hook?name=one&headers="+secret, "webhook+http://"+address(server)+"/list?name=many&batch=10&gzip=true")
	for range 2 {
		s.Finding(findingOf(event("/x", 1), 2))
	}
	s.Close()
	slices.Sort(got)
	if len(got) != 3 || !strings.HasPrefix(got[0], `/hook Bearer s3cretapplication/json {"time"`) ||
		!strings.HasPrefix(got[2], `/list application/json [{"time"`) || strings.Count(got[2], `"id":"T-1"`) != 2 {
		t.Errorf("got %q", got)
	}
}

// elastic speaks the bulk protocol of Elasticsearch: documents by index and id, refused and delayed as the test likes.
type elastic struct {
	mu        sync.Mutex
	documents map[string]string // by index/id
	posts     int
	verdict   func(post int, document string) int // the status of a document
	status    func(post int) int                  // of a post; 0: well
}

func (x *elastic) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.posts++
	if r.URL.Path != "/_bulk" || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-ndjson" {
		http.Error(w, "no bulk request", http.StatusBadRequest)
		return
	}
	if x.status != nil {
		if status := x.status(x.posts); status != 0 {
			w.WriteHeader(status)
			return
		}
	}
	text := body(r)
	if !bytes.HasSuffix(text, []byte("\n")) {
		http.Error(w, "The bulk request must be terminated by a newline [\\n]", http.StatusBadRequest)
		return
	}
	var items []map[string]any
	failed := false
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		var action struct {
			Create *struct {
				Index string `json:"_index"`
				ID    string `json:"_id"`
			}
		}
		if err := json.Unmarshal(lines.Bytes(), &action); err != nil || action.Create == nil || !lines.Scan() || !json.Valid(lines.Bytes()) {
			http.Error(w, "Malformed action/metadata line", http.StatusBadRequest)
			return
		}
		key, document, status := action.Create.Index+"/"+action.Create.ID, lines.Text(), http.StatusCreated
		if x.verdict != nil {
			status = x.verdict(x.posts, document)
		}
		if _, there := x.documents[key]; there && status == http.StatusCreated {
			status = http.StatusConflict
		}
		item := map[string]any{"_index": action.Create.Index, "_id": action.Create.ID, "status": status}
		if status >= 300 {
			failed = true
			item["error"] = map[string]any{"type": "some_exception", "reason": "because"}
		} else {
			x.documents[key] = document
		}
		items = append(items, map[string]any{"create": item})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"took": 1, "errors": failed, "items": items})
}

func TestElasticsearchGetsEachDocumentOnce(t *testing.T) {
	x := &elastic{documents: map[string]string{}}
	first := map[string]bool{}
	x.verdict = func(_ int, document string) int {
		switch {
		case strings.Contains(document, "/mapping"):
			return http.StatusBadRequest
		case strings.Contains(document, "/busy") && !first[document]:
			first[document] = true
			return http.StatusTooManyRequests
		}
		return http.StatusCreated
	}
	x.status = func(post int) int {
		switch post {
		case 1:
			return http.StatusServiceUnavailable
		case 2:
			return http.StatusUnauthorized
		}
		return 0
	}
	server := httptest.NewServer(x)
	defer server.Close()
	s := open(t, "elasticsearch+http://"+address(server)+"/logs-tracee-default?select=all&batch=20&gzip=true")
	for i := range 60 {
		path := []string{"/fine", "/busy", "/mapping"}[i%3]
		s.Event(event(path, i))
	}
	s.Event(event("/fine", 0)) // the same once more
	s.Finding(findingOf(event("/fine", 100), 4))
	wait(t, "all of it", func() bool { stats := s.Stats()[0]; return stats.Sent+stats.Refused == 62 })
	s.Close()
	if stats := s.Stats()[0]; stats.Refused != 20 || stats.Dropped() != 20 || stats.Retried < 3 {
		t.Errorf("%+v", stats)
	}
	if len(x.documents) != 41 {
		t.Errorf("%d documents", len(x.documents))
	}
	for key, document := range x.documents {
		if !strings.HasPrefix(key, "logs-tracee-default/") || !strings.Contains(document, `"ecs":{"version"`) {
			t.Errorf("%s: %s", key, document)
		}
	}
}

func TestAnswersOfOtherServersAreErrors(t *testing.T) {
	for answer, want := range map[string]string{
		"<html>":                         "not that of a bulk request",
		`{"errors":true,"items":[]}`:     "about 0 documents",
		`{"errors":false}`:               "",
		`{"errors":true,"items":[{}]}`:   "",
		`{"errors":true,"items":[null]}`: "",
	} {
		err := bulkVerdict([]byte(answer), 1)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", answer, err)
		}
	}
	if !strings.Contains(fmt.Sprint(bulkVerdict([]byte(`{"errors":true,"items":[{"create":{"status":400,"error":{"type":"t","reason":"r"}}}]}`), 1)), "400 t: r") {
		t.Error("the reason is not told")
	}
}
