package tracer

import "testing"

func TestJumpsAreFollowed(t *testing.T) {
	const at = 0xffffffff81001000
	for _, test := range []struct {
		name            string
		code            []byte
		target, pointer uint64
	}{
		{"function", []byte{0x55, 0x48, 0x89, 0xe5}, 0, 0},
		{"call of ftrace", []byte{0xe8, 0x00, 0x00, 0x00, 0x01}, 0, 0},
		{"relative", []byte{0xe9, 0xfb, 0x0f, 0x00, 0x00}, at + 0x1000, 0},
		{"relative, backwards", []byte{0xe9, 0xfb, 0xef, 0xff, 0xff}, at - 0x1000, 0},
		{"behind endbr64", []byte{0xf3, 0x0f, 0x1e, 0xfa, 0xe9, 0x00, 0x00, 0x00, 0x00}, at + 9, 0},
		{"behind endbr64 and nop", []byte{0xf3, 0x0f, 0x1e, 0xfa, 0x0f, 0x1f, 0x44, 0x00, 0x00, 0xe9, 0, 0, 0, 0}, at + 14, 0},
		{"by memory", []byte{0xff, 0x25, 0x00, 0x01, 0x00, 0x00}, 0, at + 0x106},
		{"by rax", []byte{0x48, 0xb8, 8, 7, 6, 5, 4, 3, 2, 1, 0xff, 0xe0}, 0x0102030405060708, 0},
		{"by r11", []byte{0x49, 0xbb, 8, 7, 6, 5, 4, 3, 2, 1, 0x41, 0xff, 0xe3}, 0x0102030405060708, 0},
		{"by the stack", []byte{0x68, 4, 3, 2, 1, 0xc7, 0x44, 0x24, 0x04, 8, 7, 6, 5, 0xc3}, 0x0506070801020304, 0},
		{"load of a number", []byte{0x48, 0xb8, 8, 7, 6, 5, 4, 3, 2, 1, 0x55}, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			code := make([]byte, codeLength)
			copy(code, test.code)
			target, pointer := jumpAMD64(at, code)
			if target != test.target || pointer != test.pointer {
				t.Errorf("got %#x, %#x, want %#x, %#x", target, pointer, test.target, test.pointer)
			}
			if target, pointer := jumpAMD64(at, nil); target != 0 || pointer != 0 {
				t.Error("code that could not be read has a jump")
			}
		})
	}
}

func TestBranchesAreFollowed(t *testing.T) {
	const at = 0xffff800008001000
	for _, test := range []struct {
		name   string
		code   []byte
		target uint64
	}{
		{"function", []byte{0xfd, 0x7b, 0xbf, 0xa9, 0, 0, 0, 0x14}, 0},
		{"call", []byte{0x01, 0, 0, 0x94}, 0},
		{"forwards", []byte{0x02, 0, 0, 0x14}, at + 8},
		{"backwards", []byte{0xff, 0xff, 0xff, 0x17}, at - 4},
		{"behind bti and nop", []byte{0x5f, 0x24, 0x03, 0xd5, 0x1f, 0x20, 0x03, 0xd5, 0x04, 0, 0, 0x14}, at + 8 + 16},
		{"nothing", nil, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			if target, pointer := jumpARM64(at, test.code); target != test.target || pointer != 0 {
				t.Errorf("got %#x, %#x, want %#x", target, pointer, test.target)
			}
		})
	}
}
