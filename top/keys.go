package top

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// Action is what the view leaves to others.
type Action int

// The actions.
const (
	None   Action = iota
	Quit          // end the run
	Lines         // leave the view, and go on in plain lines
	Kernel        // begin or cease to measure what programs cost in the kernel
)

// binding is a key of the main screen, and what it does.
type binding struct {
	key  string
	doc  string
	does func(v *View) Action
}

func bindings() []binding {
	return []binding{
		{"q", "quit (also Ctrl-C)", func(*View) Action { return Quit }},
		{"l", "leave the view, and go on with findings as plain lines", func(*View) Action { return Lines }},
		{"/", "show only what has a text in its name; Enter keeps it, Esc clears it", func(v *View) Action { v.typing = true; return None }},
		{"s", "sort events and processes by rate, total or name", func(v *View) Action { v.order = (v.order + 1) % len(orders); return None }},
		{"p", "hold the list of findings as it is, or let it go on", func(v *View) Action { v.paused = !v.paused; return None }},
		{"up", "select a newer finding (also k)", func(v *View) Action { v.selected--; return None }},
		{"down", "select an older finding (also j)", func(v *View) Action { v.selected++; return None }},
		{"enter", "open the finding, with its process and those that started it", (*View).openSelected},
		{"c", "measure what programs cost in the kernel, which all programs of the machine pay for", func(*View) Action { return Kernel }},
		{"?", "show this", func(v *View) Action { v.help = true; return None }},
		{"esc", "clear the filter, or go back", func(v *View) Action { v.filter = ""; return None }},
	}
}

// keysHelp lists the keys.
func keysHelp() (lines []string) {
	for _, b := range bindings() {
		lines = append(lines, fmt.Sprintf("  %-7s %s", b.key, b.doc))
	}
	return lines
}

func (v *View) openSelected() Action {
	if list := v.shown(); v.selected < len(list) {
		f := *list[v.selected]
		v.open, v.offset = &f, 0
	}
	return None
}

// maxFilter bounds what is typed.
const maxFilter = 100

// key does what a key means where it is typed.
func (v *View) key(name string) Action {
	switch {
	case name == "ctrl-c":
		return Quit
	case v.typing:
		v.typed(name)
		return None
	case v.help || v.open != nil:
		return v.scroll(name)
	}
	for other, same := range map[string]string{"k": "up", "j": "down"} {
		if name == other {
			name = same
		}
	}
	for _, b := range bindings() {
		if b.key == name {
			return b.does(v)
		}
	}
	return None
}

func (v *View) typed(name string) {
	switch r, size := utf8.DecodeRuneInString(name); {
	case name == "enter":
		v.typing = false
	case name == "esc":
		v.typing, v.filter = false, ""
	case name == "backspace":
		_, last := utf8.DecodeLastRuneInString(v.filter)
		v.filter = v.filter[:len(v.filter)-last]
	case size == len(name) && unicode.IsPrint(r) && r != utf8.RuneError && len(v.filter) < maxFilter:
		v.filter += name
		v.selected = 0
	}
}

func (v *View) scroll(name string) Action {
	switch name {
	case "q":
		return Quit
	case "esc", "enter", "?", "backspace":
		v.open, v.help = nil, false
	case "up", "k":
		v.offset--
	case "down", "j":
		v.offset++
	case "page up":
		v.offset -= 10
	case "page down":
		v.offset += 10
	}
	return None
}

// sequences are what keys without a letter send, behind escape.
var sequences = map[string]string{
	"[A": "up", "OA": "up", "[B": "down", "OB": "down", "[5~": "page up", "[6~": "page down",
}

// control are the keys that send one byte.
var control = map[byte]string{3: "ctrl-c", '\r': "enter", '\n': "enter", 127: "backspace", 8: "backspace"}

// parseKeys takes apart what a terminal sent. Sequences that are not known are passed over.
func parseKeys(sent []byte) (keys []string) {
	for len(sent) > 0 {
		if sent[0] == 27 {
			name, n := parseSequence(sent[1:])
			keys, sent = append(keys, name), sent[1+n:]
			continue
		}
		if name, ok := control[sent[0]]; ok {
			keys, sent = append(keys, name), sent[1:]
			continue
		}
		_, size := utf8.DecodeRune(sent)
		keys, sent = append(keys, string(sent[:size])), sent[size:]
	}
	return keys
}

// parseSequence reads what stands behind escape. Nothing, or another escape, is the key of that name.
func parseSequence(rest []byte) (name string, length int) {
	if len(rest) == 0 || rest[0] != '[' && rest[0] != 'O' {
		return "esc", 0
	}
	for length = 1; length < len(rest); length++ {
		if c := rest[length]; c >= '@' && c <= '~' {
			length++
			break
		}
	}
	if name, ok := sequences[string(rest[:length])]; ok {
		return name, length
	}
	return "unknown", length
}
