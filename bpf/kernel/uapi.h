/* SPDX-License-Identifier: GPL-2.0 */
/* Constants of the kernel's user interface (include/uapi and arch headers) that BTF does not carry. */
#pragma once

#define BPF_ANY 0
#define BPF_NOEXIST 1

#define BPF_F_USER_STACK (1ULL << 8)

#define BPF_LOCAL_STORAGE_GET_F_CREATE 1

#define BPF_RB_NO_WAKEUP 1
#define BPF_RB_FORCE_WAKEUP 2
#define BPF_RB_AVAIL_DATA 0
#define BPF_RB_RING_SIZE 1

#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10

#define S_IFMT 00170000
#define S_IFIFO 0010000
#define S_IFCHR 0020000
#define S_IFBLK 0060000
#define S_IFSOCK 0140000
#define S_IFREG 0100000
#define S_IFDIR 0040000

#define O_CREAT 00000100
#define O_EXCL 00000200
#define O_NOCTTY 00000400
#define O_TRUNC 00001000
#define O_APPEND 00002000
#define O_PATH 010000000

#define FMODE_WRITE 0x2 /* include/linux/fs.h */
#define FMODE_PREAD 0x8
#define FMODE_PWRITE 0x10
#define FMODE_CREATED 0x100000
#define FMODE_STREAM 0x200000

#define CLOSE_RANGE_CLOEXEC 4

#define AT_FDCWD -100
#define AT_REMOVEDIR 0x200

#define NAME_MAX 255

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
#define MAP_SHARED 0x01 /* MAP_SHARED_VALIDATE has this bit too */
#define MAP_ANONYMOUS 0x20
#define VM_WRITE 0x2
#define VM_EXEC 0x4

#define TCP_SYN_SENT 2
#define IPPROTO_TCP 6

#define F_DUPFD 0
#define F_DUPFD_CLOEXEC 1030

#define EBADF 9
#define EFAULT 14
#define EINVAL 22
#define ENOTSOCK 88
#define EINPROGRESS 115

#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0

#define RLIMITS 16

#define CLOCK_REALTIME 0

#define AT_NULL 0
#define AT_BASE 7

#define PF_IO_WORKER 0x00000010
#define EXIT_SIGNAL 0x7f /* of an exit code: the signal that ended the task */
#define PF_KTHREAD 0x00200000

#define EPERM 1
#define E2BIG 7

#define CLONE_NEWUSER 0x10000000
#define KEXEC_FILE_NO_INITRAMFS 4

#define CAP_OPT_NOAUDIT 2 /* include/linux/security.h */

#define BPF_MAP_CREATE 0
#define BPF_PROG_LOAD 5
#define BPF_OBJ_GET 7
#define BPF_PROG_ATTACH 8
#define BPF_PROG_GET_FD_BY_ID 13
#define BPF_MAP_GET_FD_BY_ID 14
#define BPF_RAW_TRACEPOINT_OPEN 17
#define BPF_LINK_CREATE 28

#define PERF_EVENT_IOC_SET_BPF 0x40042408
#define SOL_IP 0
#define SOL_SOCKET 1
#define SOL_IPV6 41
#define SO_ATTACH_BPF 50
#define SO_ATTACH_REUSEPORT_EBPF 52

#define AF_NETLINK 16
#define NETLINK_NETFILTER 12
#define NFNL_MSG_BATCH_BEGIN 0x10
#define NFNL_SUBSYS_NFTABLES 10

#define IPT_SO_SET_REPLACE 64 /* of IPv6 too */
#define ARPT_SO_SET_REPLACE 96
#define EBT_SO_SET_ENTRIES 128

#define IOSQE_CQE_SKIP_SUCCESS 0x40
#define IORING_FILE_INDEX_ALLOC 0xffffffff

#define IORING_OP_WRITEV 2
#define IORING_OP_SENDMSG 9
#define IORING_OP_ACCEPT 13
#define IORING_OP_OPENAT 18
#define IORING_OP_WRITE 23
#define IORING_OP_OPENAT2 28
#define IORING_OP_RENAMEAT 35
#define IORING_OP_UNLINKAT 36
#define IORING_OP_MKDIRAT 37
#define IORING_OP_SYMLINKAT 38
#define IORING_OP_LINKAT 39
#define IORING_OP_FTRUNCATE 55

#define BPF_SK_STORAGE_GET_F_CREATE 1

#define TCP_ESTABLISHED 1
#define TCP_CLOSE 7
#define TCP_LISTEN 10

#define IPPROTO_HOPOPTS 0
#define IPPROTO_ICMP 1
#define IPPROTO_UDP 17
#define IPPROTO_ROUTING 43
#define IPPROTO_FRAGMENT 44
#define IPPROTO_AH 51
#define IPPROTO_ICMPV6 58
#define IPPROTO_DSTOPTS 60

/* The contexts of programs of cgroups, and a socket as these see it (include/uapi/linux/bpf.h). */
struct bpf_sock {
	u32 bound_dev_if, family, type, protocol, mark, priority;
	u32 src_ip4, src_ip6[4], src_port;
	__be16 dst_port;
	u16 pad;
	u32 dst_ip4, dst_ip6[4], state;
};

struct __sk_buff {
	u32 len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto, priority;
	u32 ingress_ifindex, ifindex, tc_index, cb[5], hash, tc_classid, data, data_end, napi_id;
	u32 family, remote_ip4, local_ip4, remote_ip6[4], local_ip6[4], remote_port, local_port;
	u32 data_meta;
	void *flow_keys;
	u64 tstamp;
	u32 wire_len, gso_segs;
	struct bpf_sock *sk;
};

struct bpf_sock_addr {
	u32 user_family, user_ip4, user_ip6[4], user_port, family, type, protocol;
	u32 msg_src_ip4, msg_src_ip6[4];
	struct bpf_sock *sk;
};

struct bpf_sock_ops {
	u32 op;
	union {
		u32 args[4];
		u32 reply;
	};
	u32 family, remote_ip4, local_ip4, remote_ip6[4], local_ip6[4], remote_port, local_port;
	u32 is_fullsock, snd_cwnd, srtt_us, bpf_sock_ops_cb_flags, state, rtt_min, snd_ssthresh;
	u32 rcv_nxt, snd_nxt, snd_una, mss_cache, ecn_flags, rate_delivered, rate_interval_us;
	u32 packets_out, retrans_out, total_retrans, segs_in, data_segs_in, segs_out, data_segs_out;
	u32 lost_out, sacked_out, sk_txhash;
	u64 bytes_received, bytes_acked;
	struct bpf_sock *sk;
};

#define BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB 4
#define BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB 5
#define BPF_SOCK_OPS_STATE_CB 10
#define BPF_SOCK_OPS_STATE_CB_FLAG 4

struct bpf_spin_lock {
	u32 val;
};
