#include "textflag.h"

// The new process may share the memory of the old one, so it does not touch the stack.

// func syscallFork(nr uintptr, args *[6]uintptr) uintptr
TEXT ·syscallFork(SB), NOSPLIT, $0-24
	MOVD nr+0(FP), R8
	MOVD args+8(FP), R9
	LDP  0(R9), (R0, R1)
	LDP  16(R9), (R2, R3)
	LDP  32(R9), (R4, R5)
	SVC
	CBNZ R0, parent
	MOVD $93, R8 // exit
	MOVD $0, R0
	SVC

parent:
	MOVD R0, ret+16(FP)
	RET
