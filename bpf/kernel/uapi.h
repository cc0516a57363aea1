/* SPDX-License-Identifier: GPL-2.0 */
/* Constants of the kernel's user interface (include/uapi and arch headers) that BTF does not carry. */
#pragma once

#define BPF_ANY 0
#define BPF_NOEXIST 1

#define BPF_LOCAL_STORAGE_GET_F_CREATE 1

#define BPF_RB_NO_WAKEUP 1
#define BPF_RB_FORCE_WAKEUP 2
#define BPF_RB_AVAIL_DATA 0

#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10

#define S_IFMT 00170000
#define S_IFIFO 0010000
#define S_IFCHR 0020000
#define S_IFBLK 0060000
#define S_IFSOCK 0140000
#define S_IFREG 0100000

#define O_CREAT 00000100
#define O_EXCL 00000200
#define O_NOCTTY 00000400
#define O_TRUNC 00001000
#define O_APPEND 00002000
#define O_PATH 010000000

#define FMODE_PREAD 0x8 /* include/linux/fs.h */
#define FMODE_PWRITE 0x10
#define FMODE_CREATED 0x100000
#define FMODE_STREAM 0x200000

#define AT_REMOVEDIR 0x200

#define MS_MGC_MSK 0xffff0000
#define MS_MGC_VAL 0xc0ed0000

#define IN_ALL_EVENTS 0xfff
#define FAN_MARK_ADD 0x1
#define FAN_MARK_MOUNT 0x10
#define FAN_MARK_FILESYSTEM 0x100

#define PIPE_BUF_FLAG_CAN_MERGE 0x10 /* include/linux/pipe_fs_i.h */

#define NSEC_PER_SEC 1000000000ULL
#define NSEC_PER_USEC 1000

#define PROT_WRITE 0x2
#define PROT_EXEC 0x4
#define VM_WRITE 0x2
#define VM_EXEC 0x4

#define F_DUPFD 0
#define F_DUPFD_CLOEXEC 1030

#define EBADF 9
#define EFAULT 14
#define EINVAL 22
#define ENOTSOCK 88
#define EINPROGRESS 115

#define AT_NULL 0
#define AT_BASE 7

#define PF_KTHREAD 0x00200000
