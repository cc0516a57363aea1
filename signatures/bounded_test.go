package signatures

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// harmless are the imports in which nothing waits or starts anything; regexp takes time in proportion to the text.
var harmless = []string{
	"bytes", "cmp", "encoding/json", "errors", "fmt", "maps", "math", "path", "path/filepath", "regexp", "slices", "strconv", "strings",
	"sync/atomic", "time", "github.com/hashicorp/golang-lru/v2/simplelru",
}

// waitsOrRepeats says what of a piece of code could wait for something, or go on without end; "" if it can not.
func waitsOrRepeats(n ast.Node) string {
	switch n := n.(type) {
	case *ast.ImportSpec:
		path, _ := strconv.Unquote(n.Path.Value)
		if !slices.Contains(harmless, path) && !strings.HasPrefix(path, "github.com/tracee-go/tracee/types/") {
			return "import of " + path
		}
	case *ast.GoStmt:
		return "goroutine"
	case *ast.ChanType, *ast.SelectStmt, *ast.SendStmt:
		return "channel"
	case *ast.ForStmt:
		if n.Cond == nil || n.Post == nil {
			return "loop that does not say how it goes on and when it ends"
		}
	case *ast.BranchStmt:
		if n.Tok == token.GOTO {
			return "goto"
		}
	case *ast.SelectorExpr:
		if of, ok := n.X.(*ast.Ident); ok && of.Name == "time" && slices.Contains([]string{"Sleep", "After", "Tick", "NewTimer", "NewTicker", "AfterFunc"}, n.Sel.Name) {
			return "time." + n.Sel.Name
		}
	}
	return ""
}

func TestNoSignatureCanBlock(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	positions := token.NewFileSet()
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(positions, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for n := range ast.Preorder(file) {
			if what := waitsOrRepeats(n); what != "" {
				t.Errorf("%s: %s: a signature could block, and with it the stream of all", positions.Position(n.Pos()), what)
			}
		}
	}
}

func TestWhatCouldBlockIsFound(t *testing.T) {
	for _, code := range []string{
		`import "os"`, `import "sync"`, `func f() { for { } }`, `func f(a bool) { for a { } }`, `func f() { go f() }`, `var c chan int`,
		`func f() { time.Sleep(1) }`, `func f() { select {} }`, `func f() { a: goto a }`,
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "", "package x\n"+code, 0)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for n := range ast.Preorder(file) {
			found = found || waitsOrRepeats(n) != ""
		}
		if !found {
			t.Errorf("not found: %s", code)
		}
	}
}
