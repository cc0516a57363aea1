#include "textflag.h"

// The 32-bit ABI has the number in AX, and the arguments in BX, CX, DX, SI, DI and BP. The frames of eight bytes make the
// assembler save BP.

#define ARGUMENTS80 \
	MOVQ nr+0(FP), AX   \
	MOVQ args+8(FP), R8 \
	MOVQ 0(R8), BX      \
	MOVQ 8(R8), CX      \
	MOVQ 16(R8), DX     \
	MOVQ 24(R8), SI     \
	MOVQ 32(R8), DI     \
	MOVQ 40(R8), BP

// func int80(nr uintptr, args *[6]uintptr) uintptr
TEXT ·int80(SB), NOSPLIT, $8-24
	ARGUMENTS80
	INT  $0x80
	MOVQ AX, ret+16(FP)
	RET

// The new process of the functions below may share the memory of the old one, so it does not touch the stack.

// func int80Fork(nr uintptr, args *[6]uintptr) uintptr
TEXT ·int80Fork(SB), NOSPLIT, $8-24
	ARGUMENTS80
	INT   $0x80
	TESTQ AX, AX
	JNZ   parent
	MOVL  $1, AX // exit
	MOVL  $0, BX
	INT   $0x80

parent:
	MOVQ AX, ret+16(FP)
	RET

// func syscallFork(nr uintptr, args *[6]uintptr) uintptr
TEXT ·syscallFork(SB), NOSPLIT, $8-24
	MOVQ nr+0(FP), AX
	MOVQ args+8(FP), R12
	MOVQ 0(R12), DI
	MOVQ 8(R12), SI
	MOVQ 16(R12), DX
	MOVQ 24(R12), R10
	MOVQ 32(R12), R8
	MOVQ 40(R12), R9
	SYSCALL
	TESTQ AX, AX
	JNZ   parent
	MOVL  $60, AX // exit
	MOVL  $0, DI
	SYSCALL

parent:
	MOVQ AX, ret+16(FP)
	RET
