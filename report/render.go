package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

//go:embed page.js
var pageScript string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// policy is what a browser may do with the page: use these very texts as style and script, and nothing else.
func policy() string {
	return fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; base-uri 'none'; form-action 'none'",
		hash(pageStyle), hash(pageScript))
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// render writes the page as a whole or, if it can not be made, not at all.
func render(to io.Writer, p *page) error {
	p.Head = template.HTML(`<meta http-equiv="Content-Security-Policy" content="` + policy() + `">` +
		"\n<style>" + pageStyle + "</style>")
	p.Script = template.HTML("<script>" + pageScript + "</script>")
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, p); err != nil {
		return fmt.Errorf("make the page: %w", err)
	}
	_, err := b.WriteTo(to)
	return err
}
